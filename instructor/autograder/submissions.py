"""What was handed in: folders, zips and Moodle's downloads, read without trust.

Only the lab's scripts are looked for, and they are read into memory: no path of a
zip is ever written to, and what is wrong with a submission is a line about it.
"""

from __future__ import annotations

import io
import os
import re
import stat
import tokenize
import unicodedata
import zipfile
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path, PurePosixPath

from labkit.base import USAGE, LabError

LARGEST_SCRIPT = 1 << 20  # bytes
LARGEST_ZIP = 64 << 20  # bytes: of a zip within a zip, which is read into memory
MOST_MEMBERS = 20_000
_DEEPEST_ZIP = 2  # zips within the zip or folder of one submission

_MOODLE = re.compile(
    r"(?P<name>.+?)_(?P<identifier>\d+)_assignsubmission_[a-z]+_?(?P<rest>.*)",
    re.DOTALL,
)
_OTHER_ARCHIVE = re.compile(r"\.(7z|rar|tar|tgz|gz|bz2|xz|tbz2?|txz)$", re.IGNORECASE)
_COPY = r"(?: ?\(\d+\)|[-_ ]\d+|[-_ ](?:copy|copie|v\d+))?"
_ENCODING_LINE = re.compile(r"^[ \t\f]*#.*?coding[:=][ \t]*[-\w.]+.*$")
_NOT_LOOKED_AT = {
    *("LabsSolutions", "__MACOSX", "__pycache__", "site-packages", "node_modules"),
    *(".git", ".venv", "venv", ".ipynb_checkpoints", "labkit", "tests"),
}


@dataclass
class Submission:
    """What one student handed in.

    Attributes:
        name: As the folder or zip tells it.
        identifier: Moodle's participant number, or "".
        source: Where it was, relative to what was given.
        scripts: The text of each script that was found, by its name.
        problems: What is wrong with the files, one line each.
    """

    name: str
    identifier: str = ""
    source: str = ""
    scripts: dict[str, str] = field(default_factory=dict)
    problems: list[str] = field(default_factory=list)


@dataclass(frozen=True)
class _Member:
    """A file of a submission, not yet read."""

    path: PurePosixPath
    size: int
    read: Callable[[], bytes]


def _clean(text: str) -> str:
    """Normalise a name, without what could break a line or a file name."""
    text = unicodedata.normalize("NFC", text)
    return " ".join("".join(c if c.isprintable() else " " for c in text).split())


def _unsafe(path: str) -> bool:
    parts = path.replace("\\", "/").split("/")
    return ".." in parts or path.startswith(("/", "\\")) or path[1:2] == ":"


def _zip_members(
    archive: zipfile.ZipFile, where: str, problems: list[str]
) -> Iterator[_Member]:
    """List the files of a zip; what is unsafe becomes a problem."""
    infos = archive.infolist()
    if len(infos) > MOST_MEMBERS:
        problems.append(f"{where}: {len(infos)} files; only {MOST_MEMBERS} are read")
    for info in infos[:MOST_MEMBERS]:
        name = unicodedata.normalize("NFC", info.filename)
        shown = f"{where}: {_clean(name)[:200]}"
        kind = stat.S_IFMT(info.external_attr >> 16)
        if info.is_dir():
            continue
        if _unsafe(name):
            problems.append(f"{shown}: a path that leads out of the zip, ignored")
        elif kind == stat.S_IFLNK:
            problems.append(f"{shown}: a link, ignored")
        elif kind not in (0, stat.S_IFREG):
            problems.append(f"{shown}: not a file, ignored")
        else:
            path = PurePosixPath(name.replace("\\", "/"))
            yield _Member(path, info.file_size, _zip_reader(archive, info))


def _zip_reader(archive: zipfile.ZipFile, info: zipfile.ZipInfo) -> Callable[[], bytes]:
    def read() -> bytes:
        if info.flag_bits & 1:
            raise ValueError("encrypted")
        # A size in a zip is a claim: never unpack more than what may be.
        most = LARGEST_ZIP if info.filename.lower().endswith(".zip") else LARGEST_SCRIPT
        with archive.open(info) as file:
            content = file.read(most + 1)
        if len(content) > most:
            raise ValueError(f"larger than {most >> 20} MB")
        return content

    return read


