"""What a grading finds on the machine: users that are free, files of a killed one."""

from __future__ import annotations

import os
from contextlib import suppress
from pathlib import Path

from autograder.sandbox.removing import remove_tree

PREFIX = (
    "asr-lab-grade-"  # of the folder of a grading; the number of its process follows
)
_HIGHEST_USER = 64_999  # user numbers are taken downwards from here


def unused_users(count: int) -> list[int | None]:
    """Find user numbers that are not in use, if this process may become them."""
    if not hasattr(os, "getuid") or os.getuid() != 0:
        return [None] * count
    import pwd

    taken = {entry.pw_uid for entry in pwd.getpwall()}
    for folder in Path("/proc").glob("[0-9]*"):
        with suppress(OSError):
            taken.add(folder.stat().st_uid)
    # Two gradings at the same time must not kill each other's processes.
    start = _HIGHEST_USER - (os.getpid() * 8) % 3000
    free = (user for user in range(start, 1000, -1) if user not in taken)
    return [user for user, _ in zip(free, range(count))]


def remove_leftovers(parent: Path) -> None:
    """Remove the files of a killed grading."""
    for folder in parent.glob(f"{PREFIX}*"):
        owner = folder.name[len(PREFIX) :].partition("-")[0]
        if owner.isdigit() and not Path("/proc", owner).exists() and os.name == "posix":
            with suppress(ProcessLookupError, PermissionError):
                os.kill(int(owner), 0)
                continue
            remove_tree(folder)
