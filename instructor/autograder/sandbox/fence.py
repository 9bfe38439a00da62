"""Refusing files, programs and connections inside Python, where the system does not.

A hook of Python's audit events refuses them. It stops what a student tries, not code
that reaches the system without Python: libraries open files that no event reports.
"""

from __future__ import annotations

import os
import sys
from collections.abc import Iterable
from contextlib import suppress
from pathlib import Path

# The parts of the system that Python needs.
SYSTEM = (
    "/usr /bin /sbin /lib /lib32 /lib64 /libx32 /nix "
    "/etc/ld.so.cache /etc/localtime /etc/alternatives "
    "/dev/null /dev/zero /dev/random /dev/urandom /sys/devices/system/cpu"
).split()

_CHANGES = {
    *("os.remove", "os.rename", "os.rmdir", "os.mkdir", "os.chmod", "os.chown"),
    *("os.link", "os.symlink", "os.truncate", "os.utime", "os.setxattr"),
    *("os.removexattr", "sqlite3.connect"),
}
_LOOKS = {"os.listdir", "os.scandir", "os.getxattr", "os.listxattr"}
_REFUSED = (
    # Programs and processes.
    *("subprocess.", "os.system", "os.exec", "os.fork", "os.posix_spawn", "os.spawn"),
    *("os.startfile", "pty.spawn", "os.kill", "signal.pthread_kill"),
    *("_winapi.CreateProcess", "_winapi.OpenProcess", "os.add_dll_directory"),
    # Calls of the system, or of memory, without Python.
    *("ctypes.", "sqlite3.enable_load_extension", "sqlite3.load_extension"),
    # Interpreters that this hook does not see.
    "cpython.PyInterpreterState_New",
)
_NETWORK = ("socket.", "urllib.", "http.", "ftplib.", "smtplib.", "imaplib.")
_MODULES = {
    *("ctypes", "_ctypes", "cffi", "_cffi_backend", "_posixshmem", "_testcapi"),
    *("_testinternalcapi", "_xxsubinterpreters", "_interpreters", "fcntl"),
}


def readable_paths(*more: Path) -> tuple[Path, ...]:
    """List what student code may read where the system hides nothing."""
    own = (sys.prefix, sys.base_prefix, *filter(None, sys.path), "/proc/self")
    return tuple(Path(path) for path in (*SYSTEM, *own, *more))


def fence(readable: Iterable[Path | str], writable: Path) -> None:
    """Refuse from now on what graded code has no business with.

    Args:
        readable: Folders whose files may be opened.
        writable: The folder where files may be written.
    """
    allowed = tuple(f"{os.path.realpath(path)}{os.sep}" for path in readable)
    scratch = f"{os.path.realpath(writable)}{os.sep}"
    realpath, fspath, writing = os.path.realpath, os.fspath, os.O_WRONLY | os.O_RDWR
    null = (f"{realpath(os.devnull)}{os.sep}", ":memory:")
    refused, network, looks, changes = _REFUSED, _NETWORK, _LOOKS, _CHANGES
    modules, separator = _MODULES, os.sep

    def check(path: object, writes: bool) -> None:
        if not isinstance(path, (str, bytes, os.PathLike)):
            return
        text = fspath(path)
        text = text.decode("utf-8", "replace") if isinstance(text, bytes) else text
        real = realpath(text) + separator
        if real.startswith((scratch, *null)) or text in null:
            return
        if writes or not real.startswith(allowed):
            raise PermissionError(13, "not for graded code", text)

    def hook(event: str, arguments: tuple) -> None:
        if event == "open":
            check(arguments[0], bool(arguments[2] & writing))
        elif event == "import":
            if arguments[0] in modules:
                raise ImportError(f"no {arguments[0]} for graded code")
        elif event in looks or event in changes:
            check(arguments[0], event in changes)
        elif event.startswith(refused) or event.startswith(network):
            raise PermissionError(13, f"no {event} for graded code")

    for name in _MODULES:  # what torch has imported is found by nobody else
        with suppress(KeyError):
            del sys.modules[name]
    sys.addaudithook(hook)