def _folder_members(folder: Path, problems: list[str]) -> Iterator[_Member]:
    """List the files of a folder; links are no files."""
    count = 0
    for place, folders, files in os.walk(folder):
        links = [n for n in (*folders, *files) if os.path.islink(Path(place, n))]
        folders[:] = sorted(set(folders) - set(links))
        relative = Path(place).relative_to(folder)
        for name in sorted(links):
            problems.append(f"{_clean(str(relative / name))}: a link, ignored")
        for name in sorted(set(files) - set(links)):
            path = Path(place, name)
            count += 1
            if count > MOST_MEMBERS:
                problems.append(f"only {MOST_MEMBERS} files are read")
                return
            if path.is_file():
                inner = unicodedata.normalize("NFC", (relative / name).as_posix())
                yield _Member(
                    PurePosixPath(inner), path.stat().st_size, _file_reader(path)
                )


def _file_reader(path: Path) -> Callable[[], bytes]:
    def read() -> bytes:
        most = LARGEST_ZIP if path.suffix.lower() == ".zip" else LARGEST_SCRIPT
        with path.open("rb") as file:
            content = file.read(most + 1)
        if len(content) > most:
            raise ValueError(f"larger than {most >> 20} MB")
        return content

    return read


def _looked_at(path: PurePosixPath) -> bool:
    return not any(
        part in _NOT_LOOKED_AT or part.startswith("._") for part in path.parts
    )


def _unpacked(
    members: Iterable[_Member], problems: list[str], depth: int = 0
) -> Iterator[_Member]:
    """Go into zips among the members."""
    for member in members:
        if not _looked_at(member.path):
            continue
        shown = _clean(str(member.path))[:200]
        if _OTHER_ARCHIVE.search(member.path.name):
            problems.append(f"{shown}: not a zip, not read")
        elif member.path.suffix.lower() != ".zip":
            yield member
        elif depth >= _DEEPEST_ZIP:
            problems.append(f"{shown}: a zip in a zip in a zip, not read")
        else:
            try:
                archive = zipfile.ZipFile(io.BytesIO(member.read()))
            except Exception as error:  # whatever a broken file makes zipfile raise
                problems.append(f"{shown}: unreadable zip: {_clean(str(error))[:200]}")
                continue
            inner = _zip_members(archive, shown, problems)
            for found in _unpacked(inner, problems, depth + 1):
                yield _Member(member.path / found.path, found.size, found.read)


def _decoded(content: bytes, shown: str, problems: list[str]) -> str:
    """Read a script's text, whatever its encoding and line endings.

    Returns:
        The text as UTF-8 would hold it: lines end with a newline alone.
    """
    text = ""
    if content[:2] in (b"\xff\xfe", b"\xfe\xff"):
        text = content.decode("utf-16", errors="replace")
        problems.append(f"{shown}: read as UTF-16; save it as UTF-8")
    else:
        try:
            encoding, _ = tokenize.detect_encoding(io.BytesIO(content).readline)
            text = content.decode(encoding)
        except (SyntaxError, LookupError, UnicodeDecodeError):
            text = content.decode("latin-1")
            problems.append(f"{shown}: not UTF-8, read as Latin-1; save it as UTF-8")
    text = text.lstrip("\ufeff").replace("\r\n", "\n").replace("\r", "\n")
    head = text.split("\n", 2)
    for number in range(min(2, len(head))):
        if _ENCODING_LINE.match(head[number]):
            head[number] = "#"  # the copy that is graded is UTF-8
    text = "\n".join(head)
    return text if text.endswith("\n") else f"{text}\n"


def _choose(
    members: Sequence[_Member], file: str, home: PurePosixPath
) -> list[_Member]:
    """Order the candidates for a script: beside the others, then the shallowest."""
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


def _home(members: Sequence[_Member], files: Sequence[str]) -> PurePosixPath:
    """Find the folder that holds most of the scripts; of equals, the shallowest."""
    count: dict[PurePosixPath, int] = {}
    for member in members:
        if member.path.name in files:
            count[member.path.parent] = count.get(member.path.parent, 0) + 1
    if not count:
        return PurePosixPath()
    return min(count, key=lambda p: (-count[p], len(p.parts), str(p)))


def _collect(
    submission: Submission, members: Iterable[_Member], files: Sequence[str]
) -> None:
    """Read the scripts among the members into the submission."""
    problems = submission.problems
    found = [m for m in _unpacked(members, problems) if m.path.suffix.lower() == ".py"]
    home = _home(found, files)
    for file in files:
        candidates = _choose(found, file, home)
        if not candidates:
            problems.append(f"{file}: missing")
            continue
        best = candidates[0]
        shown = _clean(str(best.path))
        rivals = [
            m
            for m in candidates[1:]
            if (m.path.name == file) == (best.path.name == file)
            and len(m.path.parts) == len(best.path.parts)
        ]
        if rivals or best.path.name != file:
            problems.append(f"{file}: graded is {shown}, of {len(candidates)} found")
        try:
            content = best.read()
        except Exception as error:  # whatever a broken zip makes zipfile raise
            problems.append(f"{shown}: unreadable: {_clean(str(error))[:200]}")
            continue
        submission.scripts[file] = _decoded(content, shown, problems)


