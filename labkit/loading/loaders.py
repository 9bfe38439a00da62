"""Loaders of minibatches, and how many clips they are left with."""

from __future__ import annotations

from typing import Any, cast

import torch
from torch.utils.data import DataLoader

from labkit.loading.batches import LengthBatches
from labkit.loading.utterances import Utterance, UtteranceSet

_CACHE_WORKERS = 2  # of a card that is fed from a cache


class CollateUsable:
    """Leave out the utterances that could not be read, then collate.

    Args:
        batch_collate: Its ``collate`` turns a list of utterances into a minibatch.
    """

    def __init__(self, batch_collate: Any) -> None:  # noqa: ANN401
        self.batch_collate = batch_collate

    @property
    def normalization(self) -> tuple[float, float] | None:
        """Mean and standard deviation of the spectrograms, in dB."""
        return self.batch_collate.processor.spectro_normalization

    def __call__(self, utterances: list[Utterance | None]) -> Any:  # noqa: ANN401
        """Return the minibatch; None where not one utterance is usable."""
        usable = [u for u in utterances if u is not None]
        return self.batch_collate.collate(usable) if usable else None


def describe_folds(**loaders: DataLoader) -> str:
    """Read the folds, and count the clips that are used and left out."""
    folds = {name: cast(UtteranceSet, loaders[name].dataset) for name in loaders}
    for fold in folds.values():
        fold.prepare()
    sizes = (f"{len(fold)} {name}" for name, fold in folds.items())
    left_out = sum(len(fold.skipped) for fold in folds.values())
    text = f"clips: {', '.join(sizes)}; {left_out} left out"
    streamed = [name for name, fold in folds.items() if fold.streams]
    if streamed:
        text += (
            f"\ntoo large for memory, read anew each epoch: {', '.join(streamed)} "
            f"(--cache DIR would keep the log-mels in files)"
        )
    return text


def make_loader(
    batches: LengthBatches,
    batch_collate: Any,  # noqa: ANN401
    cuda: bool,
) -> DataLoader:
    """Make the loader of one fold.

    What is in memory is collated in this process. Clips are read by all workers.
    From a cache, the processor that would wait for data collates it itself; a card
    is fed by two workers.

    Args:
        batches: The batches, and the utterances that they are of.
        batch_collate: Its ``collate`` turns a list of utterances into a minibatch.
        cuda: Pin the memory of the batches, for a faster copy to the card.

    Returns:
        A loader of minibatches; its ``batch_sampler`` has ``set_epoch``.
    """
    utterances = batches.utterances
    workers = utterances.n_threads if utterances.streams else 0
    if utterances.cache and cuda:
        workers = min(utterances.n_threads, _CACHE_WORKERS)
    return DataLoader(
        utterances,
        batch_sampler=batches,
        collate_fn=CollateUsable(batch_collate),
        num_workers=workers,
        persistent_workers=workers > 0,
        pin_memory=cuda,
        # Its own, so that the loader never draws from the generator of the dropout.
        generator=torch.Generator(),
    )
