"""From a fold of clips to minibatches: features kept in memory, batches by length."""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterator, Sequence
from typing import Any, NamedTuple

import torch
from torch import Tensor
from torch.utils.data import DataLoader, Dataset, Sampler
from tqdm import tqdm

from labkit.audio import AudioError
from labkit.commonvoice import DatasetFilter
from labkit.errors import LabError

_MEMORY_BUDGET = 2 << 30  # bytes of features kept in memory for one fold
_FRAMES_PER_SECOND = 100
_FLOAT_BYTES = 4
_WORTH_WORKERS = 400  # below so many clips, starting worker processes costs more
_NORMALIZATION_SAMPLE = 1000  # utterances
_LENGTH_JITTER = 0.15  # of an utterance's duration, so that batches differ each epoch


class Utterance(NamedTuple):
    """What a network learns from in one clip."""

    log_mel: Tensor  # (T, M) in dB
    sentence: str
    seed: int  # of every random draw made for it in this epoch
    clip: str = ""  # name of the file


_Read = tuple[Tensor, str, str]  # log-mel (T, M), sentence, name of the file


def draw_seed(seed: int, epoch: int, index: int) -> int:
    """Mix the run's seed, the epoch and the utterance into one seed.

    So the draws do not depend on which process makes them, nor on their order.
    """
    mixed = (seed * 1_000_003 + epoch) * 1_000_003 + index
    return mixed % (1 << 63)


class UtteranceSet(Dataset):
    """The utterances of one fold that can be used, their log-mels kept in memory.

    A clip that cannot be read, or too short for its transcript, is left out, named
    on stderr and counted in ``skipped``. A fold too large for memory is computed
    anew each epoch, by worker processes.

    Args:
        dataset: The clips, ``(waveform, rate, row)`` each.
        to_log_mel: Turns ``(waveform (1, samples), rate)`` into (T, M) in dB.
        fits: Tells from T and the sentence whether the loss is defined, or None.
        n_mels: Mel bands M, to foresee the memory.
        limit: Keep only the first so many usable utterances.
        n_threads: Worker processes at most.
        seed: Seed of the run.
    """

    def __init__(
        self,
        dataset: DatasetFilter,
        to_log_mel: Callable[[Tensor, int], Tensor],
        fits: Callable[[int, str], bool] | None,
        n_mels: int,
        limit: int | None,
        n_threads: int,
        seed: int,
    ) -> None:
        self.dataset = dataset
        self.to_log_mel = to_log_mel
        self.fits = fits
        self.limit = limit
        self.n_threads = n_threads
        self.seed = seed
        self.skipped: list[str] = []
        longest = sorted(dataset.durations, reverse=True)[:limit]
        frames = sum(longest) * _FRAMES_PER_SECOND
        self.in_memory = frames * n_mels * _FLOAT_BYTES <= _MEMORY_BUDGET
        self._kept: list[_Read] | None = None

    def __len__(self) -> int:
        """Return the number of utterances (of those in memory, the usable ones)."""
        return len(self.dataset) if self._kept is None else len(self._kept)

    @property
    def durations(self) -> Sequence[float]:
        """Return the durations in seconds, of the table or as read."""
        if self._kept is None:
            return self.dataset.durations
        return [len(log_mel) / _FRAMES_PER_SECOND for log_mel, _, _ in self._kept]

    def read(self, index: int) -> _Read | str:
        """Read one clip: log-mel, sentence, name; or why it is left out."""
        path = self.dataset.clip_path(index)
        try:
            waveform, rate, row = self.dataset[index]
        except AudioError as error:
            return error.cause
        log_mel = self.to_log_mel(waveform, rate)
        if self.fits and not self.fits(len(log_mel), row["sentence"]):
            return f"{path}: too short for its transcript ({len(log_mel)} frames)"
        return log_mel, row["sentence"], path.name

    def prepare(self) -> None:
        """Read the fold into memory, if it fits; done once, at first use.

        Raises:
            LabError: Not one utterance can be used.
        """
        if not self.in_memory or self._kept is not None:
            return
        kept: list[_Read] = []
        wanted = self.limit or len(self.dataset)
        with tqdm(
            total=wanted,
            desc=f"reading {self.dataset.dataset.fold}",
            unit="clip",
            leave=False,
            disable=not sys.stderr.isatty(),
        ) as bar:
            for result in self._read_all(wanted):
                bar.update()
                if isinstance(result, str):
                    self._skip(result)
                else:
                    kept.append(result)
                if len(kept) == wanted:
                    break
        if not kept:
            raise LabError(
                f"none of the {len(self.dataset)} clips of {self.dataset.dataset.fold} "
                f"can be used; the first: {self.skipped[0]}",
                "check the folder of the clips and the sentences of the tsv",
            )
        self._kept = kept

    def _read_all(self, wanted: int) -> Iterator[_Read | str]:
        workers = self.n_threads if wanted >= _WORTH_WORKERS else 0
        if workers < 2:
            yield from map(self.read, range(len(self.dataset)))
            return
        loader = DataLoader(
            _Reads(self), batch_size=16, num_workers=workers, collate_fn=_as_numpy
        )
        for results in loader:
            for result in results:
                if isinstance(result, str):
                    yield result
                else:
                    yield (torch.from_numpy(result[0]), *result[1:])

    def _skip(self, why: str) -> None:
        self.skipped.append(why)
        tqdm.write(f"left out: {why}", file=sys.stderr)

    def __getitem__(self, key: tuple[int, int]) -> Utterance | None:
        """Return the utterance of ``(epoch, index)``; None if it cannot be used."""
        epoch, index = key
        result = self._kept[index] if self._kept is not None else self.read(index)
        if isinstance(result, str):
            self._skip(result)
            return None
        log_mel, sentence, clip = result
        return Utterance(log_mel, sentence, draw_seed(self.seed, epoch, index), clip)

    def normalization(self) -> tuple[float, float]:
        """Measure the mean and the standard deviation of the log-mels, in dB.

        They are taken over frames and bands of a random sample of the fold.

        Raises:
            LabError: There is no sound in the sample.
        """
        self.prepare()
        generator = torch.Generator().manual_seed(self.seed)
        order = torch.randperm(len(self), generator=generator).tolist()
        sample = (self[0, i] for i in order[:_NORMALIZATION_SAMPLE])
        values = [u.log_mel.flatten() for u in sample if u is not None]
        values = torch.cat(values) if values else torch.zeros(2)
        mean, std = values.mean().item(), values.std().item()
        if std == 0:
            raise LabError(
                f"all clips of {self.dataset.dataset.fold} are silent or unreadable",
                "check the folder of the clips",
            )
        return mean, std