def _entries(members: Iterable[_Member]) -> dict[str, list[_Member]]:
    """Group the members by their first folder, or by file at the top."""
    groups: dict[str, list[_Member]] = {}
    for member in members:
        groups.setdefault(member.path.parts[0], []).append(member)
    return groups


def _without_top(member: _Member) -> _Member:
    inner = PurePosixPath(*member.path.parts[1:])
    return _Member(inner, member.size, member.read)


def _is_script(name: str, files: Sequence[str]) -> bool:
    return unicodedata.normalize("NFC", name).lower() in files


def _is_one_students(groups: dict[str, list[_Member]], files: Sequence[str]) -> bool:
    """Tell the top of one student's work from that of a class."""
    return any(_is_script(name, files) for name in groups) and not any(
        _MOODLE.fullmatch(name) for name in groups
    )


def _descend(members: list[_Member], files: Sequence[str]) -> tuple[list[_Member], str]:
    """Leave a folder that only wraps a class; return what is in it, and its name."""
    groups = _entries(members)
    folders = {name: g for name, g in groups.items() if len(g[0].path.parts) > 1}
    zips = [name for name in groups if name.lower().endswith(".zip")]
    if len(folders) != 1 or zips or _is_one_students(groups, files):
        return members, ""
    ((name, inner),) = folders.items()
    within = [_without_top(member) for member in inner]
    below = _entries(within)
    several = [
        n for n, g in below.items() if len(g[0].path.parts) > 1 or n.endswith(".zip")
    ]
    is_class = any(_MOODLE.fullmatch(n) for n in below) or len(several) > 1
    if _MOODLE.fullmatch(name) or _is_one_students(below, files) or not is_class:
        return members, ""
    return within, name


def _grouped(
    members: list[_Member], files: Sequence[str]
) -> dict[tuple[str, str], tuple[str, list[_Member]]]:
    """Say which members are whose: by name and identifier, source and members."""
    students: dict[tuple[str, str], tuple[str, list[_Member]]] = {}
    for top, group in _entries(members).items():
        is_folder = len(group[0].path.parts) > 1
        moodle = _MOODLE.fullmatch(top)
        is_zip = top.lower().endswith(".zip")
        if not (is_folder or is_zip or moodle):
            if _OTHER_ARCHIVE.search(top):  # somebody's work, which cannot be read
                students[(_clean(top), top)] = (top, group)
            continue
        if top in _NOT_LOOKED_AT or top.startswith("."):
            continue
        if moodle:
            key = (_clean(moodle["name"]), moodle["identifier"])
            if not is_folder:
                rest = PurePosixPath(moodle["rest"] or "file")
                group = [_Member(rest, m.size, m.read) for m in group]
        else:
            name = top[:-4] if is_zip and not is_folder else top
            key = (_clean(name), top)
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
    return Submission(_clean(name), number, _clean(folder.name), {}, missing)


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
        members = list(_folder_members(given, problems))
        # A folder without any file is a submission too.
        empty = [
            p for p in sorted(given.iterdir()) if p.is_dir() and not any(p.iterdir())
        ]
    elif given.is_file():
        empty = []
        try:
            archive = zipfile.ZipFile(given)
            members = list(_zip_members(archive, given.name, problems))
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
        one = Submission(_clean(parts[0]), parts[1], given.name, problems=problems)
        _collect(one, members, files)
        return [one]
    members, _ = _descend(members, files)
    found = []
    for (name, identifier), (source, group) in _grouped(members, files).items():
        number = identifier if identifier.isdigit() and identifier != source else ""
        submission = Submission(name, number, _clean(source))
        submission.problems += [p for p in problems if f" {source}/" in f" {p}"]
        _collect(submission, group, files)
        found.append(submission)
    found += [_empty(folder, files) for folder in empty]
    if not found:
        remedy = "give a folder or zip with a folder or zip for each student"
        raise LabError(f"{given}: no submission", remedy, USAGE)
    return sorted(found, key=lambda s: (s.name.casefold(), s.identifier, s.source))
