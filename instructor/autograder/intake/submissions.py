"""Submissions in folders, zips and Moodle's downloads, student by student.

Only the lab's scripts are read, into memory; an error in a submission becomes a line
in its problems.
"""

from __future__ import annotations

import re
import unicodedata
import zipfile
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from pathlib import Path, PurePosixPath

from autograder.intake.files import (
    NOT_READ,
    OTHER_ARCHIVE,
    Member,
    clean,
    decode_script,
    folder_members,
    unpacked,
    zip_members,
)
from autograder.records import NOT_HANDED_IN
from labkit.base import USAGE, LabError
from labkit.exercises import ANSWERS, split_parts

_MOODLE = re.compile(
    r"(?P<name>.+?)_(?P<identifier>\d+)_assignsubmission_[a-z]+_?(?P<rest>.*)",
    re.DOTALL,
)
_COPY = r"(?: ?\(\d+\)|[-_ ]\d+|[-_ ](?:copy|copie|v\d+))?"


@dataclass
class Submission:
    """The submission of one student.

    Attributes:
        name: The student's name, from the folder or zip.
        identifier: Moodle's participant number, or "".
        source: Its path, relative to the folder or zip of all.
        scripts: The text of each script that was found, by its name.
        problems: Errors in the files, one line each.
        answers: The text of ``answers.md``, or "".
    """

    name: str
    identifier: str = ""
    source: str = ""
    scripts: dict[str, str] = field(default_factory=dict)
    problems: list[str] = field(default_factory=list)
    answers: str = ""


def _choose(members: Sequence[Member], file: str, home: PurePosixPath) -> list[Member]:
    """Order the candidates for a script: beside the others first, then shallow ones."""
    stem = re.escape(PurePosixPath(file).stem)
    alike = re.compile(rf"{stem}{_COPY}\.py", re.IGNORECASE)
    candidates = [m for m in members if alike.fullmatch(m.path.name)]
    return sorted(
        candidates,
        key=lambda m: (
            m.path.name != file,
            m.path.parent != home,
            len(m.path.parts),
            str(m.path),
        ),
    )


def _home(members: Sequence[Member], files: Sequence[str]) -> PurePosixPath:
    """Find the folder that holds most of the scripts; of equals, the shallowest."""
    count: dict[PurePosixPath, int] = {}
    for member in members:
        if member.path.name in files:
            count[member.path.parent] = count.get(member.path.parent, 0) + 1
    if not count:
        return PurePosixPath()
    return min(count, key=lambda p: (-count[p], len(p.parts), str(p)))


def _collect(
    submission: Submission, members: Iterable[Member], files: Sequence[str]
) -> None:
    """Read the scripts and the answers among the members into the submission."""
    problems = submission.problems
    everything = list(unpacked(members, problems))
    found = [m for m in everything if m.path.suffix.lower() == ".py"]
    home = _home(found, files)
    texts = [m for m in everything if m.path.name.lower() == ANSWERS]
    texts.sort(key=lambda m: (m.path.parent != home, len(m.path.parts), str(m.path)))
    for member in texts[:1]:
        submission.answers = _read(member, problems) or ""
    missing: list[str] = []
    for file in files:
        candidates = _choose(found, file, home)
        if not candidates:
            missing.append(file)
            continue
        best = candidates[0]
        shown = clean(str(best.path))
        rivals = [
            m
            for m in candidates[1:]
            if (m.path.name == file) == (best.path.name == file)
            and len(m.path.parts) == len(best.path.parts)
        ]
        if rivals or best.path.name != file:
            problems.append(f"{file}: graded is {shown}, of {len(candidates)} found")
        text = _read(best, problems)
        if text is not None:
            submission.scripts[file] = text
    problems += _about_missing(missing, files)


def _read(member: Member, problems: list[str]) -> str | None:
    """Read a text; an error becomes a problem."""
    shown = clean(str(member.path))
    try:
        content = member.read()
    except Exception as error:  # zipfile may raise anything for a broken zip
        problems.append(f"{shown}: unreadable: {clean(str(error))[:200]}")
        return None
    return decode_script(content, shown, problems)


def _about_missing(missing: Sequence[str], files: Sequence[str]) -> list[str]:
    """Name the scripts that are missing; those of a whole part on one line."""
    lines = []
    for number, own in enumerate(split_parts(files), 1):
        absent = [file for file in own if file in missing]
        if absent == own and len(missing) < len(files) and own:
            lines.append(f"part {number} {NOT_HANDED_IN}: {', '.join(own)}")
        else:
            lines += [f"{file}: missing" for file in absent]
    return lines


def _entries(members: Iterable[Member]) -> dict[str, list[Member]]:
    """Group the members by their first folder, or by file at the top."""
    groups: dict[str, list[Member]] = {}
    for member in members:
        groups.setdefault(member.path.parts[0], []).append(member)
    return groups


def _without_top(member: Member) -> Member:
    inner = PurePosixPath(*member.path.parts[1:])
    return Member(inner, member.read)


def _is_script(name: str, files: Sequence[str]) -> bool:
    return unicodedata.normalize("NFC", name).lower() in files


