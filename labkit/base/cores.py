"""The cores that this process may use, and a map over many files on all of them."""

from __future__ import annotations

import math
import os
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import TypeVar

_CGROUP_QUOTA = Path("/sys/fs/cgroup/cpu.max")


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


_CHUNK = 64  # items given to a thread at a time

Item = TypeVar("Item")
Result = TypeVar("Result")


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
