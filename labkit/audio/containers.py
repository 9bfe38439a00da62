"""Recordings in a file: where libsndfile would read only a part of what is there."""

from __future__ import annotations

import io
import os
import re
import struct
from collections.abc import Iterator
from pathlib import Path
from typing import BinaryIO, Union

Source = Union[Path, io.BytesIO]  # what libsndfile is given to decode

_FRAUNHOFER = b"VBRI"
_LENGTHS = (b"Xing", b"Info", _FRAUNHOFER)  # an MP3 frame that counts all others
_TAG = b"ID3"
_TAGS = 4096  # bytes: what tags at the end of a WAV usually take
_OGG_PAGE = re.compile(rb"OggS\0(.)", re.DOTALL)
_MP3 = re.compile(rb"ID3|\xff[\xe0-\xff]")  # a tag, or a frame
_FLAC = re.compile(rb"fLaC[\0\x80]\0\0\x22")  # a mark, and the size of the header
_BEGINS = 2  # flag of the first page of a stream
_CHUNK = re.compile(rb"[ -~]{4}")  # the name of a part of a WAV


def read_mp3_header(file: BinaryIO, begin: int = 0) -> tuple[bool, int | None]:
    """Read what an MP3 that begins at a byte of a file says of its length.

    Returns:
        Whether a header counts its frames, for a length that is not guessed; and where
        the recording that it counts ends, None where that is not said.
    """
    file.seek(begin)
    tag = file.read(10)
    if tag[:3] == _TAG:  # its size: 4 bytes of 7 bits
        begin += 10 + sum(b << 7 * i for i, b in enumerate(reversed(tag[6:])))
    file.seek(begin)
    frame = file.read(400)
    place = max(frame.find(mark) for mark in _LENGTHS)
    if place < 0 or frame.startswith(_FRAUNHOFER, place):
        return place >= 0, None
    flags, n_bytes = (frame[place + n : place + n + 4] for n in (4, 12))
    counted, sized = (len(n_bytes) == 4 and bool(flags[3] & bit) for bit in (1, 2))
    both = counted and sized  # the bytes stand behind the frames
    return counted, begin + int.from_bytes(n_bytes, "big") if both else None


def sources(path: Path) -> Iterator[Source]:
    """Yield what is to be decoded, one recording after the other.

    Recordings are joined when a stream is recorded, or files are put together.
    """
    if not os.path.isfile(path):  # a pipe, where libsndfile would seek
        yield io.BytesIO(path.read_bytes())
        return
    with path.open("rb") as file:
        start = file.read(12)
    if start[:4] == b"OggS":
        yield from _split(path, _ogg_streams(path.read_bytes()))
    elif start[:4] == b"fLaC":
        marks = _FLAC.finditer(path.read_bytes())
        yield from _split(path, [mark.start() for mark in marks])
    elif start[:4] == b"RIFF" and start[8:] == b"WAVE":
        mended = _mend_wav(path)
        yield path if mended is None else io.BytesIO(mended)
    else:
        yield from _split(path, _mp3_recordings(path))


def _split(path: Path, starts: list[int]) -> Iterator[Source]:
    if len(starts) < 2:
        yield path
        return
    content = path.read_bytes()
    for begin, end in zip(starts, [*starts[1:], len(content)]):
        yield io.BytesIO(content[begin:end])


def _ogg_streams(content: bytes) -> list[int]:
    """Find where streams begin; those that run together begin with pages in a row."""
    starts, before = [], 0
    for page in _OGG_PAGE.finditer(content):
        begins = page[1][0] & _BEGINS
        if begins and not before:
            starts.append(page.start())
        before = begins
    return starts


def _mp3_recordings(path: Path) -> list[int]:
    """Find where recordings begin: libsndfile reads what the first one counts."""
    starts = [0]
    with path.open("rb") as file:
        while True:
            _, end = read_mp3_header(file, starts[-1])
            if end is None or end <= starts[-1]:
                return starts
            file.seek(end)
            if not _MP3.match(file.read(3)):
                return starts
            starts.append(end)


def _mend_wav(path: Path) -> bytes | None:
    """Correct the size of a WAV that was not closed; None if there is nothing to do."""
    with path.open("rb") as file:
        size, begin = file.seek(0, os.SEEK_END), 12
        name, said = b"", 0
        while name != b"data":  # the samples are in the chunk of that name
            begin += said + said % 2
            if begin + 8 > size:
                return None
            file.seek(begin)
            name, said = struct.unpack("<4sI", file.read(8))
            begin += 8
        file.seek(begin + said + said % 2)
        following = file.read(4)
    if size - begin - said <= _TAGS or _CHUNK.fullmatch(following):
        return None
    content = bytearray(path.read_bytes())
    content[begin - 4 : begin] = struct.pack("<I", min(size - begin, 0xFFFFFFFF))
    return bytes(content)
