"""The memory and the state of an attention decoder.

Axis letters: B utterances, R rows of each (hypotheses or segments), U symbols, T'
frames of the encoder, N heads, D units of a head, H hidden units, L layers.
"""

from __future__ import annotations

from typing import NamedTuple, Protocol

import torch
from torch import Tensor


class Memory(NamedTuple):
    """The frames of an encoder as keys and values, computed once for an utterance.

    Every row of an utterance attends to the same keys and values: nothing is copied.

    Attributes:
        keys: (L, B, N, T', D); one layer in a recurrent decoder.
        values: (L, B, N, T', D).
        mask: True for each frame that exists, (B, T').
    """

    keys: Tensor
    values: Tensor
    mask: Tensor

    def of(self, utterances: Tensor) -> Memory:
        """Return the memory of some utterances (B',)."""
        return Memory(
            self.keys[:, utterances], self.values[:, utterances], self.mask[utterances]
        )


class DecoderState(Protocol):
    """What a decoder knows of the symbols that it has read, (B, R) rows."""

    def of(self, utterances: Tensor) -> DecoderState:
        """Return the state of some utterances (B',)."""
        ...

    def rows(self, index: Tensor) -> DecoderState:
        """Return the rows ``index`` (B, R'), of each utterance its own."""
        ...

    def at(self, n_symbols: Tensor) -> DecoderState:
        """Return the state after the first ``n_symbols`` (B, R') of a single row."""
        ...


class Decoded(NamedTuple):
    """The result of reading symbols.

    Attributes:
        log_probs: Log-probabilities of the symbol after each one, (B, R, U, V).
        state: The state, from which reading can go on.
        weights: Attention to each frame, mean over the heads, (B, R, U, T').
    """

    log_probs: Tensor
    state: DecoderState
    weights: Tensor


class Decoder(Protocol):
    """An attention decoder, as a search sees it."""

    def read(self, frames: Tensor, lengths: Tensor) -> Memory:
        """Prepare the frames (T', B, 2H) of an encoder for attention."""
        ...

    def __call__(
        self, symbols: Tensor, memory: Memory, state: DecoderState | None = None
    ) -> Decoded:
        """Read symbols (B, R, U)."""
        ...


def pick_rows(values: Tensor, index: Tensor) -> Tensor:
    """Return rows ``index`` (B, R') of ``values`` (B, R, ...): (B, R', ...)."""
    batch = torch.arange(len(index), device=index.device).unsqueeze(1)
    return values[batch, index]


class RecurrentState(NamedTuple):
    """The state of a recurrent decoder of one layer.

    Attributes:
        hidden: The hidden state after each symbol, (B, R, U, H).
    """

    hidden: Tensor

    @property
    def last(self) -> Tensor:
        """The hidden state after the last symbol, as ``nn.GRU`` takes it."""
        return self.hidden[:, :, -1].flatten(0, 1).unsqueeze(0).contiguous()  # (1,BR,H)

    def of(self, utterances: Tensor) -> RecurrentState:
        """Return the state of some utterances (B',)."""
        return RecurrentState(self.hidden[utterances])

    def rows(self, index: Tensor) -> RecurrentState:
        """Return the rows ``index`` (B, R')."""
        return RecurrentState(pick_rows(self.hidden[:, :, -1:], index))

    def at(self, n_symbols: Tensor) -> RecurrentState:
        """Return the state after the first ``n_symbols`` (B, R') of a single row."""
        nothing = torch.zeros_like(self.hidden[:, 0, :1])  # before the first: zeros
        after = torch.cat([nothing, self.hidden[:, 0]], dim=1)  # (B, 1 + U, H)
        return RecurrentState(pick_rows(after, n_symbols).unsqueeze(2))


class CacheState(NamedTuple):
    """The cached keys and values of a decoder with self-attention.

    A search starts its rows from prefixes of one string. They share its keys and
    values, each row with a mask of its own; what follows is the row's own.

    Attributes:
        keys: Of the symbols of each row, (L, B, R, N, U, D).
        values: Likewise.
        shared_keys: Of the string that the rows share, (L, B, N, P, D).
        shared_values: Likewise.
        mask: True for each shared symbol that a row starts with, (B, R, P).
    """

    keys: Tensor
    values: Tensor
    shared_keys: Tensor
    shared_values: Tensor
    mask: Tensor

    @property
    def n_read(self) -> Tensor:
        """The symbols that each row has read, (B, R)."""
        return self.mask.sum(dim=2) + self.keys.shape[4]

    def of(self, utterances: Tensor) -> CacheState:
        """Return the state of some utterances (B',)."""
        *cached, mask = self
        cached = (kept[:, utterances] for kept in cached)
        return CacheState(*cached, mask=mask[utterances])

    def rows(self, index: Tensor) -> CacheState:
        """Return the rows ``index`` (B, R')."""
        keys, values = (
            pick_rows(kept.movedim(0, 2), index).movedim(2, 0)
            for kept in (self.keys, self.values)
        )
        mask = pick_rows(self.mask, index)
        return self._replace(keys=keys, values=values, mask=mask)

    def at(self, n_symbols: Tensor) -> CacheState:
        """Return the state after the first ``n_symbols`` (B, R') of a single row."""
        shape = list(self.keys.shape)
        shape[2], shape[4] = n_symbols.shape[1], 0
        positions = torch.arange(self.keys.shape[4], device=n_symbols.device)
        nothing = self.keys.new_empty(shape)
        return CacheState(
            nothing,
            nothing,
            self.keys[:, :, 0],
            self.values[:, :, 0],
            positions < n_symbols.unsqueeze(2),
        )
