"""Choosing where to compute, and saying so."""

from __future__ import annotations

import math
import os
from pathlib import Path

import torch

from labkit.distributed import local_rank, local_size
from labkit.errors import USAGE, LabError

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
    """Count the cores for this process, of those that train together on a machine."""
    return max(1, available_cores() // local_size())


def _why_no_card() -> str:
    if not (Path("/dev/nvidia0").exists() or Path("/proc/driver/nvidia").exists()):
        return "no NVIDIA card found"
    if torch.version.cuda is None:
        return "a card is there, but this torch is a CPU build"
    return (
        f"a card is there, but torch {torch.__version__} (CUDA {torch.version.cuda}) "
        f"cannot use it: python test_implementation.py --doctor"
    )


def choose_device(name: str, n_threads: int) -> torch.device:
    """Choose the device and print one line about it.

    Args:
        name: "auto", "cpu" or "cuda".
        n_threads: Threads of the CPU that torch may use.

    Returns:
        The device.

    Raises:
        LabError: A card is asked for, and none can be used.
    """
    torch.set_num_threads(n_threads)
    cpu = f"device: cpu, {n_threads} threads"
    if name == "cpu":
        print(cpu)
        return torch.device("cpu")
    if torch.cuda.is_available():
        number, there = local_rank(), torch.cuda.device_count()
        if number >= there:
            raise LabError(
                f"process {number + 1} of this machine has no card: there are {there}",
                f"start as many processes as cards: torchrun --nproc_per_node {there}",
                USAGE,
            )
        torch.cuda.set_device(number)
        print(f"device: cuda, {torch.cuda.get_device_name()}")
        return torch.device("cuda", number)
    if name == "cuda":
        raise LabError(
            f"--device cuda: {_why_no_card()}", "use --device auto or cpu", USAGE
        )
    print(f"{cpu} ({_why_no_card()})")
    return torch.device("cpu")


def seed_everything(seed: int) -> None:
    """Seed every generator, so that the same seed gives the same run on a CPU."""
    from labkit.quiet import deepcs_module

    deepcs_module("rng").seed_torch(seed)
