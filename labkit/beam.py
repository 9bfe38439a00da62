"""Prefix beam search over a whole batch at once, exact, on any device.

The state of a prefix holds the probability of its paths that end with a blank and of
those that do not (Graves 2012, Hannun et al. 2014), a 64-bit hash of the prefix and
that of its parent. Two candidates can be the same prefix in one way only: a kept
prefix that equals another kept one plus a symbol. Comparing hashes finds that for
all pairs together, so that no Python runs for a single hypothesis.
"""

from __future__ import annotations

import torch
from torch import Tensor

from labkit.errors import LabError

_HASH_FACTOR = 6364136223846793005  # of Knuth's MMIX generator; odd, so invertible
_HASH_STEP = 1442695040888963407
_STAY = -1  # in a trace: the prefix did not grow at this frame
_NO_SYMBOL = -1

NBest = list[tuple[float, list[int]]]


class _Beam:
    """K prefixes of each of B utterances; every tensor is (B, K).

    Args:
        n_utterances: B.
        size: K.
        like: A tensor whose dtype and device the scores take.
    """

    def __init__(self, n_utterances: int, size: int, like: Tensor) -> None:
        shape = (n_utterances, size)
        self.blank = like.new_full(shape, -torch.inf)  # log p, last frame is blank
        self.blank[:, 0] = 0.0  # the empty prefix, before the first frame
        self.symbol = like.new_full(shape, -torch.inf)  # log p, last frame is not
        self.last = torch.full(shape, _NO_SYMBOL, device=like.device)
        # Slots without a prefix must never be taken for one: small distinct hashes.
        slots = torch.arange(size, device=like.device).expand(shape)
        self.hash = slots.clone()
        self.parent = -1 - slots

    def total(self) -> Tensor:
        """Return the log probability of each prefix."""
        return torch.logaddexp(self.blank, self.symbol)


def _advance(
    beam: _Beam, frame: Tensor, blank_id: int
) -> tuple[Tensor, Tensor, Tensor]:
    """Score every way to go on by one frame (B, V).

    Returns:
        ``stay_blank`` and ``stay_symbol`` (B, K) of the prefixes as they are, and
        ``grow`` (B, K, V) of the prefixes with one more symbol; each candidate
        prefix has its whole probability in one place.
    """
    total = beam.total()
    started = beam.last >= 0
    known = beam.last.clamp(min=0)
    repeat = torch.where(started, frame.gather(1, known), -torch.inf)
    stay_blank = total + frame[:, blank_id, None]
    stay_symbol = beam.symbol + repeat

    grow = total.unsqueeze(2) + frame.unsqueeze(1)  # (B, K, V)
    # A symbol twice in a row needs a blank between: only those paths grow.
    column = known.unsqueeze(2)
    again = (beam.blank + repeat).unsqueeze(2)
    again = torch.where(started.unsqueeze(2), again, grow.gather(2, column))
    grow.scatter_(2, column, again)
    grow[:, :, blank_id] = -torch.inf

    # child[b, j, k]: prefix j is prefix k plus the last symbol of j.
    child = beam.parent.unsqueeze(2) == beam.hash.unsqueeze(1)
    onto = grow.gather(2, known.unsqueeze(1).expand_as(child))  # (B, K parent, K)
    onto = onto.transpose(1, 2).where(child, -torch.inf)  # (B, j, k)
    stay_symbol = torch.logaddexp(stay_symbol, onto.amax(dim=2))
    # What has moved there must not stand as a candidate of its own too.
    moved = torch.zeros_like(grow, dtype=torch.int8)
    moved.scatter_add_(
        2, known.unsqueeze(1).expand_as(child), child.transpose(1, 2).to(torch.int8)
    )
    grow = grow.masked_fill(moved > 0, -torch.inf)
    return stay_blank, stay_symbol, grow


