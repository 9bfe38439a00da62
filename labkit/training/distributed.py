"""Several processes that train one network together, as ``torchrun`` starts them."""

from __future__ import annotations

import os
import sys
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import timedelta
from typing import Any

import torch
import torch.distributed as dist
from torch import nn
from torch.nn.parallel import DistributedDataParallel

# One process may read a corpus or score a fold while the others wait.
_PATIENCE = timedelta(hours=1)


@dataclass(frozen=True)
class World:
    """The processes of a run, seen from one of them; with one, each method is trivial.

    Every process calls the same methods in the same order: each call waits for all.

    Attributes:
        rank: The number of this process, from 0.
        size: How many there are.
    """

    rank: int = 0
    size: int = 1

    @property
    def first(self) -> bool:
        """Whether this is the process that prints and writes."""
        return self.rank == 0

    def wrap(self, model: nn.Module, device: torch.device) -> nn.Module:
        """Make training average the gradients over all processes.

        On GPUs, batch normalisation counts the utterances of all processes; on a CPU it
        has no such form, and the first process' statistics are kept.

        Returns:
            The module to call in training; ``model`` itself keeps the weights.
        """
        if self.size == 1:
            return model
        devices = None
        if device.type == "cuda":
            nn.SyncBatchNorm.convert_sync_batchnorm(model)  # in its place
            devices = [device]
        return DistributedDataParallel(model, device_ids=devices)

    def total(self, values: Sequence[float]) -> list[float]:
        """Add up the values of all processes, element by element."""
        if self.size == 1:
            return list(values)
        summed = torch.tensor(values, dtype=torch.float64)
        dist.all_reduce(summed)
        return summed.tolist()

    def wait(self) -> None:
        """Wait until every process is here."""
        self.total([0])

    def gather(self, value: Any) -> list:  # noqa: ANN401
        """Give every process the values of all, in the order of their ranks."""
        if self.size == 1:
            return [value]
        values = [None] * self.size
        dist.all_gather_object(values, value)
        return values

    def from_first(self, value: Any) -> Any:  # noqa: ANN401
        """Send the value of the first process to all."""
        if self.size == 1:
            return value
        values = [value]
        dist.broadcast_object_list(values)
        return values[0]

    def share_buffers(self, model: nn.Module) -> None:
        """Send the first process' statistics of batch normalisation to all."""
        if self.size > 1:
            for buffer in model.buffers():
                dist.broadcast(buffer, 0)


ALONE = World()


def join_world() -> World:
    """Join the other processes, if ``torchrun`` has started several.

    From here on, only the first process prints; the others print errors only.
    """
    size = int(os.environ.get("WORLD_SIZE", 1))
    if size == 1:
        return ALONE
    # Tensors travel by NCCL from card to card, and by gloo from CPU to CPU.
    backend = "cpu:gloo,cuda:nccl" if torch.cuda.is_available() else "gloo"
    dist.init_process_group(backend, timeout=_PATIENCE)
    world = World(dist.get_rank(), size)
    if not world.first:  # until the process ends
        sys.stdout = open(os.devnull, "w", encoding="utf-8")  # noqa: SIM115
    return world
