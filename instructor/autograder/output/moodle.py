"""Moodle's offline grading worksheet: filling in grades and changing nothing else.

Moodle exports the worksheet in the language of the course and finds its columns again
by their names, so nothing but the two cells of a row may change: not a quote, a line
end, a byte order mark. (Moodle, mod/assign/feedback/offline/importgradeslib.php.)
"""

from __future__ import annotations

import re
import unicodedata
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from html import escape
from pathlib import Path

from autograder import phrases
from autograder.output.text import (
    brief,
    file_stem,
    mistake_words,
    name_of,
    number_text,
    one_line,
    state_words,
    total_earned,
)
from autograder.output.worksheet import Cell, Worksheet, fold, is_number
from autograder.records import ExerciseRecord, SubmissionRecord
from labkit.base import write_atomically, write_zip

_NO = ("no", "non", "nein", "não", "nee")
_MAX_FEEDBACK = 8000  # characters
_NO_GRADE = ("-", "–")  # what stands for no grade in some exports


@dataclass(frozen=True)
class Filled:
    """The result of filling a worksheet.

    Attributes:
        path: The new file.
        graded: How many rows got a grade.
        remarks: One line for each student without a row, for each row without a student
            or left unchanged, and for how points became grades.
    """

    path: Path
    graded: int
    remarks: tuple[str, ...]


def _name_key(text: str) -> tuple[str, ...]:
    """Make "Lefèvre Zoé", "LEFEVRE, Zoé" and "Zoé Lefèvre" (in NFD) one key."""
    letters = unicodedata.normalize("NFKD", text).casefold()
    letters = "".join(char for char in letters if not unicodedata.combining(char))
    return tuple(sorted(re.findall(r"\w+", letters.replace("_", " "))))


def _number_of(identifier: str) -> str:
    """Cut the localised word before the number: "Teilnehmer/in1234" gives "1234"."""
    found = re.search(r"(\d+)\s*$", identifier)
    return found[1] if found else ""


def _item(exercise: ExerciseRecord) -> str:
    text = phrases.WORKSHEET_STATE.format(
        id=exercise.id,
        title=one_line(exercise.title),
        state=state_words(exercise),
    )
    mistake = brief(mistake_words(exercise), 160)
    with_mistake = exercise.state in ("fail", "partial") and mistake
    return f"{text} ({mistake})" if with_mistake else text


def _comment(record: SubmissionRecord) -> str:
    """Summarise a student's page in HTML on one line."""
    words = phrases.WORKSHEET_POINTS.format(
        earned=number_text(total_earned(record)), total=record.total
    )
    items = [brief(text, 300) for text in record.problems]
    untouched = []
    for exercise in record.exercises:
        if exercise.state == "todo":
            untouched.append(exercise.id)
        elif exercise.state != "done":
            items.append(_item(exercise))
    if untouched:
        items.append(f"{phrases.STATES['todo']}: {', '.join(untouched)}")
    listed, length = "", len(words)
    for item in items:
        piece = f"<li>{escape(item)}</li>"
        length += len(piece)
        if length > _MAX_FEEDBACK:
            listed += "<li>…</li>"
            break
        listed += piece
    return f"<p>{escape(words)}</p>" + (f"<ul>{listed}</ul>" if listed else "")


def _match(
    sheet: Worksheet, records: Sequence[SubmissionRecord]
) -> tuple[dict[int, SubmissionRecord], list[str]]:
    """Pair rows with records: by number, else by a name that only one has.

    Returns:
        The record of each row that has one, and a remark for each record without row.
    """
    numbers = {
        _number_of(sheet.value(row, "identifier")): place
        for place, row in enumerate(sheet.rows)
    }
    names = [_name_key(sheet.value(row, "name")) for row in sheet.rows]
    in_sheet = Counter(names)
    in_class = Counter(_name_key(record.name) for record in records)
    pairs: dict[int, SubmissionRecord] = {}
    remarks = []
    for record in records:
        key, place, reason = _name_key(record.name), None, phrases.NO_ROW
        if record.identifier and "identifier" in sheet.columns:
            place = numbers.get(record.identifier)
            number = one_line(record.identifier)
            reason = phrases.NO_ROW_OF_NUMBER.format(number=number)
        elif key and in_sheet[key] == in_class[key] == 1:
            place = names.index(key)
        elif in_sheet[key]:
            reason = phrases.TWO_STUDENTS
        if place in pairs:
            place, reason = None, phrases.TWO_SUBMISSIONS
        if place is None:
            words = phrases.WITHOUT_ROW
            remarks.append(words.format(name=name_of(record), reason=reason))
        else:
            pairs[place] = record
    return pairs, remarks


