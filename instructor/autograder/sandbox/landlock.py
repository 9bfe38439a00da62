"""Hiding files without a mount namespace: rules of Linux's Landlock, since 5.13.

The kernel refuses every file outside the given folders, however it is opened. It uses
the standard library only. Constants: <linux/landlock.h>.
"""

from __future__ import annotations

import ctypes
import os
import sys
from collections.abc import Iterable
from pathlib import Path

_CREATE_RULESET, _ADD_RULE, _RESTRICT_SELF = 444, 445, 446  # on every machine
_VERSION, _PATH_BENEATH = 1, 1
_WRITE_FILE, _READ_FILE, _READ_DIR, _TRUNCATE = 1 << 1, 1 << 2, 1 << 3, 1 << 14
_RIGHTS = {1: 13, 2: 14, 3: 15, 4: 15}  # by version; 16 from 5 on
_MOST_RIGHTS = 16
_NETWORK, _SCOPES = 0b11, 0b11  # binding and connecting; sockets and signals

_libc = ctypes.CDLL(None, use_errno=True)


class _Rules(ctypes.Structure):
    _fields_ = (
        ("files", ctypes.c_uint64),
        ("network", ctypes.c_uint64),
        ("scopes", ctypes.c_uint64),
    )


class _Beneath(ctypes.Structure):
    _pack_ = 1
    _fields_ = (("rights", ctypes.c_uint64), ("folder", ctypes.c_int32))


def version() -> int:
    """Return the version of Landlock that the kernel has; 0 if it has none."""
    if sys.platform != "linux":
        return 0
    none = ctypes.c_void_p(None)
    size = ctypes.c_size_t(0)
    return max(0, _libc.syscall(_CREATE_RULESET, none, size, _VERSION))


def restrict_files(readable: Iterable[Path | str], writable: Iterable[Path]) -> bool:
    """Let this process open no file outside these folders, for good.

    The process must have given up new privileges (``isolation.drop_privileges``).

    Args:
        readable: Files and folders to read; those that are missing do not matter.
        writable: Folders, and files, to write as well.

    Returns:
        Whether the system does it.
    """
    found = version()
    if not found:
        return False
    every = (1 << _RIGHTS.get(found, _MOST_RIGHTS)) - 1
    rules = _Rules(every, _NETWORK if found >= 4 else 0, _SCOPES if found >= 6 else 0)
    size = ctypes.c_size_t(8 if found < 4 else 16 if found < 6 else 24)
    ruleset = _libc.syscall(_CREATE_RULESET, ctypes.byref(rules), size, 0)
    if ruleset < 0:
        return False
    pairs = [(path, _READ_FILE | _READ_DIR) for path in readable]
    pairs += [(path, every) for path in writable]
    for path, rights in pairs:
        try:
            folder = os.open(path, os.O_PATH | os.O_CLOEXEC)
        except OSError:
            continue
        if not os.path.isdir(path):
            rights &= _READ_FILE | _WRITE_FILE | (_TRUNCATE & every)
        rule = ctypes.byref(_Beneath(rights, folder))
        failed = _libc.syscall(_ADD_RULE, ruleset, _PATH_BENEATH, rule, 0)
        os.close(folder)
        if failed:
            return False
    done = _libc.syscall(_RESTRICT_SELF, ruleset, 0) == 0
    os.close(ruleset)
    return done
