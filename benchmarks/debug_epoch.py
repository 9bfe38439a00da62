"""The time of an epoch of ``train --debug``, compared with its updates alone.

    python benchmarks/debug_epoch.py

Both sides take turns in one process, on the same batch: an epoch of the script
(loader, progress, step, decoding, metrics file), and forward, backward and step on the
batch in memory. The ratio is that of the medians.
"""

from __future__ import annotations

import io
import statistics
import sys
import time
from collections.abc import Iterator
from contextlib import redirect_stdout
from functools import partial
from pathlib import Path
from tempfile import TemporaryDirectory

ROOT = Path(__file__).resolve().parents[1]
sys.path[:0] = [str(ROOT / "LabsSolutions" / "02-pytorch-asr"), str(ROOT)]

import main_ctc
from data import CharMap, get_dataloaders
from torch import nn

from labkit.loading import open_corpus
from labkit.metrics import FoldScore
from labkit.options import CTC, parse
from labkit.training import Run, begin

ROUNDS = 15
WARM_UP = 3
CHARMAP = CharMap()
LOSSES = partial(main_ctc.ctc_losses, blank=CHARMAP.blankid)


def train_epoch(run: Run, epochs: Iterator[int]) -> None:
    """Train for an epoch, as the script does; there is nothing to evaluate yet."""
    epoch = next(epochs)
    losses_of, clip = run.weighted(LOSSES), run.args.grad_clip
    for minibatch in run.minibatches(epoch):
        step = main_ctc.train_step(
            run.network, losses_of, run.penalty, run.optimizer, minibatch, clip
        )
        run.count(step, minibatch)
    run.finish(epoch, FoldScore())


def bare_step(model: nn.Module, run: Run, minibatch: main_ctc.Minibatch) -> None:
    """Run forward, backward and update only."""
    run.optimizer.zero_grad()
    LOSSES(model(minibatch[0]), minibatch[1]).mean().backward()
    run.optimizer.step()


def measure(layers: int, hidden: int, logdir: Path) -> tuple[float, float]:
    """Time both sides in turn; return the medians in seconds."""
    options = ["train", "--debug", "--device", "cpu", "--baselogdir", str(logdir)]
    options += ["--nlayers_rnn", str(layers), "--nhidden_rnn", str(hidden)]
    args = parse(CTC, None, options)
    begin(args)
    model = main_ctc.make_model(args, CHARMAP)
    loaders = open_corpus(args, get_dataloaders)
    optimizer = main_ctc.build_optimizer(model, args)
    to_text = partial(main_ctc.compare_texts, charmap=CHARMAP)
    run = Run(args, model, optimizer, loaders, to_text, main_ctc.WIN_STEP)
    minibatch = next(iter(loaders[0]))
    numbers, epochs, steps = run.epochs(), [], []
    for _ in range(WARM_UP + ROUNDS):
        start = time.perf_counter()
        train_epoch(run, numbers)
        middle = time.perf_counter()
        bare_step(model, run, minibatch)
        epochs.append(middle - start)
        steps.append(time.perf_counter() - middle)
    run.record.close()
    return statistics.median(epochs[WARM_UP:]), statistics.median(steps[WARM_UP:])


def main() -> None:
    """Print the table."""
    print("16 clips    network   epoch (ms)   bare step (ms)   ratio")
    with TemporaryDirectory() as logdir:
        for layers, hidden in ((1, 256), (2, 256)):
            with redirect_stdout(io.StringIO()):  # hides what a run prints
                epoch, step = measure(layers, hidden, Path(logdir))
            print(
                f"{'GRU':>12} {layers} x {hidden:4d} {1000 * epoch:12.0f} "
                f"{1000 * step:16.0f} {epoch / step:7.2f}"
            )


if __name__ == "__main__":
    main()
