"""Tables of Common Voice: cells between tabs, no quoting, columns found by name."""

from __future__ import annotations

import codecs
import io
from array import array
from collections.abc import Iterable, Sequence
from pathlib import Path

from labkit.base.errors import LabError


class Table:
    """The rows of a tsv file; each is decoded when it is read.

    Half a million rows of thirteen columns take little more memory than their file,
    and processes that are forked share it. ``data`` are lines of well-formed UTF-8,
    in which each row starts at the byte that ``starts`` gives.
    """

    def __init__(self, columns: list[str], data: bytes, starts: Sequence[int]) -> None:
        self.columns = columns
        self._data = data
        self._starts = array("q", starts)

    def __len__(self) -> int:
        """Return the number of rows."""
        return len(self._starts)

    def _line(self, index: int) -> bytes:
        start = self._starts[index]
        end = self._data.find(b"\n", start)
        return self._data[start : end if end >= 0 else None].removesuffix(b"\r")

    def row(self, index: int) -> dict[str, str]:
        """Return the cells of one row by column."""
        return dict(zip(self.columns, self._line(index).decode().split("\t")))

    def column(self, name: str) -> list[str]:
        """Return the cells of one column, which must be there."""
        place = self.columns.index(name)
        lines = map(self._line, range(len(self)))
        return [line.split(b"\t", place + 1)[place].decode() for line in lines]

    def select(self, indices: Iterable[int]) -> Table:
        """Return a table of some of the rows; the others are not kept in memory."""
        lines = [self._line(index) + b"\n" for index in indices]
        starts, end = [], 0
        for line in lines:
            starts.append(end)
            end += len(line)
        return Table(self.columns, b"".join(lines), starts)


def read_table(path: Path, needed: Sequence[str]) -> Table:
    """Read a tsv file of Common Voice, of whatever release; it may have no row.

    Raises:
        LabError: The file is not UTF-8, lacks a ``needed`` column, or a row has too
            few or too many cells.
        OSError: It cannot be read.
    """
    data = path.read_bytes()
    # Some editors write a byte order mark first.
    start = len(codecs.BOM_UTF8) if data.startswith(codecs.BOM_UTF8) else 0
    lines = io.BytesIO(data)
    lines.seek(start)
    starts = []
    try:
        first = lines.readline()
        if not first.strip():
            raise LabError(f"{path}: it is empty", "unpack the corpus again")
        columns = first.rstrip(b"\r\n").decode().split("\t")
        missing = [name for name in needed if name not in columns]
        if missing:
            raise LabError(
                f"{path}: no column named {' or '.join(missing)}",
                f"its first line must name the columns as Common Voice does; it has: "
                f"{', '.join(columns)[:80]}",
            )
        start += len(first)
        n_tabs = len(columns) - 1
        # Lines of bytes end at \n alone: a sentence may hold U+2028.
        for number, line in enumerate(lines, start=2):
            line.decode()
            if line.count(b"\t") == n_tabs:
                starts.append(start)
            elif line.strip():
                n_cells = line.count(b"\t") + 1
                raise LabError(
                    f"{path}:{number}: {n_cells} cells, not {len(columns)}",
                    "unpack the corpus again: the file is damaged or was edited",
                )
            start += len(line)
    except UnicodeDecodeError as error:
        raise LabError(
            f"{path}: not UTF-8 (byte {start + error.start})",
            "unpack the corpus again, or save the file as UTF-8",
        ) from error
    return Table(columns, data, starts)
