"""Averaging the weights of several epochs (Izmailov et al. 2018)."""

from __future__ import annotations

from collections.abc import Iterator
from itertools import islice
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn
from torch.optim.swa_utils import update_bn
from torch.utils.data import DataLoader

from labkit.training.distributed import ALONE, World
from labkit.training.tensors import load_tensors, save_tensors

_STATISTICS_BATCHES = 100  # more would not change the statistics


class EpochWeights:
    """Keeps the weights of the last ``n_epochs``, one file each, in a run's folder."""

    def __init__(self, folder: Path, n_epochs: int) -> None:
        self.folder = folder
        self.n_epochs = n_epochs

    def _path(self, epoch: int) -> Path:
        return self.folder / f"epoch_{epoch}.pt"

    def keep(self, epoch: int, model: nn.Module) -> None:
        """Write the weights of an epoch; remove those that are too old."""
        save_tensors(self._path(epoch), model.state_dict())
        self._path(epoch - self.n_epochs).unlink(missing_ok=True)

    def mean(self, last: int) -> dict[str, Tensor]:
        """Average the weights of the epochs up to ``last``.

        Counters, such as that of batch normalisation, are those of the last epoch.
        """
        first = max(1, last - self.n_epochs + 1)
        mean: dict[str, Tensor] = {}
        for n, epoch in enumerate(range(first, last + 1), 1):
            weights = load_tensors(self._path(epoch), "train again")
            for name, value in weights.items():
                if n > 1 and value.is_floating_point():
                    value = mean[name] + (value - mean[name]) / n
                mean[name] = value
        return mean

    def remove(self) -> None:
        """Remove every file."""
        for path in self.folder.glob("epoch_*.pt"):
            path.unlink()


def refresh_batchnorm(
    model: nn.Module,
    loader: DataLoader,
    device: torch.device,
    world: World = ALONE,
) -> None:
    """Measure the statistics of batch normalisation again, for averaged weights.

    The mean of the epochs' statistics would not be that of the features which the
    mean weights compute. Only part of the training fold is read, by each of the
    processes its own.
    """
    model = getattr(model, "encoder", model)  # the decoder has no such layer

    def usable() -> Iterator[Any]:
        for batch in islice(loader, _STATISTICS_BATCHES):
            # Synchronised layers wait for one another: all processes take it, or none.
            (n_empty,) = world.total([batch is None])
            if not n_empty:
                yield batch

    with torch.no_grad():
        update_bn(usable(), model, device)
