"""What running the recurrent layers densely saves in training on a CPU.

    python benchmarks/recurrent.py

Both sides take turns in one process, on the same tensors: PyTorch's own pass over a
``PackedSequence``, and the same layers after ``run_densely``; forward and backward, one
thread, 16 utterances of nearly one length. Then a whole step of the lab's network.
The ratio is that of the fastest rounds, since whatever else runs only adds to them.
"""

from __future__ import annotations

import copy
import sys
import time
from collections.abc import Callable
from functools import partial
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
sys.path[:0] = [str(ROOT / "LabsSolutions" / "02-pytorch-asr"), str(ROOT)]

import main_ctc
import torch
from data import CharMap
from models import CTCModel
from torch import nn
from torch.nn.utils.rnn import PackedSequence, pack_sequence

from labkit.training import run_densely

BATCH = 16
FEATURES = 320  # what the lab's convolutions give of 20 mel bands
ROUNDS = 5  # and one to warm up
LAYERS = ((2, 128, 75), (2, 256, 130), (2, 256, 260))  # layers, units, frames T'
CLIPS = ((128, 2.6), (256, 5.3), (256, 10.0))  # units, seconds
MELS, STEP = 20, 0.01


def pack_noise(n_frames: int, width: int) -> PackedSequence:
    """Make a batch whose shortest utterance has five sixths of the frames."""
    lengths = [n_frames - b * n_frames // (6 * BATCH) for b in range(BATCH)]
    return pack_sequence([torch.randn(length, width) for length in lengths])


def take_turns(*sides: Callable[[], object]) -> list[float]:
    """Return the fastest round of each side, in milliseconds."""
    fastest = [float("inf")] * len(sides)
    for number in range(ROUNDS + 1):
        for side, work in enumerate(sides):
            start = time.perf_counter()
            work()
            if number:
                passed = 1000 * (time.perf_counter() - start)
                fastest[side] = min(fastest[side], passed)
    return fastest


def time_layers(
    cell: type[nn.GRU | nn.LSTM], layers: int, units: int, frames: int
) -> None:
    """Print one row of the table of recurrent layers."""
    own = cell(FEATURES, units, layers, bidirectional=True)
    dense = copy.deepcopy(own)
    run_densely(dense)
    inputs = pack_noise(frames, FEATURES)

    def work(layer: nn.RNNBase) -> Callable[[], None]:
        def run() -> None:
            data = inputs.data.clone().requires_grad_()
            outputs, _ = layer(inputs._replace(data=data))
            outputs.data.sum().backward()

        return run

    packed, ours = take_turns(work(own), work(dense))
    name = f"{cell.__name__} {layers} x {units}"
    print(f"{name:14} {frames:8d} {packed:12.0f} {ours:12.0f} {packed / ours:9.1f}")


def time_step(units: int, seconds: float) -> None:
    """Print one row of the table of whole steps."""
    charmap = CharMap()
    inputs = pack_noise(round(seconds / STEP), MELS)
    text = "il etait une fois un roi et une reine "
    n_chars = round(12 * seconds)  # French, read aloud
    target = torch.tensor(charmap.encode((text * 8)[:n_chars]))
    minibatch = inputs, pack_sequence([target] * BATCH)

    def work(ours: bool) -> Callable[[], object]:
        model = CTCModel(charmap, MELS, units, 2, "GRU", dropout=0.1).train()
        if ours:
            run_densely(model)
        optimizer = torch.optim.AdamW(model.parameters(), lr=1e-3)
        losses = partial(main_ctc.ctc_losses, blank=charmap.blankid)
        step = (model, losses, lambda: torch.zeros(()), optimizer, minibatch, 20.0)
        return lambda: main_ctc.train_step(*step)

    packed, ours = take_turns(work(False), work(True))
    figures = f"{packed:12.0f} {ours:12.0f} {packed / ours:9.1f}"
    print(f"GRU 2 x {units:<6} {seconds:6.1f} s {figures}")


def main() -> None:
    """Print the tables."""
    torch.manual_seed(0)
    torch.set_num_threads(1)
    print(f"torch {torch.__version__}, one thread, {BATCH} utterances\n")
    print("recurrent         frames  packed (ms)   dense (ms)     ratio")
    for cell in (nn.GRU, nn.LSTM):
        for size in LAYERS:
            time_layers(cell, *size)
    print("\nwhole step         clips  packed (ms)   dense (ms)     ratio")
    for units, seconds in CLIPS:
        time_step(units, seconds)


if __name__ == "__main__":
    main()
