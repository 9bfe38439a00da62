"""The utterances of a fold, with their features."""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import NamedTuple

import torch
from torch import Tensor
from torch.utils.data import Dataset
from tqdm import tqdm

from labkit.base import LabError, draw_seed, progress
from labkit.corpus import DatasetFilter
from labkit.loading.cache import FeatureCache
from labkit.loading.clips import FLOAT_BYTES, FRAMES_PER_SECOND, PLAIN, ClipReader

_MEMORY_BUDGET = 2 << 30  # bytes of features kept in memory for one fold
_NORMALIZATION_SAMPLE = 1000  # utterances
_NAMED = 20  # clips left out that are named one by one


class Utterance(NamedTuple):
    """One training example: the features and the transcript of a clip."""

    log_mel: Tensor  # (T, M) in dB
    sentence: str
    seed: int | None = None  # of all its random numbers in this epoch
    clip: str = ""  # name of the file


@dataclass(eq=False, repr=False)
class UtteranceSet(Dataset):
    """The utterances of one fold that can be used, and their log-mels.

    The log-mels are kept in memory; or, with ``cache``, in files; or, if the fold is
    too large for memory, computed anew each epoch by worker processes. A clip that
    cannot be read, or too short for its transcript, is left out, named on stderr and
    counted in ``skipped``.

    An utterance keeps the index of its clip in ``dataset``, whichever are left out.
    """

    dataset: DatasetFilter  # the clips
    to_log_mel: Callable[[Tensor, int], Tensor]  # (waveform (1, samples), rate): (T, M)
    # Whether T frames are enough for a sentence; None if any number is.
    fits: Callable[[int, str], bool] | None
    n_mels: int  # M
    limit: int | None  # keep only the first so many usable utterances
    n_threads: int  # worker processes at most
    seed: int  # of the run
    speeds: Sequence[float] = (PLAIN,)  # each epoch draws one for each utterance
    cache: str | Path | None = None  # folder of the feature cache

    def __post_init__(self) -> None:
        """Decide where the log-mels are kept."""
        self.reader = ClipReader(self.dataset, self.to_log_mel)
        self.skipped: list[str] = []
        longest = sorted(self.dataset.durations, reverse=True)[: self.limit]
        frames = sum(longest) * FRAMES_PER_SECOND * sum(1 / s for s in self.speeds)
        small = frames * self.n_mels * FLOAT_BYTES <= _MEMORY_BUDGET
        self.in_memory = not self.cache and small
        # Once prepared: the utterances that can be used, and their log-mels by index
        # and number of the speed.
        self._usable: list[int] | None = None
        self._features: dict[tuple[int, int], Tensor] | FeatureCache | None = None
        self._drawn: tuple[int, Tensor] | None = None

    @property
    def streams(self) -> bool:
        """Whether the clips are read anew each epoch."""
        return not (self.in_memory or self.cache)

    @property
    def usable(self) -> Sequence[int]:
        """The indices of the utterances (once prepared, of the usable ones)."""
        return range(len(self.dataset)) if self._usable is None else self._usable

    def __len__(self) -> int:
        """Return the number of utterances (once prepared, of the usable ones)."""
        return len(self.usable)

    def speeds_of(self, epoch: int) -> Tensor:
        """Draw which of ``speeds`` each clip of ``dataset`` has in an epoch, (N,)."""
        if self._drawn is None or self._drawn[0] != epoch:
            generator = torch.Generator().manual_seed(draw_seed(self.seed, epoch, -1))
            shape = (len(self.dataset),)
            drawn = torch.randint(len(self.speeds), shape, generator=generator)
            self._drawn = epoch, drawn
        return self._drawn[1]

    def seconds(self, epoch: int) -> Tensor:
        """Return how long each clip of ``dataset`` lasts in an epoch, (N,).

        This does not depend on whether the clips have been read.
        """
        durations = torch.as_tensor(self.dataset.durations, dtype=torch.float64)
        return durations / torch.tensor(self.speeds)[self.speeds_of(epoch)]

    def _sentence(self, index: int) -> str:
        return self.dataset.dataset.row(self.dataset.indices[index])["sentence"]

    def prepare(self) -> None:
        """Read the fold into memory, if it fits; or make sure of its cache. Once.

        Raises:
            LabError: Not one utterance can be used, or the cache cannot be written.
        """
        if self.streams or self._usable is not None:
            return
        if self.cache:
            self._features = FeatureCache(
                self.cache, self.reader, self.speeds, self.n_mels, self.n_threads
            )
            doing, results = "checking", self._features.lengths()
        else:
            self._features = {}
            doing, results = "reading", self._read_into_memory(self._features)
        usable, n_clips = [], self.limit or len(self.dataset)
        title = f"{doing} {self.dataset.dataset.fold}"
        shown = progress(results, title, unit="clip", total=n_clips)
        for index, result in enumerate(shown):
            if isinstance(result, str):
                self._skip(result)
            elif self.fits and not self.fits(result, self._sentence(index)):
                self._skip(self._too_short(index, result))
            else:
                usable.append(index)
            if len(usable) == self.limit:
                break
        if not usable:
            raise LabError(
                f"none of the {len(self.dataset)} clips of {self.dataset.dataset.fold} "
                f"can be used; the first: {self.skipped[0]}",
                "check the folder of the clips and the sentences of the tsv",
            )
        self._usable = usable

    def _read_into_memory(
        self, features: dict[tuple[int, int], Tensor]
    ) -> Iterator[int | str]:
        """Fill ``features``; yield the frames T of each clip, or why it has none."""
        wanted = self.limit or len(self.dataset)
        results = self.reader.read_all(self.speeds, wanted, self.n_threads)
        for index, result in enumerate(results):
            if isinstance(result, str):
                yield result
            else:
                for speed, log_mel in enumerate(result):
                    features[index, speed] = log_mel
                yield len(result[self.speeds.index(PLAIN)])

    def _too_short(self, index: int, n_frames: int) -> str:
        path = self.dataset.clip_path(index)
        return f"{path}: too short for its transcript ({n_frames} frames)"

    def _skip(self, why: str) -> None:
        if why in self.skipped:  # in an epoch before
            return
        self.skipped.append(why)
        if len(self.skipped) <= _NAMED:
            tqdm.write(f"left out: {why}", file=sys.stderr)
        elif len(self.skipped) == _NAMED + 1:
            tqdm.write("left out: more, which are only counted", file=sys.stderr)

    def _log_mel(self, index: int, speed: int) -> Tensor | str:
        if self._features is None:
            result = self.reader.read(index, [self.speeds[speed]])
            return result if isinstance(result, str) else result[0]
        return self._features[index, speed]

    def __getitem__(self, key: tuple[int, int]) -> Utterance | None:
        """Return the utterance of ``(epoch, index)``; None if it cannot be used."""
        epoch, index = key
        sentence, plain = self._sentence(index), self.speeds.index(PLAIN)
        why = ""
        # If it is too short at this speed, it is played at its own.
        for speed in dict.fromkeys((int(self.speeds_of(epoch)[index]), plain)):
            log_mel = self._log_mel(index, speed)
            if isinstance(log_mel, str):
                why = log_mel
                break
            known_to_fit = self._features is not None and self.speeds[speed] <= PLAIN
            if known_to_fit or not self.fits or self.fits(len(log_mel), sentence):
                clip = self.dataset.clip_path(index).name
                seed = draw_seed(self.seed, epoch, index)
                return Utterance(log_mel, sentence, seed, clip)
            why = self._too_short(index, len(log_mel))
        self._skip(why)
        return None

    def normalization(self) -> tuple[float, float]:
        """Measure the mean and the standard deviation of the log-mels, in dB.

        They are those of a random sample of the fold, at plain speed.

        Raises:
            LabError: There is no sound in the sample.
        """
        self.prepare()
        generator = torch.Generator().manual_seed(self.seed)
        order = torch.randperm(len(self), generator=generator).tolist()
        plain, chosen = self.speeds.index(PLAIN), order[:_NORMALIZATION_SAMPLE]
        sample = [self._log_mel(self.usable[i], plain) for i in chosen]
        values = [x.flatten() for x in sample if not isinstance(x, str)]
        values = torch.cat(values) if values else torch.zeros(2)
        mean, std = values.mean().item(), values.std().item()
        if std == 0:
            raise LabError(
                f"all clips of {self.dataset.dataset.fold} are silent or unreadable",
                "check the folder of the clips",
            )
        return mean, std
