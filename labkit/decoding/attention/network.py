"""A network with an attention decoder, and its alphabet, as searches see them."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Protocol

import torch
from torch import Tensor
from torch.nn.utils.rnn import pad_packed_sequence, pad_sequence

from labkit.decoding.attention.state import Decoder, DecoderState, Memory
from labkit.decoding.encoding import Encoding, Recogniser
from labkit.text import Alphabet

_NOTHING = -1  # in the place of a symbol: the string had ended before


class AttentionRecogniser(Recogniser, Protocol):
    """A network with an attention decoder."""

    @property
    def decoder(self) -> Decoder:
        """The decoder."""
        ...


@dataclass(frozen=True)
class Marks:
    """The symbols of an alphabet that are no characters."""

    blank: int
    start: int
    end: int

    @classmethod
    def of(cls, alphabet: Alphabet) -> Marks:
        """Find them in an alphabet."""
        index = alphabet.index
        return cls(alphabet.blank_id, index[alphabet.start], index[alphabet.end])

    @property
    def excluded(self) -> tuple[int, int]:
        """The symbols that an attention decoder never writes."""
        return self.blank, self.start

    @property
    def outside(self) -> tuple[int, int, int]:
        """The symbols that are never inside a transcript."""
        return self.blank, self.start, self.end

    def string(self, indices: Sequence[int]) -> list[int]:
        """Return the characters of a transcript, and the end."""
        return [k for k in indices if k not in (self.start, self.end)] + [self.end]


def open_memory(
    recogniser: AttentionRecogniser, encoding: Encoding
) -> tuple[Memory, Tensor]:
    """Return the memory of a batch, and the frames T' of each utterance."""
    frames, lengths = pad_packed_sequence(encoding.attended)  # (T', B, 2H), (B,)
    return recogniser.decoder.read(frames, lengths), lengths


def score_strings(
    decoder: Decoder,
    memory: Memory,
    strings: Sequence[Sequence[list[int]]],
    before: Tensor | int,
    state: DecoderState | None = None,
) -> list[list[float]]:
    """Score strings of each utterance in one call of the decoder.

    Args:
        decoder: The decoder.
        memory: The encoder's frames of each utterance.
        strings: R strings of each utterance, or fewer.
        before: The symbol before each of them, (B, R), or before all of them.
        state: The state before that, rows (B, R); None if it is the first.

    Returns:
        The log probability of each string.
    """
    n_rows = max(map(len, strings))
    filled = [[*own, *[[]] * (n_rows - len(own))] for own in strings]
    rows = [torch.tensor(text, dtype=torch.long) for own in filled for text in own]
    targets = pad_sequence(rows, batch_first=True, padding_value=_NOTHING)
    targets = targets.unflatten(0, (-1, n_rows)).to(memory.mask.device)  # (B, R, U)
    index = targets.clamp(min=0)
    first = torch.as_tensor(before, device=index.device).expand(targets.shape[:2])
    inputs = torch.cat([first.unsqueeze(2), index[..., :-1]], dim=2)
    log_probs = decoder(inputs, memory, state).log_probs  # (B, R, U, V)
    own_probs = log_probs.gather(3, index.unsqueeze(3)).squeeze(3).double()
    totals = own_probs.masked_fill(targets == _NOTHING, 0.0).sum(dim=2).tolist()
    return [row[: len(own)] for row, own in zip(totals, strings)]


def attention_weights(
    recogniser: AttentionRecogniser, encoding: Encoding, symbols: Sequence[int]
) -> Tensor:
    """Return where attention looks while it reads a transcript of one utterance.

    Args:
        recogniser: The network.
        encoding: Its output for the utterance.
        symbols: The transcript, without the start.

    Returns:
        The weights of the frames for each symbol, (U, T').
    """
    memory, _ = open_memory(recogniser, encoding)
    start = Marks.of(recogniser.charmap.alphabet).start
    inputs = torch.tensor([[[start, *symbols[:-1]]]], device=memory.mask.device)
    return recogniser.decoder(inputs, memory).weights[0, 0]
