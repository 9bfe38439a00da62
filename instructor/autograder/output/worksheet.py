"""A grading worksheet as Moodle exports it: cells with their place in the file.

Its columns have names in the course's language. Cells are replaced in the text itself,
so every other byte stays: quotes, line ends, byte order mark.
"""

from __future__ import annotations

import codecs
import re
import unicodedata
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from labkit.base import USAGE, LabError

# Names of the columns in English, French, German, Spanish, Italian, Portuguese, Dutch.
_COLUMNS = {
    role: names.split(", ")
    for role, names in {
        "identifier": (
            "identifier, identifiant, id, identificador, identificativo, "
            "identificador do participante, kenmerk"
        ),
        "name": (
            "full name, nom complet, vollständiger name, nombre completo, "
            "nombre, nom, name, nome, nome completo, volledige naam, nombre "
            "completo del usuario, apellido(s) y nombre"
        ),
        "grade": (
            "grade, note, bewertung, calificación, valutazione, nota, cijfer, "
            "grade (noun)"
        ),
        "maximum": (
            "maximum grade, note maximale, bestwertung, calificación máxima, "
            "valutazione massima, nota máxima, maximumcijfer, maximale "
            "bewertung"
        ),
        "changeable": (
            "grade can be changed, la note peut être modifiée, bewertung kann "
            "geändert werden, la calificación puede ser cambiada, la "
            "valutazione può essere modificata, a nota pode ser alterada"
        ),
        "feedback": (
            "feedback comments, feedback par commentaires, feedback als "
            "kommentar, comentarios de retroalimentación, commentaires, "
            "commenti feedback, comentários de feedback, feedback als "
            "kommentare, comentarios de realimentación, commentaires de "
            "feedback"
        ),
    }.items()
}
_SCALE = ("scale", "barème", "skala", "escala", "scala", "schaal")


@dataclass(frozen=True)
class Cell:
    """A cell: its value, and the place of its text, quotes included."""

    value: str
    start: int
    end: int
    quoted: bool


def cells_of(text: str, separator: str) -> Iterator[list[Cell]]:
    """Yield the rows of a CSV text with the place of each cell (RFC 4180).

    An empty line is a row of one empty cell.

    Raises:
        LabError: A quote is never closed.
    """
    row: list[Cell] = []
    at, size = 0, len(text)
    bare = re.compile(rf"[^{re.escape(separator)}\r\n]*")
    quoted = re.compile(r'"((?:[^"]|"")*)"')
    while at < size:
        found = quoted.match(text, at)
        if found is None and text.startswith('"', at):
            line = text.count("\n", 0, at) + 1
            raise LabError(
                f"line {line} of the worksheet: a quote is never closed",
                "export the worksheet from Moodle again",
            )
        # Text after a closing quote belongs to the cell, as in the module csv.
        rest = bare.match(text, found.end() if found else at)
        assert rest is not None  # it may be empty
        value = (found[1].replace('""', '"') if found else "") + rest[0]
        row.append(Cell(value, at, rest.end(), bool(found)))
        at = rest.end()
        if text.startswith(separator, at):
            at += 1
            if at < size and text[at] not in "\r\n":
                continue
            row.append(Cell("", at, at, False))
        yield row
        row = []
        at += 1  # of CR LF, the rest makes an empty row


def _decode(content: bytes) -> tuple[str, str, bytes]:
    """Return text, encoding and byte order mark; Excel may have changed Moodle's."""
    marks = (
        (codecs.BOM_UTF8, "utf-8"),
        (codecs.BOM_UTF16_LE, "utf-16-le"),
        (codecs.BOM_UTF16_BE, "utf-16-be"),
    )
    for mark, encoding in marks:
        if content.startswith(mark):
            try:
                return content[len(mark) :].decode(encoding), encoding, mark
            except UnicodeDecodeError as error:
                raise LabError(
                    f"the worksheet is damaged: no {encoding.upper()}",
                    "download it again from Moodle",
                    USAGE,
                ) from error
    try:
        return content.decode("utf-8"), "utf-8", b""
    except UnicodeDecodeError:
        return content.decode("cp1252", errors="surrogateescape"), "cp1252", b""


def fold(text: str) -> str:
    """Normalise the name of a column: composed, without case or doubled spaces."""
    return " ".join(unicodedata.normalize("NFC", text).casefold().split())


def _by_name(header: Sequence[str]) -> dict[str, int]:
    names = [fold(text) for text in header]
    found = {}
    for role, known in _COLUMNS.items():
        places = [names.index(name) for name in known if name in names]
        if places:
            found[role] = places[0]
    return found


def is_number(text: str) -> bool:
    """Check whether a cell holds a number, with a decimal point or comma."""
    return bool(re.fullmatch(r"\s*\d+(?:[.,]\d+)?\s*", text))


