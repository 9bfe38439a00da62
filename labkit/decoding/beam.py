"""Prefix beam search over a whole batch at once, exact, on any device.

The state of a prefix holds the probability of its paths that end with a blank and of
those that do not (Graves 2012, Hannun et al. 2014), a 64-bit hash of the prefix and
that of its parent. Two candidates can be the same prefix in one way only: a kept
prefix that equals another kept one plus a symbol. Comparing hashes finds these for
all pairs together, so that no Python runs for a single hypothesis. One utterance with a
small beam is another case: see ``single``.

What automata (see ``fusion``) add to a prefix depends on the prefix alone. It is kept
apart from the acoustic scores, and used for ranking only.

Axis letters: T frames, B utterances, V symbols, K prefixes of a beam.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

import torch
from torch import Tensor

from labkit.base import LabError
from labkit.decoding.check import check_beam_size
from labkit.decoding.fusion.automaton import Automaton
from labkit.decoding.fusion.ngram import Fusion
from labkit.decoding.hypothesis import Hypothesis
from labkit.decoding.single import search_one

_HASH_FACTOR = 6364136223846793005  # of Knuth's MMIX generator; odd, so invertible
_HASH_STEP = 1442695040888963407
_FEW = 50  # so few prefixes of one utterance are quicker without tensors


@dataclass
class _Beam:
    """K prefixes of each of B utterances; every tensor is (B, K).

    Slots without a prefix have a ``total`` of -inf and follow those with one.

    Attributes:
        total: Log p of the paths that spell the prefix.
        blank: Log p of those whose last frame is a blank.
        symbol: Log p of the others.
        last: Last symbol of the prefix; the blank, if there is none.
        hash: Of the prefix.
        parent: The hash of the prefix without its last symbol.
        fused: What the automata have added.
        states: The state of each automaton.
    """

    total: Tensor
    blank: Tensor
    symbol: Tensor
    last: Tensor
    hash: Tensor
    parent: Tensor
    fused: Tensor
    states: list[Tensor]

    def rows(self, start: int, stop: int) -> _Beam:
        """Return the beams of some utterances."""
        part = slice(start, stop)
        return _Beam(
            *(self.total[part], self.blank[part], self.symbol[part], self.last[part]),
            *(self.hash[part], self.parent[part], self.fused[part]),
            [state[part] for state in self.states],
        )


class _Search:
    """Extends beams, frame by frame.

    Args:
        size: K.
        n_symbols: V.
        blank_id: The index of the blank.
        scorers: What ranks the prefixes besides their probability.
        device: Where to compute.
    """

    def __init__(
        self,
        size: int,
        n_symbols: int,
        blank_id: int,
        scorers: Sequence[Automaton],
        device: torch.device,
    ) -> None:
        self.size, self.n_symbols, self.blank_id = size, n_symbols, blank_id
        self.scorers = scorers
        # A candidate is a cell of K x V: the prefix that it comes from and the symbol
        # that it gains; in the column of the blank, a prefix stays as it is.
        self.cells = torch.arange(size, device=device) * n_symbols
        # Cells at this distance from one another form a group.
        n_cells = size * n_symbols
        widths = range(1, math.isqrt(n_symbols) + 1)
        width = max(n for n in widths if n_cells % n == 0)
        self.members = torch.arange(width, device=device) * (n_cells // width)

    def begin(self, n_utterances: int, like: Tensor) -> _Beam:
        """Make beams of the empty prefix; scores take dtype and device of ``like``."""
        shape = (n_utterances, self.size)
        impossible = like.new_full(shape, -torch.inf)
        certain = impossible.clone()
        certain[:, 0] = 0.0
        nothing = torch.zeros(shape, dtype=torch.long, device=like.device)
        return _Beam(
            total=certain,
            blank=certain,
            symbol=impossible,
            last=nothing + self.blank_id,
            hash=nothing,
            parent=nothing - 1,
            fused=torch.zeros_like(impossible),
            states=[nothing + scorer.start for scorer in self.scorers],
        )

    def step(self, beam: _Beam, frame: Tensor) -> tuple[_Beam, Tensor]:
        """Extend ``beam`` by a ``frame`` (B, V), which is overwritten.

        Returns:
            The new beam, best prefix first, and the cell that each of its prefixes
            comes from, (B, K).
        """
        grow, stay_blank, stay_symbol = self._advance(beam, frame)
        acoustic = grow.flatten(1)  # (B, K V)
        added = self._fuse(beam)
        chosen = self._best(acoustic if added is None else acoustic + added)

        origin = chosen.div(self.n_symbols, rounding_mode="floor")
        symbol = chosen % self.n_symbols
        grown = symbol != self.blank_id

        def inherit(values: Tensor) -> Tensor:
            return values.gather(1, origin)

        def follow(scorer: Automaton, state: Tensor) -> Tensor:
            cells = state * self.n_symbols + symbol
            return torch.where(grown, scorer.next.take(cells), state)

        total = acoustic.gather(1, chosen)
        old_hash = inherit(beam.hash)
        new_hash = (old_hash ^ (symbol + 1)) * _HASH_FACTOR + _HASH_STEP
        last = torch.where(grown, symbol, inherit(beam.last))
        moved = _Beam(
            total=total,
            blank=inherit(stay_blank).masked_fill(grown, -torch.inf),
            symbol=torch.where(grown, total, inherit(stay_symbol)),
            # An empty slot may have the hash of a prefix: it must never be extended.
            last=last.masked_fill(total.isneginf(), self.blank_id),
            hash=torch.where(grown, new_hash, old_hash),
            parent=torch.where(grown, old_hash, inherit(beam.parent)),
            fused=beam.fused if added is None else added.gather(1, chosen),
            states=[
                follow(scorer, inherit(state))
                for scorer, state in zip(self.scorers, beam.states)
            ],
        )
        return moved, chosen

    def _advance(self, beam: _Beam, frame: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        """Score every candidate, with all paths of a prefix in one place.

        Returns:
            The log probabilities of all candidates (B, K, V), and those of the paths
            of prefixes that stay, which end with a blank and not, (B, K) each.
        """
        stay_blank = beam.total + frame[:, self.blank_id, None]
        frame[:, self.blank_id].fill_(-torch.inf)
        repeat = frame.gather(1, beam.last)
        grow = beam.total.unsqueeze(2) + frame.unsqueeze(1)  # (B, K, V)
        cells = grow.flatten(1)
        # A repeated symbol needs a blank in between: only those paths grow.
        cells.scatter_(1, self.cells + beam.last, beam.blank + repeat)

        # Which prefix (dim 2) is the parent of which (dim 1)? If an empty slot and a
        # prefix have the same hash, the first counts, which is the prefix.
        child = beam.parent.unsqueeze(2) == beam.hash.unsqueeze(1)
        found, parent = child.max(dim=2)
        double = parent * self.n_symbols + beam.last
        double = torch.where(found, double, self.blank_id)  # a cell that holds -inf
        onto = cells.gather(1, double)
        # A candidate that was merged there must not be counted twice.
        cells.scatter_(1, double, -torch.inf)
        stay_symbol = torch.logaddexp(beam.symbol + repeat, onto)
        grow[:, :, self.blank_id] = torch.logaddexp(stay_blank, stay_symbol)
        return grow, stay_blank, stay_symbol

    def _fuse(self, beam: _Beam) -> Tensor | None:
        """Return what the automata, if any, add to all candidates, (B, K V)."""
        if not self.scorers:
            return None
        added = beam.fused.unsqueeze(2)
        for scorer, state in zip(self.scorers, beam.states):
            gains = scorer.gain.index_select(0, state.flatten())
            added = added + gains.view(*state.shape, -1)  # (B, K, V)
        added[:, :, self.blank_id] = beam.fused
        return added.flatten(1)

    def _best(self, scores: Tensor) -> Tensor:
        """Choose the best K of all candidates (B, K V); best first, (B, K).

        They lie in the K groups with the highest maxima, and two small selections
        take less time than a large one.
        """
        if len(self.members) == 1:
            return scores.topk(self.size, dim=1).indices
        maxima = scores.view(len(scores), len(self.members), -1).amax(1)
        groups = maxima.topk(self.size, dim=1, sorted=False).indices
        cells = (groups.unsqueeze(2) + self.members).flatten(1)
        return cells.gather(1, scores.gather(1, cells).topk(self.size, dim=1).indices)

    def finish(self, beam: _Beam) -> Tensor:
        """Return what the automata have added once the transcripts end, (B, K)."""
        added = beam.fused
        for scorer, state in zip(self.scorers, beam.states):
            added = added + scorer.final.take(state)
        return added


def _check(log_probs: Tensor, lengths: Tensor, beam_size: int) -> None:
    """Refuse what cannot be searched."""
    check_beam_size(beam_size)
    n_frames, n_utterances, _ = log_probs.shape
    given = lengths.tolist()
    if len(given) != n_utterances or not all(0 <= n <= n_frames for n in given):
        raise LabError(
            f"lengths {given} for {n_utterances} utterances of {n_frames} frames",
            "give the number of frames of each utterance",
        )
    highest = log_probs.amax().item() if log_probs.numel() else 0.0  # NaN, if any is
    if math.isnan(highest) or highest == math.inf:
        raise LabError(
            f"the scores hold {'NaN' if math.isnan(highest) else '+inf'}",
            "the network has diverged: train it with a lower --base_lr",
        )


@torch.inference_mode()
def prefix_beam_search(
    log_probs: Tensor,
    lengths: Tensor,
    beam_size: int,
    blank_id: int = 0,
    fusion: Fusion | None = None,
) -> list[list[Hypothesis]]:
    """Find the best transcripts of each utterance of a batch.

    The search loses hypotheses to the size of its beam only.

    Args:
        log_probs: (T, B, V), log-probabilities of each symbol at each frame.
        lengths: Frames of each utterance, (B,).
        beam_size: Prefixes K kept at each frame.
        blank_id: The index of the blank.
        fusion: What ranks the prefixes besides their probability.

    Returns:
        For each utterance its n-best list, best first, at most K long. The acoustic
        probability of a transcript is the sum over the paths that the beam has kept.

    Raises:
        LabError: The beam is smaller than 1, a log-probability is NaN or +inf, a
            length does not fit, or the automata are of another alphabet.
    """
    _check(log_probs, lengths, beam_size)
    if len(lengths) == 1 and beam_size <= _FEW and not fusion:
        return [search_one(log_probs[: lengths[0], 0], beam_size, blank_id)]
    if log_probs.dtype in (torch.float16, torch.bfloat16):
        log_probs = log_probs.float()  # sums over many frames need the precision
    device, (n_frames, n_utterances, n_symbols) = log_probs.device, log_probs.shape
    scorers = fusion.scorers(n_symbols, device) if fusion else []
    search = _Search(beam_size, n_symbols, blank_id, scorers, device)

    # Sorted by length, so that unfinished utterances are the first rows.
    remaining, order = lengths.to(device).sort(descending=True, stable=True)
    remaining = remaining.tolist()
    beam, ended = search.begin(n_utterances, log_probs), []
    trace = (search.cells + blank_id).int().expand(n_frames, n_utterances, -1).clone()
    n_going = n_utterances
    for t in range(remaining[0] if remaining else 0):
        while remaining[n_going - 1] <= t:
            n_going -= 1
        if n_going < len(beam.total):
            ended.append(beam.rows(n_going, len(beam.total)))
            beam = beam.rows(0, n_going)
        frame = log_probs[t].index_select(0, order[:n_going])
        beam, trace[t, :n_going] = search.step(beam, frame)
    ended.append(beam)

    acoustic = torch.cat([beam.total for beam in reversed(ended)])
    added = torch.cat([search.finish(beam) for beam in reversed(ended)])
    score, slot = (acoustic + added).sort(dim=1, descending=True, stable=True)
    symbols = _spell(trace, slot, n_symbols)  # (T, B, K)
    found = _collect(score, acoustic.gather(1, slot), symbols, blank_id, fusion)
    places = order.argsort().tolist()
    return [found[place] for place in places]


def _spell(trace: Tensor, slot: Tensor, n_symbols: int) -> Tensor:
    """Follow each prefix of the last beam back to its first symbol.

    Args:
        trace: The cell that each prefix comes from, (T, B, K).
        slot: Where the prefixes stand in the last beam, (B, K).
        n_symbols: V.

    Returns:
        What each prefix has gained at each frame, (T, B, K); the blank for nothing.
    """
    cells = torch.empty_like(trace)
    for t in range(len(trace) - 1, -1, -1):
        cells[t] = trace[t].gather(1, slot)
        slot = (cells[t] // n_symbols).long()
    return cells % n_symbols


def _collect(
    score: Tensor,
    acoustic: Tensor,
    symbols: Tensor,
    blank_id: int,
    fusion: Fusion | None,
) -> list[list[Hypothesis]]:
    """Turn scores (B, K) and symbols (T, B, K) into n-best lists."""
    n_utterances, size = score.shape
    symbols = symbols.permute(1, 2, 0).flatten(0, 1)  # (B K, T)
    spoken = symbols != blank_id
    n_spoken = spoken.sum(dim=1)
    packed = symbols[spoken]  # the transcripts one after another
    parts = {"ctc": acoustic.flatten().tolist()}
    if fusion and fusion.lm:
        columns = torch.arange(spoken.shape[1], device=symbols.device)
        padded = torch.zeros_like(symbols)
        padded[columns < n_spoken.unsqueeze(1)] = packed
        parts["lm"] = fusion.lm.totals(padded, n_spoken).tolist()
    indices, ends = packed.tolist(), n_spoken.cumsum(0).tolist()
    starts = [0, *ends[:-1]]
    rows = zip(score.flatten().tolist(), starts, ends, zip(*parts.values()))
    found = [
        Hypothesis(total, indices[start:end], dict(zip(parts, values)))
        for total, start, end, values in rows
    ]
    return [
        [one for one in found[b * size : (b + 1) * size] if one.score > -math.inf]
        for b in range(n_utterances)
    ]
