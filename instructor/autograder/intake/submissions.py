"""Submissions in folders, zips and Moodle's downloads, student by student.

Only the lab's scripts, and what they import from beside them, are read, into memory;
an error in a submission becomes a line in its problems. Each entry of a class is a
student: none may be lost without a word.
"""

from __future__ import annotations

import re
import unicodedata
import zipfile
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from itertools import islice
from pathlib import Path, PurePosixPath

from autograder import phrases
from autograder.intake.choice import choose_scripts, read_text
from autograder.intake.files import (
    MOST_MEMBERS,
    NOT_READ,
    OTHER_ARCHIVE,
    Member,
    clean,
    file_reader,
    folder_members,
    unpacked,
    zip_members,
)
from labkit.base import USAGE, LabError
from labkit.exercises import ANSWERS, METRICS, Exercise, split_parts

_MOODLE = re.compile(
    r"(?P<name>.+?)_(?P<identifier>\d+)_assignsubmission_[a-z]+_?(?P<rest>.*)",
    re.DOTALL,
)
_MOST_NAMED = 5  # files that a message names


@dataclass
class Submission:
    """The submission of one student.

    Attributes:
        name: The student's name, from the folder or zip.
        identifier: Moodle's participant number, or "".
        source: Its path, relative to the folder or zip of all.
        scripts: The text of each script that was found, by its name, and of the
            student's own modules that those import, by their paths.
        problems: Errors in the files, one line each.
        answers: The text of ``answers.md``, or "".
        metrics: That of ``metrics.csv``, the record of the best run, or "".
        complete: Whether all its files were looked at.
    """

    name: str
    identifier: str = ""
    source: str = ""
    scripts: dict[str, str] = field(default_factory=dict)
    problems: list[str] = field(default_factory=list)
    answers: str = ""
    metrics: str = ""
    complete: bool = True


def _collect(
    submission: Submission,
    members: Iterable[Member],
    files: Sequence[str],
    exercises: Sequence[Exercise],
) -> None:
    """Read the scripts and the answers among the members into the submission."""
    problems = submission.problems
    found = list(islice(unpacked(members, problems), MOST_MEMBERS + 1))
    if len(found) > MOST_MEMBERS:
        submission.complete = False
        problems.append(phrases.TOO_MANY.format(count=MOST_MEMBERS))
        found.pop()
    scripts, home = choose_scripts(found, files, exercises, problems)
    submission.answers = _text_of(ANSWERS, found, home, problems)
    submission.metrics = _text_of(METRICS, found, home, problems)
    submission.scripts = {f: text for f, text in scripts.items() if text is not None}
    if problems and not found:
        return  # nothing could be read, and the problems say why
    missing = [file for file in files if file not in scripts]
    problems += _about_missing(missing, files)
    if len(missing) == len(files):
        problems.insert(0, _about_others(found))
    elif missing:
        books = [m for m in found if m.path.suffix.lower() == ".ipynb"]
        problems += [_about_notebook(book) for book in books[:_MOST_NAMED]]


def _text_of(
    name: str, found: Sequence[Member], home: PurePosixPath, problems: list[str]
) -> str:
    """Read the text beside the scripts with this name, or one elsewhere; "" if none."""
    texts = [m for m in found if m.path.name.lower() == name]
    texts.sort(key=lambda m: (m.path.parent != home, len(m.path.parts), str(m.path)))
    return read_text(texts[0], problems) or "" if texts else ""


def _about_notebook(member: Member) -> str:
    return phrases.NOTEBOOK.format(file=clean(str(member.path))[:200])


def _about_others(found: Sequence[Member]) -> str:
    """Say what was handed in, where no script of the lab is among it."""
    if not found:
        return phrases.NOTHING_FOUND
    names = [clean(str(m.path))[:80] for m in found[:_MOST_NAMED]]
    names += [phrases.AND_MORE.format(count=len(found) - len(names))]
    if len(found) <= _MOST_NAMED:
        names.pop()
    kinds = {m.path.suffix.lower() for m in found}
    words = phrases.FOUND_INSTEAD.format(files=", ".join(names))
    return f"{words} {phrases.NOTEBOOKS}" if ".ipynb" in kinds else words


def _about_missing(missing: Sequence[str], files: Sequence[str]) -> list[str]:
    """Name the scripts that are missing; those of a whole part on one line."""
    lines = []
    for number, own in enumerate(split_parts(files), 1):
        absent = [file for file in own if file in missing]
        if absent == own and len(missing) < len(files) and own:
            names = ", ".join(own)
            words = f"{phrases.PART.format(part=number)} {phrases.NOT_HANDED_IN}"
            lines.append(f"{words}: {names}")
        else:
            lines += [phrases.MISSING.format(file=file) for file in absent]
    return lines


def _entries(members: Iterable[Member]) -> dict[str, list[Member]]:
    """Group the members by their first folder, or by file at the top."""
    groups: dict[str, list[Member]] = {}
    for member in members:
        groups.setdefault(member.path.parts[0], []).append(member)
    return groups


def _is_folder(group: Sequence[Member]) -> bool:
    return any(len(m.path.parts) > 1 or m.read is None for m in group)


def _without_top(members: Iterable[Member]) -> list[Member]:
    return [
        Member(PurePosixPath(*m.path.parts[1:]), m.read)
        for m in members
        if len(m.path.parts) > 1
    ]


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
    folders = {name: group for name, group in groups.items() if _is_folder(group)}
    zips = [name for name in groups if name.lower().endswith(".zip")]
    if len(folders) != 1 or zips or _is_one_students(groups, files):
        return members
    ((name, inner),) = folders.items()
    within = _without_top(inner)
    below = _entries(within)
    several = [n for n, g in below.items() if _is_folder(g) or n.endswith(".zip")]
    is_class = any(_MOODLE.fullmatch(n) for n in below) or len(several) > 1
    if _MOODLE.fullmatch(name) or _is_one_students(below, files) or not is_class:
        return members
    return within


