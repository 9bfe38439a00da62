"""The prefixes of a beam, for a whole batch at once, on any device.

The state of a prefix holds the probability of its paths that end with a blank and of
those that do not (Graves 2012, Hannun et al. 2014), a 64-bit hash of the prefix and
that of its parent. Two candidates can be the same prefix in one way only: a kept
prefix that equals another kept one plus a symbol. Comparing hashes finds these for
all pairs together, so that no Python runs for a single hypothesis.

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

from labkit.decoding.fusion.automaton import Scorer

_HASH_FACTOR = 6364136223846793005  # of Knuth's MMIX generator; odd, so invertible
_HASH_STEP = 1442695040888963407
_MANY = 128  # prefixes: to compare all pairs of more costs more than to sort them


@dataclass
class Beam:
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

    def rows(self, start: int, stop: int) -> Beam:
        """Return the beams of some utterances."""
        part = slice(start, stop)
        return Beam(
            *(self.total[part], self.blank[part], self.symbol[part], self.last[part]),
            *(self.hash[part], self.parent[part], self.fused[part]),
            [state[part] for state in self.states],
        )


class FrameSearch:
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
        scorers: Sequence[Scorer],
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

    def begin(self, n_utterances: int, like: Tensor) -> Beam:
        """Make beams of the empty prefix; scores take dtype and device of ``like``."""
        shape = (n_utterances, self.size)
        impossible = like.new_full(shape, -torch.inf)
        certain = impossible.clone()
        certain[:, 0] = 0.0
        nothing = torch.zeros(shape, dtype=torch.long, device=like.device)
        return Beam(
            total=certain,
            blank=certain,
            symbol=impossible,
            last=nothing + self.blank_id,
            hash=nothing,
            parent=nothing - 1,
            fused=torch.zeros_like(impossible),
            states=[nothing + scorer.start for scorer in self.scorers],
        )

    def step(self, beam: Beam, frame: Tensor) -> tuple[Beam, Tensor]:
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

        def follow(scorer: Scorer, state: Tensor) -> Tensor:
            return torch.where(grown, scorer.follow(state, symbol), state)

        total = acoustic.gather(1, chosen)
        old_hash = inherit(beam.hash)
        new_hash = (old_hash ^ (symbol + 1)) * _HASH_FACTOR + _HASH_STEP
        last = torch.where(grown, symbol, inherit(beam.last))
        moved = Beam(
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

    def _advance(self, beam: Beam, frame: Tensor) -> tuple[Tensor, Tensor, Tensor]:
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

        found, parent = _find_parents(beam)
        double = parent * self.n_symbols + beam.last
        double = torch.where(found, double, self.blank_id)  # a cell that holds -inf
        onto = cells.gather(1, double)
        # A candidate that was merged there must not be counted twice.
        cells.scatter_(1, double, -torch.inf)
        stay_symbol = torch.logaddexp(beam.symbol + repeat, onto)
        grow[:, :, self.blank_id] = torch.logaddexp(stay_blank, stay_symbol)
        return grow, stay_blank, stay_symbol

    def _fuse(self, beam: Beam) -> Tensor | None:
        """Return what the automata, if any, add to all candidates, (B, K V)."""
        if not self.scorers:
            return None
        added = beam.fused.unsqueeze(2)
        for scorer, state in zip(self.scorers, beam.states):
            added = added + scorer.gains(state)  # (B, K, V)
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

    def finish(self, beam: Beam) -> Tensor:
        """Return what the automata have added once the transcripts end, (B, K)."""
        added = beam.fused
        for scorer, state in zip(self.scorers, beam.states):
            added = added + scorer.ends(state)
        return added


def _find_parents(beam: Beam) -> tuple[Tensor, Tensor]:
    """Tell whether the parent of each prefix is in the beam, and where, (B, K) each.

    If an empty slot and a prefix have the same hash, the first counts, which is the
    prefix.
    """
    if beam.hash.shape[1] <= _MANY:
        return (beam.parent.unsqueeze(2) == beam.hash.unsqueeze(1)).max(dim=2)
    hashes, slots = beam.hash.sort(dim=1, stable=True)
    places = torch.searchsorted(hashes, beam.parent).clamp_(max=hashes.shape[1] - 1)
    return hashes.gather(1, places) == beam.parent, slots.gather(1, places)


def spell(trace: Tensor, slot: Tensor, n_symbols: int) -> tuple[Tensor, Tensor]:
    """Follow each prefix of the last beam back to its first symbol.

    Args:
        trace: The cell that each prefix comes from, (T, B, K).
        slot: Where the prefixes stand in the last beam, (B, K).
        n_symbols: V.

    Returns:
        What each prefix has gained at each frame, (T, B, K), the blank for nothing;
        and where they stood before the first of these frames, (B, K).
    """
    cells = torch.empty_like(trace)
    for t in range(len(trace) - 1, -1, -1):
        cells[t] = trace[t].gather(1, slot)
        slot = (cells[t] // n_symbols).long()
    return cells % n_symbols, slot
