"""Pictures of what trained networks do: spikes, attention, uncertain segments."""

from __future__ import annotations

from itertools import groupby
from typing import Any

import torch
from data import _DEFAULT_RATE
from matplotlib import pyplot as plt
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.image import AxesImage
from matplotlib.patches import Rectangle

from drawing.measure import load
from drawing.sound import SHOWN_DB, STEP, picture, processor, read
from drawing.style import (
    DARK,
    GREY,
    INK,
    LIGHT,
    PALE,
    SHARES,
    Words,
    bare,
    show_symbol,
)


def draw_spikes(words: Words) -> Figure:
    """Draw the posteriors of a clip under its spectrogram, at two strides."""
    waveform, sentence = read()
    log_mel = processor().log_mel(waveform.unsqueeze(0), _DEFAULT_RATE).T  # (M, T)
    seconds = log_mel.shape[1] * STEP
    measured = load("spikes")
    figure, rows = plt.subplots(
        3, figsize=(9, 7.4), height_ratios=(1, 1.25, 1.25), layout="constrained",
        sharex=True,
    )  # fmt: skip
    extent = (0, seconds, 0.5, len(log_mel) + 0.5)
    picture(rows[0], log_mel, extent, (log_mel.max() - SHOWN_DB).item())
    rows[0].set(title=words("clip", said=sentence), ylabel=words("band"))
    for axes, name in zip(rows[1:], ("stride4", "stride2")):
        _draw_posteriors(axes, measured[name], name, words)
    rows[-1].set_xlabel(words("time"))
    rows[-1].set_xlim(0, seconds)
    for axes in rows:
        words.ticks(axes.xaxis, axes.yaxis)
    return figure


def _draw_posteriors(axes: Axes, one: dict[str, Any], name: str, words: Words) -> None:
    probabilities = torch.tensor(one["probabilities"])  # (T', symbols)
    symbols, step = one["symbols"], one["frame_seconds"]
    middles = (torch.arange(len(probabilities)) + 0.5) * step
    best = probabilities.argmax(dim=1).tolist()
    blank = symbols.index("¬")
    axes.fill_between(
        middles, probabilities[:, blank], color=PALE, step="mid", label=words("blank")
    )
    for k, symbol in enumerate(symbols):
        if k != blank:
            own = probabilities[:, k]
            colour = LIGHT if symbol in "¶¦ " else DARK
            seen = (own > 0.05).nonzero().flatten().tolist()
            axes.plot(middles, own, color=colour, linewidth=1.1, marker=".",
                      markersize=4, markevery=seen)  # fmt: skip
    runs = [(k, len(list(same))) for k, same in groupby(best)]
    begin = 0
    for number, (k, length) in enumerate(runs):
        own = probabilities[begin : begin + length, k]
        around = [other for other, _ in runs[max(0, number - 1) : number + 2]]
        if k != blank:
            place, letter = begin + int(own.argmax()), show_symbol(symbols[k])
            axes.text(middles[place].item(), own.max().item() + 0.04, letter,
                      ha="center", fontsize=10, weight="bold")  # fmt: skip
        elif len(around) == 3 and around[0] == around[2]:
            text = words("between", letter=symbols[around[0]])
            middle = (begin + length / 2) * step
            axes.text(middle, 0.4, text, rotation=90, ha="center", va="center",
                      fontsize=8)  # fmt: skip
        begin += length
    share = sum(k == blank for k in best) / len(best)
    axes.set(ylim=(0, 1.18), ylabel=words("probability"))
    axes.set_title(
        words(name, frames=len(best), milliseconds=round(1000 * step),
              share=round(100 * share), cer=words.number(100 * one["dev_cer"], 1))
    )  # fmt: skip
    axes.legend(loc="upper right", bbox_to_anchor=(1, 1.16), fontsize=8)


_RUNS = ("scratch_alone", "scratch_both", "both")
_LINES: dict[str, dict[str, Any]] = {
    "scratch_alone": {"color": LIGHT, "linestyle": "--", "marker": "^"},
    "scratch_both": {"color": GREY, "linestyle": ":", "marker": "s"},
    "both": {"color": DARK, "linestyle": "-", "marker": "o"},
}
_TITLES = {"scratch_alone": "failed", "scratch_both": "thin", "both": "good"}


