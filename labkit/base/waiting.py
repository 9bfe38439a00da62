"""How the threads of torch wait for one another: chosen before torch is imported.

They spin by default. That is the quickest on an idle machine, where sleeping takes
twice the time. But where another program needs one of their cores, all the others spin
until the thread without a core has had its turn, and sleeping is several times quicker
(``benchmarks/waiting.py``). Results are the same.
"""

from __future__ import annotations

import os
import time
from pathlib import Path
from statistics import mean

from labkit.base.cores import cores_of_process

_LOAD = Path("/proc/loadavg")  # of Linux: "0.20 0.18 0.12 1/80 11206"
_LOOKS = 5  # so that what runs for a moment only does not count
_BETWEEN = 0.01  # s


def choose_waiting(n_threads: int | None) -> None:
    """Let the threads sleep while they wait, if other programs need their cores.

    A policy that the environment names already is left alone.

    Args:
        n_threads: Threads of this process; None for all cores.
    """
    if "OMP_WAIT_POLICY" in os.environ:
        return
    n_threads, n_cores = n_threads or cores_of_process(), os.cpu_count() or 1
    if n_threads > 1 and round(busy_others()) + n_threads > n_cores:
        os.environ["OMP_WAIT_POLICY"] = "PASSIVE"


def busy_others() -> float:
    """Count the threads of other programs that are running now; 0 if that is unknown.

    The load average itself would count for a minute what has ended.
    """
    counts = []
    try:
        for _ in range(_LOOKS):
            running, _, _ = _LOAD.read_text().split()[3].partition("/")
            counts.append(int(running) - 1)  # without this one
            time.sleep(_BETWEEN)
    except (OSError, ValueError, IndexError):
        return 0.0
    return mean(counts)
