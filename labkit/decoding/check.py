"""Checks of what a search is given, and of what a student's ``advance`` returns."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable

import torch
from torch import Tensor

from labkit.base import LabError

_SHOWN = 5  # characters that an error shows

# Maps a prefix to two log probabilities.
Prefixes = dict[tuple[int, ...], tuple[float, float]]


def check_beam_size(beam_size: int) -> None:
    """Refuse a beam without room.

    Raises:
        LabError: It is smaller than 1.
    """
    if beam_size < 1:
        raise LabError(
            f"a beam of {beam_size} keeps no hypothesis", "use a beam of 1 or more"
        )


def other_alphabet(symbols: Iterable[str]) -> LabError:
    """Make the error of a language model whose symbols are not in the alphabet."""
    every = sorted(symbols)
    more = f" and {len(every) - _SHOWN} more" if len(every) > _SHOWN else ""
    return LabError(
        "the language model is of another alphabet: it scores "
        f"{' '.join(every[:_SHOWN])}{more}",
        "build one from normalised text: python -m labkit.lm build --help",
    )


def check_numbers(scores: Tensor) -> None:
    """Refuse NaN and +inf, which no decoder can read."""
    if not (scores < math.inf).all():
        raise LabError(
            "the scores hold NaN or +inf",
            "the network has diverged: train it with a lower --base_lr",
        )


def check_scores(log_probs: Tensor, lengths: Tensor) -> None:
    """Refuse log-probabilities (T, B, V) of B utterances that no search can read.

    Past the end of an utterance there may be anything.

    Raises:
        LabError: A length does not fit, or a log-probability is NaN or +inf.
    """
    n_frames, n_utterances, _ = log_probs.shape
    given = lengths.tolist()
    if lengths.shape != (n_utterances,) or not all(0 <= n <= n_frames for n in given):
        raise LabError(
            f"lengths {given} for {n_utterances} utterances of {n_frames} frames",
            "give the number of frames of each utterance",
        )
    inside = torch.arange(n_frames)[:, None] < lengths.cpu()  # (T, B)
    check_numbers(log_probs[inside.to(log_probs.device)])


def check_advance(
    advance: Callable[[Prefixes, list[float], int], Prefixes],
    n_symbols: int,
    blank: int,
) -> None:
    """Try ``advance``, the step of a prefix search, on two frames.

    Raises:
        LabError: No search can go on with what it returns.
    """
    beam: Prefixes = {(): (0.0, -math.inf)}
    for _ in range(2):
        beam = advance(beam, [-math.log(n_symbols)] * n_symbols, blank)
        if not isinstance(beam, dict) or not beam:
            raise _wrong_advance("no prefix")
        for prefix, sums in beam.items():
            if not isinstance(prefix, tuple) or not all(
                isinstance(k, int) and 0 <= k < n_symbols and k != blank for k in prefix
            ):
                what = "which is no tuple of symbols without blank"
                raise _wrong_advance(f"the prefix {prefix!r}, {what}")
            summed = isinstance(sums, (tuple, list)) and len(sums) == 2
            if not summed or not all(
                isinstance(s, float) and s < math.inf for s in sums
            ):
                what = "not two log-probabilities"
                raise _wrong_advance(f"{sums!r} for the prefix {prefix!r}, {what}")


def _wrong_advance(found: str) -> LabError:
    return LabError(f"advance() returns {found}", "check it with: pytest")
