"""Reading audio files of any rate and channel count, and resampling."""

from __future__ import annotations

import io
import math
import os
import stat
import threading
from collections.abc import Iterator
from contextlib import nullcontext
from functools import cache
from pathlib import Path

import numpy as np
import soundfile
import torch
import torchaudio
from torch import Tensor

from labkit.base import LabError, silent_stderr

_FORMATS = "mp3, wav, flac or ogg"
_MIN_SECONDS = 0.05  # a clip must hold more than one window of the transform
_RATES = 4_000, 384_000  # Hz; outside, the header is wrong
_MOST_SECONDS = 1e6  # of a clip; a header that says more leaves its length open
_MAX_SAMPLE = 1e6  # a sample is in [-1, 1], or a little above
_MAX_FILTERS = 2_000  # of a resampler; an odd rate would ask for gigabytes
_DECODING_ERRORS = (
    *(soundfile.LibsndfileError, RuntimeError, TypeError, ValueError),
    EOFError,  # of a pipe that ends early
)
_BLOCK = 1 << 18  # samples decoded at a time
_FRAUNHOFER = b"VBRI"
_LENGTHS = (b"Xing", b"Info", _FRAUNHOFER)  # an MP3 frame that counts all others
_TAGS = 4096  # bytes: what tags at the end of an MP3 usually take
_TAG = b"ID3"
_CANCELLED = 0.1  # of the power that unlike channels keep when they are averaged
_SILENT, _QUIET = 1e-4, 0.01  # peaks: -80 dB; -40 dB, a third of the quietest speech
# The first bytes of what is often given instead of a clip.
_STRANGERS = (
    (4, b"ftyp", "an m4a or mp4 file"),
    (0, b"\x1aE\xdf\xa3", "a webm or mkv file"),
    (0, b"version https://git-lfs", "a Git LFS pointer: fetch the clip (git lfs pull)"),
    (0, b"<", "a web page"),
)


class AudioError(LabError):
    """An audio file that cannot be used; its cause names the file."""


def _unreadable(path: Path, why: str) -> AudioError:
    return AudioError(
        f"{path}: {why}",
        f"give a clip in {_FORMATS} (ffmpeg -i clip.m4a clip.wav converts others)",
    )


class _Stream(soundfile.SoundFile):
    """A sound file that is only read on: a header may give its length wrongly."""

    def seekable(self) -> bool:
        """Say no, so that soundfile neither trusts the length nor seeks."""
        return False


def _decode(path: Path) -> Iterator[tuple[np.ndarray, int]]:
    """Yield samples (n, channels) with their rate, to the end of what is there.

    What a codec writes to stderr is silenced in the main thread; a program of several
    threads must do so around all of them.
    """
    main = threading.current_thread() is threading.main_thread()
    is_file = os.path.isfile(path)  # unlike a pipe, where libsndfile would seek
    source = path if is_file else io.BytesIO(path.read_bytes())
    with silent_stderr() if main else nullcontext(), _Stream(source) as file:
        while True:
            block = file.read(_BLOCK, dtype="float32", always_2d=True)
            if not len(block):
                return
            yield block, file.samplerate


def _why_undecodable(path: Path, error: Exception) -> str:
    """Say what a file is, if it is no audio."""
    try:
        os.fsencode(path).decode("utf-8")
    except UnicodeError:
        return "its name is not UTF-8: give it another"
    start = b""
    if os.path.isfile(path):
        with path.open("rb") as file:
            start = file.read(64)
    for place, mark, what in _STRANGERS:
        if start[place:].startswith(mark):
            return f"not readable as audio: it is {what}"
    if "does not exist" in str(error):  # libsndfile's words where no MP3 frame is
        return "not readable as audio: no frame of sound is in it"
    return f"not readable as audio ({error})"


