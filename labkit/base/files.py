"""Writing files so that a reader never finds half of one, and zip files of them."""

from __future__ import annotations

import os
import signal
import threading
import zipfile
import zlib
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager, suppress
from pathlib import Path

MISSING = -1  # the size of a file that is not there
_PROGRAM, _REGULAR_FILE = 0o100755, 0o100644  # Unix modes
_UNIX = 3  # code of the system of the modes in the archive


def stamp_of(path: str | Path) -> tuple[int, int]:
    """Return what tells whether a file has changed: its size and time.

    Returns:
        Bytes, and ns since 1970 of the last change; both -1 where there is no file.
    """
    try:
        found = os.stat(path)
    except (OSError, ValueError):  # a name may hold any character, as 0
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
    except OSError as error:
        named = error.filename and Path(error.filename)
        if named in (None, temporary):  # nothing is named where the disk is full
            error.filename = str(path)
        raise
    finally:
        with suppress(OSError):  # the first error tells more
            temporary.unlink()


def write_atomically(path: Path, write: Callable[[Path], object]) -> None:
    """Let ``write`` fill a file given by its path, then name that ``path``."""
    with atomic(path) as temporary:
        write(temporary)


def write_zip(path: Path, files: Mapping[str, bytes], programs: bool = False) -> None:
    """Write files, content by path; the same files give the same bytes.

    With ``programs``, files that begin with ``#!`` are marked as such.
    """
    with atomic(path) as new, zipfile.ZipFile(new, "w") as archive:
        for name, content in sorted(files.items()):
            entry = zipfile.ZipInfo(name)  # always dated 1980
            entry.compress_type = zipfile.ZIP_DEFLATED
            entry.create_system = _UNIX
            is_program = programs and content.startswith(b"#!")
            entry.external_attr = (_PROGRAM if is_program else _REGULAR_FILE) << 16
            archive.writestr(entry, content)
