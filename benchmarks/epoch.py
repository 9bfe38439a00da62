"""Where the time of an epoch goes, and the memory of a run.

    python benchmarks/epoch.py                               the embedded corpus
    python benchmarks/epoch.py --datasetroot ROOT --datasetversion V --cache DIR
    python benchmarks/epoch.py --amp --compile               any option of training

A minibatch passes four parts, each timed with the device synchronised at its end:
waiting for data (the copy to the device counted in), forward (loss and penalty
counted in), backward, update (the clipping counted in). In turn with these, an epoch
as the trainer runs it: its time over the sum of the parts is what the loop itself
costs (decoding, counting). The memory shows whether a run grows.
"""

from __future__ import annotations

import sys
import time
from collections.abc import Callable
from pathlib import Path
from tempfile import TemporaryDirectory

ROOT = Path(__file__).resolve().parents[1]
sys.path[:0] = [str(ROOT / "LabsSolutions" / "02-pytorch-asr"), str(ROOT)]

from labkit.part import CTC, parse

if __name__ == "__main__":
    ARGS = parse(CTC, __doc__, ["train", *sys.argv[1:]])

import argparse

import main_ctc
import torch
from data import CharMap

from labkit.base import run_program
from labkit.loading import describe_folds
from labkit.training import RunFolder, Trainer, begin, prepare

PARTS = ("data", "forward", "backward", "update")
ROUNDS = 3  # the first warms up


class Stopwatch:
    """Adds up the seconds of the parts of a loop.

    Args:
        device: Synchronised before each look at the clock.
    """

    def __init__(self, device: torch.device) -> None:
        self.device = device
        self.seconds = dict.fromkeys(PARTS, 0.0)
        self._last = self._now()

    def _now(self) -> float:
        if self.device.type == "cuda":
            torch.cuda.synchronize(self.device)
        return time.perf_counter()

    def lap(self, part: str) -> None:
        """Give what has passed since the last call to a part."""
        now = self._now()
        self.seconds[part] += now - self._last
        self._last = now


def parts_of_an_epoch(
    recipe: main_ctc.CTCRecipe, loader: object, device: torch.device, epoch: int
) -> dict[str, float]:
    """Train for an epoch; return the seconds of each part."""
    loader.batch_sampler.set_epoch(epoch)
    recipe.model.train()
    watch = Stopwatch(device)
    for minibatch in loader:
        if minibatch is None:
            continue
        inputs, targets = (p.to(device, non_blocking=True) for p in minibatch)
        watch.lap("data")
        recipe.optimizer.zero_grad()
        losses = recipe.compute_losses(recipe.network(inputs), targets)
        loss = losses.mean() + recipe.penalty()
        watch.lap("forward")
        loss.backward()
        watch.lap("backward")
        with recipe.guard:
            torch.nn.utils.clip_grad_norm_(recipe.model.parameters(), recipe.grad_clip)
            recipe.optimizer.step()
        watch.lap("update")
    return watch.seconds


def memory(device: torch.device) -> float:
    """Return the memory in use, in MB: the card's peak, or the process' own."""
    if device.type == "cuda":
        peak = torch.cuda.max_memory_allocated(device)
        torch.cuda.reset_peak_memory_stats(device)
        return peak / 1e6
    try:
        text = Path("/proc/self/status").read_text(encoding="ascii")
    except OSError:  # no Linux
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
    charmap = CharMap()
    model = main_ctc.make_model(args, charmap)
    loader, _, _ = main_ctc.open_corpus(args, model, charmap)
    print(describe_folds(training=loader))
    network = prepare(model, args)
    optimizer = main_ctc.build_optimizer(model, args)
    recipe = main_ctc.CTCRecipe(model, charmap, optimizer, args.grad_clip, network)
    print("\nseconds of an epoch")
    print("".join(f"{part:>16}" for part in PARTS) + "     sum   as trained  memory")
    with TemporaryDirectory() as logdir:
        run = RunFolder(Path(logdir), "benchmark")
        trainer = Trainer(
            *(model, recipe, run, args.device), lambda row: None, lambda n: None, None
        )
        for epoch in range(1, 2 * ROUNDS, 2):
            parts = parts_of_an_epoch(recipe, loader, args.device, epoch)
            total = sum(parts.values())
            trained = timed(lambda n=epoch + 1: trainer.train_epoch(loader, n))
            shares = (f"{s:8.2f} {100 * s / total:5.1f} %" for s in parts.values())
            print(
                f"{''.join(shares)} {total:7.2f} {trained:7.2f} {trained / total:4.2f}"
                f" {memory(args.device):5.0f} MB"
            )
        run.close()


if __name__ == "__main__":
    raise SystemExit(run_program(lambda: main(ARGS), ARGS.verbose))