def _mix(samples: np.ndarray) -> Tensor:
    """Average channels; if they cancel, as with a broken cable, take the loudest."""
    mixed = torch.from_numpy(samples).mean(dim=1)
    n_channels = samples.shape[1]
    if n_channels > 1:
        powers = np.square(samples).mean(axis=0)
        kept = mixed.square().mean().item()
        if kept < _CANCELLED * powers.mean() / n_channels:
            return torch.from_numpy(samples[:, powers.argmax()].copy())
    return mixed


def is_silent(waveform: Tensor) -> bool:
    """Whether a waveform holds digital silence, or next to it."""
    return waveform.abs().max().item() < _SILENT


def why_inaudible(waveform: Tensor) -> str | None:
    """Say why a waveform cannot be understood; None where it is loud enough."""
    if is_silent(waveform):
        return "the clip is silent"
    peak = waveform.abs().max().item()
    level = f"the clip is too quiet (peak {20 * math.log10(peak):.0f} dB)"
    return level if peak < _QUIET else None


def read_audio(path: str | Path) -> tuple[Tensor, int]:
    """Read a clip, its channels averaged into one.

    Args:
        path: An mp3, wav, flac or ogg file, or a pipe.

    Returns:
        The waveform (1, samples), float32 in [-1, 1], and its rate in Hz.

    Raises:
        AudioError: The file is missing or empty, or holds no sound or too little.
    """
    if "://" in str(path):
        raise AudioError(f"{path}: a web address", "download the clip first")
    path = Path(path)
    try:
        found = os.stat(path)
    except (OSError, ValueError):  # missing, or its name is too long
        raise AudioError(f"{path}: no such clip", "check the path") from None
    if stat.S_ISDIR(found.st_mode):
        raise AudioError(f"{path}: is a folder", "name its clips: --audiofile A B")
    if stat.S_ISREG(found.st_mode) and found.st_size == 0:
        raise _unreadable(path, "the file is empty (0 bytes)")
    try:
        blocks = list(_decode(path))
    except _DECODING_ERRORS as error:
        raise _unreadable(path, _why_undecodable(path, error)) from error
    if not blocks:
        raise _unreadable(path, "it holds no sound (0 s)")
    samples, rate = np.concatenate([block for block, _ in blocks]), blocks[0][1]
    if not _RATES[0] <= rate <= _RATES[1]:
        raise _unreadable(path, f"its sampling rate is said to be {rate} Hz")
    if not np.abs(samples).max() < _MAX_SAMPLE:
        raise _unreadable(path, "it holds values that are no sound (NaN or infinite)")
    if len(samples) < _MIN_SECONDS * rate:
        raise _unreadable(path, f"it lasts {1000 * len(samples) / rate:.0f} ms")
    return _mix(samples).unsqueeze(0), rate  # (1, samples)


def _length_is_guessed(path: Path) -> bool:
    """Whether an MP3 does not say how long it is, or only of the first of several."""
    with path.open("rb") as file:
        start, begin = file.read(10), 0
        if start[:3] == _TAG:  # its size: 4 bytes of 7 bits
            begin = 10 + sum(b << 7 * i for i, b in enumerate(reversed(start[6:])))
            file.seek(begin)
        frame = file.read(400)
        size = file.seek(0, os.SEEK_END) - begin
    place = max(frame.find(mark) for mark in _LENGTHS)
    flags, n_bytes = (frame[place + n : place + n + 4] for n in (4, 12))
    if place < 0 or frame[place:].startswith(_FRAUNHOFER):
        return place < 0
    told = flags[-1:] and flags[-1] & 3 == 3  # both frames and bytes
    return not told or size - int.from_bytes(n_bytes, "big") > _TAGS


def duration_of(path: str | Path) -> float:
    """Read the duration of a clip from its header, if that tells it; else decode it.

    Args:
        path: An audio file.

    Returns:
        Seconds; 0.0 for a file that is missing or broken.
    """
    path = Path(path)
    try:
        info = soundfile.info(path)
        unknown = info.frames > _MOST_SECONDS * info.samplerate
        if unknown or (info.format == "MP3" and _length_is_guessed(path)):
            return sum(len(block) / rate for block, rate in _decode(path))
        return info.duration
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
