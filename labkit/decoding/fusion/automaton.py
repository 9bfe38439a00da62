"""Automata that add something to each symbol of a transcript."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Protocol

import torch
from torch import Tensor


class Scorer(Protocol):
    """What searches need of an automaton: of tables, or of a model written in Python.

    A state is a number. The blank is never asked for: no transcript holds one.
    """

    start: int  # the first state

    @property
    def n_symbols(self) -> int:
        """The symbols V, the blank among them."""
        ...

    def to(self, device: torch.device) -> Scorer:
        """Return the same with its tables, if any, on ``device``."""
        ...

    def weighted(self, weight: float, space: int, bonus: float) -> Scorer:
        """Return the same with gains times ``weight``, and a bonus for the space."""
        ...

    def step(self, state: int, symbol: int) -> tuple[float, int]:
        """Return the gain of a symbol, in nats, and the next state."""
        ...

    def end(self, state: int) -> float:
        """Return what is added where a transcript ends in ``state``, in nats."""
        ...

    def gains(self, state: Tensor) -> Tensor:
        """Return the gain of every symbol in states (...), (..., V)."""
        ...

    def follow(self, state: Tensor, symbol: Tensor) -> Tensor:
        """Return the states after symbols, all (...)."""
        ...

    def ends(self, state: Tensor) -> Tensor:
        """Return what is added where transcripts end in states, both (...)."""
        ...

    def renew(self) -> None:
        """Prepare for the next search; no state of the one before is used any more."""

    def total(self, indices: Sequence[int], finish: bool = True) -> float:
        """Return what a transcript gains, with its end unless it may continue."""
        total, state = 0.0, self.start
        for symbol in indices:
            gain, state = self.step(state, symbol)
            total += gain
        return total + self.end(state) if finish else total

    def totals(self, transcripts: Tensor, lengths: Tensor) -> Tensor:
        """Return what transcripts (N, U) of lengths (N,) gain, with their ends.

        They may be padded with any symbol; the totals, (N,), are in double precision.
        """
        rows = zip(transcripts.tolist(), lengths.tolist())
        totals = [self.total(row[:length]) for row, length in rows]
        return torch.tensor(totals, dtype=torch.float64, device=lengths.device)


@dataclass(eq=False)
class Automaton(Scorer):
    """S states; in each, every symbol has a gain and leads to a state.

    The column of the blank is never used.
    """

    start: int  # the first state
    next: Tensor  # the state that each symbol leads to, (S, V), int32
    gain: Tensor  # what each symbol adds, in nats, (S, V)
    final: Tensor  # what is added where a transcript ends, in nats, (S,)
    _rows: dict[int, list[tuple[float, int]]] = field(
        default_factory=dict, init=False, repr=False
    )
    _finals: list[float] = field(default_factory=list, init=False, repr=False)

    @property
    def n_symbols(self) -> int:
        """The symbols V, the blank among them."""
        return self.gain.shape[1]

    def to(self, device: torch.device) -> Automaton:
        """Return the automaton with its tables on ``device``."""
        if self.gain.device == device:
            return self
        tables = (x.to(device) for x in (self.next, self.gain, self.final))
        return Automaton(self.start, *tables)

    def weighted(self, weight: float, space: int, bonus: float) -> Automaton:
        """Return the same with gains times ``weight``, and a bonus for the space."""
        gain = weight * self.gain
        gain[:, space] += bonus
        return Automaton(self.start, self.next, gain, weight * self.final)

    def step(self, state: int, symbol: int) -> tuple[float, int]:
        """Return the gain of a symbol and the next state."""
        if state not in self._rows:
            row = zip(self.gain[state].tolist(), self.next[state].tolist())
            self._rows[state] = list(row)
        return self._rows[state][symbol]

    def end(self, state: int) -> float:
        """Return what is added where a transcript ends in ``state``."""
        if not self._finals:
            self._finals = self.final.tolist()
        return self._finals[state]

    def gains(self, state: Tensor) -> Tensor:
        """Return the gain of every symbol in states (...), (..., V)."""
        return self.gain.index_select(0, state.flatten()).view(*state.shape, -1)

    def follow(self, state: Tensor, symbol: Tensor) -> Tensor:
        """Return the states after symbols, all (...)."""
        return self.next.take(state * self.n_symbols + symbol).long()

    def ends(self, state: Tensor) -> Tensor:
        """Return what is added where transcripts end in states, both (...)."""
        return self.final.take(state)

    def totals(self, transcripts: Tensor, lengths: Tensor) -> Tensor:
        """Return what transcripts (N, U) of lengths (N,) gain, all of them at once."""
        device = self.gain.device
        transcripts, lengths = transcripts.to(device), lengths.to(device)
        state = torch.full_like(lengths, self.start)
        total = torch.zeros_like(lengths, dtype=torch.float64)
        for u in range(max(lengths.tolist(), default=0)):
            cells = state * self.n_symbols + transcripts[:, u]
            inside = u < lengths
            total += torch.where(inside, self.gain.take(cells), 0.0)
            state = torch.where(inside, self.next.take(cells), state)
        return total + self.final.take(state)
