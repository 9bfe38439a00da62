"""Pictures of sums over paths: the trellis of CTC, and the prefix beam search."""

from __future__ import annotations

import math
from collections.abc import Sequence

import torch
from decoding import TRACED, Beam, Prefix, advance, collapse, log_add, prune
from matplotlib import pyplot as plt
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.patches import FancyBboxPatch
from torch import Tensor
from trellis import POSTERIORS, viterbi, with_blanks

from drawing.style import DARK, GREY, INK, LIGHT, PALE, Words, bare

SYMBOLS = "¬el"
BLANK = 0
WORD = (1, 2, 2, 1)  # elle
FRAMES = torch.tensor(POSTERIORS, dtype=torch.float64)  # as ``python trellis.py``
THREE = torch.tensor(TRACED, dtype=torch.float64)  # as ``python decoding.py --trace``
KEPT = 3  # prefixes of the beam


def before(state: int, states: Sequence[int]) -> list[int]:
    """List the states from which a state is reached in one frame."""
    skips = state > 1 and states[state] not in (BLANK, states[state - 2])
    return list(range(max(0, state - (2 if skips else 1)), state + 1))


def forward_sums(frames: Tensor, states: Sequence[int]) -> Tensor:
    """Compute the forward sums of CTC (Graves et al. 2006, equations 5 to 7).

    Args:
        frames: Probabilities (T', V).
        states: The symbols of the states.

    Returns:
        For each frame and state, the probability of all paths that end there,
        (T', 2 U + 1).
    """
    sums = torch.zeros(len(frames), len(states), dtype=frames.dtype)
    sums[0, :2] = frames[0, states[:2]]
    for t in range(1, len(frames)):
        for s, symbol in enumerate(states):
            reached = sums[t - 1, before(s, states)].sum()
            sums[t, s] = reached * frames[t, symbol]
    return sums


def useful(n_frames: int, states: Sequence[int]) -> Tensor:
    """Say which nodes (T', 2 U + 1) lie on a path from the start to the end."""
    ones = torch.ones(n_frames, max(states) + 1, dtype=torch.float64)
    from_start = forward_sums(ones, states) > 0
    to_end = forward_sums(ones, states[::-1]) > 0
    return from_start & to_end.flip(0, 1)


def draw_trellis(words: Words) -> Figure:
    """Draw all alignments of "elle" with six frames, and the sum at each node."""
    states = with_blanks(WORD, BLANK)
    sums, on_way = forward_sums(FRAMES, states), useful(len(FRAMES), states)
    n_paths = forward_sums(torch.ones_like(FRAMES), states)[-1, -2:].sum()
    figure, axes = plt.subplots(figsize=(9, 8.2), layout="constrained")
    bare(axes)
    best, path = viterbi(FRAMES.log(), WORD, BLANK)
    nodes = _best_nodes(path, states)
    for t in range(1, len(FRAMES)):
        for s in range(len(states)):
            for origin in before(s, states):
                if on_way[t, s] and on_way[t - 1, origin]:
                    heavy = (nodes[t - 1], nodes[t]) == (origin, s)
                    _edge(axes, (t - 1, origin), (t, s), heavy)
    _edge(axes, (_AT - 1, _SECOND - 2), (_AT, _SECOND), False, barred=True)
    for t in range(len(FRAMES)):
        for s in range(len(states)):
            text = words.number(sums[t, s].item(), 4) if on_way[t, s] else ""
            is_end = t == len(FRAMES) - 1 and s >= len(states) - 2
            _node(axes, t, s, text, bool(on_way[t, s]), is_end)
    for s, symbol in enumerate(states):
        axes.text(-0.62, -s, SYMBOLS[symbol], ha="center", va="center", fontsize=14)
    _draw_table(axes, -len(states) - 0.25, words)
    notes = _notes(sums, states, words)
    notes["best"] = words(
        "best",
        path=" ".join(SYMBOLS[k] for k in path),
        p=words.number(math.exp(best), 4),
    )
    heights = {"best": -0.5, "first": -2.8, "second": -4.9, "total": -7.5}
    last = len(FRAMES) - 0.3
    for key, height in heights.items():
        axes.text(last, height, notes[key], va="center", fontsize=9)
    axes.set_title(words("title", n=int(n_paths), frames=len(FRAMES)))
    axes.set(xlim=(-1.25, last + 2.6), ylim=(-len(states) - 1.75, 0.5))
    return figure


_FIRST, _SECOND = 3, 5  # the states of the first l and of the second
_EARLIER, _AT = 2, 3  # the frames whose sums of these states are written out


