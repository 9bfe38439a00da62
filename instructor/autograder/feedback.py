"""A student's page: what was graded, what it earned, what to look at next.

Both pages, Markdown and HTML, are made from the same data. They hold nothing of the
reference and nothing of other students.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from pathlib import Path

from autograder import phrases, plain
from autograder.page import document, escape, table
from autograder.records import ExerciseRecord, SubmissionRecord
from labkit.base import write_atomically

_MARKDOWN = re.compile(r"([\\`*_{}\[\]<>()#+!|~&])")
_TO_MEND = ("crash", "fail", "partial")


@dataclass(frozen=True)
class Mend:
    """A failure as the page shows it.

    Attributes:
        title: Id and title of the exercise, or the ids of several.
        block: The failure block, line by line.
        hint: The question that helps, or "".
    """

    title: str
    block: str
    hint: str


@dataclass(frozen=True)
class Feedback:
    """What a student's page says: text, not yet escaped.

    Attributes:
        title: The head of the page.
        total: The points in words.
        share: Of the points, 0 to 1.
        problems: With the files, one line each.
        rows: Id, title, where, state, state in words, points of each exercise.
        mends: The failures.
        next_step: What to look at next, and a hint or "".
        colophon: Seed, versions and time.
    """

    title: str
    total: str
    share: float
    problems: tuple[str, ...]
    rows: tuple[tuple[str, ...], ...]
    mends: tuple[Mend, ...]
    next_step: tuple[str, str]
    colophon: str


def colophon(record: SubmissionRecord) -> str:
    """Say when, with which seed and with which versions a submission was graded."""
    versions = ", ".join(f"{name} {text}" for name, text in record.versions.items())
    return phrases.GRADED.format(
        time=plain.when(record),
        seed=record.seed,
        seconds=plain.number(round(record.seconds, 1)),
        versions=plain.line(versions) or phrases.NO_VERSIONS,
    )


def _next_step(record: SubmissionRecord) -> tuple[str, str]:
    """Choose like the checks do: a failure first, for it misleads."""
    if not record.exercises:
        return phrases.NOTHING_GRADED, ""
    for state in (*_TO_MEND, "todo", "blocked"):
        for exercise in record.exercises:
            if exercise.state == state:
                step = phrases.NEXT_EXERCISE.format(
                    id=exercise.id,
                    title=plain.line(exercise.title),
                    where=plain.where_words(exercise),
                )
                # A failure's hint stands beside its block already.
                return step, "" if state in _TO_MEND else plain.line(exercise.hint)
    return phrases.ALL_DONE, ""


def _row(exercise: ExerciseRecord) -> tuple[str, ...]:
    points = f"{plain.number(plain.earned(exercise))}/{exercise.points}"
    state = exercise.state if exercise.state in phrases.STATES else ""
    title, where = plain.line(exercise.title), plain.where_words(exercise)
    return (exercise.id, title, where, state, plain.state_words(exercise), points)


def _mends(record: SubmissionRecord) -> tuple[Mend, ...]:
    """Show each failure; those that one unreadable script causes, once."""
    groups: dict[tuple[str, str], list[ExerciseRecord]] = {}
    for exercise in record.exercises:
        if exercise.state in _TO_MEND:
            file = exercise.where.partition(":")[0]
            spoilt = any(text.startswith(file) for text in record.problems)
            key = (file, exercise.mistake) if spoilt else (exercise.id, "")
            groups.setdefault(key, []).append(exercise)
    mends = []
    for same in groups.values():
        first, alone = same[0], len(same) == 1
        title = f"{first.id} {plain.line(first.title)}"
        ids = ", ".join(exercise.id for exercise in same)
        hint = plain.line(first.hint) if alone else ""
        mends.append(Mend(title if alone else ids, plain.block(first), hint))
    return tuple(mends)


def collect(record: SubmissionRecord) -> Feedback:
    """Put together what a student's page says."""
    earned, total = plain.total_earned(record), record.total
    words = phrases.TOTAL.format(earned=plain.number(earned), total=total)
    step, hint = _next_step(record)
    if record.problems:
        step = f"{phrases.NEXT_PROBLEM} {step}" if record.exercises else step
    return Feedback(
        title=phrases.FEEDBACK_TITLE.format(name=plain.name_of(record)),
        total=words,
        share=earned / total if total else 0.0,
        problems=tuple(plain.brief(text, 500) for text in record.problems),
        rows=tuple(map(_row, record.exercises)),
        mends=_mends(record),
        next_step=(step, hint),
        colophon=colophon(record),
    )


