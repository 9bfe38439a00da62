"""Automata that add something to each symbol of a transcript."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property

import numpy as np
import torch
from torch import Tensor


class Scorer(ABC):
    """What searches need of an automaton: of tables, or of a model written in Python.

    A state is a number. The blank is never asked for: no transcript holds one.
    """

    start: int  # the first state

    @property
    @abstractmethod
    def n_symbols(self) -> int:
        """The symbols V, the blank among them."""

    @abstractmethod
    def weighted(self, weight: float, space: int, bonus: float) -> Scorer:
        """Return the same with gains times ``weight``, and a bonus for the space."""

    @abstractmethod
    def step(self, state: int, symbol: int) -> tuple[float, int]:
        """Return the gain of a symbol, in nats, and the next state."""

    @abstractmethod
    def end(self, state: int) -> float:
        """Return what is added where a transcript ends in ``state``, in nats."""

    def gains(self, state: Tensor) -> Tensor:
        """Return the gain of every symbol in states (...), (..., V)."""
        every = range(self.n_symbols)
        rows = [[self.step(s, k)[0] for k in every] for s in state.flatten().tolist()]
        return torch.tensor(rows, device=state.device).view(*state.shape, -1)

    def follow(self, state: Tensor, symbol: Tensor) -> Tensor:
        """Return the states after symbols, all (...)."""
        pairs = zip(state.flatten().tolist(), symbol.flatten().tolist())
        after = [self.step(*pair)[1] for pair in pairs]
        return torch.tensor(after, device=state.device).view(state.shape)

    def ends(self, state: Tensor) -> Tensor:
        """Return what is added where transcripts end in states, both (...)."""
        ends = [self.end(one) for one in state.flatten().tolist()]
        return torch.tensor(ends, device=state.device).view(state.shape)

    def total(self, indices: Sequence[int]) -> float:
        """Return what a transcript gains, with its end."""
        total, state = 0.0, self.start
        for symbol in indices:
            gain, state = self.step(state, symbol)
            total += gain
        return total + self.end(state)

    def to(self, device: torch.device) -> Scorer:
        """Return the same with its tables, if any, on ``device``."""
        return self

    def renew(self) -> None:
        """Prepare for the next search; no state of the one before is used any more."""
        return


@dataclass(eq=False)
class Automaton(Scorer):
    """S states; in each, every symbol has a gain and leads to a state.

    The column of the blank is never used.
    """

    start: int  # the first state
    next: Tensor  # the state that each symbol leads to, (S, V), int32
    gain: Tensor  # what each symbol adds, in nats, (S, V)
    final: Tensor  # what is added where a transcript ends, in nats, (S,)

    @property
    def n_symbols(self) -> int:
        """The symbols V, the blank among them."""
        return self.gain.shape[1]

    @cached_property
    def _arrays(self) -> tuple[np.ndarray, ...]:
        """The tables, of which one cell is read sooner than of tensors."""
        return tuple(x.cpu().numpy() for x in (self.gain, self.next, self.final))

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
        gain, following, _ = self._arrays
        return float(gain[state, symbol]), int(following[state, symbol])

    def end(self, state: int) -> float:
        """Return what is added where a transcript ends in ``state``."""
        return float(self._arrays[2][state])

    def gains(self, state: Tensor) -> Tensor:
        """Return the gain of every symbol in states (...), (..., V)."""
        return self.gain.index_select(0, state.flatten()).view(*state.shape, -1)

    def follow(self, state: Tensor, symbol: Tensor) -> Tensor:
        """Return the states after symbols, all (...)."""
        return self.next.take(state * self.n_symbols + symbol).long()

    def ends(self, state: Tensor) -> Tensor:
        """Return what is added where transcripts end in states, both (...)."""
        return self.final.take(state)
