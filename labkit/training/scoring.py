"""Walking through a fold: its minibatches on the device, and their score."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any, Protocol

import torch
from torch import nn
from torch.nn.utils.rnn import PackedSequence
from torch.utils.data import DataLoader

from labkit.base import progress
from labkit.metrics import BatchResult, FoldScore
from labkit.training.distributed import ALONE, World


class Recipe(Protocol):
    """What the loop asks of a script: one training step, one evaluation.

    Attributes:
        share: What to multiply the losses of the next step with, before it goes
            back through the network.
    """

    share: float

    def step(self, minibatch: Any) -> BatchResult:  # noqa: ANN401
        """Update the network once."""

    def evaluate(self, minibatch: Any) -> BatchResult:  # noqa: ANN401
        """Decode a minibatch, without an update."""


def minibatches(
    loader: DataLoader, device: torch.device, title: str, quiet: bool, done: int = 0
) -> Iterator:
    """Yield minibatches on the device; None where no utterance is usable."""
    for minibatch in progress(loader, title, quiet, done):
        if minibatch is None:
            yield None
        else:
            yield tuple(part.to(device, non_blocking=True) for part in minibatch)


def n_utterances(minibatch: tuple | None) -> int:
    """Count the utterances of a minibatch."""
    if minibatch is None:
        return 0
    first = minibatch[0]
    return int(first.batch_sizes[0]) if isinstance(first, PackedSequence) else 1


def score_fold(
    model: nn.Module,
    recipe: Recipe,
    loader: DataLoader,
    device: torch.device,
    title: str = "dev",
    world: World = ALONE,
    between: Callable[[], None] | None = None,
) -> FoldScore:
    """Evaluate a fold, without dropout and with BatchNorm's running statistics.

    Args:
        model: The network.
        recipe: How it is evaluated.
        loader: The fold; of several processes, each has its share.
        device: Where to compute.
        title: Of the progress bar.
        world: The processes.
        between: Called before each minibatch.

    Returns:
        The score of the whole fold, in every process.
    """
    world.share_buffers(model)
    model.eval()
    score = FoldScore()
    with torch.inference_mode():
        for minibatch in minibatches(loader, device, title, quiet=not world.first):
            if between:
                between()
            if minibatch is not None:
                score.add(recipe.evaluate(minibatch))
    return FoldScore.joined(world.gather(score))
