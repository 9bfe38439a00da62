"""Pictures of error rates: the three experiments, beam width and weight."""

from __future__ import annotations

from typing import Any

from matplotlib import pyplot as plt
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.ticker import FixedLocator

from drawing.measure import load
from drawing.style import DARK, GREY, LIGHT, PALE, Words

_EXPERIMENTS = ("minibatch", "overfit", "generalise")


def draw_experiments(words: Words) -> Figure:
    """Draw loss and CER of the three experiments of the lab."""
    measured = load("experiments")
    figure, grid = plt.subplots(
        2, 3, figsize=(9, 5.6), layout="constrained", sharex="col", sharey="row"
    )
    for (loss, cer), name in zip(grid.T, _EXPERIMENTS):
        curves = measured[name]
        folds = ("train",) if name == "minibatch" else ("train", "dev")
        for fold in folds:
            style = {"color": LIGHT, "linestyle": "--"} if fold == "train" else {}
            style = {"color": DARK, "linewidth": 2, "label": words(fold), **style}
            for axes, kind, factor in ((loss, "loss", 1), (cer, "cer", 100)):
                values = curves[f"{fold}_{kind}"]
                epochs = [n for n, v in enumerate(values, 1) if v is not None]
                axes.plot(epochs, [factor * values[n - 1] for n in epochs], **style)
        last = {f: 100 * curves[f"{f}_cer"][-1] for f in folds}
        key = "both_ends" if "dev" in last else "end"
        note = words(key, **{f: words.number(cer, 1) for f, cer in last.items()})
        cer.text(1, 1.02, note, transform=cer.transAxes, ha="right", fontsize=8.5)
        loss.set(title=words(name), yscale="log")
        for fold, shift in zip(folds, (-12, 5)):
            values = curves[f"{fold}_loss"]
            text = words.number(values[-1], 1 if values[-1] > 1 else 2)
            loss.annotate(text, (len(values), values[-1]), (-4, shift), fontsize=8.5,
                          textcoords="offset points", ha="center")  # fmt: skip
        cer.set(xlabel=words("epoch"), ylim=(0, 130))
        cer.set_yscale("symlog", linthresh=1)  # from 0 to 1 linear: 0 has no logarithm
        for axes in (loss, cer):
            axes.grid(color=PALE, linewidth=0.5)
            words.ticks(axes.yaxis)
    grid[0, 0].set(ylabel=words("loss"), ylim=(0.03, 300))
    grid[1, 0].set_ylabel(words("cer"))
    grid[0, 1].legend()
    return figure


_MODELS: dict[str, dict[str, Any]] = {  # how each language model is drawn
    "none": {"color": GREY, "marker": "s", "linestyle": ":"},
    "char": {"color": DARK, "marker": "o", "linestyle": "-"},
    "word": {"color": LIGHT, "marker": "^", "linestyle": "--"},
}


def draw_beam_and_weight(words: Words) -> Figure:
    """Draw the CER against the width of the beam, and the weight of the LM."""
    measured = load("beam_and_weight")
    figure, (left, right) = plt.subplots(
        1, 2, figsize=(9, 3.9), layout="constrained", sharey=True
    )
    widths, weights = measured["widths"], measured["weights"]
    for lm, rates in measured["by_width"].items():
        _draw_rates(left, widths, rates, lm, words, by_width=True)
    left.set_xscale("log")
    left.xaxis.set_major_locator(FixedLocator(widths))
    left.xaxis.set_minor_locator(FixedLocator([]))
    left.set(xlabel=words("width"), ylabel=words("cer"))
    left.set_title(words("by_width", weight=words.number(measured["weight"], 1)))
    for lm, rates in measured["by_weight"].items():
        _draw_rates(right, weights, rates, lm, words, by_width=False)
    right.set_xlabel(words("weight"))
    right.set_title(words("by_weight", width=measured["widest"]))
    left.legend(title=words("models", clips=measured["clips"]), alignment="left")
    words.ticks(left.xaxis, left.yaxis, right.xaxis)
    left.set_ylim(bottom=0)
    return figure


def _draw_rates(
    axes: Axes,
    places: list[float],
    rates: list[tuple[float, float]],
    lm: str,
    words: Words,
    by_width: bool,
) -> None:
    """Draw a curve, and write its last value, or the lowest one."""
    cers = [100 * cer for cer, _ in rates]
    axes.plot(places, cers, label=words(lm), markersize=5, **_MODELS[lm])
    axes.grid(color=PALE, linewidth=0.5)
    lowest = cers.index(min(cers))
    labelled, shift = (-1, (14, -3)) if by_width else (lowest, (0, -12))
    axes.annotate(
        words.number(cers[labelled], 1),
        (places[labelled], cers[labelled]),
        shift,
        textcoords="offset points",
        ha="center",
        fontsize=8,
    )