def draw_attention(words: Words) -> Figure:
    """Draw dev CER and attention of three networks: failed, so-so and good."""
    measured = load("attention")
    figure, axes = plt.subplot_mosaic(
        [["curves"] * 3, [*_RUNS]],
        figsize=(9, 8),
        height_ratios=(1, 1.6),
        layout="constrained",
    )
    curves = axes["curves"]
    for name in _RUNS:
        rates = [100 * rate for rate in measured[name]["dev_cer"]]
        curves.plot(range(1, len(rates) + 1), rates, markersize=4, label=words(name),
                    **_LINES[name])  # fmt: skip
        image = _draw_weights(axes[name], measured[name], words)
        axes[name].set_title(words(_TITLES[name]))
    curves.axhline(100, color=PALE, zorder=0)
    curves.set(xlabel=words("epoch"), ylabel=words("cer"), ylim=(0, 210))
    curves.set_title(words("title"))
    curves.legend()
    axes[_RUNS[0]].set_ylabel(words("written"))
    below = [axes[name] for name in _RUNS]
    bar = figure.colorbar(image, ax=below, pad=0.01, extend="max")
    bar.set_label(words("attention"))
    words.ticks(bar.ax.yaxis)
    return figure


def _draw_weights(axes: Axes, one: dict[str, Any], words: Words) -> AxesImage:
    weights = torch.tensor(one["weights"])  # (U, T')
    n_symbols, n_frames = weights.shape
    seconds = n_frames * one["frame_seconds"]
    image = axes.imshow(
        weights,
        extent=(0, seconds, n_symbols - 0.5, -0.5),
        aspect="auto",
        cmap=SHARES,
        vmin=0,
        vmax=0.5,
        interpolation="nearest",
    )
    names = [show_symbol(symbol) for symbol in one["symbols"]]
    axes.set_yticks(range(n_symbols), names, fontsize=8)
    axes.set_xlabel(words("time"))
    words.ticks(axes.xaxis)
    return image


def draw_segments(words: Words) -> Figure:
    """Draw how sure CTC is of each symbol, and what is decoded again."""
    one = load("segments")
    symbols, threshold = one["symbols"], one["threshold"]
    figure, (above, below) = plt.subplots(
        2, figsize=(9, 5), height_ratios=(1.4, 1), layout="constrained", sharex=True
    )
    places = range(len(symbols))
    sure = [value >= threshold for value in one["confidences"]]
    colours = [DARK if ok else LIGHT for ok in sure]
    bars = above.bar(places, one["confidences"], color=colours, width=0.8)
    for bar, ok in zip(bars, sure):
        bar.set_hatch("" if ok else "///")
    above.set_xlim(-0.9, len(symbols) + 3)
    above.axhline(threshold, color=INK, linewidth=1, linestyle="--")
    text = words("threshold", value=words.number(threshold, 1))
    above.text(len(symbols), threshold - 0.02, text, va="top", fontsize=8.5)
    above.set(ylim=(0, 1.05), ylabel=words("confidence"))
    above.set_title(words("title"))
    above.tick_params(bottom=False, labelbottom=False)
    words.ticks(above.yaxis)
    _draw_strings(bare(below), one, sure, words)
    return figure


def _draw_strings(
    axes: Axes, one: dict[str, Any], sure: list[bool], words: Words
) -> None:
    """Write what CTC writes, what replaces its segments, and what was said."""
    heights = {"ctc": 3.2, "again": 1.9, "result": 0.8, "said": 0.0}
    for place, symbol in enumerate(one["symbols"]):
        text = show_symbol(symbol)
        is_end = place == len(sure) - 1
        colour = GREY if is_end else INK
        axes.text(place, heights["ctc"], text, color=colour, **_CENTRED)
    for (begin, stop), written in zip(one["segments"], one["replacements"]):
        width, middle = stop - begin, (begin + stop - 1) / 2
        for height, edge in ((heights["ctc"], LIGHT), (heights["again"], DARK)):
            box = ((begin - 0.5, height - 0.42), width, 0.84)
            axes.add_patch(Rectangle(*box, fill=False, edgecolor=edge, linewidth=1.8))
        # The last symbol of a replacement is its stop: the certain symbol after it.
        text = "".join(map(show_symbol, written[:-1])) or "∅"
        axes.text(middle, heights["again"], text, **_CENTRED)
        style = {"arrowstyle": "-|>", "color": INK}
        ends = (middle, heights["again"] + 0.45), (middle, heights["ctc"] - 0.45)
        axes.annotate("", *ends, arrowprops=style)
    for key in ("result", "said"):
        shown = "".join(map(show_symbol, one[key]))
        height = heights[key]
        axes.text(-0.4, height, shown, va="center", fontsize=12, family="monospace")
    for key, height in heights.items():
        axes.text(-0.9, height, words(key), ha="right", va="center", fontsize=9)
    axes.set_ylim(-0.5, 3.8)


_CENTRED = {"ha": "center", "va": "center", "fontsize": 12}
