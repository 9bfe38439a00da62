"""Figures of aligned hypotheses and of a sweep."""

from __future__ import annotations

import math
import textwrap
from collections.abc import Mapping, Sequence

import matplotlib.pyplot as plt
import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.patches import Rectangle
from torch import Tensor

from labkit.evaluation.tables import FoldReport
from labkit.evaluation.timed import Character, Word
from labkit.figures import ROW_HEIGHT, WIDTH, draw_frames, drawable

_ROW_SECONDS = 5.0  # length of a row of an alignment: its characters just fit
_MAX_SECONDS = 30.0  # of an alignment; the rest is not drawn
_TITLE = 110  # characters of a line
_TITLE_LINES = 5  # what exceeds them is not shown
_SPAN_COLOUR = (0.2, 0.5, 0.8)  # red, green, blue
_SWEEP_RANGE = 1.25  # times the best rate: the range of the colours of a sweep


def _cut_rows(words: Sequence[Word], seconds: float) -> list[tuple[float, float]]:
    """Cut ``seconds`` into rows of about ``_ROW_SECONDS``, between words."""
    n_rows = max(1, math.ceil(seconds / _ROW_SECONDS))
    gaps = [(a.end + b.start) / 2 for a, b in zip(words, words[1:])]
    cuts = [0.0]
    for i in range(1, n_rows):
        ideal = i * seconds / n_rows
        near = [gap for gap in gaps if abs(gap - ideal) < _ROW_SECONDS / 4]
        cuts.append(min(near, key=lambda gap: abs(gap - ideal), default=ideal))
    return list(zip(cuts, [*cuts[1:], seconds]))


def _draw_spans(
    axes: Axes, spans: Sequence[Word | Character], bottom: float, size: float
) -> None:
    """Draw each span as a box over its time, the paler the less certain."""
    for one in spans:
        width = max(one.end - one.start, 0.01)
        shade = (*_SPAN_COLOUR, 0.1 + 0.5 * one.confidence)
        corner, middle = (one.start, bottom), (one.start + width / 2, bottom + 0.4)
        axes.add_patch(Rectangle(corner, width, 0.8, facecolor=shade, edgecolor="w"))
        text = drawable(one.text.replace(" ", "_"))
        axes.text(*middle, text, size=size, ha="center", va="center", parse_math=False)


def plot_alignment(
    spectrogram: Tensor,
    words: Sequence[Word],
    characters: Sequence[Character],
    win_step: float,
    title: str,
) -> Figure:
    """Plot a spectrogram, and under it when each character and word was said.

    A long clip takes several rows, cut between words; only its first half minute is
    drawn. The spectrogram is (T, M), in dB, with ``win_step`` seconds a frame.
    """
    seconds = min(len(spectrogram) * win_step, _MAX_SECONDS)
    rows = _cut_rows(words, seconds)
    figure, grid = plt.subplots(
        2 * len(rows),
        figsize=(WIDTH, 1.3 * ROW_HEIGHT * len(rows)),
        height_ratios=(5, 2) * len(rows),
        squeeze=False,
        layout="constrained",
    )
    low, high = spectrogram.min().item(), spectrogram.max().item()
    span = max(end - start for start, end in rows)
    for (start, end), above, below in zip(rows, grid[::2, 0], grid[1::2, 0]):
        part = spectrogram[round(start / win_step) : round(end / win_step)]
        draw_frames(above, part, start, end).set_clim(low, high)
        above.tick_params(labelbottom=False)
        _draw_spans(below, [c for c in characters if start <= c.start < end], 1, 7)
        _draw_spans(below, [w for w in words if start <= w.start < end], 0, 9)
        below.set_ylim(-0.1, 1.9)
        below.set_yticks([0.4, 1.4], ["words", "characters"], fontsize=8)
        below.tick_params(axis="y", length=0)
        for axes in (above, below):
            axes.set_xlim(start, start + span)
            axes.spines[["top", "right"]].set_visible(False)
    grid[0, 0].set_title(
        textwrap.fill(drawable(title), _TITLE, max_lines=_TITLE_LINES),
        fontsize=11,
        parse_math=False,
    )
    grid[-1, 0].set_xlabel("time (s); _ is the space; the paler, the less certain")
    return figure


def plot_sweep(
    columns: tuple[str, Sequence[float]],
    rows: tuple[str, Sequence[float]],
    reports: Mapping[tuple[float, ...], FoldReport],
    title: str,
) -> Figure:
    """Plot the WER for each value of an option and each value of another.

    The options are given by name, with ascending values; the lowest rate is framed.
    """
    (name, weights), (other, bonuses) = columns, rows
    figure, axes = plt.subplots(
        figsize=(0.9 * WIDTH, 1.8 * ROW_HEIGHT), layout="constrained"
    )
    rates = [[reports[x, y].wer.rate for x in weights] for y in bonuses]
    shown = 100 * np.array(rates)
    lowest = shown.min()
    # The colours need not distinguish rates far from the best.
    high = min(shown.max(), _SWEEP_RANGE * lowest)
    image = axes.imshow(
        shown, cmap="viridis_r", origin="lower", aspect="auto", vmin=lowest, vmax=high
    )
    middle = (lowest + high) / 2
    for (row, column), rate in np.ndenumerate(shown):
        colour = "black" if rate < middle else "white"
        text = f"{rate:.1f}"
        axes.text(column, row, text, ha="center", va="center", color=colour)
    row, column = divmod(int(shown.argmin()), len(weights))
    corner = (column - 0.5, row - 0.5)
    axes.add_patch(Rectangle(corner, 1, 1, fill=False, edgecolor="red", linewidth=2))
    axes.set_xticks(range(len(weights)), [f"{weight:g}" for weight in weights])
    axes.set_yticks(range(len(bonuses)), [f"{bonus:g}" for bonus in bonuses])
    axes.set_xlabel(f"--{name}")
    axes.set_ylabel(f"--{other}")
    axes.set_title(title, parse_math=False)
    figure.colorbar(image, ax=axes, pad=0.01, label="WER (%)", extend="max")
    return figure


def plot_thresholds(
    thresholds: Sequence[float], reports: Sequence[FoldReport], title: str
) -> Figure:
    """Plot error rates and decoder calls against the threshold of confidence.

    There is a report for each threshold; they are drawn evenly spaced.
    """
    figure, axes = plt.subplots(
        figsize=(0.9 * WIDTH, 1.8 * ROW_HEIGHT), layout="constrained"
    )
    places = range(len(thresholds))
    for name, colour in (("cer", "C0"), ("wer", "C3")):
        rates = [100 * getattr(report, name).rate for report in reports]
        axes.plot(places, rates, "o-", color=colour, label=name.upper())
    axes.set_ylim(bottom=0)
    axes.set_ylabel("error rate (%)")
    axes.set_xlabel("--par_threshold: what CTC is less sure of is decoded again")
    axes.set_xticks(places, [f"{threshold:g}" for threshold in thresholds])
    right = axes.twinx()
    calls = [report.calls_per_batch for report in reports]
    right.plot(places, calls, "s--", color="C7", label="decoder calls a batch")
    right.set_ylim(bottom=0)
    right.set_ylabel("decoder calls a batch")
    lines = [*axes.get_lines(), *right.get_lines()]
    axes.legend(lines, [str(line.get_label()) for line in lines], loc="upper center")
    axes.set_title(title, parse_math=False)
    return figure