def _grouped(
    members: list[Member], remarks: list[str]
) -> dict[tuple[str, str], tuple[str, list[Member]]]:
    """Group the members by student; each name and identifier has its source too."""
    students: dict[tuple[str, str], tuple[str, list[Member]]] = {}
    for top, group in _entries(members).items():
        is_folder = _is_folder(group)
        moodle = _MOODLE.fullmatch(top)
        is_zip = top.lower().endswith(".zip")
        if top.startswith((".", "__MACOSX")):
            continue
        if top in NOT_READ or not (is_folder or is_zip or moodle):
            if OTHER_ARCHIVE.search(top):  # a student's work that cannot be read
                students[(clean(top), top)] = (top, group)
            else:
                remarks.append(phrases.NO_STUDENT.format(file=clean(top)))
            continue
        if moodle:
            key = (clean(moodle["name"]), moodle["identifier"])
            if not is_folder:
                rest = PurePosixPath(moodle["rest"] or "file")
                group = [Member(rest, m.read) for m in group]
        else:
            name = top[:-4] if is_zip and not is_folder else top
            key = (clean(name), top)
        inner = _without_top(group) if is_folder else group
        source, before = students.get(key, (top, []))
        students[key] = (source, before + inner)
    return students


def _name_of(given: Path) -> tuple[str, str]:
    """Read the name and Moodle's number of the one student that a path is of."""
    name = given.stem if given.is_file() else given.resolve().name
    moodle = _MOODLE.fullmatch(unicodedata.normalize("NFC", name))
    number = moodle["identifier"] if moodle else ""
    return clean(moodle["name"] if moodle else name), number


def _read(given: Path, problems: list[str], is_class: bool) -> list[Member]:
    """List the members of a folder or a zip.

    Raises:
        LabError: There is no such path.
        ValueError: It is no zip.
    """
    if given.is_dir():
        return list(folder_members(given, problems, is_class))
    if not given.is_file():
        raise LabError(f"{given}: no such file or folder", "check the path", USAGE)
    try:
        archive = zipfile.ZipFile(given)
        return list(zip_members(archive, given.name, problems))
    except (zipfile.BadZipFile, OSError, ValueError, NotImplementedError) as error:
        raise ValueError(str(error)) from error


def find_one(
    given: Path, files: Sequence[str], exercises: Sequence[Exercise] = ()
) -> Submission:
    """Read a folder, a zip or a file as the submission of one student.

    Whatever it is, it is a submission: with no script in it, it earns nothing, and
    its problems say what was found.

    Args:
        given: The folder, zip or file.
        files: The names of the scripts, as ``data.py``.
        exercises: Which of several folders is graded depends on how many are written.

    Raises:
        LabError: There is no such path.
    """
    submission = Submission(*_name_of(given), given.name)
    try:
        members = _read(given, submission.problems, is_class=False)
    except ValueError:
        members = [Member(PurePosixPath(given.name), file_reader(given))]
    _collect(submission, members, files, exercises)
    return submission


def find_submissions(
    given: Path,
    files: Sequence[str],
    exercises: Sequence[Exercise] = (),
    remarks: list[str] | None = None,
) -> list[Submission]:
    """Read all submissions of a folder or a zip.

    Args:
        given: A folder of folders, of zips or of Moodle's files; a zip of such; or
            the folder or zip of one student.
        files: The names of the scripts, as ``data.py``.
        exercises: Which of several folders is graded depends on how many are written.
        remarks: Gets a line for each file that is no submission.

    Returns:
        One for each student, ordered by name.

    Raises:
        LabError: There is nothing to grade.
    """
    problems: list[str] = []
    remarks = [] if remarks is None else remarks
    try:
        members = _read(given, problems, is_class=True)
    except ValueError as error:
        remedy = "give a folder or a zip of submissions"
        raise LabError(f"{given}: no zip: {error}", remedy, USAGE) from error
    groups = _entries(members)
    if given.is_file() and len(groups) == 1:  # one folder in a zip: whose is it?
        (inner,) = groups.values()
        within = _without_top(inner)
        if _is_one_students(_entries(within), files):
            members, groups = within, _entries(within)
    if _is_one_students(groups, files):
        one = Submission(*_name_of(given), given.name, problems=problems)
        _collect(one, members, files, exercises)
        return [one]
    members = _without_wrapper(members, files)
    found = []
    for (name, identifier), (source, group) in _grouped(members, remarks).items():
        number = identifier if identifier.isdigit() and identifier != source else ""
        submission = Submission(name, number, clean(source))
        submission.problems += [
            p
            for p in problems
            if f" {source}/" in f" {p}" or p.startswith(f"{source}:")
        ]
        _collect(submission, group, files, exercises)
        found.append(submission)
    shown = "".join(f"{p}\n" for s in found for p in s.problems)
    remarks += [p for p in problems if p not in shown]
    if not found:
        remedy = "give a folder or zip with a folder or zip for each student"
        raise LabError(f"{given}: no submission", remedy, USAGE)
    return sorted(found, key=lambda s: (_sorted_as(s.name), s.identifier, s.source))


def _sorted_as(name: str) -> str:
    """Return what a name is sorted by: Élodie comes before Frank."""
    letters = unicodedata.normalize("NFKD", name.casefold())
    return "".join(c for c in letters if not unicodedata.combining(c))
