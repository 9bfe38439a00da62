"""Choosing the weight and the word bonus of a language model on a fold."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import NamedTuple

from torch.utils.data import DataLoader

from labkit.base import progress
from labkit.decoding import Search, flashlight_options
from labkit.evaluation.figures import plot_sweep
from labkit.evaluation.posteriors import EncodedBatch, score_batch
from labkit.evaluation.setup import Setup
from labkit.evaluation.tables import FoldReport
from labkit.figures import save_figure
from labkit.metrics import ErrorRate
from labkit.text import Alphabet

# The sweep: weights of the language model, and nats added for each word.
LM_WEIGHTS = (0.0, 0.25, 0.5, 0.75, 1.0, 1.25, 1.5)
WORD_BONUSES = (-2.0, -1.0, 0.0, 1.0, 2.0, 3.0)
_CLIPS = 400  # enough to rank the weights, few enough to keep in memory
_SHOWN_POINTS = 5  # the best of a sweep


class SweepPoint(NamedTuple):
    """The error rates with one weight and one bonus."""

    lm_weight: float
    word_bonus: float
    cer: ErrorRate
    wer: ErrorRate


def sweep(
    batches: Sequence[EncodedBatch],
    make_search: Callable[[float, float], Search],
    alphabet: Alphabet,
    weights: Sequence[float] = LM_WEIGHTS,
    bonuses: Sequence[float] = WORD_BONUSES,
) -> list[SweepPoint]:
    """Try every weight of a language model with every word bonus.

    Args:
        batches: The network's output for the fold.
        make_search: Makes the search of ``(lm_weight, word_bonus)``.
        alphabet: The alphabet.
        weights: The weights.
        bonuses: The bonuses, in nats a word.

    Returns:
        The error rates at each point.
    """
    points = []
    grid = [(weight, bonus) for weight in weights for bonus in bonuses]
    for weight, bonus in progress(grid, "sweep"):
        report, search = FoldReport(), make_search(weight, bonus)
        for batch in batches:
            score_batch(report, search, batch, alphabet)
        points.append(SweepPoint(weight, bonus, report.cer, report.wer))
    return points


def rank(points: Sequence[SweepPoint], usual: tuple[float, float]) -> list[SweepPoint]:
    """Sort the points of a sweep, the best first.

    Args:
        points: The points.
        usual: A weight and a bonus; of equally good points, only the one nearest to
            them is kept.
    """
    points = sorted(
        points,
        key=lambda p: (
            p.wer.rate,
            p.cer.rate,
            math.dist((p.lm_weight, p.word_bonus), usual),
        ),
    )
    best: dict[tuple[float, float], SweepPoint] = {}
    for point in points:
        best.setdefault((point.wer.rate, point.cer.rate), point)
    return list(best.values())


def tune(setup: Setup, loader: DataLoader) -> None:
    """Print and draw the error rates for many weights of the language model."""
    args = setup.args

    def make(weight: float, bonus: float) -> Search:
        return setup.make_search(
            args.decoder, args.lm, lm_weight=weight, word_bonus=bonus
        )

    weights, bonuses = _grid(setup)
    batches = list(setup.encode_fold(loader, _CLIPS))
    points = sweep(batches, make, setup.alphabet, weights, bonuses)
    best = rank(points, (args.lm_weight, args.word_bonus))
    print(f"{sum(len(batch.utterances) for batch in batches)} clips")
    print("   WER      CER   --lm_weight   --word_bonus")
    for point in best[:_SHOWN_POINTS]:
        print(
            f"{point.wer!s:>7}  {point.cer!s:>7} {point.lm_weight:11g} "
            f"{point.word_bonus:14g}"
        )
    rates = {(p.word_bonus, p.lm_weight): p.wer.rate for p in points}
    table = [[rates[bonus, weight] for weight in weights] for bonus in bonuses]
    title = f"WER, {args.decoder} with {args.lm}, {args.fold} fold"
    figure = plot_sweep(weights, bonuses, table, title)
    name = f"tune_{args.decoder}_{Path(args.lm).name}.png"
    save_figure(figure, Path(args.baselogdir, "figures", name))


def _grid(setup: Setup) -> tuple[Sequence[float], Sequence[float]]:
    """Return the weights and the word bonuses to try."""
    args = setup.args
    if args.decoder != "flashlight":
        return LM_WEIGHTS, WORD_BONUSES
    if flashlight_options(setup.alphabet, setup.options(args.lm)).lexicon is None:
        return LM_WEIGHTS, (0.0,)  # there are no words to count
    return LM_WEIGHTS[::2], WORD_BONUSES[1::2]  # each point builds a new lexicon
