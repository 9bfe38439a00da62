"""The raw result of a search, before it becomes text with times."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import NamedTuple

from labkit.text import Alphabet

# (negative log probability, text) of each hypothesis, best first.
NBest = list[tuple[float, str]]


class Label(NamedTuple):
    """A word of a lexicon, as it is written there, and the symbols that spell it."""

    text: str
    start: int  # its first symbol
    stop: int  # the symbol after its last


class Spliced(NamedTuple):
    """What partially autoregressive decoding has put together."""

    symbols: list[int]  # what CTC has written; the last is the end
    segments: list[tuple[int, int]]  # first symbol, and the one after its last
    replacements: list[list[int]]  # what each became, and the symbol that stops it


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
        labels: The words that a search with a lexicon has found.
        frames: The frame at which each symbol starts on the decoder's own best path;
            empty if the decoder does not keep it.
        spliced: What it was put together from; None if it is of one piece.
    """

    score: float
    indices: list[int]
    parts: dict[str, float] = field(default_factory=dict)
    cut: bool = False
    labels: Sequence[Label] = ()
    frames: Sequence[int] = ()
    spliced: Spliced | None = None

    def text(self, alphabet: Alphabet) -> str:
        """Return the transcript, its words as the lexicon writes them.

        Without a space in the alphabet, as in one of word pieces, spaces are added.
        """
        parts, done = [], 0
        for text, start, stop in self.labels:
            parts += [alphabet.decode(self.indices[done:start]), text]
            done = stop
        parts.append(alphabet.decode(self.indices[done:]))
        spaced = alphabet.space in alphabet.index
        return "".join(parts) if spaced else " ".join(filter(None, parts))