def _notes(sums: Tensor, states: Sequence[int], words: Words) -> dict[str, str]:
    """Write out some of the forward sums (T', S), and their total."""

    def show(number: Tensor, digits: int = 4) -> str:
        return words.number(number.item(), digits)

    a, b, c = (show(sums[_EARLIER - 1, s]) for s in before(_FIRST, states))
    total = sums[-1, -2:].sum()
    return {
        "first": words(
            "first", a=a, b=b, c=c, n=_EARLIER + 1,
            p=show(FRAMES[_EARLIER, states[_FIRST]], 1),
            sum=show(sums[_EARLIER, _FIRST]),
        ),
        "second": words(
            "second", a=show(sums[_AT - 1, _SECOND - 1]), n=_AT + 1,
            p=show(FRAMES[_AT, states[_SECOND]], 1), sum=show(sums[_AT, _SECOND]),
        ),
        "total": words(
            "total", a=show(sums[-1, -2], 6), b=show(sums[-1, -1], 6),
            sum=show(total, 6), loss=show(-total.log()),
        ),
    }  # fmt: skip


def _best_nodes(path: Sequence[int], states: Sequence[int]) -> list[int]:
    """Find the states that a path goes through."""
    nodes = [0 if path[0] == BLANK else 1]
    for symbol in path[1:]:
        steps = (s for s in range(nodes[-1], nodes[-1] + 3) if s < len(states))
        nodes.append(next(s for s in steps if states[s] == symbol))
    return nodes


_HALF = 0.31  # of the width of a node


def _node(
    axes: Axes, t: float, s: float, text: str, on_way: bool, is_end: bool
) -> None:
    if not on_way:
        axes.plot(t, -s, "o", color=PALE, markersize=5, zorder=3)
        return
    axes.add_patch(
        FancyBboxPatch(
            (t - _HALF + 0.05, -s - 0.22),
            2 * _HALF - 0.1,
            0.44,
            boxstyle="round,pad=0.05",
            facecolor="#f8e3c6" if is_end else "white",
            edgecolor=DARK,
            linewidth=1.1,
            zorder=3,
        )
    )
    axes.text(t, -s, text, ha="center", va="center", fontsize=8.5, zorder=4)


def _edge(
    axes: Axes,
    start: tuple[int, int],
    end: tuple[int, int],
    heavy: bool,
    barred: bool = False,
) -> None:
    style = {
        "arrowstyle": "-|>",
        "color": LIGHT if heavy else GREY,
        "linewidth": 3 if heavy else 0.8,
        "linestyle": (0, (3, 2)) if barred else "-",
        "shrinkA": 0,
        "shrinkB": 0,
        "mutation_scale": 8,
    }
    places = (start[0] + _HALF, -start[1]), (end[0] - _HALF, -end[1])
    axes.annotate("", places[1], places[0], arrowprops=style, zorder=2)
    if barred:
        x, y = (sum(pair) / 2 for pair in zip(*places))
        axes.text(x, y, "✗", ha="center", va="center", fontsize=13, color=INK,
                  zorder=5)  # fmt: skip


def _draw_table(axes: Axes, y: float, words: Words) -> None:
    """Write the probabilities of each frame under it."""
    axes.plot([-1.1, len(FRAMES) - 0.6], [y + 0.33] * 2, color=PALE, linewidth=1)
    for row, symbol in enumerate(SYMBOLS):
        height = y - 0.45 * row
        axes.text(-0.62, height, f"p({symbol})", ha="center", va="center", fontsize=9)
        for t, frame in enumerate(FRAMES[:, row].tolist()):
            axes.text(t, height, words.number(frame, 1), ha="center", va="center",
                      fontsize=9)  # fmt: skip
    for t in range(len(FRAMES)):
        axes.text(t, y - 0.45 * len(SYMBOLS), words("frame", n=t + 1), ha="center",
                  va="center", fontsize=8, color=GREY)  # fmt: skip


