"""Scoring a fold with many values of the options of a search, to choose them."""

from __future__ import annotations

import itertools
import math
from collections.abc import Sequence
from pathlib import Path
from typing import NamedTuple

from torch.utils.data import DataLoader

from labkit.base import progress
from labkit.decoding import FlashlightDecoder
from labkit.evaluation.figures import plot_sweep, plot_thresholds
from labkit.evaluation.setup import EncodedBatch, Setup
from labkit.evaluation.tables import FoldReport, print_comparison
from labkit.figures import save_figure

_CLIPS = 400  # enough to rank the weights, few enough to keep in memory
_SHOWN_POINTS = 5  # the best of a sweep


class Axis(NamedTuple):
    """An option, and the values of it that are tried."""

    option: str
    values: tuple[float, ...]


LM_WEIGHTS = Axis("lm_weight", (0.0, 0.25, 0.5, 0.75, 1.0, 1.25, 1.5))
WORD_BONUSES = Axis("word_bonus", (-2.0, -1.0, 0.0, 1.0, 2.0, 3.0))
CTC_WEIGHTS = Axis("ctc_weight", (0.0, 0.1, 0.2, 0.3, 0.4, 0.5, 0.7, 0.9, 1.0))
THRESHOLDS = (0.0, 0.5, 0.7, 0.8, 0.9, 0.95, 0.98, 0.99, 0.995, 0.999, 1.0)


def sweep(
    setup: Setup, batches: Sequence[EncodedBatch], axes: tuple[Axis, Axis]
) -> dict[tuple[float, ...], FoldReport]:
    """Score the batches with every value of an option and every value of another."""
    args, reports = setup.args, {}
    grid = [*itertools.product(*(axis.values for axis in axes))]
    for values in progress(grid, "sweep"):
        changes = {axis.option: value for axis, value in zip(axes, values)}
        search = setup.make_search(args.decoder, args.lm, **changes)
        (reports[values],) = setup.score_all(batches, {"": search})
    return reports


def tune(setup: Setup, loader: DataLoader) -> None:
    """Print and draw the error rates for many weights of a search."""
    args, axes = setup.args, _axes(setup)
    batches = list(setup.encode_fold(loader, _CLIPS))
    reports = sweep(setup, batches, axes)
    print(f"{sum(len(batch.utterances) for batch in batches)} clips")
    search = setup.make_search("greedy", None)
    (greedy,) = setup.score_all(batches, {"greedy": search})
    print(f"greedy decoding, to compare: WER {greedy.wer}, CER {greedy.cer}")
    first, second = (f"--{axis.option}" for axis in axes)
    print(f"   WER      CER {first:>13} {second:>14}")
    usual = [getattr(args, axis.option) for axis in axes]
    best: dict[tuple[float, float], tuple[float, ...]] = {}
    for values in sorted(reports, key=lambda values: math.dist(values, usual)):
        # Of equally good values, those nearest to the usual ones are shown.
        best.setdefault((reports[values].wer.rate, reports[values].cer.rate), values)
    for _, values in sorted(best.items())[:_SHOWN_POINTS]:
        report, (first, second) = reports[values], values
        print(f"{report.wer!s:>7}  {report.cer!s:>7} {first:12g} {second:14g}")
    if args.no_figures:
        return
    model = f" with {args.lm}" if args.lm else ""
    title = f"WER, {args.decoder}{model}, {args.fold} fold"
    figure = plot_sweep(*axes, reports, title)
    lm = f"_{Path(args.lm).name.replace(':', '_')}" if args.lm else ""
    name = f"tune_{args.decoder}{lm}"
    save_figure(figure, Path(args.baselogdir, "figures", f"{name}.png"))


def _axes(setup: Setup) -> tuple[Axis, Axis]:
    """Return the options to try, and their values."""
    args = setup.args
    if args.decoder in ("joint", "rescore"):
        return CTC_WEIGHTS, LM_WEIGHTS if args.lm else Axis("lm_weight", (0.0,))
    if args.decoder != "flashlight":
        return LM_WEIGHTS, WORD_BONUSES
    search = setup.make_search(args.decoder, args.lm).search
    if isinstance(search, FlashlightDecoder) and search.lexicon is None:
        return LM_WEIGHTS, Axis("word_bonus", (0.0,))  # there are no words to count
    # Each point builds a new lexicon: fewer of them.
    return (
        LM_WEIGHTS._replace(values=LM_WEIGHTS.values[::2]),
        WORD_BONUSES._replace(values=WORD_BONUSES.values[1::2]),
    )


def sweep_thresholds(setup: Setup, loader: DataLoader) -> None:
    """Print and draw the scores of a fold for many values of --par_threshold."""
    searches = {
        f"par {threshold:g}": setup.make_search("par", None, par_threshold=threshold)
        for threshold in THRESHOLDS
    }
    reports = setup.score_all(setup.encode_fold(loader), searches)
    print_comparison(reports, "par: with --par_threshold")
    if setup.args.no_figures:
        return
    title = f"partially autoregressive decoding, {setup.args.fold} fold"
    figure = plot_thresholds(THRESHOLDS, reports, title)
    save_figure(figure, Path(setup.args.baselogdir, "figures", "sweep_par.png"))
