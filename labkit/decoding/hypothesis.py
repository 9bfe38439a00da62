"""The raw result of a search, before it becomes text with times."""

from __future__ import annotations

from dataclasses import dataclass, field

# (negative log probability, text) of each hypothesis, best first.
NBest = list[tuple[float, str]]


@dataclass(frozen=True)
class Hypothesis:
    """One transcript that a search has found; every score is in nats.

    Attributes:
        score: The score that the search ranks by: the weighted sum of the parts, and
            every bonus.
        indices: The transcript, without blanks.
        parts: The log probability under each model that scored it, not weighted:
            ``"ctc"`` under the network, ``"attention"`` under its attention decoder,
            ``"lm"`` under the language model.
        cut: Whether it had to end at the limit of its length.
    """

    score: float
    indices: list[int]
    parts: dict[str, float] = field(default_factory=dict)
    cut: bool = False
