"""Constants of the lab and packing, for probes."""

from __future__ import annotations

from torch import Tensor
from torch.nn.utils.rnn import (
    PackedSequence,
    pack_padded_sequence,
    pad_packed_sequence,
)

ALPHABET = "¬ ¦',.0123456789¶❌abcdefghijklmnopqrstuvwxyz"

# Maps a prefix to two log probabilities: of its paths that end with a blank, and of
# those that end with its last symbol.
Sums = dict[tuple[int, ...], tuple[float, float]]

# Kernel, stride and padding (T, M) of the lab's convolutions.
LAB_CONVOLUTIONS = (((41, 11), (2, 2), (20, 5)), ((21, 11), (2, 1), (10, 5)))


def pack(padded: Tensor, lengths: Tensor) -> PackedSequence:
    """Pack (L, B, ...) whose sequences come in any order."""
    return pack_padded_sequence(padded, lengths, enforce_sorted=False)


def unpacked(packed: PackedSequence) -> list[Tensor]:
    """Cut a packed sequence into its B sequences, without padding."""
    if not isinstance(packed, PackedSequence):
        raise TypeError(f"a {type(packed).__name__}, not a PackedSequence")
    padded, lengths = pad_packed_sequence(packed)
    return [padded[:length, b] for b, length in enumerate(lengths.tolist())]
