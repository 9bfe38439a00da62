"""Writing files so that a reader never finds half of one."""

from __future__ import annotations

import os
import signal
import threading
import zlib
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

MISSING = -1  # the size of a file that is not there


def stamp_of(path: str | Path) -> tuple[int, int]:
    """Return what tells whether a file has changed: its size and time.

    Returns:
        Bytes, and ns since 1970 of the last change; both -1 where there is no file.
    """
    try:
        found = os.stat(path)
    except OSError:
        return MISSING, MISSING
    return found.st_size, found.st_mtime_ns


@contextmanager
def uninterrupted() -> Iterator[None]:
    """Hold Ctrl-C back until the block is done.

    An interrupt could leave half a row, and one inside TensorBoard's queue would leave
    its thread waiting for ever.
    """
    if threading.current_thread() is not threading.main_thread():
        yield  # Python interrupts the main thread only
        return
    held: list[tuple] = []
    before = signal.signal(signal.SIGINT, lambda *signal_: held.append(signal_))
    try:
        yield
    finally:
        signal.signal(signal.SIGINT, before)
        if held and callable(before):
            before(*held[0])


@contextmanager
def atomic(path: Path) -> Iterator[Path]:
    """Yield the path of a file to fill, which gets the name ``path`` if all goes well.

    The folder is made if it is missing. The name to fill is short, whatever the other.
    """
    path.parent.mkdir(parents=True, exist_ok=True)
    short = f"{zlib.crc32(os.fsencode(path.name)):08x}"
    temporary = path.with_name(f".{short}.{os.getpid()}.tmp")
    try:
        yield temporary
        os.replace(temporary, path)
    finally:
        temporary.unlink(missing_ok=True)


def write_atomically(path: Path, write: Callable[[Path], object]) -> None:
    """Let ``write`` fill a file given by its path, then name that ``path``."""
    with atomic(path) as temporary:
        write(temporary)
