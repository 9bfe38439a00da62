"""A student's page: the exercises, their points, and what to look at next.

Both pages, Markdown and HTML, are made from the same data. They show nothing of the
reference and nothing of other students.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from pathlib import Path
from typing import NamedTuple

from autograder import phrases
from autograder.output.html import render
from autograder.output.text import (
    answer_blocks,
    answered_words,
    brief,
    earned_points,
    failure_block,
    file_stem,
    name_of,
    number_text,
    one_line,
    state_words,
    time_words,
    total_earned,
    where_words,
)
from autograder.records import ExerciseRecord, SubmissionRecord
from labkit.base import write_atomically

_MARKDOWN = re.compile(r"([\\`*_{}\[\]<>()#+!|~&])")
_FAILED = ("crash", "fail", "partial")


@dataclass(frozen=True)
class Failure:
    """A failure as the page shows it.

    Attributes:
        title: Id and title of the exercise, or the ids of several.
        block: The failure block, line by line.
        hint: The question that helps, or "".
    """

    title: str
    block: str
    hint: str


class Row(NamedTuple):
    """An exercise as the table of the page shows it; ``words`` say its state."""

    id: str
    title: str
    where: str
    state: str
    words: str
    points: str


@dataclass(frozen=True)
class Feedback:
    """The content of a student's page: text, not yet escaped.

    Attributes:
        title: The title of the page.
        total: The points in words.
        share: The share of the points, 0 to 1.
        problems: Problems with the files, one line each.
        rows: One row for each exercise.
        failures: The failures, each with its block.
        answered: How many questions are answered, in words; "" if there are none.
        answers: Title and text of each answer.
        next_step: What to look at next.
        next_hint: A hint for it, or "".
        colophon: Seed, versions and time.
    """

    title: str
    total: str
    share: float
    problems: tuple[str, ...]
    rows: tuple[Row, ...]
    failures: tuple[Failure, ...]
    answered: str
    answers: tuple[tuple[str, str], ...]
    next_step: str
    next_hint: str
    colophon: str


def colophon(record: SubmissionRecord) -> str:
    """Say when, with which seed and with which versions a submission was graded."""
    versions = ", ".join(f"{name} {text}" for name, text in record.versions.items())
    return phrases.GRADED.format(
        time=time_words(record),
        seed=record.seed,
        seconds=number_text(round(record.seconds, 1)),
        versions=one_line(versions) or phrases.NO_VERSIONS,
    )


def _next_step(record: SubmissionRecord) -> tuple[str, str]:
    """Choose the next step like the checks: a failure comes first."""
    if not record.exercises:
        return phrases.NOTHING_GRADED, ""
    for states in (_FAILED, ("todo",), ("blocked",)):
        for exercise in record.exercises:
            if exercise.state in states:
                step = phrases.NEXT_EXERCISE.format(
                    id=exercise.id,
                    title=one_line(exercise.title),
                    where=where_words(exercise),
                )
                # The hint of a failure is already shown with its block.
                return step, "" if states is _FAILED else one_line(exercise.hint)
    return phrases.ALL_DONE, ""


def _row(exercise: ExerciseRecord) -> Row:
    points = f"{number_text(earned_points(exercise))}/{exercise.points}"
    state = exercise.state if exercise.state in phrases.STATES else ""
    title, where = one_line(exercise.title), where_words(exercise)
    return Row(exercise.id, title, where, state, state_words(exercise), points)


def _failures(record: SubmissionRecord) -> tuple[Failure, ...]:
    """Show each failure; show those that one unreadable script causes once."""
    groups: dict[tuple[str, str], list[ExerciseRecord]] = {}
    for exercise in record.exercises:
        if exercise.state in _FAILED:
            file = exercise.where.partition(":")[0]
            spoilt = any(file in text for text in record.problems)
            key = (file, exercise.mistake) if spoilt else (exercise.id, "")
            groups.setdefault(key, []).append(exercise)
    failures = []
    for same in groups.values():
        first, alone = same[0], len(same) == 1
        title = f"{first.id} {one_line(first.title)}"
        ids = ", ".join(exercise.id for exercise in same)
        hint = one_line(first.hint) if alone else ""
        failures.append(Failure(title if alone else ids, failure_block(first), hint))
    return tuple(failures)


def collect(record: SubmissionRecord) -> Feedback:
    """Collect the content of a student's page."""
    earned, total = total_earned(record), record.total
    words = phrases.TOTAL.format(earned=number_text(earned), total=total)
    step, hint = _next_step(record)
    # A part that is absent was perhaps not asked for: no file has to be mended.
    if any(phrases.NOT_HANDED_IN not in text for text in record.problems):
        step = f"{phrases.NEXT_PROBLEM} {step}" if record.exercises else step
    return Feedback(
        title=phrases.FEEDBACK_TITLE.format(name=name_of(record)),
        total=words,
        share=earned / total if total else 0.0,
        problems=tuple(brief(text, 500) for text in record.problems),
        rows=tuple(map(_row, record.exercises)),
        failures=_failures(record),
        answered=answered_words(record),
        answers=answer_blocks(record),
        next_step=step,
        next_hint=hint,
        colophon=colophon(record),
    )


