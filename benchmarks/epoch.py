"""The time of the parts of an epoch, and the memory of a run.

    python benchmarks/epoch.py                               the embedded corpus
    python benchmarks/epoch.py --datasetroot ROOT --datasetversion V --cache DIR
    python benchmarks/epoch.py --amp --compile               any option of training

A minibatch passes four parts, each timed with the device synchronised at its end:
waiting for data (the copy to the device counted in), forward (loss and penalty
counted in), backward, update (the clipping counted in). In turn with these, an epoch
of the script is timed: its time over the sum of the parts is the cost of the loop
itself (decoding, counting). The memory shows whether a run grows.
"""

from __future__ import annotations

import sys
import time
from collections.abc import Callable
from pathlib import Path
from tempfile import TemporaryDirectory

ROOT = Path(__file__).resolve().parents[1]
sys.path[:0] = [str(ROOT / "LabsSolutions" / "02-pytorch-asr"), str(ROOT)]

from labkit.options import CTC, parse

if __name__ == "__main__":
    ARGS = parse(CTC, __doc__, ["train", *sys.argv[1:]])

import argparse
from functools import partial

import main_ctc
import torch
from data import CharMap, get_dataloaders
from torch.nn.utils import clip_grad_norm_
from torch.utils.data import DataLoader

from labkit.base import run_program
from labkit.loading import batches_of, describe_folds, open_corpus
from labkit.training import Run, begin

PARTS = ("data", "forward", "backward", "update")
ROUNDS = 3  # the first warms up
CHARMAP = CharMap()
LOSSES = partial(main_ctc.ctc_losses, blank=CHARMAP.blankid)


class Stopwatch:
    """Adds up the seconds of the parts of a loop.

    Args:
        device: Synchronised before each look at the clock.
    """

    def __init__(self, device: torch.device) -> None:
        self.device = device
        self.seconds: dict[str, float] = dict.fromkeys(PARTS, 0.0)
        self._last = self._now()

    def _now(self) -> float:
        if self.device.type == "cuda":
            torch.cuda.synchronize(self.device)
        return time.perf_counter()

    def lap(self, part: str) -> None:
        """Add the time since the last call to a part."""
        now = self._now()
        self.seconds[part] += now - self._last
        self._last = now


def parts_of_an_epoch(run: Run, loader: DataLoader, epoch: int) -> dict[str, float]:
    """Train for an epoch; return the seconds of each part."""
    device, guard = run.args.device, run.guard
    batches_of(loader).set_epoch(epoch)
    run.model.train()
    watch = Stopwatch(device)
    for minibatch in loader:
        if minibatch is None:
            continue
        inputs, targets = (p.to(device, non_blocking=True) for p in minibatch)
        watch.lap("data")
        run.optimizer.zero_grad()
        loss = LOSSES(run.network(inputs), targets).mean() + run.penalty()
        watch.lap("forward")
        loss.backward()
        watch.lap("backward")
        with guard:
            clip_grad_norm_(run.model.parameters(), run.args.grad_clip)
            run.optimizer.step()
        watch.lap("update")
    return watch.seconds


def train_epoch(run: Run, epoch: int) -> None:
    """Train for an epoch as the script does."""
    losses_of, clip = run.weighted(LOSSES), run.args.grad_clip
    for minibatch in run.minibatches(epoch):
        step = main_ctc.train_step(
            run.network, losses_of, run.penalty, run.optimizer, minibatch, clip
        )
        run.count(step, minibatch)


def memory(device: torch.device) -> float:
    """Return the memory in use, in MB: the card's peak, or the process' own."""
    if device.type == "cuda":
        peak = torch.cuda.max_memory_allocated(device)
        torch.cuda.reset_peak_memory_stats(device)
        return peak / 1e6
    try:
        text = Path("/proc/self/status").read_text(encoding="ascii")
    except OSError:  # not Linux
        return float("nan")
    (line,) = (line for line in text.splitlines() if line.startswith("VmRSS"))
    return int(line.split()[1]) / 1e3


def timed(work: Callable[[], object]) -> float:
    """Return the seconds of a piece of work."""
    start = time.perf_counter()
    work()
    return time.perf_counter() - start


def main(args: argparse.Namespace) -> None:
    """Print the table."""
    begin(args)
    model = main_ctc.make_model(args, CHARMAP).to(args.device)
    loaders = open_corpus(args, get_dataloaders)
    print(describe_folds(training=loaders[0]))
    optimizer = main_ctc.build_optimizer(model, args)
    to_text = partial(main_ctc.compare_texts, charmap=CHARMAP)
    with TemporaryDirectory() as args.baselogdir:
        run = Run(args, model, optimizer, loaders, to_text, main_ctc.WIN_STEP)
        print("\nseconds of an epoch")
        print(
            "".join(f"{part:>16}" for part in PARTS) + "     sum   as trained  memory"
        )
        for epoch, _ in zip(run.epochs(), range(ROUNDS)):
            parts = parts_of_an_epoch(run, loaders[0], epoch)
            total = sum(parts.values())
            trained = timed(lambda n=epoch: train_epoch(run, n))
            shares = (f"{s:8.2f} {100 * s / total:5.1f} %" for s in parts.values())
            print(
                f"{''.join(shares)} {total:7.2f} {trained:7.2f} {trained / total:4.2f}"
                f" {memory(args.device):5.0f} MB"
            )
        run.record.close()


if __name__ == "__main__":
    raise SystemExit(run_program(lambda: main(ARGS), ARGS.verbose))
