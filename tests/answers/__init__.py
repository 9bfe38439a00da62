"""Answers to the exercises as students write them: mistakes, and unusual solutions.

A sheet is a text of entries. Each starts with lines that begin with ``@``, and goes
on with the body of the function, to take the place of the reference solution's::

    @E11 wrong floor-division
    @mistake a quarter of the frames, rounded down
    @mentions rounds up
    return lengths // 4

A right answer has only the first line. ``@mentions`` is optional: a text that the
failure must show, because it shows the student which mistake it was.
"""

from __future__ import annotations

import re
from dataclasses import dataclass

from answers import (
    data,
    decoding,
    hybrid,
    main_ctc,
    main_seq2seq,
    models,
    seq2seq,
    trellis,
)

_ENTRY = re.compile(
    r"^@(?P<exercise>E\d\d) (?P<kind>wrong|right) (?P<name>[a-z0-9-]+)\n"
    r"(?:^@mistake (?P<mistake>[^\n]+)\n)?"
    r"(?:^@mentions (?P<mentions>[^\n]+)\n)?"
    r"(?P<body>.*?)(?=^@E\d\d |\Z)",
    re.MULTILINE | re.DOTALL,
)


@dataclass(frozen=True)
class Answer:
    """One body of one exercise's function.

    Attributes:
        exercise: The id.
        name: A few words, joined by hyphens.
        body: The code, from column 0.
        mistake: What is wrong with it; empty if it is right.
        mentions: What the failure must show.
    """

    exercise: str
    name: str
    body: str
    mistake: str = ""
    mentions: str = ""

    @property
    def label(self) -> str:
        """The id and the name."""
        return f"{self.exercise}-{self.name}"


def parse(sheet: str) -> list[Answer]:
    """Read the entries of a sheet.

    Raises:
        ValueError: Text is left over, or the mistake of a wrong answer is missing.
    """
    if _ENTRY.sub("", sheet).strip():
        raise ValueError(f"not an entry: {_ENTRY.sub('', sheet).strip()[:60]!r}")
    answers = []
    for entry in _ENTRY.finditer(sheet):
        exercise, kind, name, mistake, mentions, body = entry.groups(default="")
        if (kind == "wrong") != bool(mistake):
            raise ValueError(f"{exercise} {name}: wrong ones alone have a mistake")
        answers.append(Answer(exercise, name, body.strip(), mistake, mentions))
    return answers


_PART_ONE = data, models, main_ctc, decoding, trellis
_PART_TWO = seq2seq, main_seq2seq, hybrid

ANSWERS = [a for m in (*_PART_ONE, *_PART_TWO) for a in parse(m.SHEET)]
WRONG = [answer for answer in ANSWERS if answer.mistake]
RIGHT = [answer for answer in ANSWERS if not answer.mistake]
