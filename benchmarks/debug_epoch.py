"""What an epoch of ``train --debug`` costs beside the bare computing.

    python benchmarks/debug_epoch.py

Both sides take turns in one process, on the same batch: an epoch as the trainer runs
it (loader, progress, step, decoding, metrics file), and forward, backward and step on
the batch held in memory. The ratio is that of the medians.
"""

from __future__ import annotations

import statistics
import sys
import time
from pathlib import Path
from tempfile import TemporaryDirectory

ROOT = Path(__file__).resolve().parents[1]
sys.path[:0] = [str(ROOT / "LabsSolutions" / "02-pytorch-asr"), str(ROOT)]

import main_ctc
import torch
from data import CharMap

from labkit.base import available_cores
from labkit.part import CTC, parse
from labkit.training import RunFolder, Trainer

ROUNDS = 15
WARM_UP = 3


def bare_step(recipe: main_ctc.CTCRecipe, minibatch: main_ctc.Minibatch) -> None:
    """Forward, backward and update, nothing else."""
    recipe.optimizer.zero_grad()
    scores = recipe.model(minibatch[0])
    recipe.compute_losses(scores, minibatch[1]).mean().backward()
    recipe.optimizer.step()


def measure(layers: int, hidden: int, logdir: Path) -> tuple[float, float]:
    """Time both sides in turn; return the medians in seconds."""
    options = ["train", "--debug", "--device", "cpu"]
    options += ["--nlayers_rnn", str(layers), "--nhidden_rnn", str(hidden)]
    args = parse(CTC, None, options)
    args.device, args.nthreads = torch.device("cpu"), available_cores()
    torch.set_num_threads(args.nthreads)
    charmap = CharMap()
    model = main_ctc.make_model(args, charmap)
    loader, _, _ = main_ctc.open_corpus(args, model, charmap)
    optimizer = main_ctc.build_optimizer(model, args)
    recipe = main_ctc.CTCRecipe(model, charmap, optimizer, args.grad_clip)
    run = RunFolder(logdir, "benchmark")
    trainer = Trainer(
        model, recipe, run, args.device, lambda metrics: None, lambda epoch: None, None
    )
    minibatch = next(iter(loader))
    epochs, steps = [], []
    for n in range(WARM_UP + ROUNDS):
        start = time.perf_counter()
        trainer.log(n, trainer.train_epoch(loader, n, quiet=True), None, 0.0)
        middle = time.perf_counter()
        bare_step(recipe, minibatch)
        epochs.append(middle - start)
        steps.append(time.perf_counter() - middle)
    run.close()
    return statistics.median(epochs[WARM_UP:]), statistics.median(steps[WARM_UP:])


def main() -> None:
    """Print the table."""
    print("16 clips    network   epoch (ms)   bare step (ms)   ratio")
    with TemporaryDirectory() as logdir:
        for layers, hidden in ((1, 256), (2, 256)):
            epoch, step = measure(layers, hidden, Path(logdir))
            print(
                f"{'GRU':>12} {layers} x {hidden:4d} {1000 * epoch:12.0f} "
                f"{1000 * step:16.0f} {epoch / step:7.2f}"
            )


if __name__ == "__main__":
    main()