def prefix_beam_search(
    log_probs: Tensor, lengths: Tensor, beam_size: int, blank_id: int = 0
) -> list[NBest]:
    """Find the most probable transcripts of each utterance of a batch.

    Args:
        log_probs: (T, B, V), log-probabilities of each symbol at each frame.
        lengths: Frames of each utterance, (B,).
        beam_size: Prefixes K kept at each frame.
        blank_id: The index of the blank.

    Returns:
        For each utterance its n-best list, best first: ``(log probability,
        indices)``, at most K long. The probability of a transcript is the sum over
        the paths that the beam has kept.

    Raises:
        LabError: The beam is smaller than 1, or a log-probability is NaN.
    """
    if beam_size < 1:
        raise LabError(
            f"a beam of {beam_size} keeps nothing", "use a beam of 1 or more"
        )
    if log_probs.isnan().any():
        raise LabError(
            "the scores hold NaN", "the network has diverged: train it again, slower"
        )
    n_frames, n_utterances, _ = log_probs.shape
    beam = _Beam(n_utterances, beam_size, log_probs)
    alive = lengths.to(log_probs.device)
    parents, symbols = [], []
    for t in range(n_frames):
        origin, symbol = _step(beam, log_probs[t], blank_id, t < alive)
        parents.append(origin)
        symbols.append(symbol)
    return _trace(beam.total(), parents, symbols)


def _step(
    beam: _Beam, frame: Tensor, blank_id: int, alive: Tensor
) -> tuple[Tensor, Tensor]:
    """Move ``beam`` on by one frame (B, V), where ``alive`` (B,).

    Returns:
        Where each prefix comes from, (B, K), and the symbol it has gained, (B, K).
    """
    size, vocabulary = beam.last.shape[1], frame.shape[1]
    stay_blank, stay_symbol, grow = _advance(beam, frame, blank_id)
    staying = torch.logaddexp(stay_blank, stay_symbol)
    candidates = torch.cat([staying, grow.flatten(1)], dim=1)  # (B, K + K V)
    best, chosen = candidates.topk(size, dim=1)
    grown = chosen >= size
    growth = (chosen - size).clamp(min=0)
    origin = torch.where(grown, growth // vocabulary, chosen)
    symbol = torch.where(grown, growth % vocabulary, _STAY)

    # A finished utterance keeps its beam as it is.
    alive = alive.unsqueeze(1)
    slots = torch.arange(size, device=frame.device).expand_as(origin)
    origin = origin.where(alive, slots)
    symbol = symbol.where(alive, _STAY)
    grown = grown & alive
    empty = alive & best.isneginf()

    def inherit(values: Tensor) -> Tensor:
        return values.gather(1, origin)

    old_hash = inherit(beam.hash)
    new_hash = (old_hash ^ (symbol + 1)) * _HASH_FACTOR + _HASH_STEP
    beam.blank = torch.where(
        grown, -torch.inf, inherit(torch.where(alive, stay_blank, beam.blank))
    )
    beam.symbol = torch.where(
        grown, best, inherit(torch.where(alive, stay_symbol, beam.symbol))
    )
    beam.last = torch.where(grown, symbol, inherit(beam.last))
    beam.parent = torch.where(grown, old_hash, inherit(beam.parent))
    beam.hash = torch.where(grown, new_hash, old_hash)
    beam.last = beam.last.masked_fill(empty, _NO_SYMBOL)
    beam.hash = slots.where(empty, beam.hash)
    beam.parent = (-1 - slots).where(empty, beam.parent)
    return origin, symbol


def _trace(total: Tensor, parents: list[Tensor], symbols: list[Tensor]) -> list[NBest]:
    """Follow each prefix of the last beam back to its first symbol."""
    best, slot = total.sort(dim=1, descending=True)  # (B, K)
    steps = []
    for origin, symbol in zip(reversed(parents), reversed(symbols)):
        steps.append(symbol.gather(1, slot))
        slot = origin.gather(1, slot)
    if not steps:
        return [[(0.0, [])] for _ in best]
    spelled = torch.stack(steps[::-1], dim=2).tolist()  # B x K x T
    return [
        [
            (score, [index for index in path if index != _STAY])
            for score, path in zip(scores, paths)
            if score > -torch.inf
        ]
        for scores, paths in zip(best.tolist(), spelled)
    ]