def _grade(record: SubmissionRecord, maximum: str) -> float:
    """Turn points into a grade: scaled to the sheet's maximum, if it has one."""
    earned = total_earned(record)
    if not is_number(maximum) or not record.total:
        return earned
    return earned * float(maximum.strip().replace(",", ".")) / record.total


def fill_worksheet(
    path: Path, records: Sequence[SubmissionRecord], overwrite: bool = False
) -> Filled:
    """Fill the grades and comments of a worksheet into a new file beside it.

    Points are scaled to the row's maximum grade, if the sheet has one. Rows whose
    grade cannot be changed, or whose student is not among ``records``, stay as they
    are; so do grades and comments that are there already.

    Args:
        path: What Moodle exported, ``worksheet.csv``.
        records: The class.
        overwrite: Replace grades and comments that are there.

    Returns:
        The new file, ``worksheet.graded.csv``, and remarks for the instructor.

    Raises:
        LabError: The file is not such a worksheet.
        OSError: It cannot be read, or the new one cannot be written.
    """
    sheet = Worksheet(path.read_bytes())
    pairs, remarks = _match(sheet, records)
    changes: dict[tuple[int, int], str] = {}
    graded = 0
    for place, row in enumerate(sheet.rows):
        who = one_line(sheet.value(row, "name") or sheet.value(row, "identifier"))
        there = sheet.value(row, "grade").strip()
        if place not in pairs:
            remarks.append(phrases.ROW_WITHOUT_SUBMISSION.format(name=who))
        elif fold(sheet.value(row, "changeable")) in _NO:
            remarks.append(phrases.ROW_LOCKED.format(name=who))
        elif there and there not in _NO_GRADE and not overwrite:
            grade = number_text(_grade(pairs[place], sheet.value(row, "maximum")))
            words = phrases.ROW_GRADED
            remarks.append(words.format(name=who, there=one_line(there), grade=grade))
        else:
            new = _changes(sheet, row, pairs[place])
            kept = () if overwrite else _commented(sheet, row)
            if kept:
                remarks.append(phrases.ROW_COMMENTED.format(name=who))
            changes.update((k, text) for k, text in new.items() if k not in kept)
            graded += 1
    if sheet.guessed:
        remarks.append(phrases.GUESSED.format(columns="; ".join(sheet.guessed)))
    if sheet.ragged:
        remarks.append(phrases.RAGGED.format(count=sheet.ragged))
    if "feedback" not in sheet.columns:
        remarks.append(phrases.NO_COMMENTS)
    target = path.with_name(f"{path.stem}.graded.csv")
    content = sheet.encoded(changes)
    write_atomically(target, lambda part: part.write_bytes(content))
    return Filled(target, graded, tuple(remarks))


def _commented(sheet: Worksheet, row: Sequence[Cell]) -> tuple[tuple[int, int], ...]:
    """Find the cell of a comment that somebody has written."""
    if not sheet.value(row, "feedback").strip():
        return ()
    cell = row[sheet.columns["feedback"]]
    return ((cell.start, cell.end),)


def _changes(
    sheet: Worksheet, row: Sequence[Cell], record: SubmissionRecord
) -> dict[tuple[int, int], str]:
    """Write the grade and the comment of one row: text by place in the file."""
    grade = number_text(_grade(record, sheet.value(row, "maximum")))
    values = {"grade": grade.replace(".", ",") if sheet.comma else grade}
    if "feedback" in sheet.columns:
        values["feedback"] = _comment(record)
    cells = {role: row[sheet.columns[role]] for role in values}
    return {
        (cell.start, cell.end): sheet.written(cell, values[role])
        for role, cell in cells.items()
    }


def zip_feedback(
    records: Sequence[SubmissionRecord], folder: Path, path: Path
) -> Path | None:
    """Pack the students' pages so that Moodle gives each to its student.

    Moodle reads the number of the participant from the name of a folder (Moodle,
    mod/assign/feedback/file/importziplib.php; "Upload multiple feedback files in a
    zip").

    Args:
        records: The class; those without Moodle's number are left out.
        folder: The folder where ``feedback.write_feedback`` wrote the pages.
        path: The zip to write.

    Returns:
        The zip, or None if no student has a number.
    """
    pages = {}
    for record in records:
        page = folder / f"{file_stem(record)}.html"
        if record.identifier and page.is_file():
            name = re.sub(r"[_/\\:]+", " ", name_of(record))
            entry = f"{name}_{record.identifier}_assignfeedback_file_/feedback.html"
            pages[entry] = page.read_bytes()
    if not pages:
        return None
    write_zip(path, pages)
    return path
