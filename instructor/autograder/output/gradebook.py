"""The table of grades: ``grades.csv``, which opens in Excel and LibreOffice.

UTF-8 with a byte order mark, without which Excel misreads accents.
``phrases.DECIMAL`` chooses between a decimal comma with cells separated by semicolons
(Excel in French, German, Spanish) and a decimal point with commas; LibreOffice and
``csv.Sniffer`` read both.
"""

from __future__ import annotations

import csv
import io
from collections.abc import Sequence
from pathlib import Path

from autograder import phrases
from autograder.output.text import (
    brief,
    earned_points,
    name_of,
    number_text,
    one_line,
    total_earned,
)
from autograder.records import SubmissionRecord
from labkit.base import write_atomically

# Some spreadsheets run a cell that begins like this as a formula.
_FORMULA = ("=", "+", "-", "@", "\t", "\r", "\uff1d", "\uff0b", "\uff0d", "\uff20")


def defused(text: str) -> str:
    """Put an apostrophe before a text that a spreadsheet would run as a formula."""
    text = one_line(text)
    return f"'{text}" if text.startswith(_FORMULA) else text


def exercise_ids(records: Sequence[SubmissionRecord]) -> list[str]:
    """Every exercise of the records, in the order of the registry."""
    return list(dict.fromkeys(e.id for record in records for e in record.exercises))


def as_csv(records: Sequence[SubmissionRecord], decimal: str = phrases.DECIMAL) -> str:
    """Write name, identifier, total and each exercise's points, one student a row.

    Args:
        records: In the order of the rows.
        decimal: "," or ".".

    Returns:
        The table, without byte order mark, lines ended by CR LF.
    """
    ids = exercise_ids(records)
    target = io.StringIO()
    separator = ";" if decimal == "," else ","
    writer = csv.writer(target, delimiter=separator, lineterminator="\r\n")
    head = [phrases.NAME, phrases.IDENTIFIER, phrases.POINTS]
    writer.writerow([*head, *ids, phrases.REMARKS])
    for record in records:
        points = {e.id: number_text(earned_points(e)) for e in record.exercises}
        total = number_text(total_earned(record))
        numbers = [total, *(points.get(id_, "") for id_ in ids)]
        writer.writerow(
            [
                defused(name_of(record)),
                defused(record.identifier),
                *(number.replace(".", decimal) for number in numbers),
                defused(brief("; ".join(record.problems), 500)),
            ]
        )
    return target.getvalue()


def write_grades(records: Sequence[SubmissionRecord], path: Path) -> Path:
    """Write the table to ``path`` and return it."""
    content = as_csv(records).encode("utf-8-sig")
    write_atomically(path, lambda part: part.write_bytes(content))
    return path
