"""The durations of the clips of a corpus, decoding none that says it.

Releases from 16 on list them in ``clip_durations.tsv``, release 14 in ``times.txt``.
For the others they are read once from the headers of the clips, and kept beside them
in ``measured_durations.tsv`` where the folder can be written, each with the size and
the time of its clip, so that those of a clip that was replaced are measured again.
"""

from __future__ import annotations

import re
import sys
from array import array
from collections.abc import Iterator, Sequence
from pathlib import Path

from labkit.base import (
    MISSING,
    LabError,
    map_in_threads,
    progress,
    silent_stderr,
    stamp_of,
    write_atomically,
)

MEASURED = "measured_durations.tsv"  # our own
TABLES = (MEASURED, "times.txt", "clip_durations.tsv")  # the best last
_HEADER = "clip\tduration[ms]\tbytes\tchanged[ns]\n"
_MILLISECONDS = re.compile(r"[0-9]+")
_UNKNOWN = -1.0  # seconds of a clip that no table lists
_WORTH_SAYING = 2_000  # clips: fewer take no noticeable time


def _read(path: Path) -> Iterator[tuple[str, float, list[str]]]:
    """Yield the name of each clip, its seconds and other cells; skip other lines."""
    try:
        with path.open(encoding="utf-8-sig", newline="\n") as lines:
            for line in lines:
                # A name with a space is one name, where there are tabs.
                cells = line.rstrip("\r\n").split("\t" if "\t" in line else None)
                # The first line may name the columns.
                if len(cells) > 1 and _MILLISECONDS.fullmatch(cells[1]):
                    yield cells[0], int(cells[1]) / 1000, cells[2:]
    except UnicodeDecodeError as error:
        raise LabError(f"{path}: not UTF-8", "unpack the corpus again") from error


def durations_of(folder: Path, names: Sequence[str]) -> Sequence[float]:
    """Look the seconds of clips up in the tables, else in the clips' headers.

    A clip that is missing or broken has 0.0.
    """
    # Its keys are the names themselves, not copies: there may be a million.
    seconds = dict.fromkeys(names, _UNKNOWN)
    for path in filter(Path.is_file, (folder / name for name in TABLES)):
        for name, known, stamp in _read(path):
            # A table of 0 ms tells nothing; what was measured may be of another clip.
            if name not in seconds or not known:
                continue
            if path.name != MEASURED or _unchanged(folder / "clips" / name, stamp):
                seconds[name] = known
    unknown = [name for name, known in seconds.items() if known == _UNKNOWN]
    if unknown:
        seconds.update(_measure(folder, unknown))
    return array("d", map(seconds.__getitem__, names))


def _unchanged(clip: Path, stamp: list[str]) -> bool:
    """Whether a clip is that which was measured, or has been removed since."""
    now = stamp_of(clip)
    return now[0] == MISSING or [*map(str, now)] == stamp


def _measure(folder: Path, names: Sequence[str]) -> dict[str, float]:
    """Read durations from the headers of clips, and keep them beside the corpus."""
    from labkit.audio import duration_of  # here: the check's --help needs no torch

    n_clips, few = len(names), len(names) < _WORTH_SAYING
    if not few and not sys.stderr.isatty():
        print(f"reading the lengths of {n_clips:,} clips", file=sys.stderr)
    paths = [str(folder / "clips" / name) for name in names]
    found: dict[str, float] = {}
    rows: dict[str, str] = {}

    def measure(path: str) -> tuple[tuple[int, int], float]:
        return stamp_of(path), duration_of(path)

    try:
        with silent_stderr() as screen:
            lengths, title = map_in_threads(measure, paths), "reading the lengths"
            shown = progress(lengths, title, few, 0, "clip", n_clips, screen)
            for name, (stamp, length) in zip(names, shown):
                milliseconds = round(1000 * length)
                found[name] = milliseconds / 1000  # as it is kept
                if milliseconds:  # a broken clip may be replaced
                    rows[name] = "\t".join(map(str, (milliseconds, *stamp)))
    finally:  # after an interrupt, what was read is kept
        _keep(folder / MEASURED, rows)
    return found


def _keep(path: Path, rows: dict[str, str]) -> None:
    """Add rows, of clips by name, to a table, if its folder can be written."""
    if not rows:
        return
    try:
        if path.is_file():
            before = ((n, [str(round(1000 * s)), *more]) for n, s, more in _read(path))
            rows = {**{name: "\t".join(cells) for name, cells in before}, **rows}
        text = _HEADER + "".join(f"{name}\t{row}\n" for name, row in rows.items())
        write_atomically(path, lambda file: file.write_text(text, encoding="utf-8"))
    except OSError:  # read-only, or full: they will be read again
        pass
