"""Bytes between two processes: each frame after its length."""

from __future__ import annotations

import struct
from typing import BinaryIO

_LENGTH = struct.Struct(">Q")
LARGEST = 32 << 20  # bytes: what no honest outcome comes near


def send(stream: BinaryIO, content: bytes) -> None:
    """Write one frame."""
    stream.write(_LENGTH.pack(len(content)) + content)
    stream.flush()


def receive(stream: BinaryIO, largest: int = LARGEST) -> bytes:
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


def _exactly(stream: BinaryIO, count: int) -> bytes:
    content = stream.read(count)
    if content is None or len(content) < count:
        raise EOFError("the other side has closed")
    return content
