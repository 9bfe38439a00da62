"""Prefix beam search of one utterance with a small beam, exact.

The tensors of a few prefixes cost nothing but overhead, some thirty times a frame.
Here a prefix is an object that knows its parent and its children, and a symbol is tried
only where its score can reach the beam: the symbols of a frame come best first, so few
are tried where the network is certain. The beam keeps the same prefixes as in ``beam``,
which explains the method; scores are in double precision.

Axis letters: T frames, V symbols.
"""

from __future__ import annotations

import math
from operator import itemgetter

from torch import Tensor

from labkit.decoding.hypothesis import Hypothesis

_total = itemgetter(0)  # of a candidate


class _Prefix:
    """A prefix. There is one object of each, so that ``is`` compares transcripts.

    Attributes:
        parent: The prefix without its last symbol; None for the empty one.
        last: Its last symbol; the blank, if there is none.
        children: The prefixes with one symbol more that have been in the beam.
        frame: The frame before which it has been in the beam, at last.
        total: Log p of the paths that spell it.
        blank: Log p of those whose last frame is a blank.
        symbol: Log p of the others.
    """

    __slots__ = ("blank", "children", "frame", "last", "parent", "symbol", "total")

    def __init__(self, parent: _Prefix | None, last: int) -> None:
        self.parent, self.last = parent, last
        self.children: dict[int, _Prefix] = {}
        self.frame = -1
        self.total = self.blank = self.symbol = -math.inf

    def grown(self, symbol: int) -> _Prefix:
        """Return the prefix with one symbol more."""
        child = self.children.get(symbol)
        if child is None:
            child = self.children[symbol] = _Prefix(self, symbol)
        return child

    def spell(self) -> list[int]:
        """Return its symbols."""
        symbols, prefix = [], self
        while prefix.parent:
            symbols.append(prefix.last)
            prefix = prefix.parent
        return symbols[::-1]


# What may be in the next beam: the three log probabilities of a prefix, the prefix that
# it comes from, and the symbol that this one gains (None if it stays as it is).
_Candidate = tuple[float, float, float, _Prefix, "int | None"]


def search_one(log_probs: Tensor, beam_size: int, blank_id: int) -> list[Hypothesis]:
    """Find the best transcripts of log-probabilities (T, V), best first."""
    root = _Prefix(None, blank_id)
    root.total = root.blank = 0.0
    root.frame, beam = 0, [root]
    orders = log_probs.argsort(dim=1, descending=True).tolist()
    for t, (frame, order) in enumerate(zip(log_probs.tolist(), orders)):
        order.remove(blank_id)
        candidates = _stay(beam, frame, t, blank_id)
        least = _cut(candidates, beam_size)
        for prefix in beam:
            _grow(prefix, frame, order, t, least, candidates)
            if len(candidates) > 2 * beam_size:
                least = _cut(candidates, beam_size)
        _cut(candidates, beam_size)
        kept = [one for one in candidates if one[0] > -math.inf]
        beam = [one if k is None else one.grown(k) for *_, one, k in kept]
        for prefix, scores in zip(beam, kept):
            prefix.total, prefix.blank, prefix.symbol, *_ = scores
            prefix.frame = t + 1
    return [
        Hypothesis(prefix.total, prefix.spell(), {"ctc": prefix.total})
        for prefix in beam
    ]


def _stay(
    beam: list[_Prefix], frame: list[float], t: int, blank_id: int
) -> list[_Candidate]:
    """Score each prefix as it stays: with a blank, its last symbol, or from its parent.

    A parent that gains the last symbol becomes the prefix itself.
    """
    candidates: list[_Candidate] = []
    for prefix in beam:
        last, parent = prefix.last, prefix.parent
        blank = prefix.total + frame[blank_id]
        symbol = prefix.symbol + frame[last]
        if parent and parent.frame == t:
            # A repeated symbol needs a blank in between.
            paths = parent.blank if parent.last == last else parent.total
            symbol = _log_add(symbol, paths + frame[last])
        total = _log_add(blank, symbol)
        candidates.append((total, blank, symbol, prefix, None))
    return candidates


def _cut(candidates: list[_Candidate], beam_size: int) -> float:
    """Keep the best candidates; return the score that any other must exceed."""
    candidates.sort(key=_total, reverse=True)
    del candidates[beam_size:]
    return candidates[-1][0] if len(candidates) == beam_size else -math.inf


def _grow(
    prefix: _Prefix,
    frame: list[float],
    order: list[int],
    t: int,
    least: float,
    candidates: list[_Candidate],
) -> None:
    """Add ``prefix`` with one symbol more, wherever its score is above ``least``.

    ``order`` are the symbols of frame t, best first.
    """
    before, last, children = prefix.total, prefix.last, prefix.children
    for symbol in order:
        total = before + frame[symbol]
        if total <= least:
            break  # and so are the symbols after it
        if symbol == last:  # a repeated symbol needs a blank in between
            total = prefix.blank + frame[symbol]
            if total <= least:
                continue
        child = children.get(symbol)
        if child is None or child.frame != t:  # or else it stays, with these paths
            candidates.append((total, -math.inf, total, prefix, symbol))


def _log_add(a: float, b: float) -> float:
    """Add two probabilities that are given as logarithms."""
    if a < b:
        a, b = b, a
    return a if b == -math.inf else a + math.log1p(math.exp(b - a))
