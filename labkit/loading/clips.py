"""Reading clips as log-mels, in this process or in several."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from functools import partial
from itertools import chain
from typing import Any, cast

import numpy as np
import torch
from torch import Tensor
from torch.utils.data import DataLoader

from labkit.audio import AudioError, read_speech
from labkit.corpus import DatasetFilter

PLAIN = 1.0  # the speed of a clip as it is
SPEEDS = (0.9, PLAIN, 1.1)  # of speed perturbation (Ko et al. 2015)
FRAMES_PER_SECOND = 100
FLOAT_BYTES = 4

_WORTH_WORKERS = 400  # below so many clips, starting worker processes costs more


@contextmanager
def one_thread() -> Iterator[None]:
    """Compute like worker processes: another order of sums changes the last bit."""
    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    try:
        yield
    finally:
        torch.set_num_threads(threads)


def map_in_workers(
    function: Callable[[Any], Any],
    items: Sequence,
    n_clips: int,
    n_threads: int,
    together: int = 16,
) -> Iterator[Any]:
    """Yield the result of a function for each item, in order.

    Where the items are of many clips, up to ``n_threads`` worker processes compute it,
    each for so many items ``together``.
    """
    if n_threads < 2 or n_clips < _WORTH_WORKERS:
        with one_thread():
            yield from map(function, items)
        return
    results = DataLoader(
        cast(Any, items),
        together,
        num_workers=n_threads,
        collate_fn=partial(_call, function),
        generator=torch.Generator(),
    )
    yield from chain.from_iterable(results)


def _call(function: Callable[[Any], Any], items: Sequence) -> list:
    return [function(item) for item in items]


@dataclass(frozen=True)
class ClipReader:
    """Reads clips by a function ``(waveform (1, samples), rate)`` to (T, M) in dB."""

    dataset: DatasetFilter
    to_log_mel: Callable[[Tensor, int], Tensor]

    def read(self, index: int, speeds: Sequence[float]) -> list[Tensor] | str:
        """Read the log-mel (T, M) of a clip at each speed, or say why it is left out.

        To play a clip ``speed`` times as fast, its rate is declared to be so many
        times as high: tempo and pitch change together.
        """
        try:
            waveform, rate = read_speech(self.dataset.clip_path(index))
        except AudioError as error:
            return error.cause
        return [self.to_log_mel(waveform, round(rate * speed)) for speed in speeds]

    def read_all(
        self, speeds: Sequence[float], n_wanted: int, n_threads: int
    ) -> Iterator[list[Tensor] | str]:
        """Read every clip, in order; by worker processes if ``n_wanted`` are many."""
        read, every = partial(self._read_arrays, speeds), range(len(self.dataset))
        for result in map_in_workers(read, every, n_wanted, n_threads):
            if isinstance(result, str):
                yield result
            else:
                yield [torch.from_numpy(log_mel) for log_mel in result]

    def _read_arrays(
        self, speeds: Sequence[float], index: int
    ) -> list[np.ndarray] | str:
        result = self.read(index, speeds)
        # Sending a tensor takes a file descriptor, of which a process has few.
        return result if isinstance(result, str) else [x.numpy() for x in result]
