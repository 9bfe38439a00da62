"""Constants of the lab and packing, for probes."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

import torch
from torch import Tensor, nn
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
    rows, frames = len(packed.data), int(packed.batch_sizes.sum())
    if rows != frames:
        raise ValueError(
            f"a PackedSequence of {frames} frames whose data has {rows} rows: was one "
            "of the two packings or paddings called without batch_first?"
        )
    padded, lengths = pad_packed_sequence(packed)
    return [padded[:length, b] for b, length in enumerate(lengths.tolist())]


@contextmanager
def old_lengths_named() -> Iterator[None]:
    """Name the usual mistake behind an error of torch: T' frames, packed as T."""
    try:
        yield
    except RuntimeError as error:
        if "exceeds dimension size" in str(error):
            words = "Packed with the lengths from before the convolutions?"
            error.args = (f"{error} {words}",)
        raise


def convolution_weights(cnn: nn.Module) -> list[Tensor]:
    """List kernel, bias, scale and shift of each convolution and its normalisation.

    A convolution without bias before its normalisation is one of bias 0.
    """
    convolutions = [m for m in cnn.modules() if isinstance(m, nn.Conv2d)]
    norms = [m for m in cnn.modules() if isinstance(m, nn.BatchNorm2d)]
    weights: list[Tensor] = []
    for layer, norm in zip(convolutions, norms):
        bias = torch.zeros(layer.out_channels) if layer.bias is None else layer.bias
        weights += [layer.weight, bias, norm.weight, norm.bias]
    return [weight.detach().clone() for weight in weights]


def without_biases(kernels: list[Tensor], biases: list[bool]) -> list[Tensor]:
    """Leave out the biases of convolutions that have none.

    Args:
        kernels: Kernel, bias, scale and shift of each convolution.
        biases: Whether it has one, for each.
    """
    left_out = [4 * n + 1 for n, has_one in enumerate(biases) if not has_one]
    return [weight for n, weight in enumerate(kernels) if n not in left_out]
