"""Colours that differ in grey too, numbers of two languages, small files."""

from __future__ import annotations

import io
from pathlib import Path
from typing import Any

import matplotlib as mpl
from matplotlib.axes import Axes
from matplotlib.axis import Axis
from matplotlib.colors import LinearSegmentedColormap
from matplotlib.figure import Figure
from PIL import Image

from drawing.words import COMMON, WORDS

INK, GREY, PALE = "#222222", "#808080", "#dcdcdc"
DARK, LIGHT = "#17507e", "#e39a3b"  # blue and orange: 30 % and 68 % of white
# Light is little, dark is much: legible on paper.
SOUND = LinearSegmentedColormap.from_list(
    "sound", ["#fbfbf7", "#c5dbe4", "#6ea3bf", "#22608c", "#06243f"]
)
SHARES = LinearSegmentedColormap.from_list("shares", ["#ffffff", "#7aa6c8", "#06243f"])

_DOTS_PER_INCH = 140
_COLOURS = 128  # of a file
_STYLE: Any = {
    "font.size": 9,
    "axes.titlesize": 9.5,
    "axes.titlelocation": "left",
    "axes.spines.top": False,
    "axes.spines.right": False,
    "axes.edgecolor": GREY,
    "axes.labelcolor": INK,
    "text.color": INK,
    "text.parse_math": False,
    "xtick.color": INK,
    "ytick.color": INK,
    "legend.frameon": False,
    "figure.constrained_layout.h_pad": 0.08,
    "figure.constrained_layout.w_pad": 0.08,
}


def use_style() -> None:
    """Set the style of all figures that are drawn from now on."""
    mpl.use("agg")
    mpl.rcdefaults()
    mpl.rcParams.update(_STYLE)


class Words:
    """The strings of one figure in one language.

    Args:
        figure: The name of the figure.
        language: "en" or "fr".
    """

    def __init__(self, figure: str, language: str) -> None:
        self.figure, self.language = figure, language
        self._column = ("en", "fr").index(language)
        self._table = {**COMMON, **WORDS[figure]}

    def __call__(self, key: str, **values: object) -> str:
        """Return a string, its fields filled in."""
        return self._table[key][self._column].format(**values)

    def number(self, value: float, digits: int) -> str:
        """Write a number with so many digits after the point, or the comma."""
        text = f"{value:.{digits}f}"
        return text.replace(".", ",") if self.language == "fr" else text

    def count(self, number: int) -> str:
        """Write a large whole number."""
        return f"{number:,}".replace(",", "," if self.language == "en" else "\u202f")

    def ticks(self, *axes: Axis) -> None:
        """Label ticks with the numbers of the language."""
        comma = self.language == "fr"

        def label(value: float, _: float) -> str:
            text = f"{value:g}".replace("-", "−")
            return text.replace(".", ",") if comma else text

        for one in axes:
            one.set_major_formatter(label)


def bare(axes: Axes) -> Axes:
    """Leave out frame and ticks."""
    axes.set_axis_off()
    return axes


def show_symbol(symbol: str) -> str:
    """Return what stands for a symbol in a figure: a space can be seen."""
    return {" ": "␣", "❌": "?"}.get(symbol, symbol)


def save(figure: Figure, path: Path) -> None:
    """Write a figure as a PNG of few colours."""
    buffer = io.BytesIO()
    figure.savefig(buffer, dpi=_DOTS_PER_INCH, facecolor="white")
    buffer.seek(0)
    with Image.open(buffer) as image:
        flat = image.convert("RGB").quantize(_COLOURS, dither=Image.Dither.NONE)
    flat.save(path, optimize=True)
    print(f"{path}: {path.stat().st_size / 1000:.0f} kB")
