"""Reading audio files of any rate and channel count, and resampling."""

from __future__ import annotations

import math
import os
import re
import stat
import sys
import threading
from collections.abc import Iterator
from contextlib import AbstractContextManager, nullcontext
from functools import cache
from pathlib import Path

import numpy as np
import soundfile
import torch
import torchaudio
from torch import Tensor

from labkit.audio.containers import read_mp3_header, sources
from labkit.base import LabError, silent_stderr

_FORMATS = "mp3, wav, flac or ogg"
_MIN_SECONDS = 0.05  # a clip must hold more than one window of the transform
_RATES = 4_000, 384_000  # Hz; outside, the header is wrong
_MOST_SECONDS = 1e6  # of a clip; a header that says more leaves its length open
_LOUDEST = 16.0  # a sample is in [-1, 1], or a little above
_BITS = (15, 23, 31)  # of integers that a file of floats may hold instead
_MAX_FILTERS = 2_000  # of a resampler; an odd rate would ask for gigabytes
_DECODING_ERRORS = (
    *(soundfile.LibsndfileError, RuntimeError, TypeError, ValueError),
    EOFError,  # of a pipe that ends early
)
_BLOCK = 1 << 18  # samples decoded at a time
_CANCELLED = 0.1  # of the power that unlike channels keep when they are averaged
_SILENT, _QUIET = 1e-4, 0.01  # peaks: -80 dB; -40 dB, a third of the quietest speech
_CLICK = 80  # samples that a switch makes, in which nothing is said
_SHORTFALL = 0.5  # s that a clip may be shorter than its header says
# What libsndfile says of the bytes that a WAV promises, and of those that are there.
_WAV_CUT = re.compile(r"^data : (\d+) \(should be (\d+)\)", re.MULTILINE)
_UNKNOWN_SIZE = 0x7F000000  # bytes; programs that write to a pipe promise so many
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


def _silenced() -> AbstractContextManager:
    """Silence what a codec writes to stderr, in the main thread.

    A program of several threads must do so around all of them.
    """
    main = threading.current_thread() is threading.main_thread()
    return silent_stderr() if main else nullcontext()


def _decode(path: Path) -> Iterator[tuple[np.ndarray, int]]:
    """Yield samples (n, channels) with their rate, to the end of what is there."""
    for source in sources(path):
        with _silenced(), _Stream(source) as file:
            # After its last sample, a FLAC may hold tags, which are an error to read.
            left = file.frames if file.format == "FLAC" else sys.maxsize
            while left:
                block = file.read(min(_BLOCK, left), dtype="float32", always_2d=True)
                if not len(block):
                    break
                left -= len(block)
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


def _level(waveform: Tensor) -> Tensor:
    """Return how far each sample is from the median, which some microphones shift."""
    return (waveform - waveform.median()).abs()


def _is_silent(waveform: Tensor) -> bool:
    """Whether a waveform holds digital silence, or next to it, but for a click."""
    return (_level(waveform) >= _SILENT).sum().item() < _CLICK


def why_inaudible(waveform: Tensor) -> str | None:
    """Say why a waveform cannot be understood; None where it is loud enough."""
    if _is_silent(waveform):
        return "the clip is silent"
    peak = _level(waveform).max().item()
    level = f"the clip is too quiet (peak {20 * math.log10(peak):.0f} dB)"
    return level if peak < _QUIET else None


def why_partial(path: str | Path, seconds: float) -> str | None:
    """Say what is missing of a clip, if its header promises more than was read."""
    try:
        promised = _promised(Path(path))
    except (*_DECODING_ERRORS, OSError):
        return None
    if promised is None or seconds >= promised - _SHORTFALL:
        return None
    return f"{seconds:.1f} s of {promised:.1f} s are there"


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
    except (OSError, ValueError):  # missing, or no name that a file can have
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
    rate = blocks[0][1]
    if len({(rate, block.shape[1]) for block, rate in blocks}) > 1:
        raise _unreadable(path, "recordings of several rates or channels are joined")
    samples = np.concatenate([block for block, _ in blocks])  # (samples, channels)
    if not _RATES[0] <= rate <= _RATES[1]:
        raise _unreadable(path, f"its sampling rate is said to be {rate} Hz")
    peak = np.abs(samples).max()
    if not peak <= 2 ** _BITS[-1]:
        raise _unreadable(path, "it holds values that are no sound (NaN or infinite)")
    if peak > _LOUDEST:
        samples /= next(2**bits for bits in _BITS if peak <= 2**bits)
    if len(samples) < _MIN_SECONDS * rate:
        raise _unreadable(path, f"it lasts {1000 * len(samples) / rate:.0f} ms")
    return _mix(samples).unsqueeze(0), rate  # (1, samples)


def read_speech(path: str | Path) -> tuple[Tensor, int]:
    """Do as ``read_audio``; AudioError also if the clip is silent or a part missing."""
    waveform, rate = read_audio(path)
    silent = "the clip is silent" if _is_silent(waveform) else None
    fault = silent or why_partial(path, waveform.shape[1] / rate)
    if fault:
        raise AudioError(f"{path}: {fault}", "record or download it again")
    return waveform, rate


def _promised(path: Path) -> float | None:
    """Read from a header how many seconds a clip lasts; None where it is guessed."""
    with _silenced():
        info = soundfile.info(path)
    if info.format == "MP3":
        with path.open("rb") as file:
            is_counted, _ = read_mp3_header(file)
        if not is_counted:
            return None
    if info.frames > _MOST_SECONDS * info.samplerate or [*sources(path)] != [path]:
        return None
    cut = _WAV_CUT.search(info.extra_info)
    if cut and int(cut[1]) < _UNKNOWN_SIZE:
        return info.duration * int(cut[1]) / int(cut[2])
    return info.duration


def duration_of(path: str | Path) -> float:
    """Read the duration of a clip from its header, if that tells it; else decode it.

    Args:
        path: An audio file.

    Returns:
        Seconds; 0.0 for a file that is missing or broken.
    """
    path = Path(path)
    try:
        promised = _promised(path)
        if promised is None:
            return sum(len(block) / rate for block, rate in _decode(path))
        return promised
    except (*_DECODING_ERRORS, OSError):
        return 0.0


# Building its filters costs more than applying them to one clip.
_resampler = cache(torchaudio.transforms.Resample)


def resample(waveform: Tensor, rate: int, new_rate: int) -> Tensor:
    """Change the sampling rate of ``waveform`` (..., samples), rates in Hz."""
    if rate // math.gcd(rate, new_rate) > _MAX_FILTERS:
        rate = round(rate, -2)  # 44101 Hz is taken for 44100 Hz
    if rate == new_rate:
        return waveform
    return _resampler(rate, new_rate)(waveform)
