"""Minibatches on their way to the device."""

from __future__ import annotations

from collections.abc import Iterator

import torch
from torch.nn.utils.rnn import PackedSequence
from torch.utils.data import DataLoader

from labkit.base import progress

Minibatch = tuple[PackedSequence, PackedSequence]  # log-mels (T, B, M), targets (U, B)


def on_device(
    loader: DataLoader, device: torch.device, title: str, quiet: bool, done: int = 0
) -> Iterator[Minibatch | None]:
    """Yield minibatches on the device; None where no utterance is usable."""
    for minibatch in progress(loader, title, quiet, done):
        if minibatch is None:
            yield None
        else:
            inputs, targets = minibatch
            yield (
                inputs.to(device, non_blocking=True),
                targets.to(device, non_blocking=True),
            )


def count_utterances(minibatch: Minibatch | None) -> int:
    """Count the utterances of a minibatch."""
    return int(minibatch[0].batch_sizes[0]) if minibatch else 0
