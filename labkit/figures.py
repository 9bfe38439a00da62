"""Figures of spectrograms and posteriors: to files, and to a screen if there is one."""

from __future__ import annotations

import os
import sys
from collections.abc import Sequence
from itertools import groupby
from pathlib import Path

import matplotlib
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.image import AxesImage
from torch import Tensor

_SCREENS = ("DISPLAY", "WAYLAND_DISPLAY")
if sys.platform.startswith("linux") and not any(os.environ.get(s) for s in _SCREENS):
    matplotlib.use("agg")
import matplotlib.pyplot as plt  # noqa: E402 (its screen is chosen above)

WIDTH = 10.0  # inches
ROW_HEIGHT = 2.2  # inches
_ATTENTION_LEGEND = (
    "a diagonal: each symbol is found where it is said.  one column: all symbols look "
    "at the same frames, nothing is learnt yet.\na diagonal that stops: the rest is "
    "invented.  two diagonals: a part is written twice.  a blur: it guesses from the "
    "text alone"
)
# A symbol at the bottom of an image, legible on any colour.
_ON_IMAGE = {
    "fontsize": 8,
    "parse_math": False,
    "bbox": {"facecolor": "k", "alpha": 0.6, "pad": 0.5, "linewidth": 0},
}
_SEEN = 0.1  # a symbol whose probability never exceeds this is left out


def stack_axes(n_rows: int) -> tuple[Figure, list[Axes]]:
    """Make a figure of ``n_rows`` axes under one another."""
    size = (WIDTH, ROW_HEIGHT * n_rows)
    figure, axes = plt.subplots(
        n_rows, figsize=size, squeeze=False, layout="constrained"
    )
    return figure, list(axes[:, 0])


def save_figure(figure: Figure, path: Path) -> None:
    """Write ``figure`` to ``path``, say so, show it where there is a screen, close it.

    A figure is a by-product: if it cannot be written, that is printed, not raised.
    """
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        figure.savefig(path, dpi=150)
        print(f"figure: {path}")
    except OSError as error:
        print(f"no figure: {path}: {error.strerror}", file=sys.stderr)
    if matplotlib.get_backend().lower() != "agg" and sys.stdout.isatty():
        plt.show()
    plt.close(figure)


def drawable(text: str) -> str:
    """Replace the mark of unknown characters: matplotlib's font has no glyph for it."""
    return text.replace("❌", "?")


def draw_frames(axes: Axes, frames: Tensor, start: float, end: float) -> AxesImage:
    """Draw frames (T, M) of a spectrogram, from ``start`` to ``end`` in seconds."""
    axes.set_ylabel("mel band")
    return axes.imshow(
        frames.T.cpu(),
        extent=(start, end, 0, frames.shape[1]),
        aspect="auto",
        cmap="magma",
        origin="lower",
    )


def _draw_spectrogram(
    axes: Axes, spectrogram: Tensor, win_step: float, unit: str
) -> None:
    """Draw a spectrogram (T, M) in ``unit``, ``win_step`` seconds a frame."""
    image = draw_frames(axes, spectrogram, 0, len(spectrogram) * win_step)
    axes.set_xlabel("time (s)")
    axes.figure.colorbar(image, ax=axes, pad=0.01, label=unit)


def plot_spectrograms(
    spectrograms: Sequence[Tensor], titles: Sequence[str], win_step: float, unit: str
) -> Figure:
    """Plot spectrograms (T, M) in ``unit`` under one another, each with its title."""
    figure, rows = stack_axes(len(spectrograms))
    for axes, spectrogram, title in zip(rows, spectrograms, titles):
        _draw_spectrogram(axes, spectrogram, win_step, unit)
        axes.set_title(title)
    return figure


def _draw_symbols(
    axes: Axes,
    values: Tensor,
    symbols: Sequence[str],
    seconds: float,
    label: str,
    highest: float | None = None,
) -> None:
    """Draw a value for each frame T' and symbol, (T', S), with the names of these."""
    image = axes.imshow(
        values.T.cpu(),
        extent=(0, seconds, len(symbols) - 0.5, -0.5),
        aspect="auto",
        cmap="viridis",
        vmin=0,
        vmax=highest,
        interpolation="nearest",
    )
    names = ["space" if s == " " else drawable(s) for s in symbols]
    axes.set_yticks(range(len(symbols)), names)
    axes.tick_params(axis="y", labelsize=7)
    axes.set_xlabel("time (s)")
    axes.figure.colorbar(image, ax=axes, pad=0.01, label=label)


def _write_best_path(
    axes: Axes, probabilities: Tensor, symbols: Sequence[str], seconds: float
) -> None:
    """Write the best symbols of the frames (T', V) where they are, without blanks."""
    best: list[int] = probabilities.argmax(dim=1).tolist()
    frame, blank = 0, 0
    for symbol, run in groupby(best):
        length = len(list(run))
        if symbol != blank:
            middle = (frame + length / 2) * seconds / len(best)
            text = drawable(symbols[symbol].replace(" ", "_"))
            axes.text(middle, 0.5, text, color="w", ha="center", **_ON_IMAGE)
        frame += length


def plot_posteriors(
    spectrogram: Tensor,
    probabilities: Tensor,
    symbols: Sequence[str],
    win_step: float,
    title: str,
) -> Figure:
    """Plot a normalised spectrogram (T, M) above a network's posteriors (T', V).

    The best symbols stand in the spectrogram, each where its frames are. Of the V
    ``symbols``, the blank first, those that are never likely have no row of posteriors.
    """
    figure, (above, below) = plt.subplots(
        2, figsize=(WIDTH, 3 * ROW_HEIGHT), height_ratios=(1, 2), layout="constrained"
    )
    _draw_spectrogram(above, spectrogram, win_step, "standard deviations")
    seconds = len(spectrogram) * win_step
    _write_best_path(above, probabilities, symbols, seconds)
    likely = (probabilities.amax(dim=0) > _SEEN).tolist()
    rows = [v for v, seen in enumerate(likely) if seen or v == 0]
    names = [symbols[v] for v in rows]
    _draw_symbols(below, probabilities[:, rows], names, seconds, "probability", 1)
    below.set_ylabel(f"symbol ({symbols[0]} is the blank)")
    above.set_title(title, parse_math=False)
    return figure


def plot_attention(
    weights: Tensor, symbols: Sequence[str], seconds: float, title: str
) -> Figure:
    """Plot where attention looks for each symbol, with what to look for in it.

    Args:
        weights: Attention of each symbol to the frames, (U, T').
        symbols: The U symbols.
        seconds: Duration of the utterance.
        title: The title.
    """
    height = max(2.5 * ROW_HEIGHT, 0.11 * len(symbols) + 1.5)  # all symbols readable
    figure, axes = plt.subplots(figsize=(WIDTH, height), layout="constrained")
    _draw_symbols(axes, weights.T, symbols, seconds, "attention")
    axes.set_xlabel(f"time (s)\n{_ATTENTION_LEGEND}", fontsize=8)
    axes.set_ylabel("symbol that is written")
    axes.set_title(title, parse_math=False, fontsize=9)
    return figure