def _by_content(header: Sequence[str], rows: Sequence[Sequence[str]]) -> dict[str, int]:
    """Guess columns without a known name from their content.

    Moodle's order is fixed: identifier, name, ..., grade, maximum grade, whether it
    can be changed, dates, feedback.
    """
    columns = [[row[n] for row in rows] for n in range(len(header))]
    found: dict[str, int] = {}
    for place, cells in enumerate(columns):
        shaped = [re.fullmatch(r"(\D*)(\d+)", cell.strip()) for cell in cells]
        one_word = len({match[1] for match in shaped if match}) == 1
        if all(shaped) and one_word and len(set(cells)) == len(cells) and place == 0:
            found["identifier"] = place
        maximum = all(map(is_number, cells)) and len(set(cells)) == 1
        before = columns[place - 1] if place else []
        free = all(not cell.strip() or is_number(cell) for cell in before)
        if maximum and place > 1 and free:
            found.setdefault("maximum", place)
            found.setdefault("grade", place - 1)
    if "grade" in found and len(header) > found["grade"] + 3:
        found["feedback"] = len(header) - 1
    if "identifier" in found and len(header) > 2:
        found["name"] = 1
    return found


def _find_columns(
    header: Sequence[str], rows: Sequence[Sequence[str]]
) -> dict[str, int]:
    """Find the columns by known names, else by content.

    Raises:
        LabError: No column for the grade, or none that identifies a student.
    """
    found = _by_name(header)
    if rows and not {"grade", "identifier"} <= set(found):
        guessed = _by_content(header, rows)
        taken = set(found.values())
        found.update(
            (role, place)
            for role, place in guessed.items()
            if role not in found and place not in taken
        )
    missing = [] if "grade" in found else ["grade"]
    if not {"identifier", "name"} & set(found):
        missing.append("identifier or full name")
    if missing:
        raise LabError(
            f"no column for the {' and the '.join(missing)} among: {', '.join(header)}",
            "give the worksheet that Moodle exports (View all submissions, Download "
            "grading worksheet)",
        )
    if any(fold(name) in _SCALE for name in header):
        raise LabError(
            "this assignment is graded on a scale, which points cannot fill",
            "set the assignment's grade type to Point and export the worksheet again",
        )
    return found


class Worksheet:
    """A worksheet as text and as cells.

    Args:
        content: The bytes of the file.

    Raises:
        LabError: It is empty, not CSV, or has no column for the grade.
    """

    def __init__(self, content: bytes) -> None:
        self.text, self.encoding, self.mark = _decode(content)
        first = re.sub(r'"[^"]*"', "", self.text.partition("\n")[0])
        self.separator = max(",;\t", key=first.count)
        rows = [row for row in cells_of(self.text, self.separator) if len(row) > 1]
        if not rows:
            raise LabError(
                "the worksheet has no columns", "export it from Moodle again, as CSV"
            )
        self.header = [cell.value for cell in rows[0]]
        self.rows = [row for row in rows[1:] if len(row) == len(self.header)]
        self.ragged = len(rows) - 1 - len(self.rows)
        values = [[cell.value for cell in row] for row in self.rows]
        self.columns = _find_columns(self.header, values)
        self.guessed = sorted(
            f"{role}: {self.header[place]}"
            for role, place in self.columns.items()
            if _by_name(self.header).get(role) != place
        )
        self.comma = self._uses_comma()

    def value(self, row: Sequence[Cell], role: str) -> str:
        """Return a cell's value; "" where the sheet has no such column."""
        place = self.columns.get(role)
        return row[place].value if place is not None else ""

    def _uses_comma(self) -> bool:
        """Find the decimal separator of the sheet's numbers, else of its language."""
        for row in self.rows:
            for role in ("maximum", "grade"):
                found = re.fullmatch(r"\s*\d+([.,])\d+\s*", self.value(row, role))
                if found:
                    return found[1] == ","
        english = fold(self.header[self.columns["grade"]]) == "grade"
        return not english or self.separator == ";"

    def written(self, cell: Cell, value: str) -> str:
        """Write a value as a cell: quoted where it must be or was."""
        needs = any(mark in value for mark in (self.separator, '"', "\n", "\r"))
        doubled = value.replace('"', '""')
        return f'"{doubled}"' if needs or cell.quoted else value

    def encoded(self, changes: dict[tuple[int, int], str]) -> bytes:
        """Return the file with the text of some cells replaced."""
        parts, done = [], 0
        for (start, end), text in sorted(changes.items()):
            # A character that is not in the sheet's encoding must not damage its bytes.
            safe = text.encode(self.encoding, "xmlcharrefreplace")
            parts += [self._bytes(self.text[done:start]), safe]
            done = end
        return self.mark + b"".join([*parts, self._bytes(self.text[done:])])

    def _bytes(self, text: str) -> bytes:
        return text.encode(self.encoding, "surrogateescape")
