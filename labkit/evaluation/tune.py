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
from labkit.evaluation.tables import FoldReport
from labkit.figures import save_figure
from labkit.metrics import ErrorRate

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


class SweepPoint(NamedTuple):
    """The error rates with one value on each of two axes."""

    first: float
    second: float
    cer: ErrorRate
    wer: ErrorRate


def sweep(
    setup: Setup, batches: Sequence[EncodedBatch], axes: tuple[Axis, Axis]
) -> list[SweepPoint]:
    """Score the batches with every value of an option and every value of another."""
    args, points = setup.args, []
    grid = [*itertools.product(*(axis.values for axis in axes))]
    for values in progress(grid, "sweep"):
        changes = {axis.option: value for axis, value in zip(axes, values)}
        search = setup.make_search(args.decoder, args.lm, **changes)
        report = FoldReport()
        for batch in batches:
            setup.score(report, search, batch)
        points.append(SweepPoint(*values, report.cer, report.wer))
    return points


def rank(points: Sequence[SweepPoint], usual: tuple[float, float]) -> list[SweepPoint]:
    """Sort the points of a sweep, the best first.

    Args:
        points: The points.
        usual: A value of each option; of equally good points, only the one nearest to
            them is kept.
    """
    points = sorted(
        points,
        key=lambda p: (p.wer.rate, p.cer.rate, math.dist((p.first, p.second), usual)),
    )
    best: dict[tuple[float, float], SweepPoint] = {}
    for point in points:
        best.setdefault((point.wer.rate, point.cer.rate), point)
    return list(best.values())


def tune(setup: Setup, loader: DataLoader) -> None:
    """Print and draw the error rates for many weights of a search."""
    args, axes = setup.args, _axes(setup)
    names = [axis.option for axis in axes]
    batches = list(setup.encode_fold(loader, _CLIPS))
    points = sweep(setup, batches, axes)
    best = rank(points, (getattr(args, names[0]), getattr(args, names[1])))
    print(f"{sum(len(batch.utterances) for batch in batches)} clips")
    greedy, search = FoldReport("greedy"), setup.make_search("greedy", None)
    for batch in batches:
        setup.score(greedy, search, batch)
    print(f"greedy decoding, to compare: WER {greedy.wer}, CER {greedy.cer}")
    first, second = (f"--{name}" for name in names)
    print(f"   WER      CER {first:>13} {second:>14}")
    for point in best[:_SHOWN_POINTS]:
        print(
            f"{point.wer!s:>7}  {point.cer!s:>7} {point.first:12g} {point.second:14g}"
        )
    rates = {(p.second, p.first): p.wer.rate for p in points}
    table = [[rates[y, x] for x in axes[0].values] for y in axes[1].values]
    model = f" with {args.lm}" if args.lm else ""
    title = f"WER, {args.decoder}{model}, {args.fold} fold"
    figure = plot_sweep(axes[0], axes[1], table, title)
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
    args = setup.args
    reports = [FoldReport(f"{threshold:g}") for threshold in THRESHOLDS]
    searches = [
        setup.make_search("par", None, par_threshold=threshold)
        for threshold in THRESHOLDS
    ]
    for batch in setup.encode_fold(loader):
        for report, search in zip(reports, searches):
            setup.score(report, search, batch)
    print("--par_threshold      CER      WER   calls/batch   ms/utt.")
    for report in reports:
        print(
            f"{report.decoder:>15}  {report.cer!s:>7}  {report.wer!s:>7} "
            f"{report.calls_per_batch:13.1f} {report.decoding_ms:9.1f}"
        )
    figure = plot_thresholds(
        THRESHOLDS,
        [(report.cer.rate, report.wer.rate) for report in reports],
        [report.calls_per_batch for report in reports],
        f"partially autoregressive decoding, {args.fold} fold",
    )
    save_figure(figure, Path(args.baselogdir, "figures", "sweep_par.png"))
