"""An automaton that adds something to each symbol of a transcript."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field

import torch
from torch import Tensor


@dataclass(eq=False)
class Automaton:
    """S states; in each, every symbol has a gain and leads to a state.

    The column of the blank is never used: no transcript holds one.
    """

    start: int  # the first state
    next: Tensor  # the state that each symbol leads to, (S, V), int32
    gain: Tensor  # what each symbol adds, in nats, (S, V)
    final: Tensor  # what is added where a transcript ends, in nats, (S,)
    _rows: dict[int, list[tuple[float, int]]] = field(
        default_factory=dict, init=False, repr=False
    )
    _finals: list[float] = field(default_factory=list, init=False, repr=False)

    def to(self, device: torch.device) -> Automaton:
        """Return the automaton with its tables on ``device``."""
        if self.gain.device == device:
            return self
        tables = (x.to(device) for x in (self.next, self.gain, self.final))
        return Automaton(self.start, *tables)

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
        device = self.gain.device
        transcripts, lengths = transcripts.to(device), lengths.to(device)
        state = torch.full_like(lengths, self.start)
        total = torch.zeros_like(lengths, dtype=torch.float64)
        for u in range(max(lengths.tolist(), default=0)):
            cells = state * self.gain.shape[1] + transcripts[:, u]
            inside = u < lengths
            total += torch.where(inside, self.gain.take(cells), 0.0)
            state = torch.where(inside, self.next.take(cells), state)
        return total + self.final.take(state)
