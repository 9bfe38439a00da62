"""Finishing log-mels for the network: normalising and, in training, masking them."""

from __future__ import annotations

import random
from typing import Union

import torch
from torch import Tensor

# Mean and standard deviation in dB, of a whole corpus; "utterance"; or none at all.
Normalization = Union[tuple[float, float], str, None]

_QUIETEST = 80.0  # dB below the loudest value of an utterance: less is silence
_SMALLEST_STD = 1.0  # dB; what varies less holds no speech, and is not amplified

_PLAIN_BANDS, _PLAIN_SECONDS = 5, 0.1  # of one mask
# Strong masks: about a third of what the network reads.
_STRONG_SHARE = 0.3  # of the bands, in each of two masks
_STRONG_SECONDS = 0.35  # of one mask of frames
_SECONDS_FOR_A_MASK = 1.5


class NormalizeAndMask:
    """Normalises log-mels and, in training, masks runs of their bands and frames.

    A mask holds 0 (SpecAugment, Park et al. 2019). The draws are those of torchaudio's
    FrequencyMasking and TimeMasking, without a tensor for each of four numbers, in a
    tenth of the time.

    Args:
        normalization: See ``normalize_log_mel``.
        augment: Whether to mask; "strong" for more and wider masks, for long training
            on real speech.
        n_mels: Mel bands M.
        win_step: Seconds from one frame to the next.
    """

    def __init__(
        self,
        normalization: Normalization,
        augment: bool | str,
        n_mels: int,
        win_step: float,
    ) -> None:
        self.normalization = normalization
        self._augment = bool(augment)
        # Each mask: its axis, and how many bands or frames it is shorter than.
        self._band_masks = [(1, _PLAIN_BANDS)]
        self._frame_mask = (0, round(_PLAIN_SECONDS / win_step))
        self._frames_for_a_mask = 0  # one mask of frames, however many there are
        if augment == "strong":
            self._band_masks = [(1, max(1, round(_STRONG_SHARE * n_mels)))] * 2
            self._frame_mask = (0, round(_STRONG_SECONDS / win_step))
            self._frames_for_a_mask = round(_SECONDS_FOR_A_MASK / win_step)

    def __call__(self, log_mel: Tensor, seed: int | None = None) -> Tensor:
        """Finish one utterance.

        Args:
            log_mel: (T, M), in dB.
            seed: Decides the masks; None draws one from torch's own generator.

        Returns:
            Its copy, normalised and masked, (T, M); itself if nothing is to be done.
        """
        log_mel = normalize_log_mel(log_mel, self.normalization)
        return self._mask(log_mel, seed) if self._augment else log_mel

    def _mask(self, log_mel: Tensor, seed: int | None) -> Tensor:
        if seed is None:
            seed = int(torch.randint(1 << 62, ()))
        draw = random.Random(seed).random
        masked = log_mel.clone()
        n_frame_masks = max(1, len(masked) // (self._frames_for_a_mask or len(masked)))
        for axis, most in self._band_masks + [self._frame_mask] * n_frame_masks:
            length = masked.shape[axis]
            width = draw() * min(most, length)
            first = int(draw() * (length - width))
            masked.narrow(axis, first, int(width)).zero_()
        return masked


def normalize_log_mel(log_mel: Tensor, normalization: Normalization) -> Tensor:
    """Normalise a log-mel.

    Args:
        log_mel: One utterance (T, M), in dB.
        normalization: The mean and the standard deviation in dB; or "utterance", for
            those of each band of this utterance; or None, to change nothing.

    Returns:
        The normalised log-mel, (T, M).
    """
    if normalization is None:
        return log_mel
    if isinstance(normalization, str):
        return _by_utterance(log_mel)
    mean, std = normalization
    return (log_mel - mean) / std


def _by_utterance(log_mel: Tensor) -> Tensor:
    """Give each band of an utterance mean 0 and standard deviation 1.

    Then neither the microphone nor its distance matters. Digital silence, which some
    clips hold and others do not, is raised to a floor first: at -100 dB it alone would
    decide mean and deviation.
    """
    log_mel = log_mel.clamp(min=log_mel.max().item() - _QUIETEST)
    mean = log_mel.mean(dim=0)  # (M,)
    std = log_mel.std(dim=0, correction=0).clamp(min=_SMALLEST_STD)  # (M,)
    return (log_mel - mean) / std
