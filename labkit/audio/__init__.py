"""Audio: reading clips, masking their spectrograms."""

from labkit.audio.reading import AudioError, duration_of, read_audio, resample
from labkit.audio.specaugment import SpecAugment

__all__ = [
    "AudioError",
    "SpecAugment",
    "duration_of",
    "read_audio",
    "resample",
]
