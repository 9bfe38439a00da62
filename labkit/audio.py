"""Reading audio files of any rate and channel count, and resampling."""

from __future__ import annotations

from functools import cache
from pathlib import Path

import soundfile
import torch
import torchaudio
from torch import Tensor

from labkit.errors import LabError

_FORMATS = "mp3, wav, flac or ogg"
_MIN_SECONDS = 0.05  # a clip must hold more than one window of the transform


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
    if not path.is_file():
        raise AudioError(f"{path}: no such clip", "check the path")
    if path.stat().st_size == 0:
        raise _unreadable(path, "the file is empty (0 bytes)")
    try:
        samples, rate = soundfile.read(path, dtype="float32", always_2d=True)
    except (soundfile.LibsndfileError, RuntimeError) as error:
        raise _unreadable(path, f"not readable as audio ({error})") from error
    if len(samples) == 0:
        raise _unreadable(path, "it holds no sound (0 s)")
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
    except (soundfile.LibsndfileError, RuntimeError, OSError):
        return 0.0


@cache
def _resampler(rate: int, new_rate: int) -> torchaudio.transforms.Resample:
    # Building its filters costs more than applying them to one clip.
    return torchaudio.transforms.Resample(rate, new_rate)


def resample(waveform: Tensor, rate: int, new_rate: int) -> Tensor:
    """Change the sampling rate of ``waveform`` (..., samples), rates in Hz."""
    if rate == new_rate:
        return waveform
    return _resampler(rate, new_rate)(waveform)
