"""The questions of ``answers.md``, which a student answers in words."""

from __future__ import annotations

import re

from labkit.exercises import phrases

ANSWERS = "answers.md"

_QUESTION = re.compile(r"^## +(Q\d+.*?) *$", re.MULTILINE)
_MARK = re.compile(r"^[*_#> ]*answer\b[*_:. ]*", re.MULTILINE | re.IGNORECASE)


def read_answers(text: str) -> dict[str, str]:
    """Map each question's number and title, "Q1 ...", to what is written below it.

    An answer is what follows the line "**Answer**" of its question; where a student
    has deleted that line, it is all that stands below the title.
    """
    _, *parts = _QUESTION.split(text)
    answers = {}
    for title, body in zip(parts[::2], parts[1::2]):
        mark = _MARK.search(body)
        answers[title] = body[mark.end() if mark else 0 :].strip()
    return answers


def questions_of(template: str, part: int) -> str:
    """Leave the questions of one part of the lab in a template; with 0, all."""
    head, *sections = re.split(r"^(?=## )", template, flags=re.MULTILINE)
    kept = [
        section
        for section in sections
        if not part
        or (phrases.OF_PART_TWO in section.partition("\n")[0]) == (part == 2)
    ]
    return head + "".join(kept)


def match_answers(template: str, text: str) -> dict[str, str]:
    """Give each question of the template its answer in ``text``; "" if there is none.

    Questions are matched by their number, whatever became of their titles.
    """
    given = {title.split()[0]: answer for title, answer in read_answers(text).items()}
    return {title: given.get(title.split()[0], "") for title in read_answers(template)}


def count_answered(answers: dict[str, str]) -> str:
    """Say how many are answered: "3 of 5"."""
    given = sum(map(bool, answers.values()))
    return phrases.COUNTED.format(given=given, all=len(answers))
