"""The files of a feature cache: shards of log-mels, each with an index.

A shard is a file of log-mels, float32 (frames, M) one after the other. Its index says
which clips they are of, what each clip was when it was read, and a checksum of each
log-mel; it begins with a digest of itself. A shard is complete once its index exists.
"""

from __future__ import annotations

import hashlib
import json
import os
import zlib
from collections.abc import Sequence
from pathlib import Path
from typing import NamedTuple

import numpy as np

from labkit.base import stamp_of, write_atomically
from labkit.loading.clips import FLOAT_BYTES

_UNASKED = -2  # that of a clip that no stamp was asked for
_DIGEST = 16  # hexadecimal digits


class Shard(NamedTuple):
    """What an index says of n clips.

    Attributes:
        rows: Rows of the fold, (n,).
        frames: Frames T of their log-mels, (n,); 0 for a clip that is broken.
        stamps: What ``stamps_of`` gave before each was read, (n, 2).
        checks: Checksums of the log-mels, (n,).
        broken: Why a clip is, by its row.
    """

    rows: np.ndarray
    frames: np.ndarray
    stamps: np.ndarray
    checks: np.ndarray
    broken: dict[int, str]


def digest(content: bytes, n_digits: int = _DIGEST) -> str:
    """Return a digest in hexadecimal digits."""
    return hashlib.blake2b(content, digest_size=n_digits // 2).hexdigest()


def checksum(log_mel: np.ndarray) -> int:
    """Return the checksum of a log-mel (T, M)."""
    return zlib.crc32(np.ascontiguousarray(log_mel).data)


def stamps_of(folder: Path, names: Sequence[str], rows: np.ndarray) -> np.ndarray:
    """Stamp the clips of some rows of a fold.

    Args:
        folder: The folder of the clips.
        names: The files of all N rows.
        rows: The rows that are asked for.

    Returns:
        Size and time of each clip, (N, 2); no clip has that of the other rows.
    """
    stamps = np.full((len(names), 2), _UNASKED, dtype=np.int64)
    for row in map(int, rows):
        stamps[row] = stamp_of(os.path.join(folder, names[row]))
    return stamps


def write_shard(path: Path, shard: Shard, log_mels: Sequence[np.ndarray]) -> None:
    """Write log-mels (T, M), then their index at ``path``.

    Raises:
        OSError: The disk is full, or cannot be written.
    """
    data = b"".join(log_mel.tobytes() for log_mel in log_mels)
    write_atomically(path.with_suffix(".f32"), lambda file: file.write_bytes(data))
    arrays = {n: a.tolist() for n, a in shard._asdict().items() if n != "broken"}
    text = json.dumps({**arrays, "broken": shard.broken}, ensure_ascii=False)
    content = text.encode("utf-8", "surrogateescape")
    content = digest(content).encode() + b"\n" + content
    write_atomically(path, lambda file: file.write_bytes(content))


def read_shard(path: Path, n_mels: int) -> Shard | None:
    """Read the index at ``path``; None if a part of the shard is missing or damaged.

    The log-mels themselves are not read.
    """
    try:
        found, _, content = path.read_bytes().partition(b"\n")
        n_bytes = path.with_suffix(".f32").stat().st_size
    except OSError:
        return None
    if found.decode("ascii", "replace") != digest(content):
        return None
    index = json.loads(content.decode("utf-8", "surrogateescape"))
    broken = {int(row): why for row, why in index.pop("broken").items()}
    arrays = {name: np.array(values, dtype=np.int64) for name, values in index.items()}
    shard = Shard(**arrays, broken=broken)
    whole = n_bytes == shard.frames.sum() * n_mels * FLOAT_BYTES
    return shard if whole else None


def read_log_mel(path: Path, start: int, n_frames: int, n_mels: int) -> np.ndarray:
    """Read one log-mel (T, M), from the frame ``start`` of a shard on.

    A file that was cut or removed meanwhile gives fewer frames; mapped into memory, it
    would end the process.
    """
    row = n_mels * FLOAT_BYTES
    try:
        found = np.fromfile(path, np.float32, n_frames * n_mels, offset=start * row)
    except OSError:
        found = np.zeros(0, np.float32)
    return found[: len(found) // n_mels * n_mels].reshape(-1, n_mels)
