"""Reading audio files of any rate and channel count, and resampling."""

from __future__ import annotations

import math
import os
from functools import cache
from pathlib import Path

import numpy as np
import soundfile
import torch
import torchaudio
from torch import Tensor

from labkit.base import LabError

_FORMATS = "mp3, wav, flac or ogg"
_MIN_SECONDS = 0.05  # a clip must hold more than one window of the transform
_RATES = 4_000, 384_000  # Hz; outside, the header is wrong
_MAX_SAMPLE = 1e6  # a sample is in [-1, 1], or a little above
_MAX_FILTERS = 2_000  # of a resampler; an odd rate would ask for gigabytes
_DECODING_ERRORS = (soundfile.LibsndfileError, RuntimeError, TypeError, UnicodeError)


class AudioError(LabError):
    """An audio file that cannot be used; its cause names the file."""


def _unreadable(path: Path, why: str) -> AudioError:
    return AudioError(
        f"{path}: {why}",
        f"give a clip in {_FORMATS} (ffmpeg -i clip.m4a clip.wav converts others)",
    )


def read_audio(path: str | Path) -> tuple[Tensor, int]:
    """Read a clip, its channels averaged into one.

    Args:
        path: An mp3, wav, flac or ogg file.

    Returns:
        The waveform (1, samples), float32 in [-1, 1], and its rate in Hz.

    Raises:
        AudioError: The file is missing or empty, or holds no sound or too little.
    """
    path = Path(path)
    if not os.path.isfile(path):  # unlike Path's, it accepts a name that is too long
        raise AudioError(f"{path}: no such clip", "check the path")
    if path.stat().st_size == 0:
        raise _unreadable(path, "the file is empty (0 bytes)")
    try:
        samples, rate = soundfile.read(path, dtype="float32", always_2d=True)
    except _DECODING_ERRORS as error:
        raise _unreadable(path, f"not readable as audio ({error})") from error
    if len(samples) == 0:
        raise _unreadable(path, "it holds no sound (0 s)")
    if not _RATES[0] <= rate <= _RATES[1]:
        raise _unreadable(path, f"its sampling rate is said to be {rate} Hz")
    if not np.abs(samples).max() < _MAX_SAMPLE:
        raise _unreadable(path, "it holds values that are no sound (NaN or infinite)")
    if len(samples) < _MIN_SECONDS * rate:
        raise _unreadable(path, f"it lasts {1000 * len(samples) / rate:.0f} ms")
    waveform = torch.from_numpy(samples).mean(dim=1)
    return waveform.unsqueeze(0), rate  # (1, samples)


def duration_of(path: str | Path) -> float:
    """Read the duration of a clip from its header.

    Args:
        path: An audio file.

    Returns:
        Seconds; 0.0 for a file that is missing or broken.
    """
    try:
        return soundfile.info(path).duration
    except (*_DECODING_ERRORS, OSError):
        return 0.0


@cache
def _resampler(rate: int, new_rate: int) -> torchaudio.transforms.Resample:
    # Building its filters costs more than applying them to one clip.
    return torchaudio.transforms.Resample(rate, new_rate)


def resample(waveform: Tensor, rate: int, new_rate: int) -> Tensor:
    """Change the sampling rate of ``waveform`` (..., samples), rates in Hz."""
    if rate // math.gcd(rate, new_rate) > _MAX_FILTERS:
        rate = round(rate, -2)  # 44101 Hz is taken for 44100 Hz
    if rate == new_rate:
        return waveform
    return _resampler(rate, new_rate)(waveform)
