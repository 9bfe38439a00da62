"""The picture of the class report: points, and the states of each exercise."""

from __future__ import annotations

import base64
import io
from collections.abc import Mapping, Sequence

from matplotlib.axes import Axes
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure
from matplotlib.ticker import MaxNLocator, PercentFormatter

from autograder import phrases

_BINS = 16  # at most
_SIZE = (12.0, 1.9, 0.235)  # inches: width, height without bars, height of a bar
_INK, _BAR = "#1d2430", "#2a6f97"
# In the order of the states: done, partial, fail, todo, blocked, crash. They differ
# in lightness too, for colour-blind readers and grey printers.
_COLOURS = ("#2a6f97", "#89c2d9", "#d1495b", "#e3e6ec", "#b9c0cc", "#5e1020")


def _draw_points(axes: Axes, totals: Sequence[float], total: int) -> None:
    step = max(1, -(-total // _BINS))
    edges = [*range(0, total, step), max(total, 1)]
    axes.hist(totals, bins=edges, color=_BAR, edgecolor="white", linewidth=1.2)
    axes.set(xlabel=phrases.PICTURE_POINTS, ylabel=phrases.PICTURE_STUDENTS)
    axes.set_xlim(0, max(total, 1))
    axes.yaxis.set_major_locator(MaxNLocator(integer=True))


def _draw_states(
    axes: Axes, counts: Mapping[str, Sequence[int]], names: Sequence[str]
) -> None:
    places = range(len(counts))
    wholes = [max(1, sum(row)) for row in counts.values()]
    left = [0.0] * len(counts)
    for n, name in enumerate(names):
        widths = [row[n] / whole for row, whole in zip(counts.values(), wholes)]
        axes.barh(places, widths, 0.78, left, color=_COLOURS[n], label=name)
        left = [start + width for start, width in zip(left, widths)]
    axes.set_yticks(places, list(counts))
    axes.set_xlim(0, 1)
    axes.set_ylim(len(counts) - 0.4, -0.6)
    axes.xaxis.set_major_formatter(PercentFormatter(1.0))
    axes.set_xlabel(phrases.PICTURE_RATES)
    axes.legend(
        loc="lower center", bbox_to_anchor=(0.5, 1.0), ncols=len(names), frameon=False
    )


def draw(
    totals: Sequence[float],
    total: int,
    counts: Mapping[str, Sequence[int]],
    names: Sequence[str],
) -> bytes:
    """Draw the points of the class and the states of each exercise.

    Args:
        totals: Points of each student.
        total: Points to earn.
        counts: For each exercise, how many students are in each state.
        names: Names of the states.

    Returns:
        A PNG image.
    """
    width, margin, bar = _SIZE
    figure = Figure((width, margin + bar * max(8, len(counts))), layout="constrained")
    FigureCanvasAgg(figure)
    left, right = figure.subplots(1, 2, width_ratios=(1, 1.5))
    _draw_points(left, totals, total)
    _draw_states(right, counts, names)
    for axes in (left, right):
        axes.spines[["top", "right"]].set_visible(False)
        axes.tick_params(colors=_INK, labelsize=9)
    image = io.BytesIO()
    figure.savefig(image, format="png", dpi=110, metadata={"Software": None})
    return image.getvalue()


def as_data_uri(png: bytes) -> str:
    """Embed an image in a page."""
    return "data:image/png;base64," + base64.b64encode(png).decode("ascii")
