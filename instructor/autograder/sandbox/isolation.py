"""Limiting a process by what a POSIX system offers.

Every measure is tried and its success noted, because the rights differ: root or not,
containers, macOS. It uses the standard library only, because it runs in the process
that student code is forked from.
"""

from __future__ import annotations

import ctypes
import os
import resource
import sys
from collections.abc import Iterable
from contextlib import suppress
from pathlib import Path

# From <sys/prctl.h>, <sys/capability.h> and the tables of system calls.
PR_SET_DUMPABLE = 4
_PR_SET_CHILD_SUBREAPER, _PR_SET_NO_NEW_PRIVS = 36, 38
_SYS_CAPSET = {"x86_64": 126, "aarch64": 91}
_CAPABILITIES_V3 = 0x20080522

_libc = ctypes.CDLL(None, use_errno=True)


def call_libc(name: str, *arguments: object) -> None:
    """Call a function of the C library that returns 0 for success.

    Raises:
        OSError: It does not, or the system has no such function.
    """
    function = getattr(_libc, name, None)
    if function is None:
        raise OSError(38, f"no {name} on this system")
    if function(*arguments) != 0:
        code = ctypes.get_errno()
        raise OSError(code, f"{name}: {os.strerror(code)}")


def prctl(option: int, value: int) -> None:
    """Set an attribute of this process, on Linux."""
    if sys.platform == "linux":
        zero = ctypes.c_ulong(0)
        _libc.prctl(option, ctypes.c_ulong(value), zero, zero, zero)


def hide_memory() -> None:
    """Forbid other processes of this user to read or trace this one's memory."""
    prctl(PR_SET_DUMPABLE, 0)


def adopt_orphans() -> None:
    """Become the parent of the orphans of a dying child."""
    prctl(_PR_SET_CHILD_SUBREAPER, 1)


def become(user: int) -> None:
    """Become a user without groups, for good."""
    os.setgroups([])
    os.setresgid(user, user, user)
    os.setresuid(user, user, user)


def drop_privileges(user: int | None) -> None:
    """Become an unprivileged user, and give up all capabilities for good.

    Args:
        user: Its number, or None to keep the current user (who is not root).
    """
    if user is not None:
        become(user)
    if sys.platform != "linux":
        return
    number = _SYS_CAPSET.get(os.uname().machine)
    if number is not None:
        header = (ctypes.c_uint32 * 2)(_CAPABILITIES_V3, 0)
        _libc.syscall(number, header, (ctypes.c_uint32 * 6)())
    prctl(_PR_SET_NO_NEW_PRIVS, 1)
    hide_memory()


def _in_use() -> tuple[int, int]:
    """Measure this process: bytes of address space, and of data of its own."""
    try:
        fields = Path("/proc/self/statm").read_text().split()
    except OSError:
        return 0, 0
    page = resource.getpagesize()
    return int(fields[0]) * page, int(fields[5]) * page


def limit_resources(memory: int, seconds: int, processes: int, file_size: int) -> None:
    """Limit the resources of this process from now on, as far as the system can.

    Args:
        memory: Bytes beyond those it uses already.
        seconds: Seconds of processor time.
        processes: Processes of this user, threads included.
        file_size: Bytes of each file.
    """
    space, data = _in_use()
    wanted = {
        "RLIMIT_CPU": (seconds, seconds + 2),
        "RLIMIT_DATA": (data + memory,) * 2 if data else None,
        # This limit counts shared memory and libraries too: allow for them.
        "RLIMIT_AS": (space + 2 * memory,) * 2 if space else None,
        "RLIMIT_NPROC": (processes,) * 2,
        "RLIMIT_FSIZE": (file_size,) * 2,
        "RLIMIT_NOFILE": (256,) * 2,
        "RLIMIT_CORE": (0, 0),
        "RLIMIT_MEMLOCK": (0, 0),
        "RLIMIT_MSGQUEUE": (0, 0),
    }
    for name, bounds in wanted.items():
        kind = getattr(resource, name, None)
        if kind is None or bounds is None:
            continue
        with suppress(OSError, ValueError):
            resource.setrlimit(kind, bounds)


def fence(readable: Iterable[Path], writable: Path, network: bool) -> None:
    """Refuse files and connections inside Python, if the system does not.

    This is no security boundary: compiled code can avoid it.

    Args:
        readable: Folders whose files may be opened.
        writable: The folder where files may be written.
        network: Whether connections are allowed.
    """
    allowed = tuple(f"{os.path.realpath(path)}{os.sep}" for path in readable)
    scratch = f"{os.path.realpath(writable)}{os.sep}"
    changes = ("os.remove", "os.rename", "os.rmdir", "os.mkdir", "os.chmod", "os.link")
    others = ("os.listdir", "os.scandir", "os.truncate", "os.symlink", "os.utime")
    realpath, fspath, writing = os.path.realpath, os.fspath, os.O_WRONLY | os.O_RDWR

    def check(path: object, writes: bool) -> None:
        if not isinstance(path, (str, bytes, os.PathLike)):
            return
        text = fspath(path)
        real = realpath(text.decode() if isinstance(text, bytes) else text)
        real = real + os.sep
        if real.startswith(scratch) or real == "/dev/null/":
            return
        if writes or not real.startswith(allowed):
            raise PermissionError(13, "not for graded code", str(path))

    def hook(event: str, arguments: tuple) -> None:
        if event == "open":
            check(arguments[0], bool(arguments[2] & writing))
        elif event in changes or event in others:
            check(arguments[0], event not in ("os.listdir", "os.scandir"))
        elif not network and event in ("socket.connect", "socket.bind"):
            raise PermissionError(13, "no network for graded code")
        elif event in ("os.kill", "os.killpg", "pty.spawn", "ctypes.dlopen"):
            raise PermissionError(13, f"no {event} for graded code")

    sys.addaudithook(hook)