def _is_one_students(groups: dict[str, list[Member]], files: Sequence[str]) -> bool:
    """Check whether this is the top of one student's work, not of a class."""
    return any(_is_script(name, files) for name in groups) and not any(
        _MOODLE.fullmatch(name) for name in groups
    )


def _without_wrapper(members: list[Member], files: Sequence[str]) -> list[Member]:
    """Return the content of a folder that only contains a class."""
    groups = _entries(members)
    folders = {name: g for name, g in groups.items() if len(g[0].path.parts) > 1}
    zips = [name for name in groups if name.lower().endswith(".zip")]
    if len(folders) != 1 or zips or _is_one_students(groups, files):
        return members
    ((name, inner),) = folders.items()
    within = [_without_top(member) for member in inner]
    below = _entries(within)
    several = [
        n for n, g in below.items() if len(g[0].path.parts) > 1 or n.endswith(".zip")
    ]
    is_class = any(_MOODLE.fullmatch(n) for n in below) or len(several) > 1
    if _MOODLE.fullmatch(name) or _is_one_students(below, files) or not is_class:
        return members
    return within


def _grouped(
    members: list[Member], files: Sequence[str]
) -> dict[tuple[str, str], tuple[str, list[Member]]]:
    """Group the members by student; each name and identifier has its source too."""
    students: dict[tuple[str, str], tuple[str, list[Member]]] = {}
    for top, group in _entries(members).items():
        is_folder = len(group[0].path.parts) > 1
        moodle = _MOODLE.fullmatch(top)
        is_zip = top.lower().endswith(".zip")
        if not (is_folder or is_zip or moodle):
            if OTHER_ARCHIVE.search(top):  # a student's work that cannot be read
                students[(clean(top), top)] = (top, group)
            continue
        if top in NOT_READ or top.startswith("."):
            continue
        if moodle:
            key = (clean(moodle["name"]), moodle["identifier"])
            if not is_folder:
                rest = PurePosixPath(moodle["rest"] or "file")
                group = [Member(rest, m.read) for m in group]
        else:
            name = top[:-4] if is_zip and not is_folder else top
            key = (clean(name), top)
        inner = [_without_top(m) for m in group] if is_folder else group
        source, before = students.get(key, (top, []))
        students[key] = (source, before + inner)
    return students


def _empty(folder: Path, files: Sequence[str]) -> Submission:
    """Make the submission of a folder without any file."""
    name, number = unicodedata.normalize("NFC", folder.name), ""
    moodle = _MOODLE.fullmatch(name)
    if moodle:
        name, number = moodle["name"], moodle["identifier"]
    missing = [f"{file}: missing" for file in files]
    return Submission(clean(name), number, clean(folder.name), {}, missing)


def find_submissions(given: Path, files: Sequence[str]) -> list[Submission]:
    """Read all submissions of a folder or a zip.

    Args:
        given: A folder of folders, of zips or of Moodle's files; a zip of such; or
            the folder or zip of one student.
        files: The names of the scripts, as ``data.py``.

    Returns:
        One for each student, ordered by name.

    Raises:
        LabError: There is nothing to grade.
    """
    problems: list[str] = []
    if given.is_dir():
        members = list(folder_members(given, problems))
        # A folder without any file is a submission too.
        empty = [
            p for p in sorted(given.iterdir()) if p.is_dir() and not any(p.iterdir())
        ]
    elif given.is_file():
        empty = []
        try:
            archive = zipfile.ZipFile(given)
            members = list(zip_members(archive, given.name, problems))
        except (zipfile.BadZipFile, OSError, ValueError, NotImplementedError) as error:
            remedy = "give a folder or a zip of submissions"
            raise LabError(f"{given}: no zip: {error}", remedy, USAGE) from error
    else:
        raise LabError(f"{given}: no such file or folder", "check the path", USAGE)
    groups = _entries(members)
    if given.is_file() and len(groups) == 1:  # one folder in a zip: whose is it?
        (inner,) = groups.values()
        within = [_without_top(m) for m in inner if len(m.path.parts) > 1]
        if _is_one_students(_entries(within), files):
            members, groups = within, _entries(within)
    if _is_one_students(groups, files):
        name = given.stem if given.is_file() else given.resolve().name
        moodle = _MOODLE.fullmatch(name)
        parts = (moodle["name"], moodle["identifier"]) if moodle else (name, "")
        one = Submission(clean(parts[0]), parts[1], given.name, problems=problems)
        _collect(one, members, files)
        return [one]
    members = _without_wrapper(members, files)
    found = []
    for (name, identifier), (source, group) in _grouped(members, files).items():
        number = identifier if identifier.isdigit() and identifier != source else ""
        submission = Submission(name, number, clean(source))
        submission.problems += [p for p in problems if f" {source}/" in f" {p}"]
        _collect(submission, group, files)
        found.append(submission)
    found += [_empty(folder, files) for folder in empty]
    if not found:
        remedy = "give a folder or zip with a folder or zip for each student"
        raise LabError(f"{given}: no submission", remedy, USAGE)
    return sorted(found, key=lambda s: (s.name.casefold(), s.identifier, s.source))
