"""The clips of the page: reading what the browser sends, keeping the last few."""

from __future__ import annotations

import tempfile
from collections import OrderedDict
from pathlib import Path
from typing import Any, NamedTuple

import torch
from torch import Tensor

from labkit.audio import duration_of, read_audio, resample
from labkit.base import EMBEDDED_CORPORA, LabError, read_table
from labkit.decoding import Encoding
from labkit.page.networks import Network

RATE = 16_000  # Hz, of what the browser sends as samples
MOST_SECONDS = 60
MOST_BYTES = 32 * 2**20  # of a request
_LEAST_SECONDS = 0.05  # a clip must hold more than one window of the transform
_SHOWN = 8  # clips of the embedded corpus that are offered
_MOST_SHOWN = 200  # clips of a list
_LOUDEST = 1e6
_CORPUS = EMBEDDED_CORPORA / "mini" / "fr" / "test.tsv"


class Recording(NamedTuple):
    """Something said: a waveform (1, samples) and its rate in Hz."""

    name: str
    waveform: Tensor
    rate: int
    reference: str | None = None  # what was said, where that is known

    @property
    def seconds(self) -> float:
        """Its length."""
        return self.waveform.shape[1] / self.rate


class Heard(NamedTuple):
    """A recording, and what a network makes of it."""

    recording: Recording
    network: Network
    log_mel: Tensor  # (T, M), in dB
    encoding: Encoding  # of one utterance
    log_probs: Tensor  # (T', V)


def _check_length(name: str, seconds: float) -> None:
    if not _LEAST_SECONDS <= seconds <= MOST_SECONDS:
        raise LabError(
            f"{name}: it lasts {seconds:.2f} s",
            f"give a clip of {_LEAST_SECONDS} to {MOST_SECONDS} s",
        )


def _check(recording: Recording) -> Recording:
    _check_length(recording.name, recording.seconds)
    if not recording.waveform.abs().max() < _LOUDEST:
        raise LabError(
            f"{recording.name}: it holds values that are no sound (NaN or infinite)",
            "record it again",
        )
    return recording


def from_samples(content: bytes, name: str) -> Recording:
    """Read mono samples at 16 kHz, little-endian float32, as the browser has them.

    Raises:
        LabError: It is too short, too long, or no sound.
    """
    if not content or len(content) % torch.float32.itemsize:
        raise LabError(
            f"{name}: {len(content)} bytes are no samples", "record it again"
        )
    samples = torch.frombuffer(bytearray(content), dtype=torch.float32)
    return _check(Recording(name, samples.unsqueeze(0), RATE))


def from_file(content: bytes, name: str) -> Recording:
    """Read the bytes of an mp3, wav, flac or ogg file.

    Raises:
        LabError: It is no such file, or too short or too long.
    """
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder, "clip")  # the name from the browser is never a path
        path.write_bytes(content)
        seconds = duration_of(path)  # an hour would fill the memory
        if seconds:
            _check_length(name, seconds)
        try:
            waveform, rate = read_audio(path)  # (1, samples)
        except LabError as error:
            cause = error.cause.replace(str(path), name)
            raise LabError(cause, error.remedy) from error
    return _check(Recording(name, waveform, rate))


class Menu:
    """The clips that the page offers, each with what is said in it.

    Args:
        table: A tsv file with the columns ``path`` and ``sentence``, its clips beside
            it or in a folder ``clips``; None for the embedded corpus's test fold.

    Raises:
        LabError: It cannot be read.
    """

    def __init__(self, table: str | None) -> None:
        path = Path(table) if table else _CORPUS
        rows = read_table(path, ("path", "sentence"))
        most = _MOST_SHOWN if table else _SHOWN
        self._names = rows.column("path")[:most]
        self.texts = rows.column("sentence")[:most]
        inside = path.parent / "clips"
        self._folder = inside if inside.is_dir() else path.parent

    def read(self, number: int) -> Recording:
        """Read a clip.

        Raises:
            LabError: There is none with this number, or it cannot be used.
        """
        last = len(self.texts) - 1
        if not 0 <= number <= last:
            raise LabError(f"there is no clip number {number}", f"choose 0 to {last}")
        path = self._folder / self._names[number]
        return _check(Recording(path.name, *read_audio(path), self.texts[number]))


def to_samples(recording: Recording) -> bytes:
    """Give integers of 16 bits, little-endian, mono, 16 kHz."""
    waveform = resample(recording.waveform, recording.rate, RATE)[0]
    levels = (waveform * 2.0**15).round().clamp(-(2**15), 2**15 - 1)
    return levels.to(torch.int16).numpy().tobytes()


class Recent(OrderedDict[str, Any]):
    """Keeps as many entries as ``most``: those that were used last."""

    def __init__(self, most: int) -> None:
        super().__init__()
        self._most = most

    def put(self, key: str, entry: Any) -> None:  # noqa: ANN401 (whatever is kept)
        """Keep an entry; forget the one not used longest if there are too many."""
        self[key] = entry
        if len(self) > self._most:
            self.popitem(last=False)

    def use(self, key: str) -> Any:  # noqa: ANN401
        """Return an entry."""
        self.move_to_end(key)
        return self[key]
