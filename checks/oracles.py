"""Right answers computed in other ways than the lab's: by brute force, by formulas.

Judges and inputs use them. A probe may not: it runs beside the student's code.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Collection
from itertools import combinations, groupby, product

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from checks.tools import LAB_CONVOLUTIONS, Sums
from labkit.decoding import Hypothesis
from labkit.exercises import Values

NEVER = -1e4  # minus infinity, however it is written


def collapsed(path: tuple[int, ...], blank: int) -> tuple[int, ...]:
    """Collapse a CTC path: one symbol a run, then no blanks."""
    return tuple(symbol for symbol, _ in groupby(path) if symbol != blank)


def mel_filters(n_fft: int, nmels: int, rate: int) -> Tensor:
    """Build triangular filters, evenly spaced on the mel scale."""

    def mel(hertz: float) -> float:
        return 2595 * torch.log10(torch.tensor(1 + hertz / 700)).item()

    edges = torch.linspace(0, mel(rate / 2), nmels + 2)
    edges = 700 * (10 ** (edges / 2595) - 1)  # Hz
    hertz = torch.linspace(0, rate / 2, n_fft // 2 + 1)
    rows = []
    for low, peak, high in zip(edges, edges[1:], edges[2:]):
        rising, falling = (hertz - low) / (peak - low), (high - hertz) / (high - peak)
        rows.append(torch.minimum(rising, falling).clamp(min=0))
    return torch.stack(rows)  # (M, n_fft // 2 + 1)


def convolved(features: Tensor, weights: list[Tensor], mean: float) -> Tensor:
    """Compute what leaves the lab's convolutions in evaluation.

    Args:
        features: (B, 1, T, M).
        weights: Kernel, bias, scale and shift of each convolution.
        mean: The running mean of both normalisations; their variance is 1.

    Returns:
        The features (B, C, T', M').
    """
    for n, (_, stride, padding) in enumerate(LAB_CONVOLUTIONS):
        kernel, bias, scale, shift = weights[4 * n : 4 * n + 4]
        features = F.conv2d(features, kernel, bias, stride, padding) - mean
        features = features / (1 + 1e-5) ** 0.5 * scale[:, None, None]
        features = (features + shift[:, None, None]).clamp(0, 20)
    return features


def parts_in_a_row(
    spectrograms: list[Tensor],
    kernels: list[Tensor],
    recurrent: list[Tensor],
    output: list[Tensor],
    padded: bool = False,
) -> list[Tensor]:
    """Compute the scores of each utterance by itself, in evaluation.

    Args:
        spectrograms: Each (T, M), of 6 mel bands.
        kernels: The weights of the convolutions and their normalisations.
        recurrent: Those of two bidirectional GRU layers of 4 units.
        output: Matrix (V, 2 H) and bias (V,).
        padded: Let the recurrent layers read zeros up to the longest one's end: a
            mistake.

    Returns:
        The scores of each utterance, (T', V).
    """
    rnn = nn.GRU(32 * 3, 4, 2, bidirectional=True)
    scores = []
    with torch.no_grad():
        for ours, theirs in zip(rnn.parameters(), recurrent):
            ours.copy_(theirs)
        features = [convolved(s[None, None], kernels, mean=-0.5) for s in spectrograms]
        rows = [f[0].transpose(0, 1).flatten(1) for f in features]  # (T', C M')
        longest = max(map(len, rows)) if padded else 0
        for row in rows:
            frames = F.pad(row, (0, 0, 0, max(0, longest - len(row))))
            outputs, _ = rnn(frames.unsqueeze(1))  # (T', 1, 2 H)
            own = outputs[: len(row), 0]
            scores.append(own @ output[0].T + output[1])  # (T', V)
    return scores


def recurrent_parameters(gates: int, n_inputs: int, nhidden: int, nlayers: int) -> int:
    """Count the parameters of a bidirectional stack."""
    count = 0
    for layer in range(nlayers):
        inputs = n_inputs if layer == 0 else 2 * nhidden
        count += 2 * gates * nhidden * (inputs + nhidden + 2)
    return count


def sums_through(
    history: list[list[float]],
    frame: list[float],
    blank: int,
    beam: Collection[tuple[int, ...]] | None = None,
) -> Sums:
    """Sum all paths through a history and one frame more, by what they spell.

    Args:
        history: Log-probabilities of each symbol at the frames before, (T', V).
        frame: Those of the last frame.
        blank: The index of the blank.
        beam: What the history must spell, for a path to count; anything if None.
    """
    ways: dict[tuple[int, ...], tuple[list[float], list[float]]] = {}
    rows = [*history, frame]
    for path in product(range(len(frame)), repeat=len(rows)):
        if beam is None or collapsed(path[:-1], blank) in beam:
            pair = ways.setdefault(collapsed(path, blank), ([], []))
            mass = sum(row[symbol] for row, symbol in zip(rows, path))
            pair[path[-1] != blank].append(mass)
    return possible({p: (log_sum(a), log_sum(b)) for p, (a, b) in ways.items()})


def log_sum(values: list[float]) -> float:
    """Add probabilities that are given as logarithms."""
    return torch.tensor(values, dtype=torch.float64).logsumexp(0).item()


def possible(sums: Sums) -> Sums:
    """Leave out prefixes that no path collapses to: it is no mistake to list them."""
    return {p: ends for p, ends in sums.items() if not max(ends) <= NEVER}


def language_gain(
    inputs: Values, prefix: tuple[int, ...], fusion: tuple[float, float], space: int
) -> tuple[float, int]:
    """Find what a language model adds to a whole prefix, and the state after it.

    Args:
        inputs: The model: ``next`` and ``gain``, (S, V).
        prefix: Its symbols.
        fusion: The weight of the model, and the bonus of a space.
        space: The index of the space.
    """
    weight, bonus = fusion
    total, state = bonus * prefix.count(space), 0
    for symbol in prefix:
        total += weight * inputs["gain"][state, symbol].item()
        state = inputs["next"][state, symbol].item()
    return total, state


def flawed_search(flaw: str) -> Callable[[Tensor, int, int], list[Hypothesis]]:
    """Make a search over all paths, exact or with one flaw (the oracle of is_exact)."""

    def collapse_wrongly(path: tuple[int, ...], blank: int) -> tuple[int, ...]:
        return collapsed(tuple(k for k in path if k != blank), blank)

    def search(log_probs: Tensor, beam_size: int, blank: int) -> list[Hypothesis]:
        table = log_probs.tolist()
        spell = collapse_wrongly if flaw == "blanks dropped first" else collapsed
        sums: dict[tuple[int, ...], list[float]] = {}
        for path in product(range(len(table[0])), repeat=len(table)):
            mass = math.exp(sum(table[t][k] for t, k in enumerate(path)))
            sums.setdefault(spell(path, blank), []).append(mass)
        total = max if flaw == "the best path only" else sum
        pairs = [(total(masses), list(p)) for p, masses in sums.items()]
        if flaw == "a transcript twice":
            p, indices = max(pairs)
            pairs = [pair for pair in pairs if pair[1] != indices]
            pairs += [(p / 2, indices), (p / 2, list(indices))]
        if flaw == "a transcript twice, one as probable never":
            first, other = next(
                (a, b) for a, b in combinations(pairs, 2) if math.isclose(a[0], b[0])
            )
            pairs[pairs.index(other)] = (other[0], list(first[1]))
        if flaw == "a transcript lost":
            pairs.remove(sorted(pairs)[len(pairs) // 2])
        pairs.sort(reverse=flaw != "the worst first")
        sign = -1 if flaw == "costs, not scores" else 1
        scores = [sign * math.log(p) for p, _ in pairs]
        if flaw == "two transcripts exchanged":
            (p, indices), (q, others) = pairs[1], pairs[-1]
            pairs[1], pairs[-1] = (p, others), (q, indices)
        if flaw == "the beam kept too small":
            beam_size = len(pairs) // 2
        if flaw == "nothing found":
            pairs = []
        found = [Hypothesis(s, indices) for s, (_, indices) in zip(scores, pairs)]
        return found[:beam_size]

    return search


def attended(
    queries: Tensor, keys: Tensor, values: Tensor
) -> tuple[list[list[float]], list[list[float]]]:
    """Attend in plain numbers.

    Args:
        queries: (Q, D).
        keys: (T', D), of frames that exist.
        values: (T', D).

    Returns:
        The context of each query, D numbers; its weights, T' numbers.
    """
    contexts, weights = [], []
    for query in queries.tolist():
        dots = [sum(a * b for a, b in zip(query, key)) for key in keys.tolist()]
        powers = [math.exp(dot / math.sqrt(len(query))) for dot in dots]
        shares = [power / sum(powers) for power in powers]
        columns = values.T.tolist()
        context = [sum(w * v for w, v in zip(shares, column)) for column in columns]
        contexts.append(context)
        weights.append(shares)
    return contexts, weights


def read_by_hand(
    weights: dict[str, Tensor], symbols: list[int], frames: Tensor, heads: int
) -> tuple[Tensor, Tensor, Tensor]:
    """Read one string with the lab's recurrent decoder, symbol by symbol.

    Args:
        weights: The decoder's parameters, by name.
        symbols: U symbols.
        frames: What the encoder gave for this utterance alone, (T', 2H).
        heads: The number of heads.

    Returns:
        Log-probabilities (U, V); hidden states (U, H); weights (U, T').
    """
    w = {name: value.double() for name, value in weights.items()}

    def linear(name: str, x: Tensor, end: str = "") -> Tensor:
        matrix, bias = f"{name}weight{end}", f"{name}bias{end}"
        return x @ w[matrix].T + w[bias]

    frames = frames.double()
    keys, values = (linear(f"{name}.", frames) for name in ("key", "value"))
    state = torch.zeros(len(w["query.bias"])).double()
    rows: list[tuple[Tensor, ...]] = []
    for symbol in symbols:
        given = linear("rnn.", w["embedding.weight"][symbol], "_ih_l0").chunk(3)
        past = linear("rnn.", state, "_hh_l0").chunk(3)
        reset, update = (torch.sigmoid(a + b) for a, b in zip(given[:2], past))
        new = torch.tanh(given[2] + reset * past[2])
        state = (1 - update) * new + update * state
        query = linear("query.", state)
        split = (part.chunk(heads, dim=-1) for part in (query[None], keys, values))
        found = [attended(*parts) for parts in zip(*split)]
        context = torch.tensor([c for one, _ in found for c in one[0]]).double()
        both = torch.cat([state, context])
        log_probs = linear("output.", linear("combine.", both).tanh()).log_softmax(0)
        mean = torch.tensor([one[0] for _, one in found]).double().mean(dim=0)
        rows.append((log_probs, state, mean))
    log_probs, hidden, mean = (torch.stack(column) for column in zip(*rows))
    return log_probs, hidden, mean


def prefix_sums(
    log_probs: Tensor, blank: int
) -> dict[tuple[int, ...], tuple[Tensor, Tensor]]:
    """Sum all paths through the first t frames, t = 0 ... T', by what they spell.

    Args:
        log_probs: (T', V).
        blank: The index of the blank.

    Returns:
        For each transcript of any of the paths, as log-probabilities (1 + T',): of
        its paths that end with its last symbol, and of those that end with a blank.
    """
    table = log_probs.double().exp().tolist()
    n_frames = len(table)
    sums: dict[tuple[int, ...], tuple[list[float], list[float]]] = {}
    for t in range(n_frames + 1):
        for path in product(range(log_probs.shape[1]), repeat=t):
            spelt = collapsed(path, blank)
            nothing = [0.0] * (1 + n_frames), [0.0] * (1 + n_frames)
            ends_blank = not path or path[-1] == blank
            mass = math.prod(table[i][k] for i, k in enumerate(path))
            sums.setdefault(spelt, nothing)[ends_blank][t] += mass
    return {
        spelt: (torch.tensor(a).double().log(), torch.tensor(b).double().log())
        for spelt, (a, b) in sums.items()
    }


def smoothed_loss(log_probs: Tensor, targets: list[int], smoothing: float) -> float:
    """Sum the cross-entropies of targets with smoothed labels.

    Args:
        log_probs: (U, V).
        targets: U symbols.
        smoothing: The probability that all V symbols share.
    """
    total = 0.0
    for row, target in zip(log_probs.tolist(), targets):
        for symbol, log_prob in enumerate(row):
            label = smoothing / len(row) + (1 - smoothing) * (symbol == target)
            total -= label * log_prob if label else 0.0
    return total
