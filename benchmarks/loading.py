"""Clips per second of the loaders, compared with the bare calls.

    python benchmarks/loading.py [--datasetroot ROOT --datasetversion VERSION]

From mp3, the bare calls are: read, resample with a kept filter, log-mel; as many
processes make them as the loader has workers. From the cache, the bare map copies each
log-mel out of its file. Both sides take turns; the ratio is the median of the turns'.
"""

from __future__ import annotations

import argparse
import statistics
import sys
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ProcessPoolExecutor
from functools import partial
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

ROOT = Path(__file__).resolve().parents[1]
sys.path[:0] = [str(ROOT / "LabsSolutions" / "02-pytorch-asr"), str(ROOT)]

import soundfile
import torch
import torchaudio
from data import (
    _DEFAULT_COMMONVOICE_ROOT,
    _DEFAULT_COMMONVOICE_VERSION,
    WaveformProcessor,
    get_dataloaders,
)
from torch.utils.data import DataLoader

from labkit.loading import Loading, batches_of, utterances

TURNS = 5
SHORTEST = 1.0  # s, of one side's turn: small corpora are gone through repeatedly
MP3_BAR, CACHE_BAR = 0.8, 10_000
RATE, WINDOW, STEP, BANDS = 16_000, 0.04, 0.01, 20


def bare_calls(paths: list[str]) -> int:
    """Read clips, resample them, compute their log-mels; return how many."""
    torch.set_num_threads(1)
    to_log_mel = WaveformProcessor.build_tospectro(
        RATE, round(WINDOW * RATE), round(STEP * RATE), BANDS
    )
    kept: dict[int, Callable] = {RATE: torch.nn.Identity()}
    for path in paths:
        samples, rate = soundfile.read(path, dtype="float32")
        if rate not in kept:
            kept[rate] = torchaudio.transforms.Resample(rate, RATE)
        to_log_mel(kept[rate](torch.from_numpy(samples)[None]))
    return len(paths)


def epoch_of(loader: DataLoader, turn: Iterator[int]) -> int:
    """Go through a loader once; return how many clips it gave."""
    batches_of(loader).set_epoch(next(turn))
    return sum(len(batch[0].sorted_indices) for batch in loader)


def clips_a_second(work: Callable[[], int]) -> float:
    """Repeat ``work`` for long enough; return clips a second."""
    clips, start = 0, time.perf_counter()
    while (seconds := time.perf_counter() - start) < SHORTEST or not clips:
        clips += work()
    return clips / seconds


def compare(bare: Callable[[], int], ours: Callable[[], int]) -> tuple[float, ...]:
    """Let both sides take turns; return the medians and that of the ratio."""
    bare()
    ours()
    turns = [(clips_a_second(bare), clips_a_second(ours)) for _ in range(TURNS)]
    ratio = statistics.median(b / a for a, b in turns)
    return *(statistics.median(side) for side in zip(*turns)), ratio


def show(what: str, figures: tuple[float, ...], verdict: str) -> None:
    """Print a row of the table."""
    bare, ours, ratio = figures
    print(f"{what:34} {bare:9.0f} {ours:10.0f} {ratio:7.2f}   {verdict}", flush=True)


def from_mp3(open_train: Callable[..., DataLoader], workers: int) -> None:
    """Compare reading clips with the bare calls."""
    utterances._MEMORY_BUDGET = 0  # as of a corpus that is too large for memory
    loader = open_train(n_threads=workers, normalize=False)
    clips = batches_of(loader).utterances.dataset
    paths = [str(clips.clip_path(i)) for i in range(len(clips))]
    with ProcessPoolExecutor(workers) as pool:

        def bare() -> int:
            shares = [paths[i::workers] for i in range(workers)]
            return sum(pool.map(bare_calls, shares))

        figures = compare(bare, partial(epoch_of, loader, iter(range(10**6))))
    verdict = "reached" if figures[2] >= MP3_BAR else "MISSED"
    show(f"mp3, {workers} workers", figures, f"{verdict}: at least {MP3_BAR}")


def from_cache(
    open_train: Callable[..., DataLoader], workers: int, masks: bool
) -> None:
    """Compare packed batches from the cache with its log-mels alone."""
    loader = open_train(
        n_threads=max(workers, 1),
        cuda=workers > 0,  # a card is fed by workers
        train_augment=masks,
        normalization=(-30.0, 10.0),
    )
    loader.pin_memory = False
    utterances = batches_of(loader).utterances
    utterances.prepare()
    features, usable = utterances._features, utterances.usable
    assert features  # prepared just now

    def bare() -> int:
        log_mels = (features[i, 0] for i in usable)
        return sum(len(m) > 0 for m in log_mels if not isinstance(m, str))

    figures = compare(bare, partial(epoch_of, loader, iter(range(10**6))))
    verdict = "reached" if figures[1] >= CACHE_BAR else "MISSED"
    masked = ", SpecAugment" if masks else ""
    what = f"cache, {workers} workers{masked}"
    show(what, figures, "" if masks else f"{verdict}: at least {CACHE_BAR} clips/s")


def main() -> None:
    """Print the table."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.formatter_class = argparse.RawDescriptionHelpFormatter
    parser.add_argument("--datasetroot", default=_DEFAULT_COMMONVOICE_ROOT)
    parser.add_argument("--datasetversion", default=_DEFAULT_COMMONVOICE_VERSION)
    parser.add_argument("--batch_size", type=int, default=64)
    args = parser.parse_args()
    torch.set_num_threads(1)

    def open_train(cuda: bool = False, **options: Any) -> DataLoader:
        place = args.datasetroot, args.datasetversion
        options = {"batch_size": args.batch_size, **options}
        return get_dataloaders(*place, cuda, **options)[0]

    print(f"{'clips a second':34} {'bare':>9} {'loader':>10} {'ratio':>7}")
    with TemporaryDirectory() as folder:
        cached = partial(open_train, loading=Loading(cache=folder))
        batches_of(cached(n_threads=2, normalize=False)).utterances.prepare()
        for masks in (False, True):
            for workers in (0, 2):
                from_cache(cached, workers, masks)
    for workers in (1, 2):
        from_mp3(open_train, workers)


if __name__ == "__main__":
    main()
