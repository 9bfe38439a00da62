"""Choosing which of a student's files are graded, where there are several of a name."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import PurePosixPath

from autograder import phrases
from autograder.intake.files import Member, clean, decode_script
from labkit.exercises import Exercise, own_modules

_COPY = r"(?: ?\(\d+\)|[-_ ]\d+|[-_ ](?:copy|copie|v\d+))?"


@dataclass
class _Folder:
    """A folder that holds scripts of the lab.

    Attributes:
        path: The folder.
        scripts: How many.
        written: How many exercises are written in them.
    """

    path: PurePosixPath
    scripts: int = 0
    written: int = 0

    def __str__(self) -> str:
        return f"{clean(str(self.path))}/" if self.path.parts else "./"


def _count_written(member: Member, exercises: Sequence[Exercise]) -> int:
    """Count the exercises that are written, in a script that may not be Python."""
    try:
        text = decode_script(member.content(), "", [])
    except Exception:  # zipfile may raise anything for a broken zip
        return 0
    own = (e for e in exercises if e.file == member.path.name)
    return sum(
        bool(re.search(rf"\b{e.function.rpartition('.')[2]}\b", text))
        and not re.search(rf"NotImplementedError\(.{e.id}", text)
        for e in own
    )


def _folders(
    members: Sequence[Member], files: Sequence[str], exercises: Sequence[Exercise]
) -> list[_Folder]:
    """Find the folders that hold scripts, the one with most work in it first."""
    found: dict[PurePosixPath, _Folder] = {}
    scripts = [m for m in members if m.path.name in files]
    several = len({m.path.parent for m in scripts}) > 1
    for member in scripts:
        folder = found.setdefault(member.path.parent, _Folder(member.path.parent))
        folder.scripts += 1
        folder.written += _count_written(member, exercises) if several else 0
    return sorted(
        found.values(),
        key=lambda f: (-f.written, -f.scripts, len(f.path.parts), str(f.path)),
    )


def _about_rivals(folders: Sequence[_Folder]) -> list[str]:
    """Say which folder is graded, unless the others lie in it and hold less."""
    first, rest = folders[0], folders[1:]
    rivals = [f for f in rest if first.path not in f.path.parents]
    if not rivals:
        return []
    others = ", ".join(map(str, rivals[:3]))
    fuller = all(first.written > f.written for f in rivals)
    words = phrases.FULLER_FOLDER if fuller else phrases.ONE_FOLDER
    return [words.format(folder=first, others=others, count=len(folders))]


def _candidates(
    members: Sequence[Member], file: str, home: PurePosixPath
) -> list[Member]:
    """Order the candidates for a script: beside the others first, then shallow ones."""
    stem = re.escape(PurePosixPath(file).stem)
    alike = re.compile(rf"{stem}{_COPY}\.py", re.IGNORECASE)
    return sorted(
        (m for m in members if alike.fullmatch(m.path.name)),
        key=lambda m: (
            m.path.name != file,
            m.path.parent != home,
            len(m.path.parts),
            str(m.path),
        ),
    )


def choose_scripts(
    members: Sequence[Member],
    files: Sequence[str],
    exercises: Sequence[Exercise],
    problems: list[str],
) -> tuple[dict[str, str | None], PurePosixPath]:
    """Read the scripts of the lab, and the student's own modules that they import.

    Args:
        members: The student's files.
        files: The names of the scripts.
        exercises: The exercises, of which the folder chosen has most.
        problems: Gets a line for each choice and each error.

    Returns:
        The text of each script that was found, by its name, and of the modules, by
        their paths relative to the scripts; None for a script that cannot be read. And
        the folder of most scripts.
    """
    members = [m for m in members if m.path.suffix.lower() == ".py"]
    folders = _folders(members, files, exercises)
    home = folders[0].path if folders else PurePosixPath()
    problems += _about_rivals(folders) if folders else []
    scripts: dict[str, str | None] = {}
    for file in files:
        candidates = _candidates(members, file, home)
        if not candidates:
            continue
        best = candidates[0]
        if not folders and not scripts:
            home = best.path.parent
        if best.path.name != file or best.path.parent != home:
            shown, count = clean(str(best.path)), len(candidates)
            words = phrases.GRADED_IS
            problems.append(words.format(file=file, graded=shown, count=count))
        scripts[file] = read_text(best, problems)
    texts = {name: text for name, text in scripts.items() if text is not None}
    return {**scripts, **_modules(texts, members, home, problems)}, home


def read_text(member: Member, problems: list[str]) -> str | None:
    """Read a text; an error becomes a problem."""
    shown = clean(str(member.path))
    try:
        return decode_script(member.content(), shown, problems)
    except Exception as error:  # zipfile may raise anything for a broken zip
        reason = clean(str(error))[:200]
        problems.append(phrases.UNREADABLE.format(file=shown, reason=reason))
        return None


def _modules(
    scripts: Mapping[str, str],
    members: Sequence[Member],
    home: PurePosixPath,
    problems: list[str],
) -> dict[str, str]:
    """Read the modules and packages beside the scripts that these import."""
    beside = {
        m.path.relative_to(home).as_posix(): m
        for m in members
        if home in m.path.parents or home == m.path.parent
    }

    def find(name: str) -> dict[str, str]:
        paths = [p for p in beside if p == f"{name}.py" or p.startswith(f"{name}/")]
        texts = {path: read_text(beside[path], problems) for path in paths}
        return {path: text for path, text in texts.items() if text is not None}

    return own_modules(scripts, find)
