"""Audio: reading clips, normalising and masking their spectrograms."""

from labkit.audio.finishing import Normalization, NormalizeAndMask
from labkit.audio.reading import (
    AudioError,
    duration_of,
    is_silent,
    read_audio,
    resample,
    why_inaudible,
    why_partial,
)
