"""SpecAugment: training on masked spectrograms (Park et al. 2019)."""

from __future__ import annotations

import random

import torch
from torch import Tensor

_PLAIN_BANDS = 5
_PLAIN_SECONDS = 0.1
# Strong masks: about a third of what the network reads.
_STRONG_SHARE = 0.3  # of the bands, in one of two masks
_STRONG_SECONDS = 0.35  # of one mask of frames
_SECONDS_FOR_A_MASK = 1.5


class SpecAugment:
    """Masks runs of bands and of frames, one of each by default; a mask holds 0.

    The draws are those of torchaudio's FrequencyMasking and TimeMasking, without a
    tensor for each of four numbers, in a tenth of the time.

    Args:
        max_bands: Bands of a mask, fewer than this.
        max_frames: Frames of a mask, fewer than this.
        n_band_masks: Masks of bands.
        frames_for_a_mask: An utterance has a mask of frames for each so many of its
            frames, at least one; None for one only.
    """

    def __init__(
        self,
        max_bands: int,
        max_frames: int,
        n_band_masks: int = 1,
        frames_for_a_mask: int | None = None,
    ) -> None:
        self.max_bands = max_bands
        self.max_frames = max_frames
        self.n_band_masks = n_band_masks
        self.frames_for_a_mask = frames_for_a_mask

    @classmethod
    def plain(cls, n_mels: int, win_step: float) -> SpecAugment:
        """Make the masks of ``--train_augment``, for M bands and a step in seconds."""
        return cls(_PLAIN_BANDS, round(_PLAIN_SECONDS / win_step))

    @classmethod
    def strong(cls, n_mels: int, win_step: float) -> SpecAugment:
        """Make more and wider masks, for long training on real speech."""
        return cls(
            max(1, round(_STRONG_SHARE * n_mels)),
            round(_STRONG_SECONDS / win_step),
            n_band_masks=2,
            frames_for_a_mask=round(_SECONDS_FOR_A_MASK / win_step),
        )

    def __call__(self, log_mel: Tensor, seed: int | None = None) -> Tensor:
        """Mask one utterance.

        Args:
            log_mel: (T, M), normalised: 0 is the mean.
            seed: Decides the masks; None draws one from torch's own generator.

        Returns:
            A masked copy, (T, M).
        """
        if seed is None:
            seed = int(torch.randint(1 << 62, ()))
        draw = random.Random(seed).random
        masked = log_mel.clone()
        n_frame_masks = max(1, len(masked) // (self.frames_for_a_mask or len(masked)))
        masks = [(1, self.max_bands)] * self.n_band_masks
        masks += [(0, self.max_frames)] * n_frame_masks
        for axis, most in masks:
            length = masked.shape[axis]
            width = draw() * min(most, length)
            first = int(draw() * (length - width))
            masked.narrow(axis, first, int(width)).zero_()
        return masked
