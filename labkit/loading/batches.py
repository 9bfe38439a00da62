"""The utterances of each minibatch, their order and their process."""

from __future__ import annotations

import hashlib
from collections.abc import Iterator
from typing import TYPE_CHECKING

import torch
from torch.utils.data import Sampler

from labkit.base import USAGE, LabError, draw_seed
from labkit.loading.clips import FRAMES_PER_SECOND

if TYPE_CHECKING:
    from labkit.loading.utterances import UtteranceSet


_LENGTH_JITTER = 0.15  # of an utterance's duration, so that batches differ each epoch


class LengthBatches(Sampler):
    """Batches of utterances of similar length, shuffled anew each epoch.

    Similar lengths waste little work on padding. A jitter of the lengths varies the
    composition of the batches. The largest batch comes first, so that running
    out of memory shows at once. Call ``set_epoch`` before each epoch.

    With several processes, each makes the same batches and takes its part of each:
    every process has as many batches as the others, none of them empty.

    Args:
        utterances: The fold.
        batch_size: Utterances in a batch, of all processes together.
        shuffle: False keeps one order, the longest utterance first.
        batch_frames: Largest number of frames in a batch, padding included, instead
            of ``batch_size``; an utterance that is longer is a batch of its own.
        rank: Which part is taken, of 0 to ``world_size - 1``.
        world_size: Processes that share the batches.

    Raises:
        LabError: There are fewer utterances in a batch than processes.
    """

    def __init__(
        self,
        utterances: UtteranceSet,
        batch_size: int,
        shuffle: bool,
        batch_frames: int | None = None,
        rank: int = 0,
        world_size: int = 1,
    ) -> None:
        if not batch_frames and batch_size < world_size:
            raise LabError(
                f"a batch of {batch_size} for {world_size} processes",
                f"pass --batch_size {world_size} at least",
                USAGE,
            )
        self.utterances = utterances
        self.batch_size = batch_size
        self.shuffle = shuffle
        self.batch_frames = batch_frames
        self.rank = rank
        self.world_size = world_size
        self.epoch = 0
        self.start = 0
        self._planned: tuple[int, list[list[int]]] | None = None

    def set_epoch(self, epoch: int, start: int = 0) -> None:
        """Choose the epoch whose order and random draws come next.

        Its first ``start`` batches are left out: they were used before an interruption.
        """
        self.epoch = epoch
        self.start = start

    def fingerprint(self) -> str:
        """Return the number of clips, and a digest of their names and sentences."""
        clips = self.utterances.dataset
        names, sentences = (clips.dataset.column(n) for n in ("path", "sentence"))
        digest = hashlib.blake2b(digest_size=8)
        for i in clips.indices:
            row = f"{names[i]}\t{sentences[i]}\n"
            digest.update(row.encode("utf-8", "surrogateescape"))
        return f"{len(clips)} clips, {digest.hexdigest()}"

    def __len__(self) -> int:
        """Return the number of batches of the whole epoch."""
        return len(self._plan())

    def __iter__(self) -> Iterator[list[tuple[int, int]]]:
        """Yield lists of keys ``(epoch, index)``."""
        epoch = self.epoch
        for batch in self._plan()[self.start :]:
            yield [(epoch, index) for index in batch[self.rank :: self.world_size]]

    def _plan(self) -> list[list[int]]:
        """Return the batches of the epoch, of all processes together."""
        self.utterances.prepare()
        if self._planned and self._planned[0] == self.epoch:
            return self._planned[1]
        usable = torch.as_tensor(self.utterances.usable)
        every = self.utterances.seconds(self.epoch)  # (N,)
        keys = every.clone()
        generator = torch.Generator().manual_seed(
            draw_seed(self.utterances.seed, self.epoch, len(every))
        )
        if self.shuffle:
            keys *= 1 + _LENGTH_JITTER * torch.rand(len(every), generator=generator)
        order = usable[keys[usable].argsort(descending=True, stable=True)]
        frames = (every[order] * FRAMES_PER_SECOND).long() + 1
        cuts = self._cut(frames.tolist())
        batches = [order[start:end].tolist() for start, end in cuts]
        if self.shuffle:
            sizes = [(b - a) * int(frames[a:b].max()) for a, b in cuts]
            mixed = torch.randperm(len(batches), generator=generator).tolist()
            largest = sizes.index(max(sizes))
            batches = [batches[largest], *(batches[i] for i in mixed if i != largest)]
        self._planned = self.epoch, batches
        return batches

    def _cut(self, frames: list[int]) -> list[tuple[int, int]]:
        """Cut utterances into batches: return where each starts and ends."""
        if not self.batch_frames:
            starts = list(range(0, len(frames), self.batch_size))
        else:
            starts, longest = [0], 0
            for i, length in enumerate(frames):
                longest = max(longest, length)
                full = (i + 1 - starts[-1]) * longest > self.batch_frames
                if full and i - starts[-1] >= self.world_size:
                    starts.append(i)
                    longest = length
        last = len(frames) - starts[-1]
        if last < self.world_size:
            if len(starts) == 1:
                raise LabError(
                    f"{last} utterances for {self.world_size} processes",
                    "start fewer processes",
                )
            del starts[-1]  # each process needs one: they join the batch before
        return list(zip(starts, [*starts[1:], len(frames)]))
