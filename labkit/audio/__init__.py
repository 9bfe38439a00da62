"""Audio: reading clips, normalising and masking their spectrograms."""

from labkit.audio.finishing import Normalization, NormalizeAndMask
from labkit.audio.reading import AudioError, duration_of, read_audio, resample

__all__ = [
    "AudioError",
    "Normalization",
    "NormalizeAndMask",
    "duration_of",
    "read_audio",
    "resample",
]
