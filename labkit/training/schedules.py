"""Learning rate schedules."""

from __future__ import annotations

import math

import torch
from torch.optim.lr_scheduler import LambdaLR

_WARMUP_SHARE = 0.1  # of the updates
_PLATEAU_EPOCHS = 2  # without improvement, before the rate is lowered
_PLATEAU_FACTOR = 0.5


class Plateau:
    """A factor of the learning rate, halved when the dev CER stops falling.

    It is an object, not a function, so that the scheduler saves its state.

    Args:
        warmup: Updates over which the rate rises linearly.
    """

    def __init__(self, warmup: int) -> None:
        self.warmup = warmup
        self.scale = 1.0
        self.best = math.inf
        self.stale = 0

    def __call__(self, update: int) -> float:
        """Return the factor of an update."""
        return self.scale * min(1.0, (update + 1) / self.warmup)

    def step(self, error_rate: float) -> None:
        """Take the error rate of an epoch into account."""
        self.stale += 1
        if error_rate < self.best:
            self.best, self.stale = error_rate, 0
        elif self.stale > _PLATEAU_EPOCHS:
            self.scale, self.stale = self.scale * _PLATEAU_FACTOR, 0


def make_scheduler(
    kind: str | bool, optimizer: torch.optim.Optimizer, n_updates: int
) -> LambdaLR | None:
    """Make a schedule: it raises the learning rate linearly, then lowers it.

    Args:
        kind: As ``--scheduler`` has it: True for half a cosine, "plateau" for halves
            when the dev CER stops falling, False for no schedule.
        optimizer: Its learning rate is the highest that is reached.
        n_updates: Updates of the whole run.

    Returns:
        A scheduler to step after each update, and by ``step_epoch`` after each epoch.
    """
    warmup = max(1, round(_WARMUP_SHARE * n_updates))

    def cosine(update: int) -> float:
        if update < warmup:
            return (update + 1) / warmup
        progress = (update - warmup) / max(1, n_updates - warmup)
        return 0.5 * (1 + math.cos(math.pi * min(1.0, progress)))

    if not kind:
        return None
    return LambdaLR(optimizer, Plateau(warmup) if kind == "plateau" else cosine)


def step_epoch(scheduler: LambdaLR | None, error_rate: float) -> None:
    """Pass the error rate of an epoch to a scheduler that uses it."""
    for factor in getattr(scheduler, "lr_lambdas", ()):
        if isinstance(factor, Plateau):
            factor.step(error_rate)
