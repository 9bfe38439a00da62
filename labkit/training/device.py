"""Choosing the device."""

from __future__ import annotations

from pathlib import Path

import torch

from labkit.base import USAGE, LabError, local_rank


def _why_no_card() -> str:
    if not (Path("/dev/nvidia0").exists() or Path("/proc/driver/nvidia").exists()):
        return "no NVIDIA card found"
    if torch.version.cuda is None:
        return "there is a card, but this torch is a CPU build"
    return (
        f"there is a card, but torch {torch.__version__} (CUDA {torch.version.cuda}) "
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
    cpu = f"device: cpu, {n_threads} thread{'s' * (n_threads > 1)}"
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
    from labkit.base import deepcs_module

    deepcs_module("rng").seed_torch(seed)