def draw_prefix_search(words: Words) -> Figure:
    """Draw the beam of a prefix search after each of three frames."""
    figure, axes = plt.subplots(figsize=(9, 6.6), layout="constrained")
    bare(axes)
    beam: Beam = {(): (0.0, -math.inf)}
    found = [beam]  # all prefixes of each frame
    places: dict[Prefix, float] = {(): -1.05}
    _draw_prefix(axes, 0, -1.05, (), beam[()], True, words)
    lowest = 0.0
    for t, frame in enumerate(THREE.log().tolist(), 1):
        candidates = advance(beam, frame, BLANK)
        candidates = {k: sums for k, sums in candidates.items() if _is_reached(sums)}
        scores = {prefix: log_add(*sums) for prefix, sums in candidates.items()}
        kept = prune(candidates, scores, KEPT)
        order = sorted(candidates, key=scores.__getitem__, reverse=True)
        new = {prefix: -1.05 * row for row, prefix in enumerate(order)}
        for parent, sums in beam.items():
            for child, own in advance({parent: sums}, frame, BLANK).items():
                if _is_reached(own):
                    ends = places[parent], new[child]
                    _link(axes, t, *ends, child in kept, child == parent)
        for prefix in order:
            is_kept = prefix in kept
            _draw_prefix(
                axes, t, new[prefix], prefix, candidates[prefix], is_kept, words
            )
        shares = zip(SYMBOLS, THREE[t - 1].tolist())
        text = "   ".join(f"p({k}) = {words.number(p, 1)}" for k, p in shares)
        axes.text(_X * t, 1.0, words("frame", n=t), ha="center", weight="bold")
        axes.text(_X * t, 0.65, text, ha="center", fontsize=8)
        lowest = min(lowest, *new.values())
        beam, places = kept, {prefix: new[prefix] for prefix in kept}
        found.append(candidates)
    axes.text(0, 1.0, words("start"), ha="center", weight="bold")
    axes.text(-0.75, -4.4, _worked(found, words), va="center", fontsize=9)
    path = THREE.argmax(dim=1).tolist()
    axes.text(
        -0.75, lowest - 0.75,
        words("moral", path=" ".join(SYMBOLS[k] for k in path),
              text=_spell(collapse(path, BLANK)),
              p=words.number(THREE.max(dim=1).values.prod().item(), 4),
              best=_spell(next(iter(beam))),
              sum=words.number(math.exp(log_add(*next(iter(beam.values())))), 4)),
        va="top", fontsize=9,
    )  # fmt: skip
    axes.set(xlim=(-0.8, 3 * _X + 0.95), ylim=(lowest - 1.75, 1.7))
    axes.set_title(words("title"))
    axes.text(-0.75, 1.45, words("kept", kept=KEPT), fontsize=9)
    return figure


_X = 2.35  # from one frame to the next


def _worked(found: Sequence[Beam], words: Words) -> str:
    """Write out how the sums of "l" and of "ll" are made from those before."""
    single, double = (2,), (2, 2)
    probabilities = THREE.tolist()

    def show(log_prob: float) -> str:
        return "0" if log_prob == -math.inf else words.number(math.exp(log_prob), 1)

    (blank, own), (empty, _) = found[1][single], found[1][()]
    return words(
        "worked",
        blank=show(blank), own=show(own), empty=show(empty),
        p_blank=words.number(probabilities[1][BLANK], 1),
        p_own=words.number(probabilities[1][2], 1),
        with_blank=words.number(math.exp(found[2][single][0]), 4),
        with_own=words.number(math.exp(found[2][single][1]), 4),
        before=words.number(math.exp(found[2][single][0]), 4),
        p_again=words.number(probabilities[2][2], 1),
        doubled=words.number(math.exp(found[3][double][1]), 4),
    )  # fmt: skip


def _is_reached(sums: tuple[float, float]) -> bool:
    """Test whether any path leads to a prefix."""
    return max(sums) > -math.inf


def _spell(prefix: Sequence[int]) -> str:
    return "".join(SYMBOLS[k] for k in prefix) or "∅"


def _draw_prefix(
    axes: Axes,
    t: int,
    y: float,
    prefix: Prefix,
    sums: tuple[float, float],
    kept: bool,
    words: Words,
) -> None:
    """Draw a prefix with its two sums; pale if it is pruned."""
    x = _X * t
    axes.add_patch(
        FancyBboxPatch(
            (x - 0.62, y - 0.3),
            1.24,
            0.6,
            boxstyle="round,pad=0.06",
            facecolor="white",
            edgecolor=DARK if kept else PALE,
            linewidth=1.6 if kept else 1,
            zorder=3,
        )
    )
    colour = INK if kept else GREY
    with_blank, with_symbol = (
        "0" if one == -math.inf else words.number(math.exp(one), 4) for one in sums
    )
    axes.text(x - 0.44, y, _spell(prefix), ha="center", va="center", fontsize=13,
              weight="bold" if kept else "normal", color=colour, zorder=4)  # fmt: skip
    last = SYMBOLS[prefix[-1]] if prefix else "–"
    for height, symbol, value in ((0.15, "¬", with_blank), (-0.15, last, with_symbol)):
        text = f"…{symbol}  {value}"
        axes.text(x - 0.2, y + height, text, va="center", fontsize=8.5, color=colour,
                  zorder=4)  # fmt: skip


def _link(axes: Axes, t: int, start: float, end: float, kept: bool, same: bool) -> None:
    """Draw where the paths of a prefix go: to itself, or to a longer one."""
    style = {
        "arrowstyle": "-|>",
        "color": (LIGHT if same else DARK) if kept else PALE,
        "linewidth": 1.3 if kept else 0.8,
        "linestyle": "--" if same else "-",
        "shrinkA": 0,
        "shrinkB": 0,
        "mutation_scale": 9,
    }
    places = (_X * t - 0.7, end), (_X * (t - 1) + 0.7, start)
    axes.annotate("", *places, arrowprops=style, zorder=2 if kept else 1)
