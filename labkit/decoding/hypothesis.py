"""The raw result of a search, before it becomes text with times."""

from __future__ import annotations

from typing import NamedTuple


class Hypothesis(NamedTuple):
    """One transcript that a search has found; every score is in nats.

    Attributes:
        score: What the search ranks by: ``acoustic``, plus the weighted score of the
            language model, plus every bonus.
        acoustic: Log probability of the transcript under the network alone.
        lm: Log probability under the language model alone, not weighted; 0 without.
        indices: The transcript, without blanks.
    """

    score: float
    acoustic: float
    lm: float
    indices: list[int]
