"""Hypotheses with text, times and confidence.

The times come from forced alignment, so that they mean the same whatever the decoder.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import groupby
from typing import Any, NamedTuple

import torch
from torch import Tensor

from labkit.decoding import Alignment, Hypothesis, NoPathError, align
from labkit.text import ALPHABET, MARKS, Alphabet

_EDGES = (ALPHABET.start, ALPHABET.end)  # never shown


class Character(NamedTuple):
    """A symbol of a hypothesis, and when it was said.

    Attributes:
        text: The symbol.
        first: Its first frame.
        stop: The frame after its last.
        start: Where it starts, in seconds.
        end: Where it ends, in seconds.
        confidence: Its highest posterior within these frames, 0 to 1.
    """

    text: str
    first: int
    stop: int
    start: float
    end: float
    confidence: float


class Word(NamedTuple):
    """A word of a hypothesis, and when it was said.

    Attributes:
        text: The word.
        start: Where its first character starts, in seconds.
        end: Where its last character that is no mark ends, in seconds: a network
            writes the mark in the pause that follows.
        confidence: Geometric mean of the confidences of its characters, 0 to 1.
    """

    text: str
    start: float
    end: float
    confidence: float


@dataclass(frozen=True)
class TimedHypothesis:
    """A transcript that a decoder proposes; every score is in nats.

    Attributes:
        text: Its symbols, those of start and end included.
        tokens: Its indices.
        score: The score that the decoder ranks by.
        parts: Log probability under each model that scored it, as in ``Hypothesis``.
        characters: Each token with its times; empty if no path spells the hypothesis.
        words: The words of ``plain`` with their times; empty likewise.
    """

    text: str
    tokens: list[int]
    score: float
    parts: dict[str, float]
    characters: list[Character]
    words: list[Word]

    @property
    def plain(self) -> str:
        """The text without the symbols of start and end."""
        return ALPHABET.plain(self.text)

    def as_dict(self) -> dict[str, Any]:
        """Give plain types for JSON; a score that is not finite becomes None.

        Of the parts, ``acoustic`` (that of the CTC layer) and ``lm`` have keys of
        their own too.
        """
        parts = {name: _rounded(part) for name, part in self.parts.items()}
        return {
            "text": self.plain,
            "sequence": self.text,
            "tokens": list(self.tokens),
            "score": _rounded(self.score),
            "acoustic": parts.get("ctc"),
            "lm": parts.get("lm", 0.0),
            "parts": parts,
            "words": [_as_dict(word) for word in self.words],
            "characters": [_as_dict(character) for character in self.characters],
        }


def _rounded(number: float) -> float | None:
    return round(number, 4) if math.isfinite(number) else None


def _as_dict(timed: Word | Character) -> dict[str, Any]:
    fields = timed._asdict().items()
    return {k: round(v, 4) if isinstance(v, float) else v for k, v in fields}


def describe(
    found: Sequence[Hypothesis],
    log_probs: Tensor,
    alphabet: Alphabet,
    frame_seconds: float,
    duration: float,
) -> list[TimedHypothesis]:
    """Give text, times and confidence to the hypotheses of a search.

    A transcript that no path spells (every path has probability 0, or needs more
    frames than there are) keeps text and scores, but has no characters and no words.
    If a transcript lacks the start or the end marker, that marker's probability is
    added to the blank's, since some decoders treat both as blanks.

    Args:
        found: The n-best list of an utterance.
        log_probs: Log-probabilities of each symbol at each frame, (T, V).
        alphabet: The V symbols.
        frame_seconds: Seconds from one frame to the next.
        duration: Seconds of the clip; no time exceeds them.

    Returns:
        The hypotheses, in the same order.

    Raises:
        LabError: A transcript holds the blank or an unknown index; a log-probability
            is NaN.
    """
    log_probs = log_probs.detach().cpu()
    return [
        _describe(one, log_probs, alphabet, frame_seconds, duration) for one in found
    ]


def _describe(
    found: Hypothesis,
    log_probs: Tensor,
    alphabet: Alphabet,
    frame_seconds: float,
    duration: float,
) -> TimedHypothesis:
    tokens = list(found.indices)
    characters: list[Character] = []
    if tokens:
        try:
            scores = _silence_edges(log_probs, tokens, alphabet)
            alignment = align(scores, tokens, alphabet.blank_id)
        except NoPathError:
            pass
        else:
            symbols = [alphabet.symbols[index] for index in tokens]
            characters = time_characters(
                symbols, alignment, log_probs, frame_seconds, duration
            )
    return TimedHypothesis(
        alphabet.decode(tokens),
        tokens,
        found.score,
        found.parts,
        characters,
        group_words(characters),
    )


def _silence_edges(
    log_probs: Tensor, tokens: Sequence[int], alphabet: Alphabet
) -> Tensor:
    """Add the probability of a missing start or end marker to the blank's."""
    edges = (alphabet.index.get(c, -1) for c in (alphabet.start, alphabet.end))
    lacking = [i for i in edges if i >= 0 and i not in tokens]
    blank, scores = alphabet.blank_id, log_probs.clone()
    scores[:, blank] = log_probs[:, [blank, *lacking]].logsumexp(dim=1)
    scores[:, lacking] = -torch.inf
    return scores


def time_characters(
    symbols: Sequence[str],
    alignment: Alignment,
    log_probs: Tensor,
    frame_seconds: float,
    duration: float,
) -> list[Character]:
    """Give times and confidence to the symbols of an aligned transcript.

    Args:
        symbols: The symbols of the transcript.
        alignment: Its alignment.
        log_probs: The log-probabilities that it was aligned with, (T, V).
        frame_seconds: Seconds from one frame to the next.
        duration: Seconds of the clip.

    Returns:
        One character for each symbol.
    """
    path = alignment.path.unsqueeze(1)  # (T, 1)
    posteriors = log_probs.gather(1, path).squeeze(1).exp().tolist()  # T
    return [
        Character(
            symbol,
            first,
            stop,
            min(first * frame_seconds, duration),
            min(stop * frame_seconds, duration),
            min(max(posteriors[first:stop]), 1.0),
        )
        for symbol, (first, stop) in zip(symbols, alignment.spans)
    ]


def group_words(characters: Sequence[Character]) -> list[Word]:
    """Split characters into words at the spaces, leaving start and end markers out."""
    shown = [c for c in characters if c.text not in _EDGES]
    runs = groupby(shown, key=lambda c: c.text == ALPHABET.space)
    return [_word(list(run)) for is_space, run in runs if not is_space]


def _word(characters: Sequence[Character]) -> Word:
    posteriors = [c.confidence for c in characters]
    letters = [c for c in characters if c.text not in MARKS] or characters
    logs = [math.log(p) if p > 0 else -math.inf for p in posteriors]
    return Word(
        "".join(c.text for c in characters),
        characters[0].start,
        letters[-1].end,
        math.exp(sum(logs) / len(logs)),
    )