def _md(text: str) -> str:
    return _MARKDOWN.sub(r"\\\1", text)


def _fenced(text: str) -> str:
    """Fence a text so that no run of backticks in it closes the fence."""
    longest = max((len(run) for run in re.findall("`+", text)), default=0)
    fence = "`" * max(3, longest + 1)
    return f"{fence}text\n{text}\n{fence}"


def as_markdown(feedback: Feedback) -> str:
    """Write the page as Markdown."""
    parts = [f"# {_md(feedback.title)}", f"**{_md(feedback.total)}**"]
    if feedback.problems:
        parts.append(f"## {phrases.PROBLEMS}")
        parts.append("\n".join(f"- {_md(text)}" for text in feedback.problems))
    if feedback.rows:
        head = (phrases.EXERCISE, phrases.STATE, phrases.POINTS, phrases.WHERE)
        lines = [f"| {' | '.join(head)} |", "|---|---|---:|---|"]
        for id_, title, where, _, words, points in feedback.rows:
            cells = (f"{id_} {title}", words, points, where)
            lines.append(f"| {' | '.join(map(_md, cells))} |")
        parts.append("\n".join(lines))
    if feedback.mends:
        parts.append(f"## {phrases.TO_MEND}")
    for mend in feedback.mends:
        parts.append(f"### {_md(mend.title)}")
        parts += [_fenced(mend.block)] if mend.block else []
        parts += [_md(phrases.HINT.format(hint=mend.hint))] if mend.hint else []
    step, hint = feedback.next_step
    parts += [f"## {phrases.NEXT}", _md(step)]
    parts += [_md(phrases.HINT.format(hint=hint))] if hint else []
    return "\n\n".join([*parts, "---", _md(feedback.colophon)]) + "\n"


def _html_mend(mend: Mend) -> str:
    text = f"<h3>{escape(mend.title)}</h3>\n"
    if mend.block:
        text += f"<pre>{escape(mend.block)}</pre>\n"
    if mend.hint:
        text += f"<p>{escape(phrases.HINT.format(hint=mend.hint))}</p>\n"
    return text


def as_html(feedback: Feedback) -> str:
    """Write the page as HTML that stands alone."""
    body = [f"<h1>{escape(feedback.title)}</h1>"]
    body.append(f'<p class="total">{escape(feedback.total)}</p>')
    width = f"{100 * feedback.share:.1f}%"
    body.append(f'<div class="bar"><div style="width: {width}"></div></div>')
    if feedback.problems:
        items = "".join(f"<li>{escape(text)}</li>" for text in feedback.problems)
        body.append(f"<h2>{escape(phrases.PROBLEMS)}</h2>\n<ul>{items}</ul>")
    if feedback.rows:
        header = [phrases.EXERCISE, phrases.STATE, phrases.POINTS, phrases.WHERE]
        rows = [
            [
                f"{escape(id_)} {escape(title)}",
                f'<span class="{escape(state)}">{escape(words)}</span>',
                escape(points),
                f"<code>{escape(where)}</code>",
            ]
            for id_, title, where, state, words, points in feedback.rows
        ]
        body.append(table(header, rows, frozenset({2}), {0: "36%", 1: "20%"}))
    if feedback.mends:
        body.append(f"<h2>{escape(phrases.TO_MEND)}</h2>")
        body += map(_html_mend, feedback.mends)
    step, hint = feedback.next_step
    extra = f"<p>{escape(phrases.HINT.format(hint=hint))}</p>" if hint else ""
    body.append(
        f'<div class="next"><h2>{escape(phrases.NEXT)}</h2>'
        f"<p>{escape(step)}</p>{extra}</div>"
    )
    body.append(f'<p class="soft">{escape(feedback.colophon)}</p>')
    return document(feedback.title, "\n".join(body))


def write_feedback(record: SubmissionRecord, folder: Path) -> tuple[Path, Path]:
    """Write a student's page as Markdown and as HTML.

    Args:
        record: What grading left.
        folder: Where all pages go; it is made if it is missing.

    Returns:
        The two files.
    """
    feedback, stem = collect(record), plain.stem(record)
    files = (folder / f"{stem}.md", folder / f"{stem}.html")
    for path, text in zip(files, (as_markdown(feedback), as_html(feedback))):
        write_atomically(path, lambda part, text=text: part.write_bytes(text.encode()))
    return files
