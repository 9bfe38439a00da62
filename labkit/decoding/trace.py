"""Printing the beam of a prefix search, frame by frame."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence

from labkit.decoding.check import Prefixes


def print_beams(
    advance: Callable[[Prefixes, list[float], int], Prefixes],
    prune: Callable[[Prefixes, dict, int], Prefixes],
    posteriors: Sequence[Sequence[float]],
    symbols: str,
    beam_size: int,
) -> None:
    """Print both sums of every candidate, frame by frame, and which are kept.

    Args:
        advance: The step of the search.
        prune: Keeps the best of its candidates.
        posteriors: The probability of each symbol at each frame, (T', V).
        symbols: The V symbols, the blank first.
        beam_size: Candidates that are kept.
    """
    beam: Prefixes = {(): (0.0, -math.inf)}
    for t, frame in enumerate(posteriors, 1):
        given = ", ".join(f"p({k}) = {p:g}" for k, p in zip(symbols, frame))
        print(f"frame {t}: {given}")
        print(f"    prefix    ends with {symbols[0]}   with its symbol   together")
        candidates = advance(beam, [math.log(p) for p in frame], 0)
        sums = {prefix: tuple(map(math.exp, two)) for prefix, two in candidates.items()}
        totals = {p: math.log(sum(two)) for p, two in sums.items() if sum(two)}
        beam = prune({p: candidates[p] for p in totals}, totals, beam_size)
        for prefix in sorted(totals, key=totals.__getitem__, reverse=True):
            text = f"« {''.join(symbols[k] for k in prefix)} »"
            blank, symbol = sums[prefix]
            numbers = f"{blank:11.4f}{symbol:18.4f}{blank + symbol:11.4f}"
            print(f"    {text:10}{numbers}{'' if prefix in beam else '   dropped'}")
