"""Pulling attention to the frames where CTC has heard each symbol."""

from __future__ import annotations

import argparse
from collections.abc import Callable
from typing import Any

import torch
from torch import Tensor
from torch.nn.utils.rnn import PackedSequence, unpack_sequence

from labkit.decoding import NoPathError, align, log_posteriors

_MARGIN = 2  # frames T' on both sides of a symbol where attention may look as well
_SMALLEST = 1e-6  # of a sum of weights, so that its logarithm is finite

Losses = Callable[[Any, PackedSequence], Tensor]


class GuidedAttention:
    """Adds, in the first epochs, a loss of attention that looks elsewhere.

    Forced alignment of the CTC layer says in which frames a symbol is. The loss of a
    symbol is minus the logarithm of the attention that falls on these frames; it has
    the weight of the attention loss (after Zeyer et al. 2018 and the attention window
    of wav2letter).

    Args:
        args: Options: guided_attention (epochs, or None) and ctc_weight.
        blank: The index of the blank.
        compute_losses: ``(outputs, transcripts)`` to the losses (B,).
    """

    def __init__(
        self, args: argparse.Namespace, blank: int, compute_losses: Losses
    ) -> None:
        self.n_epochs = args.guided_attention or 0
        self.weight = 1.0 - args.ctc_weight
        self.blank = blank
        self.compute_losses = compute_losses

    def losses(self, epoch: int) -> Losses:
        """Return the losses of an epoch."""
        return self._guided if epoch <= self.n_epochs else self.compute_losses

    def _guided(self, outputs: Any, transcripts: PackedSequence) -> Tensor:  # noqa: ANN401
        losses = self.compute_losses(outputs, transcripts)
        aligned = find_frames(outputs.encoding.ctc_scores, transcripts, self.blank)
        return losses + self.weight * attention_outside(outputs.weights, aligned)


def find_frames(
    scores: PackedSequence, transcripts: PackedSequence, blank: int
) -> list[list[tuple[int, int]]]:
    """Align transcripts with the scores of CTC.

    Args:
        scores: Packed scores (T', B, V).
        transcripts: Packed indices (U, B).
        blank: The index of the blank.

    Returns:
        For each utterance and each symbol after the first, its first frame and that
        after its last; nothing where no path spells the transcript.
    """
    log_probs, n_frames = log_posteriors(scores)  # (T', B, V), (B,)
    log_probs = log_probs.detach().cpu()
    found = []
    for b, symbols in enumerate(unpack_sequence(transcripts)):
        own = log_probs[: n_frames[b], b]  # (T', V)
        try:
            found.append(align(own, symbols.tolist(), blank).spans[1:])
        except NoPathError:
            found.append([])
    return found


def attention_outside(weights: Tensor, frames: list[list[tuple[int, int]]]) -> Tensor:
    """Compute the loss of attention that falls outside the frames of each symbol.

    Args:
        weights: Attention of each symbol to the frames, (B, U, T').
        frames: The frames of the symbols of each utterance.

    Returns:
        Minus the logarithm of what falls inside, summed over the symbols, (B,).
    """
    inside = torch.zeros_like(weights, dtype=torch.bool)
    counted = torch.zeros_like(inside[..., 0])
    for b, spans in enumerate(frames):
        for u, (first, stop) in enumerate(spans):
            inside[b, u, max(0, first - _MARGIN) : stop + _MARGIN] = True
            counted[b, u] = True
    mass = (weights * inside).sum(dim=2).clamp(min=_SMALLEST)  # (B, U)
    return -(mass.log() * counted).sum(dim=1)
