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
from contextlib import suppress
from pathlib import Path

# From <sys/prctl.h>, <sys/capability.h> and the tables of system calls.
PR_SET_DUMPABLE = 4
_PR_SET_CHILD_SUBREAPER, PR_SET_NO_NEW_PRIVS = 36, 38
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
    prctl(PR_SET_NO_NEW_PRIVS, 1)
    hide_memory()


def _in_use() -> tuple[int, int]:
    """Measure this process: bytes of address space, and of data of its own."""
    try:
        fields = Path("/proc/self/statm").read_text().split()
    except OSError:
        return 0, 0
    page = resource.getpagesize()
    return int(fields[0]) * page, int(fields[5]) * page


def limit_memory(memory: int) -> None:
    """Limit this process to ``memory`` bytes beyond those it uses already."""
    space, data = _in_use()
    if space:
        # The second limit counts shared memory and libraries too: allow for them.
        _set_limits(
            {
                "RLIMIT_DATA": (data + memory, data + memory),
                "RLIMIT_AS": (space + 2 * memory, space + 2 * memory),
            }
        )


def limit_resources(memory: int, seconds: int, processes: int, file_size: int) -> None:
    """Limit the resources of this process from now on, as far as the system can.

    Args:
        memory: Bytes beyond those it uses already.
        seconds: Seconds of processor time.
        processes: Processes of this user, threads included.
        file_size: Bytes of each file.
    """
    limit_memory(memory)
    wanted = {
        "RLIMIT_CPU": (seconds, seconds + 2),
        "RLIMIT_NPROC": (processes,) * 2,
        "RLIMIT_FSIZE": (file_size,) * 2,
        "RLIMIT_NOFILE": (256,) * 2,
        "RLIMIT_CORE": (0, 0),
        "RLIMIT_MEMLOCK": (0, 0),
        "RLIMIT_MSGQUEUE": (0, 0),
    }
    _set_limits(wanted)


def _set_limits(wanted: dict[str, tuple[int, ...]]) -> None:
    for name, bounds in wanted.items():
        kind = getattr(resource, name, None)
        if kind is not None:
            with suppress(OSError, ValueError):
                resource.setrlimit(kind, (bounds[0], bounds[-1]))
