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

from labkit.decoding import Aligner, Hypothesis, Label, NoPathError, align
from labkit.text import ALPHABET, MARKS, Alphabet

_EDGES = (ALPHABET.start, ALPHABET.end)  # never shown


class Character(NamedTuple):
    """A symbol of a hypothesis, and when it was said."""

    text: str
    first: int  # its first frame
    stop: int  # the frame after its last
    start: float  # in seconds
    end: float
    confidence: float  # its highest posterior within these frames, 0 to 1


class Word(NamedTuple):
    """A word of a hypothesis, and when it was said, in seconds.

    It ends with its last character that is no mark: a network writes the mark in the
    pause that follows.
    """

    text: str
    start: float
    end: float
    confidence: float  # geometric mean of those of its characters


@dataclass(frozen=True)
class TimedHypothesis:
    """A transcript that a decoder proposes, and when it was said."""

    found: Hypothesis
    text: str  # its symbols, those of start and end included
    shown: str  # as it is printed: with the words of a lexicon, if there is one
    characters: list[Character]  # empty if no path spells the hypothesis
    words: list[Word]  # of ``plain``; empty likewise

    @property
    def plain(self) -> str:
        """The text as it is printed, without the symbols of start and end."""
        return ALPHABET.plain(self.shown)

    def as_dict(self) -> dict[str, Any]:
        """Give plain types for JSON; a score that is not finite becomes None.

        Of the parts, ``acoustic`` (that of the CTC layer) and ``lm`` have keys of
        their own too.
        """
        found = self.found
        parts = {name: rounded(part) for name, part in found.parts.items()}
        frames = {"decoder_frames": list(found.frames)} if found.frames else {}
        return {
            "text": self.plain,
            "sequence": self.text,
            "tokens": list(found.indices),
            **frames,
            "score": rounded(found.score),
            "acoustic": parts.get("ctc"),
            "lm": parts.get("lm", 0.0),
            "parts": parts,
            "words": [_as_dict(word) for word in self.words],
            "characters": [_as_dict(character) for character in self.characters],
        }


def rounded(score: float, digits: int = 4) -> float | None:
    """Round a score for JSON; one that is not finite becomes None."""
    return round(score, digits) if math.isfinite(score) else None


def _as_dict(timed: Word | Character) -> dict[str, Any]:
    fields = timed._asdict().items()
    return {k: round(v, 4) if isinstance(v, float) else v for k, v in fields}


def describe(
    found: Sequence[Hypothesis],
    log_probs: Tensor,
    alphabet: Alphabet,
    frame_seconds: float,
    duration: float,
    aligner: Aligner = align,
) -> list[TimedHypothesis]:
    """Give text, times and confidence to the hypotheses of a search.

    A transcript that no path spells (every path has probability 0, or needs more
    frames than there are) keeps text and scores, but has no characters and no words.
    If a transcript lacks the start or the end marker, that marker's probability is
    added to the blank's, since some decoders treat both as blanks.

    The log-probabilities are (T, V), with ``frame_seconds`` from one frame to the next;
    no time exceeds the ``duration`` of the clip, in seconds. The ``aligner`` finds the
    frames of each symbol.

    Raises:
        LabError: A transcript holds the blank or an unknown index; a log-probability
            is NaN.
    """
    log_probs = log_probs.detach().cpu()
    described = []
    for one in found:
        seconds = frame_seconds, duration
        timed = _time(one.indices, log_probs, alphabet, *seconds, aligner)
        words = _group_words(timed, one.labels if timed else ())
        texts = alphabet.decode(one.indices), one.text(alphabet)
        described.append(TimedHypothesis(one, *texts, timed, words))
    return described


def _time(
    tokens: Sequence[int],
    log_probs: Tensor,
    alphabet: Alphabet,
    frame_seconds: float,
    duration: float,
    aligner: Aligner,
) -> list[Character]:
    """Align a transcript; give no character if no path spells it."""
    if not tokens:
        return []
    try:
        scores = _silence_edges(log_probs, tokens, alphabet)
        spans, path, _ = aligner(scores, tokens, alphabet.blank_id)
    except NoPathError:
        return []
    posteriors = log_probs.gather(1, path.unsqueeze(1)).squeeze(1).exp().tolist()  # T
    return [
        Character(
            alphabet.symbols[token],
            first,
            stop,
            min(first * frame_seconds, duration),
            min(stop * frame_seconds, duration),
            min(max(posteriors[first:stop]), 1.0),
        )
        for token, (first, stop) in zip(tokens, spans)
    ]


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


def _group_words(
    characters: Sequence[Character], labels: Sequence[Label]
) -> list[Word]:
    """Take the words of a lexicon, and split all else at the spaces."""
    words, done = [], 0
    for text, start, stop in labels:
        words += _split(characters[done:start])
        words.append(_word(characters[start:stop])._replace(text=text))
        done = stop
    return words + _split(characters[done:])


def _split(characters: Sequence[Character]) -> list[Word]:
    """Split characters into words at the spaces, leaving start and end markers out."""
    shown = [c for c in characters if c.text not in _EDGES]
    runs = groupby(shown, key=lambda c: c.text == ALPHABET.space)
    return [_word(list(run)) for is_space, run in runs if not is_space]


def _word(characters: Sequence[Character]) -> Word:
    letters = [c for c in characters if c.text not in MARKS] or characters
    logs = [math.log(c.confidence) if c.confidence else -math.inf for c in characters]
    text, mean = "".join(c.text for c in characters), math.exp(sum(logs) / len(logs))
    return Word(text, characters[0].start, letters[-1].end, mean)
