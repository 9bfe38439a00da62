"""Loaders of minibatches, and counts of the clips used and left out."""

from __future__ import annotations

import argparse
import logging
import sys
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, cast

import numpy as np
import torch
from torch.nn.utils.rnn import PackedSequence
from torch.utils.data import DataLoader, get_worker_info

from labkit.audio import Normalization
from labkit.corpus import (
    CommonVoice,
    DatasetFilter,
    default_location,
    newest_version,
    repeated_clips,
)
from labkit.loading.batches import LengthBatches
from labkit.loading.clips import PLAIN, SPEEDS
from labkit.loading.utterances import Utterance, UtteranceSet

_CACHE_WORKERS = 2  # for a GPU: on a CPU, the training needs the cores

Loaders = tuple[DataLoader, DataLoader, DataLoader]  # training, dev and test fold


@dataclass(frozen=True)
class Loading:
    """Makes loaders; its fields are what ``get_dataloaders`` has no arguments for.

    Attributes:
        normalization: Mean and standard deviation in dB, instead of measuring them; or
            "utterance", for those of each band of each utterance.
        fits: Says whether T frames are enough for the loss of a sentence; None keeps
            every utterance.
        seed: Seed of the order, of the masks and of the speeds.
        cache: Folder where log-mels are kept from run to run, or None.
        batch_frames: Frames in a minibatch, instead of a number of utterances.
        speed_perturbation: Play training clips at 0.9, 1 or 1.1 times their speed.
        rank: Which of the processes that train together this one is.
        world_size: Their number; each gets its part of every minibatch.
        lang: Folder of one language.
    """

    normalization: Normalization = None
    fits: Callable[[int, str], bool] | None = None
    seed: int = 0
    cache: str | None = None
    batch_frames: int | None = None
    speed_perturbation: bool = False
    rank: int = 0
    world_size: int = 1
    lang: str = "fr"

    def make_loaders(
        self,
        make_collate: Callable[..., Any],
        corpus: tuple[str, str],
        *,
        cuda: bool,
        batch_size: int,
        n_threads: int,
        durations: tuple[float, float],
        small_experiment: bool,
        train_augment: bool | str,
        nmels: int,
        logger: logging.Logger | None,
        normalize: bool,
    ) -> Loaders:
        """Make the loaders of ``get_dataloaders``, which explains the arguments.

        ``make_collate(augment=, spectro_normalization=)`` returns what turns utterances
        into a minibatch. ``corpus`` holds the folder of the corpora and that of one
        release in it, ``durations`` the shortest and longest clip kept, in seconds.
        """
        to_log_mel = make_collate(augment=False).processor.log_mel
        how, limit = self, None
        if small_experiment:
            how = replace(self, cache=None, batch_frames=None, speed_perturbation=False)
            limit = batch_size
        fits, seed, cache = how.fits, how.seed, how.cache

        def open_fold(name: str) -> UtteranceSet:
            clips = DatasetFilter(CommonVoice(name, *corpus, how.lang), *durations)
            perturbed = how.speed_perturbation and name == "train"
            speeds = SPEEDS if perturbed else (PLAIN,)
            return UtteranceSet(
                clips, to_log_mel, fits, nmels, limit, n_threads, seed, speeds, cache
            )

        def loader_of(
            fold: UtteranceSet, augment: bool | str, shuffle: bool
        ) -> DataLoader:
            batches = LengthBatches(
                fold, batch_size, shuffle, how.batch_frames, how.rank, how.world_size
            )
            collate = make_collate(augment=augment, spectro_normalization=normalization)
            return _load(batches, CollateUsable(collate), cuda)

        train = open_fold("train")
        dev, test = (
            train if small_experiment else open_fold(name) for name in ("dev", "test")
        )
        normalization = None
        if normalize:
            normalization = self.normalization or train.normalization()
        if logger:
            sizes = f"{len(train)} training, {len(dev)} dev, {len(test)} test clips"
            logger.info(f"{sizes}; normalisation (in dB): {normalization}")
        return (
            loader_of(train, train_augment, shuffle=True),
            loader_of(dev, augment=False, shuffle=False),
            loader_of(test, augment=False, shuffle=False),
        )