class _Reads(Dataset):
    """The results of ``UtteranceSet.read``, for worker processes."""

    def __init__(self, utterances: UtteranceSet) -> None:
        self.utterances = utterances

    def __len__(self) -> int:
        return len(self.utterances.dataset)

    def __getitem__(self, index: int) -> _Read | str:
        return self.utterances.read(index)


def _as_numpy(results: list) -> list:
    # A tensor would travel by a file descriptor, of which a process has few.
    return [r if isinstance(r, str) else (r[0].numpy(), *r[1:]) for r in results]


class LengthBatches(Sampler):
    """Batches of utterances of similar length, shuffled anew each epoch.

    Similar lengths waste little work on padding. A jitter of the lengths lets the
    company of an utterance change. Call ``set_epoch`` before each epoch.

    Args:
        utterances: The fold.
        batch_size: Utterances in a batch.
        shuffle: False keeps one order, the longest utterance first.
    """

    def __init__(
        self, utterances: UtteranceSet, batch_size: int, shuffle: bool
    ) -> None:
        self.utterances = utterances
        self.batch_size = batch_size
        self.shuffle = shuffle
        self.epoch = 0

    def set_epoch(self, epoch: int) -> None:
        """Choose the epoch whose order and random draws come next."""
        self.epoch = epoch

    def __len__(self) -> int:
        """Return the number of batches."""
        return -(-len(self.utterances) // self.batch_size)

    def __iter__(self) -> Iterator[list[tuple[int, int]]]:
        """Yield lists of keys ``(epoch, index)``."""
        self.utterances.prepare()
        lengths = torch.tensor(self.utterances.durations)
        generator = torch.Generator().manual_seed(
            draw_seed(self.utterances.seed, self.epoch, len(lengths))
        )
        if self.shuffle:
            jitter = torch.rand(len(lengths), generator=generator)
            lengths = lengths * (1 + _LENGTH_JITTER * jitter)
        order = lengths.argsort(descending=True, stable=True).tolist()
        starts = range(0, len(order), self.batch_size)
        batches = [order[start : start + self.batch_size] for start in starts]
        if self.shuffle:
            mixed = torch.randperm(len(batches), generator=generator).tolist()
            batches = [batches[i] for i in mixed]
        for batch in batches:
            yield [(self.epoch, index) for index in batch]


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
    for loader in loaders.values():
        loader.dataset.prepare()
    sizes = (f"{len(loader.dataset)} {name}" for name, loader in loaders.items())
    left_out = sum(len(loader.dataset.skipped) for loader in loaders.values())
    return f"clips: {', '.join(sizes)}; {left_out} left out"


def make_loader(
    utterances: UtteranceSet,
    batch_collate: Any,  # noqa: ANN401
    batch_size: int,
    shuffle: bool,
    cuda: bool,
) -> DataLoader:
    """Make the loader of one fold.

    What is in memory is collated in this process; what is not, by workers.

    Args:
        utterances: The fold.
        batch_collate: Its ``collate`` turns a list of utterances into a minibatch.
        batch_size: Utterances in a batch.
        shuffle: Mix the batches each epoch.
        cuda: Pin the memory of the batches, for a faster copy to the card.

    Returns:
        A loader of minibatches; its ``batch_sampler`` has ``set_epoch``.
    """
    workers = 0 if utterances.in_memory else utterances.n_threads
    return DataLoader(
        utterances,
        batch_sampler=LengthBatches(utterances, batch_size, shuffle),
        collate_fn=CollateUsable(batch_collate),
        num_workers=workers,
        persistent_workers=workers > 0,
        pin_memory=cuda,
        # Its own, so that the loader never draws from the generator of the dropout.
        generator=torch.Generator(),
    )
