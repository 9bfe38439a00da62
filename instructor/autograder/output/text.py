"""Cleaning students' text for pages, tables, JSON and XML."""

from __future__ import annotations

import hashlib
import math
import re
import unicodedata
from datetime import datetime, timezone
from pathlib import PurePosixPath

from autograder import phrases
from autograder.records import ExerciseRecord, SubmissionRecord
from labkit.exercises import count_answered, is_place, line_start

_REPLACEMENT = "\ufffd"
# Control characters, changes of the writing direction, and half surrogates: in a file
# name or a printed value they would deceive a reader, or break a file.
_HARMFUL = re.compile(
    "[\x00-\x08\x0b-\x1f\x7f-\x9f\u200e\u200f\u2028-\u202e\u2066-\u2069"
    "\ud800-\udfff\ufdd0-\ufdef\ufeff\ufffe\uffff]"
)
_MAX_STEM = 60  # characters of a file name; each takes up to three bytes
_MAX_NAME = 100  # characters of a name that is shown
BLOCK_CHARACTERS = 4000  # of a failure block


def clean(text: str) -> str:
    """Replace invisible characters; keep line feeds and tabs."""
    return _HARMFUL.sub(_REPLACEMENT, text.replace("\r\n", "\n"))


def one_line(text: str) -> str:
    """Clean a text and put it on one line."""
    return " ".join(clean(text).split())


def cut_middle(text: str, limit: int) -> str:
    """Keep head and tail of a text longer than ``limit``, and note what is left out.

    Args:
        text: Any text.
        limit: The largest number of characters to return.

    Returns:
        The text, or its two ends around a line that counts what is missing.
    """
    if len(text) <= limit:
        return text
    room = max(0, limit - len(phrases.CUT.format(count=len(text))) - 2)
    head, tail = room - room // 3, room // 3
    note = phrases.CUT.format(count=len(text) - room)
    return f"{text[:head]}\n{note}\n{text[len(text) - tail :]}"[:limit]


def brief(text: str, limit: int) -> str:
    """Clean a text, put it on one line and cut its end where it is long."""
    text = one_line(text)
    return text if len(text) <= limit else f"{text[: limit - 2]} …"


def number_text(value: float) -> str:
    """Write points: two decimals at most, no needless zero, never NaN."""
    return f"{finite(value):.2f}".rstrip("0").rstrip(".") or "0"


def finite(value: float) -> float:
    """Round to four decimals; a value that is not a number counts as 0."""
    return round(float(value), 4) if math.isfinite(value) else 0.0


def earned_points(exercise: ExerciseRecord) -> float:
    """Points of an exercise, between 0 and what it is worth."""
    return min(max(finite(exercise.earned), 0.0), float(exercise.points))


def total_earned(record: SubmissionRecord) -> float:
    """Points of a submission."""
    return finite(sum(map(earned_points, record.exercises)))


def name_of(record: SubmissionRecord) -> str:
    """The student's name on one line, composed (NFC)."""
    return (
        one_line(unicodedata.normalize("NFC", record.name))[:_MAX_NAME]
        or phrases.NO_NAME
    )


def state_words(exercise: ExerciseRecord) -> str:
    """Return the state of an exercise in words."""
    if exercise.state == "blocked" and not exercise.waits_for:
        return phrases.BLOCKED_BY_UNKNOWN
    if exercise.state == "crash" and not exercise.mistake:
        return phrases.CRASHED
    words = phrases.STATES.get(exercise.state, exercise.state)
    mistake = brief(exercise.mistake, 200)
    return words.format(exercise=one_line(exercise.waits_for), mistake=mistake)


def mistake_words(exercise: ExerciseRecord) -> str:
    """Return the mistake in one line: the reason, or the exception."""
    text = one_line(exercise.mistake)
    if not is_place(text):
        return text
    start = line_start("got")
    got = [one_line(r[len(start) :]) for r in exercise.lines if r.startswith(start)]
    return got[0] if got else text


def failure_block(exercise: ExerciseRecord, limit: int = BLOCK_CHARACTERS) -> str:
    """The failure block, cut where it is long."""
    lines = [clean(text).replace("\n", " ") for text in exercise.lines]
    return cut_middle("\n".join(lines), limit)


def answered_words(record: SubmissionRecord) -> str:
    """Say how many questions of ``answers.md`` are answered; "" if there are none."""
    if not record.answers:
        return ""
    return phrases.ANSWERED.format(count=count_answered(record.answers))


def answer_blocks(record: SubmissionRecord) -> tuple[tuple[str, str], ...]:
    """Title and text of each answer that is given, cut where it is long."""
    return tuple(
        (one_line(title), cut_middle(clean(text), BLOCK_CHARACTERS))
        for title, text in record.answers.items()
        if text
    )


def where_words(exercise: ExerciseRecord) -> str:
    """File and function of an exercise."""
    return one_line(exercise.where.replace(":", " ", 1))


def time_words(record: SubmissionRecord) -> str:
    """Write the time of grading for people: "2026-11-21 23:31 UTC"."""
    try:
        time = datetime.fromisoformat(record.graded_at).astimezone(timezone.utc)
    except ValueError:
        return one_line(record.graded_at)
    return time.strftime("%Y-%m-%d %H:%M UTC")


def file_stem(record: SubmissionRecord) -> str:
    """A file name for a submission: always the same, with plain characters only.

    It is the student's name and Moodle's number. Without a number, or where the name
    has other characters, a few digits of the source's digest keep two students apart.
    """
    name = unicodedata.normalize("NFC", record.name)
    safe = re.sub(r"[^\w. -]+", "_", clean(name)).strip("._ ")[:_MAX_STEM]
    source = str(PurePosixPath(record.source.replace("\\", "/")))
    if record.identifier and re.fullmatch(r"\w{1,20}", record.identifier):
        return f"{safe}_{record.identifier}" if safe else record.identifier
    if safe and safe == source:
        return safe
    digest = hashlib.sha256(source.encode("utf-8", "surrogatepass")).hexdigest()
    return f"{safe or 'submission'}_{digest[:8]}"
