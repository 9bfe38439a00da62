"""The durations of the clips of a corpus, decoding none that says it.

Releases from 16 on list them in ``clip_durations.tsv``, release 14 in ``times.txt``.
For the others they are read once from the headers of the clips, and kept beside them
in ``measured_durations.tsv`` where the folder can be written.
"""

from __future__ import annotations

import re
import sys
from array import array
from collections.abc import Iterator, Sequence
from pathlib import Path

from labkit.audio import duration_of
from labkit.base import (
    LabError,
    map_in_threads,
    progress,
    silent_stderr,
    write_atomically,
)

MEASURED = "measured_durations.tsv"  # our own
TABLES = (MEASURED, "times.txt", "clip_durations.tsv")  # the best last
_HEADER = "clip\tduration[ms]\n"
_MILLISECONDS = re.compile(r"[0-9]+")
_UNKNOWN = -1.0  # seconds of a clip that no table lists
_WORTH_SAYING = 2_000  # clips: fewer take no noticeable time


def _read(path: Path) -> Iterator[tuple[str, float]]:
    """Yield the name of each clip and its seconds; skip other lines."""
    try:
        with path.open(encoding="utf-8-sig", newline="\n") as lines:
            for line in lines:
                # A name with a space is one name, where there are tabs.
                cells = line.rstrip("\r\n").split("\t" if "\t" in line else None)
                # The first line may name the columns.
                if len(cells) > 1 and _MILLISECONDS.fullmatch(cells[1]):
                    yield cells[0], int(cells[1]) / 1000
    except UnicodeDecodeError as error:
        raise LabError(f"{path}: not UTF-8", "unpack the corpus again") from error


def tables_of(folder: Path) -> list[Path]:
    """Find the tables of durations of a language's folder, the best last."""
    paths = (folder / name for name in TABLES)
    return [path for path in paths if path.is_file()]


def read_durations(folder: Path) -> Iterator[tuple[str, float]]:
    """Yield names and seconds of the tables of a language's folder, the best last."""
    for path in tables_of(folder):
        yield from _read(path)


def durations_of(folder: Path, names: Sequence[str]) -> Sequence[float]:
    """Look the seconds of clips up in the tables, else in the clips' headers.

    A clip that is missing or broken has 0.0.
    """
    # Its keys are the names themselves, not copies: there may be a million.
    seconds = dict.fromkeys(names, _UNKNOWN)
    for name, known in read_durations(folder):
        if name in seconds and known > 0:  # a table of 0 ms tells nothing
            seconds[name] = known
    unknown = [name for name, known in seconds.items() if known == _UNKNOWN]
    if unknown:
        seconds.update(_measure(folder, unknown))
    return array("d", map(seconds.__getitem__, names))


def _measure(folder: Path, names: Sequence[str]) -> dict[str, float]:
    """Read durations from the headers of clips, and keep them beside the corpus."""
    n_clips, few = len(names), len(names) < _WORTH_SAYING
    if not few and not sys.stderr.isatty():
        print(f"reading the lengths of {n_clips:,} clips", file=sys.stderr)
    paths = [str(folder / "clips" / name) for name in names]
    found: dict[str, float] = {}
    try:
        with silent_stderr() as screen:
            lengths = map_in_threads(duration_of, paths)
            title = "reading the lengths"
            shown = progress(lengths, title, few, 0, "clip", n_clips, screen)
            for name, length in zip(names, shown):
                found[name] = round(1000 * length) / 1000  # as it is kept
    finally:  # after an interrupt, what was read is kept
        _keep(folder, found)
    return found


def _keep(folder: Path, found: dict[str, float]) -> None:
    """Write durations beside the corpus, if its folder can be written."""
    # That of a broken clip is not kept: the clip may be replaced.
    whole = {name: length for name, length in found.items() if length > 0}
    if not whole:
        return
    path = folder / MEASURED
    try:
        known = {**dict(_read(path)), **whole} if path.is_file() else whole
        rows = (f"{name}\t{round(1000 * s)}\n" for name, s in known.items())
        text = _HEADER + "".join(rows)
        write_atomically(path, lambda file: file.write_text(text, encoding="utf-8"))
    except OSError:  # read-only, or full: they will be read again
        pass
