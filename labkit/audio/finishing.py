"""Finishing log-mels for the network: normalising and, in training, masking them."""

from __future__ import annotations

from typing import Union

from torch import Tensor

from labkit.audio.specaugment import SpecAugment

# Mean and standard deviation in dB, of a whole corpus; "utterance"; or none at all.
Normalization = Union[tuple[float, float], str, None]

_QUIETEST = 80.0  # dB below the loudest value of an utterance: less is silence
_SMALLEST_STD = 1.0  # dB; what varies less holds no speech, and is not amplified


class NormalizeAndMask:
    """Normalises log-mels and, in training, masks them.

    Args:
        normalization: See ``normalize_log_mel``.
        augment: Whether to mask (SpecAugment); "strong" for more and wider masks.
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
        self.mask: SpecAugment | None = None
        if augment:
            make = SpecAugment.strong if augment == "strong" else SpecAugment.plain
            self.mask = make(n_mels, win_step)

    def __call__(self, log_mel: Tensor, seed: int | None = None) -> Tensor:
        """Finish one utterance (T, M) in dB; ``seed`` decides the masks."""
        log_mel = normalize_log_mel(log_mel, self.normalization)
        return self.mask(log_mel, seed) if self.mask else log_mel


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
