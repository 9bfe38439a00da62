"""The cores that this process may use; how its threads wait; a map over many files.

The threads of torch spin while they wait for one another. That is the quickest on an
idle machine, where sleeping takes twice the time. But where another program needs one
of their cores, all the others spin until the thread without a core has had its turn,
and sleeping is several times quicker (``benchmarks/waiting.py``). Results are the same.
"""

from __future__ import annotations

import math
import os
import time
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from statistics import mean
from typing import TypeVar

_CGROUP_QUOTA = Path("/sys/fs/cgroup/cpu.max")
_LOAD = Path("/proc/loadavg")  # of Linux: "0.20 0.18 0.12 1/80 11206"
_LOOKS = 5  # so that what runs for a moment only does not count
_BETWEEN = 0.01  # s
_CHUNK = 64  # items given to a thread at a time

Item = TypeVar("Item")
Result = TypeVar("Result")


def available_cores() -> int:
    """Count the cores that this process may use (affinity, Slurm, containers)."""
    bounds = [os.cpu_count() or 1]
    if hasattr(os, "sched_getaffinity"):
        bounds.append(len(os.sched_getaffinity(0)))
    slurm = os.environ.get("SLURM_CPUS_PER_TASK", "")
    if slurm.isdigit():
        bounds.append(int(slurm))
    if _CGROUP_QUOTA.is_file():
        quota, _, period = _CGROUP_QUOTA.read_text().partition(" ")
        if quota.isdigit():
            bounds.append(math.ceil(int(quota) / int(period)))
    return max(1, min(bounds))


def cores_of_process() -> int:
    """Count the cores for this process; those that train together share a machine.

    OMP_NUM_THREADS bounds them, where torchrun has not set it for each of several.
    """
    cores = available_cores() // local_size()
    asked, _, _ = os.environ.get("OMP_NUM_THREADS", "").partition(",")
    if asked.isdigit() and local_size() == 1:
        cores = min(cores, int(asked))
    return max(1, cores)


def local_rank() -> int:
    """Return the number of this process on its machine, from 0."""
    return int(os.environ.get("LOCAL_RANK", 0))


def local_size() -> int:
    """Return how many processes of the run are on this machine."""
    return int(os.environ.get("LOCAL_WORLD_SIZE", 1))


def choose_waiting(n_threads: int | None) -> None:
    """Let the threads sleep while they wait, if other programs need their cores.

    It must be chosen before torch is imported. A policy that the environment names
    already is left alone.

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


def map_in_threads(
    function: Callable[[Item], Result], items: Sequence[Item]
) -> Iterator[Result]:
    """Call ``function`` on every item, in threads; yield the results in order.

    If the caller stops early, by Ctrl-C too, the threads stop after their chunk.
    """

    def call(start: int) -> list[Result]:
        return [function(item) for item in items[start : start + _CHUNK]]

    pool = ThreadPoolExecutor(available_cores())
    try:
        for results in pool.map(call, range(0, len(items), _CHUNK)):
            yield from results
    finally:
        pool.shutdown(wait=True, cancel_futures=True)
