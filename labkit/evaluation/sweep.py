"""The error rates for many weights of a language model."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import NamedTuple

from labkit.base import progress
from labkit.decoding import Search
from labkit.evaluation.posteriors import PosteriorBatch, TextAlphabet, score_searches
from labkit.metrics import ErrorRate

# The sweep: weights of the language model, and nats added for each word.
LM_WEIGHTS = (0.0, 0.25, 0.5, 0.75, 1.0, 1.25, 1.5)
WORD_BONUSES = (-2.0, -1.0, 0.0, 1.0, 2.0, 3.0)
SWEPT_CLIPS = 400  # enough to tell weights apart, few enough to keep in memory


class SweepPoint(NamedTuple):
    """The error rates with one weight and one bonus."""

    lm_weight: float
    word_bonus: float
    cer: ErrorRate
    wer: ErrorRate


def sweep(
    batches: Sequence[PosteriorBatch],
    make_search: Callable[[float, float], Search],
    charmap: TextAlphabet,
    weights: Sequence[float] = LM_WEIGHTS,
    bonuses: Sequence[float] = WORD_BONUSES,
) -> list[SweepPoint]:
    """Try every weight of a language model with every word bonus.

    Args:
        batches: What the network makes of the fold.
        make_search: Makes the search of ``(lm_weight, word_bonus)``.
        charmap: The alphabet.
        weights: The weights.
        bonuses: The bonuses, in nats a word.

    Returns:
        The error rates at each point.
    """
    points = []
    grid = [(weight, bonus) for weight in weights for bonus in bonuses]
    for weight, bonus in progress(grid, "sweep"):
        searches = {"": make_search(weight, bonus)}
        (report,) = score_searches(batches, searches, charmap, 0.0)
        points.append(SweepPoint(weight, bonus, report.cer, report.wer))
    return points
