"""Information on processes from Linux's /proc; without it, guesses or nothing."""

from __future__ import annotations

import os
from contextlib import suppress
from pathlib import Path

_PROCESSES_OF_A_DESKTOP = 500


def threads_of(user: int) -> int:
    """Count the threads of a user, which the limit on processes counts too."""
    count = 0
    for folder in Path("/proc").glob("[0-9]*"):
        with suppress(OSError):
            if folder.stat().st_uid == user:
                count += len(os.listdir(folder / "task"))
    return count or _PROCESSES_OF_A_DESKTOP  # a guess that leaves room


def resident(process: int) -> int:
    """Return how much memory a process holds, in bytes."""
    with suppress(OSError, IndexError, ValueError):
        fields = Path(f"/proc/{process}/statm").read_text().split()
        return int(fields[1]) * os.sysconf("SC_PAGE_SIZE")
    return 0


def descendants() -> list[int]:
    """Find the processes that come from this one, orphans included."""
    parents = {}
    for folder in Path("/proc").glob("[0-9]*"):
        with suppress(OSError, IndexError, ValueError):
            # A process's name may hold spaces and brackets: start reading after it.
            fields = (folder / "stat").read_text().rpartition(")")[2].split()
            parents[int(folder.name)] = int(fields[1])
    found, generation = [], {os.getpid()}
    while generation:
        generation = {p for p, parent in parents.items() if parent in generation}
        generation -= set(found)
        found += generation
    return found