class CollateUsable:
    """Leaves out the utterances that could not be read, then collates the others."""

    def __init__(self, batch_collate: Any) -> None:  # noqa: ANN401
        self.batch_collate = batch_collate

    @property
    def normalization(self) -> Normalization:
        """How the spectrograms are normalised."""
        return self.batch_collate.processor.spectro_normalization

    def __call__(self, utterances: list[Utterance | None]) -> Any:  # noqa: ANN401
        """Return the minibatch; None where not one utterance is usable."""
        usable = [u for u in utterances if u is not None]
        if not usable:
            return None
        minibatch = self.batch_collate.collate(usable)
        return _Sent(minibatch) if get_worker_info() else minibatch


class _Sent:
    """A minibatch on its way from a worker, which arrives as it was.

    Tensors would go through shared memory: where that is too small, as in containers,
    one is lost, and the program waits for it for ever.
    """

    def __init__(self, minibatch: Sequence[PackedSequence]) -> None:
        self.minibatch = minibatch

    def __reduce__(self) -> tuple:
        """Pickle arrays, whose bytes go through a pipe."""
        parts = [[x if x is None else x.numpy() for x in p] for p in self.minibatch]
        return _arrived, (parts,)


def _arrived(arrays: list[list[np.ndarray | None]]) -> tuple[PackedSequence, ...]:
    make: Any = PackedSequence
    parts = ([x if x is None else torch.from_numpy(x) for x in p] for p in arrays)
    return tuple(make(*part) for part in parts)


def _load(batches: LengthBatches, collate: CollateUsable, cuda: bool) -> DataLoader:
    """Make the loader of one fold; for a card (``cuda``), its memory is pinned."""
    utterances, workers = batches.utterances, 0
    if utterances.streams:
        workers = utterances.n_threads
    elif utterances.cache and cuda:
        workers = min(utterances.n_threads, _CACHE_WORKERS)
    return DataLoader(
        utterances,
        batch_sampler=batches,
        collate_fn=collate,
        num_workers=workers,
        persistent_workers=workers > 0,
        pin_memory=cuda,
        # A generator of its own: the loader never draws from that of the dropout.
        generator=torch.Generator(),
    )


def batches_of(loader: DataLoader) -> LengthBatches:
    """Return what cuts the fold of a loader into batches; it knows its utterances."""
    return cast(LengthBatches, loader.batch_sampler)


def clips_folder(loader: DataLoader) -> Path:
    """Return the folder of a fold's clips."""
    return batches_of(loader).utterances.dataset.clip_path(0).parent


def describe_folds(**loaders: DataLoader) -> str:
    """Read the folds, and count the clips that are used and left out."""
    folds = {name: batches_of(loaders[name]).utterances for name in loaders}
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


def open_corpus(
    args: argparse.Namespace,
    get_dataloaders: Callable[..., Loaders],
    fits: Callable[[int, str], bool] | None = None,
) -> Loaders:
    """Make the loaders of the three folds that the options ask for; count the clips.

    ``fits`` says whether T frames are enough for the loss of a sentence.
    """
    root, version, lang = args.datasetroot, args.datasetversion, args.lang
    if root is None:
        root, newest = default_location(lang)
        version = version or newest
    args.datasetroot, args.datasetversion = root, version or newest_version(root, lang)
    print(f"corpus: {Path(args.datasetroot, args.datasetversion, args.lang)}")
    loaders = get_dataloaders(
        args.datasetroot,
        args.datasetversion,
        cuda=args.device.type == "cuda",
        batch_size=args.batch_size,
        n_threads=args.nthreads,
        min_duration=args.min_duration,
        max_duration=args.max_duration,
        small_experiment=args.debug,
        train_augment=args.train_augment,
        nmels=args.nmels,
        loading=Loading(
            normalization=args.normalization,
            fits=fits,
            seed=args.seed,
            cache=args.cache,
            batch_frames=args.batch_frames,
            speed_perturbation=args.speed_perturbation,
            rank=args.world.rank,
            world_size=args.world.size,
            lang=args.lang,
        ),
    )
    if args.world.first and not args.debug:
        clips = {
            name: batches_of(loader).utterances.dataset.dataset.clip_names()
            for name, loader in zip(("train", "dev", "test"), loaders)
        }
        for what in repeated_clips(clips):
            todo = "list each in one fold, once"
            print(f"warning: clips: {what}; {todo}", file=sys.stderr)
    if args.command == "train":
        print(describe_folds(training=loaders[0], dev=loaders[1]))
    return loaders
