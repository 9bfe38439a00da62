"""Bytes between two processes: each frame after its length."""

from __future__ import annotations

import struct
from typing import Protocol

_LENGTH = struct.Struct(">Q")
LARGEST = 32 << 20  # bytes: far more than any real outcome has


class Writable(Protocol):
    """A stream that frames are written to."""

    def write(self, content: bytes, /) -> object: ...  # noqa: D102

    def flush(self) -> object: ...  # noqa: D102


class Readable(Protocol):
    """A stream that frames are read from."""

    def read(self, count: int, /) -> bytes | None: ...  # noqa: D102


def send(stream: Writable, content: bytes) -> None:
    """Write one frame."""
    stream.write(_LENGTH.pack(len(content)) + content)
    stream.flush()


def receive(stream: Readable, largest: int = LARGEST) -> bytes:
    """Read one frame.

    Raises:
        EOFError: The other side has closed.
        ValueError: The frame is larger than ``largest`` bytes.
    """
    head = _exactly(stream, _LENGTH.size)
    (length,) = _LENGTH.unpack(head)
    if length > largest:
        raise ValueError(f"a frame of {length} bytes")
    return _exactly(stream, length)


def _exactly(stream: Readable, count: int) -> bytes:
    content = stream.read(count)
    if content is None or len(content) < count:
        raise EOFError("the other side has closed")
    return content
