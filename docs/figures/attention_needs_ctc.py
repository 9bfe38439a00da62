"""Draws ``attention_needs_ctc.png``: attention with and without CTC beside it.

    python docs/figures/attention_needs_ctc.py

Trains two networks of part two from random weights on the embedded corpus, alike but
for ``--ctc_weight`` (0 and 0.3), then draws their dev CER in each epoch, and where both
attend in the same utterance. Runs that exist already are not trained again.
"""

from __future__ import annotations

import csv
import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
REFERENCE = ROOT / "LabsSolutions" / "02-pytorch-asr"
# Python has put this folder first: the reference's scripts come before all others.
sys.path[:0] = [str(REFERENCE), str(ROOT)]

import matplotlib.pyplot as plt
import torch
from data import CharMap, get_dataloaders, unpack_minibatch
from main_seq2seq import make_model
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from torch.nn.utils.rnn import pack_sequence

from labkit.base import run_program
from labkit.decoding import attention_weights
from labkit.loading import open_corpus
from labkit.options import SEQ2SEQ, parse
from labkit.training import begin, open_network

WEIGHTS = (0.0, 0.3)
EPOCHS = 28
LOGS = ROOT / "logs" / "attention_needs_ctc"
CAPTIONS = {
    0.0: "no diagonal: it guesses from the text",
    0.3: "with CTC, a thin diagonal",
}


def train(weight: float) -> Path:
    """Train a network, unless that is done; the folder of its run comes back."""
    name = f"alpha{round(100 * weight):02d}"
    run = LOGS / f"{name}_0"
    if not (run / "best_model.pt").is_file():
        options = f"--from_scratch --scheduler --train_augment --num_epochs {EPOCHS}"
        words = [sys.executable, str(REFERENCE / "main_seq2seq.py"), "train"]
        words += [*options.split(), "--ctc_weight", str(weight), "--logname", name]
        subprocess.run([*words, "--baselogdir", str(LOGS)], check=True)
    return run


def curve(run: Path) -> list[float]:
    """Return the dev CER of each epoch, in percent."""
    with (run / "metrics.csv").open(encoding="utf-8") as file:
        return [100 * float(row["dev_cer"]) for row in csv.DictReader(file)]


@torch.inference_mode()
def draw_attention(axes: Axes, run: Path) -> None:
    """Draw where the best network of a run attends in the first dev utterance."""
    words = ("test", "--modelpath", str(run / "best_model.pt"), "--fold", "dev")
    args = parse(SEQ2SEQ, None, [*words, "--device", "cpu", "--nthreads", "1"])
    begin(args)
    charmap = CharMap()
    model = open_network(args, make_model, charmap)
    _, dev, _ = open_corpus(args, get_dataloaders)
    spectrogram, transcript = unpack_minibatch(next(iter(dev)))[0]
    symbols = transcript.tolist()[1:]
    encoding = model.encode(pack_sequence([spectrogram]))
    weights = attention_weights(model, encoding, symbols)  # (U, T')
    image = axes.imshow(weights, aspect="auto", cmap="viridis", interpolation="nearest")
    names = [charmap.idx2char[k].replace(" ", "_") for k in symbols]
    axes.set_yticks(range(len(names)), names, fontsize=6)
    axes.set_xlabel("frame of the encoder")
    axes.figure.colorbar(image, ax=axes, pad=0.01)


def draw(runs: dict[float, Path]) -> Figure:
    """Draw the curves above, the attention of both networks below."""
    figure, axes = plt.subplot_mosaic(
        [["curves", "curves"], *([list(map(str, WEIGHTS))] * 2)],
        figsize=(11, 9),
        layout="constrained",
    )
    for weight, run in runs.items():
        rates = curve(run)
        label = f"--ctc_weight {weight:g}"
        axes["curves"].plot(range(1, len(rates) + 1), rates, "o-", label=label)
        draw_attention(axes[str(weight)], run)
        axes[str(weight)].set_title(f"{label}: {CAPTIONS[weight]}", fontsize=9)
    axes["curves"].axhline(100, color="grey", linewidth=0.5)
    axes["curves"].set(xlabel="epoch", ylabel="dev CER (%)", ylim=(0, 210))
    axes["curves"].set_title("the same network from random weights, greedy attention")
    axes["curves"].legend()
    return figure


def main() -> None:
    """Train what is missing, and draw."""
    figure = draw({weight: train(weight) for weight in WEIGHTS})
    path = Path(__file__).with_suffix(".png")
    figure.savefig(path, dpi=110)
    print(f"figure: {path}")


if __name__ == "__main__":
    raise SystemExit(run_program(main))
