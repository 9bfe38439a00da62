"""Choosing the weights of a search on a fold."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import NamedTuple

from torch.utils.data import DataLoader

from labkit.base import progress
from labkit.decoding import FlashlightDecoder, Search
from labkit.evaluation.figures import plot_sweep
from labkit.evaluation.posteriors import EncodedBatch, score_batch
from labkit.evaluation.setup import Setup
from labkit.evaluation.tables import FoldReport
from labkit.figures import save_figure
from labkit.metrics import ErrorRate
from labkit.text import Alphabet

_CLIPS = 400  # enough to rank the weights, few enough to keep in memory
_SHOWN_POINTS = 5  # the best of a sweep


class Axis(NamedTuple):
    """An option, and the values of it that are tried."""

    option: str
    values: tuple[float, ...]


LM_WEIGHTS = Axis("lm_weight", (0.0, 0.25, 0.5, 0.75, 1.0, 1.25, 1.5))
WORD_BONUSES = Axis("word_bonus", (-2.0, -1.0, 0.0, 1.0, 2.0, 3.0))
CTC_WEIGHTS = Axis("ctc_weight", (0.0, 0.1, 0.2, 0.3, 0.4, 0.5, 0.7, 0.9, 1.0))


class SweepPoint(NamedTuple):
    """The error rates with one value on each of two axes."""

    first: float
    second: float
    cer: ErrorRate
    wer: ErrorRate


def sweep(
    batches: Sequence[EncodedBatch],
    make_search: Callable[[float, float], Search],
    alphabet: Alphabet,
    axes: tuple[Axis, Axis] = (LM_WEIGHTS, WORD_BONUSES),
) -> list[SweepPoint]:
    """Try every value of an option with every value of another.

    Args:
        batches: The network's output for the fold.
        make_search: Makes the search of two values.
        alphabet: The alphabet.
        axes: The options and their values.

    Returns:
        The error rates at each point.
    """
    points = []
    grid = [(first, second) for first in axes[0].values for second in axes[1].values]
    for first, second in progress(grid, "sweep"):
        report, search = FoldReport(), make_search(first, second)
        for batch in batches:
            score_batch(report, search, batch, alphabet)
        points.append(SweepPoint(first, second, report.cer, report.wer))
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

    def make(*values: float) -> Search:
        return setup.make_search(args.decoder, args.lm, **dict(zip(names, values)))

    batches = list(setup.encode_fold(loader, _CLIPS))
    points = sweep(batches, make, setup.alphabet, axes)
    best = rank(points, (getattr(args, names[0]), getattr(args, names[1])))
    print(f"{sum(len(batch.utterances) for batch in batches)} clips")
    greedy, search = FoldReport("greedy"), setup.make_search("greedy", None)
    for batch in batches:
        score_batch(greedy, search, batch, setup.alphabet)
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
