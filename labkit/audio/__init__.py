"""Audio: reading clips, normalising and masking their spectrograms."""

from labkit.audio.finishing import Normalization, NormalizeAndMask
from labkit.audio.reading import (
    AudioError,
    duration_of,
    read_audio,
    read_speech,
    resample,
    why_inaudible,
    why_partial,
)