def _md(text: str) -> str:
    return _MARKDOWN.sub(r"\\\1", text)


def _fenced(text: str) -> str:
    """Fence a text so that no run of backticks in it closes the fence."""
    longest = max((len(run) for run in re.findall("`+", text)), default=0)
    fence = "`" * max(3, longest + 1)
    return f"{fence}text\n{text}\n{fence}"


def _hint(hint: str) -> list[str]:
    return [_md(phrases.HINT.format(hint=hint))] if hint else []


def as_markdown(feedback: Feedback) -> str:
    """Write the page as Markdown."""
    parts = [f"# {_md(feedback.title)}", f"**{_md(feedback.total)}**"]
    if feedback.problems:
        parts.append(f"## {phrases.PROBLEMS}")
        parts.append("\n".join(f"- {_md(text)}" for text in feedback.problems))
    if feedback.rows:
        head = (phrases.EXERCISE, phrases.STATE, phrases.POINTS, phrases.WHERE)
        lines = [f"| {' | '.join(head)} |", "|---|---|---:|---|"]
        for row in feedback.rows:
            cells = (f"{row.id} {row.title}", row.words, row.points, row.where)
            lines.append(f"| {' | '.join(map(_md, cells))} |")
        parts.append("\n".join(lines))
    if feedback.failures:
        parts.append(f"## {phrases.TO_FIX}")
    for failure in feedback.failures:
        parts.append(f"### {_md(failure.title)}")
        parts += [_fenced(failure.block)] if failure.block else []
        parts += _hint(failure.hint)
    parts += [f"## {phrases.NEXT}", _md(feedback.next_step)]
    parts += _hint(feedback.next_hint)
    if feedback.answered:
        parts += [f"## {phrases.ANSWERS}", _md(feedback.answered)]
    for title, text in feedback.answers:
        parts += [f"### {_md(title)}", _fenced(text)]
    return "\n\n".join([*parts, "---", _md(feedback.colophon)]) + "\n"


def as_html(feedback: Feedback) -> str:
    """Write the page as HTML that stands alone."""
    return render("feedback.html.j2", page=feedback)


def write_feedback(record: SubmissionRecord, folder: Path) -> tuple[Path, Path]:
    """Write a student's page as Markdown and as HTML.

    Args:
        record: The record of the submission.
        folder: The folder of all pages; it is made if it is missing.

    Returns:
        The two files.
    """
    feedback, stem = collect(record), file_stem(record)
    files = (folder / f"{stem}.md", folder / f"{stem}.html")
    for path, text in zip(files, (as_markdown(feedback), as_html(feedback))):
        write_atomically(path, lambda part, text=text: part.write_bytes(text.encode()))
    return files
