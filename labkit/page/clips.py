"""The clips of the page: reading what the browser sends, keeping the last few."""

from __future__ import annotations

import tempfile
from collections import OrderedDict
from functools import cache
from pathlib import Path
from typing import NamedTuple

import torch
from torch import Tensor

from labkit.audio import read_audio, resample
from labkit.base import EMBEDDED_CORPORA, LabError, read_table
from labkit.decoding import Encoding

RATE = 16_000  # Hz, of what the browser sends as samples
MOST_SECONDS = 60
_LEAST_SECONDS = 0.05  # a clip must hold more than one window of the transform
_KEPT = 8
_SHOWN = 8  # clips of the embedded corpus that are offered
_LOUDEST = 1e6
_CORPUS = EMBEDDED_CORPORA / "mini" / "fr"

_TYPES = {"f32": torch.float32, "s16": torch.int16}


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
    network: object  # which one
    log_mel: Tensor  # (T, M), in dB
    encoding: Encoding  # of one utterance
    log_probs: Tensor  # (T', V)


def _check(recording: Recording) -> Recording:
    seconds = recording.seconds
    if not _LEAST_SECONDS <= seconds <= MOST_SECONDS:
        raise LabError(
            f"{recording.name}: it lasts {seconds:.2f} s",
            f"give a clip of {_LEAST_SECONDS} to {MOST_SECONDS} s",
        )
    if not recording.waveform.abs().max() < _LOUDEST:
        raise LabError(
            f"{recording.name}: it holds values that are no sound (NaN or infinite)",
            "record it again",
        )
    return recording


def from_samples(content: bytes, kind: str, name: str) -> Recording:
    """Read mono samples at 16 kHz, little-endian, as the browser has them.

    Args:
        content: The samples.
        kind: "f32" for floats in [-1, 1], "s16" for integers of 16 bits.
        name: Its name, for messages.

    Raises:
        LabError: It is too short, too long, or no sound.
    """
    dtype = _TYPES[kind]
    if not content or len(content) % dtype.itemsize:
        raise LabError(
            f"{name}: {len(content)} bytes are no samples", "record it again"
        )
    samples = torch.frombuffer(bytearray(content), dtype=dtype)
    scale = 1.0 if dtype.is_floating_point else 2.0**15
    waveform = samples.float().div(scale).unsqueeze(0)  # (1, samples)
    return _check(Recording(name, waveform, RATE))


def from_file(content: bytes, name: str) -> Recording:
    """Read the bytes of an mp3, wav, flac or ogg file.

    Raises:
        LabError: It is no such file, or too short or too long.
    """
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder, "clip")  # the name from the browser is never a path
        path.write_bytes(content)
        try:
            waveform, rate = read_audio(path)  # (1, samples)
        except LabError as error:
            cause = error.cause.replace(str(path), name)
            raise LabError(cause, error.remedy) from error
    return _check(Recording(name, waveform, rate))


@cache
def embedded() -> list[tuple[str, str]]:
    """List the first clips of the embedded corpus's test fold: file, sentence."""
    table = read_table(_CORPUS / "test.tsv", ("path", "sentence"))
    return [*zip(table.column("path"), table.column("sentence"))][:_SHOWN]


def _embedded_path(number: int) -> Path:
    if not 0 <= number < len(embedded()):
        raise LabError(
            f"there is no clip number {number}", f"choose 0 to {len(embedded()) - 1}"
        )
    return _CORPUS / "clips" / embedded()[number][0]


def from_corpus(number: int) -> Recording:
    """Read a clip of ``embedded``."""
    path = _embedded_path(number)
    waveform, rate = read_audio(path)
    return Recording(path.name, waveform, rate, embedded()[number][1])


def to_samples(recording: Recording) -> bytes:
    """Give integers of 16 bits, mono, 16 kHz, as ``from_samples`` takes them."""
    waveform = resample(recording.waveform, recording.rate, RATE)[0]
    levels = (waveform * 2.0**15).round().clamp(-(2**15), 2**15 - 1)
    return levels.to(torch.int16).numpy().tobytes()


class Shelf:
    """The last few clips, by the ids that the page knows them under."""

    def __init__(self) -> None:
        self._clips: OrderedDict[str, Heard] = OrderedDict()
        self._n_put = 0

    def __len__(self) -> int:
        """Return how many there are."""
        return len(self._clips)

    def put(self, heard: Heard) -> str:
        """Keep a clip, and forget the oldest if there are too many; return its id."""
        self._n_put += 1
        id_ = str(self._n_put)
        self.replace(id_, heard)
        while len(self._clips) > _KEPT:
            self._clips.popitem(last=False)
        return id_

    def replace(self, id_: str, heard: Heard) -> None:
        """Keep a clip under an id."""
        self._clips[id_] = heard

    def take(self, id_: object) -> Heard:
        """Return a clip.

        Raises:
            LabError: It is not there any more.
        """
        if not isinstance(id_, str) or id_ not in self._clips:
            raise LabError(
                "this clip is not kept any more", "record it or choose it again"
            )
        self._clips.move_to_end(id_)
        return self._clips[id_]
