"""The output of a network, which decoders read."""

from __future__ import annotations

from itertools import zip_longest
from typing import NamedTuple, Protocol

from torch import Tensor
from torch.nn.utils.rnn import (
    PackedSequence,
    pack_padded_sequence,
    pad_packed_sequence,
)

from labkit.base import LabError
from labkit.decoding.check import check_numbers
from labkit.text import Characters


class Encoding(NamedTuple):
    """The output of a network for a batch of utterances.

    Attributes:
        scores: Packed scores (T', B, V) for CTC: their softmax over V gives
            probabilities. None if the network has no such output.
        memory: Packed states of the encoder (T', B, 2H), for attention; or None.
    """

    scores: PackedSequence | None
    memory: PackedSequence | None

    @property
    def n_frames(self) -> int:
        """The frames T' of all utterances together."""
        packed = self.memory if self.scores is None else self.scores
        return int(packed.batch_sizes.sum()) if packed is not None else 0

    @property
    def ctc_scores(self) -> PackedSequence:
        """The scores; without them no search of CTC is possible."""
        if self.scores is None:
            raise LabError(
                "the network gives no scores for CTC", "use another --decoder"
            )
        return self.scores

    @property
    def attended(self) -> PackedSequence:
        """The memory; without it no decoder with attention is possible."""
        if self.memory is None:
            raise LabError(
                "the network has no attention decoder",
                "use another --decoder, or train one: python main_seq2seq.py train",
            )
        return self.memory

    def split(self, most: int) -> list[Encoding]:
        """Split a batch into parts of at most ``most`` utterances."""
        packed = [one for one in self if one is not None]
        n_utterances = int(packed[0].batch_sizes[0]) if packed else 0
        if n_utterances <= most:
            return [self]
        columns = ([None] if one is None else _split(one, most) for one in self)
        return [Encoding(*parts) for parts in zip_longest(*columns)]

    def check(self) -> None:
        """Refuse NaN and +inf, which no decoder can read."""
        for packed in self:
            if packed is not None:
                check_numbers(packed.data)


def _split(packed: PackedSequence, most: int) -> list[PackedSequence]:
    padded, lengths = pad_packed_sequence(packed)  # (T', B, ...), (B,)
    parts = zip(padded.split(most, dim=1), lengths.split(most))
    return [pack_padded_sequence(*part, enforce_sorted=False) for part in parts]


class Recogniser(Protocol):
    """A network, as decoding sees it."""

    @property
    def charmap(self) -> Characters:
        """The alphabet of its outputs."""
        ...

    @property
    def stride(self) -> int:
        """Frames T of the spectrogram for one frame T' of the encoding."""
        ...

    def encode(self, inputs: PackedSequence) -> Encoding:
        """Read packed spectrograms (T, B, M)."""
        ...


def log_posteriors(scores: PackedSequence) -> tuple[Tensor, Tensor]:
    """Turn packed scores (T', B, V) into log-probabilities.

    Returns:
        The log-probabilities (T', B, V) and the lengths (B,).

    Raises:
        LabError: They hold NaN or +inf.
    """
    Encoding(scores, None).check()
    padded, lengths = pad_packed_sequence(scores)  # (T', B, V), (B,)
    return padded.log_softmax(dim=2), lengths
