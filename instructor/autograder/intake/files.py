"""Reading the files of a folder or a zip that may be hostile.

No path of a zip is ever written to, and an error in a file becomes a line in the list
of problems.
"""

from __future__ import annotations

import io
import os
import re
import stat
import tokenize
import unicodedata
import zipfile
from collections.abc import Callable, Iterable, Iterator
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path, PurePosixPath
from typing import IO

from autograder import phrases

LARGEST_SCRIPT = 1 << 20  # bytes
LARGEST_ZIP = 64 << 20  # bytes: of a zip within a zip, which is read into memory
MOST_MEMBERS = 20_000  # files of one student, without those of NOT_READ
_DEEPEST_ZIP = 2  # zips within the zip or folder of one submission

OTHER_ARCHIVE = re.compile(r"\.(7z|rar|tar|tgz|gz|bz2|xz|tbz2?|txz)$", re.IGNORECASE)
# Folders whose files are not the student's own, as are those that begin with a dot.
NOT_READ = frozenset(
    "LabsSolutions labkit checks tests corpora pretrained logs __MACOSX __pycache__ "
    "site-packages node_modules venv env".split()
)
_ENVIRONMENT = ("pyvenv.cfg", "conda-meta")  # beside the folders of an environment
_UTF8_NAME = 0x800  # the flag of a zip whose names are known to be UTF-8
_ENCODING_LINE = re.compile(r"^[ \t\f]*#.*?coding[:=][ \t]*[-\w.]+.*$")


@dataclass(frozen=True)
class Member:
    """A file of a submission, not yet read; or a folder, which has no content."""

    path: PurePosixPath
    read: Callable[[], bytes] | None

    def content(self) -> bytes:
        """Read the file; a folder is empty."""
        return self.read() if self.read else b""


def clean(text: str) -> str:
    """Normalise a name, and remove what could break a line or a file name."""
    text = unicodedata.normalize("NFC", text)
    return " ".join("".join(c if c.isprintable() else " " for c in text).split())


def _unsafe(path: str) -> bool:
    parts = path.replace("\\", "/").split("/")
    return ".." in parts or path.startswith(("/", "\\")) or path[1:2] == ":"


def _name_in_zip(info: zipfile.ZipInfo) -> str:
    """Read a name as UTF-8 where that is possible: many programs set no flag."""
    name = info.filename
    if not info.flag_bits & _UTF8_NAME:
        with suppress(UnicodeError):  # it is of an old Windows, or of DOS
            name = name.encode("cp437").decode("utf-8")
    return unicodedata.normalize("NFC", name)


def zip_members(
    archive: zipfile.ZipFile, where: str, problems: list[str]
) -> Iterator[Member]:
    """List the files and folders of a zip; an unsafe one becomes a problem."""
    for info in archive.infolist():
        name = _name_in_zip(info)
        shown = f"{where}: {clean(name)[:200]}"
        kind = stat.S_IFMT(info.external_attr >> 16)
        path = PurePosixPath(name.replace("\\", "/"))
        if info.is_dir():
            if path.parts and not _unsafe(name):
                yield Member(path, None)
        elif _unsafe(name) or not path.parts:
            problems.append(phrases.LEADS_OUT.format(file=shown))
        elif kind == stat.S_IFLNK:
            problems.append(phrases.A_LINK.format(file=shown))
        elif kind not in (0, stat.S_IFREG):
            problems.append(phrases.NO_FILE.format(file=shown))
        else:
            yield Member(path, _zip_reader(archive, info))


def _zip_reader(archive: zipfile.ZipFile, info: zipfile.ZipInfo) -> Callable[[], bytes]:
    def read() -> bytes:
        if info.flag_bits & 1:
            raise ValueError(phrases.ENCRYPTED)
        with archive.open(info) as file:
            return _read_bounded(file, info.filename)

    return read


def file_reader(path: Path) -> Callable[[], bytes]:
    """Make a function that reads a file, up to a limit."""

    def read() -> bytes:
        with path.open("rb") as file:
            return _read_bounded(file, path.name)

    return read


def _read_bounded(file: IO[bytes], name: str) -> bytes:
    """Read a file up to a limit, because the size stated in a zip may be wrong."""
    most = LARGEST_ZIP if name.lower().endswith(".zip") else LARGEST_SCRIPT
    content = file.read(most + 1)
    if len(content) > most:
        raise ValueError(phrases.TOO_LARGE.format(megabytes=most >> 20))
    return content


def folder_members(
    folder: Path, problems: list[str], is_class: bool
) -> Iterator[Member]:
    """List the files and folders of a folder, without links.

    What is not the student's own is not even listed: a corpus or an environment may
    hold more files than a whole class.

    Args:
        folder: The folder.
        problems: Gets a line for each link.
        is_class: Whether students stand at its top, whatever their names are.
    """
    for place, folders, files in os.walk(folder):
        links = [n for n in (*folders, *files) if os.path.islink(Path(place, n))]
        relative = Path(place).relative_to(folder)
        below = relative != Path() or not is_class
        names = set(folders) - set(links)
        beside = names.union(files)
        if below and not beside.isdisjoint(_ENVIRONMENT) and not _holds_scripts(files):
            folders[:] = []
            continue
        kept = sorted(n for n in names if not (below and is_foreign(n)))
        for name in sorted(links):
            shown = clean(str(relative / name))
            problems.append(phrases.A_LINK.format(file=shown))
            if not below and name in folders:  # a student all the same
                yield Member(_inner(relative / name), None)
        for name in sorted(set(files) - set(links)):
            path = Path(place, name)
            if path.is_file():
                yield Member(_inner(relative / name), file_reader(path))
        for name in kept:
            yield Member(_inner(relative / name), None)
        folders[:] = kept


def _holds_scripts(files: Iterable[str]) -> bool:
    """Tell a student's folder with an environment in it from an environment."""
    return any(name.lower().endswith(".py") for name in files)


def _inner(relative: Path) -> PurePosixPath:
    return PurePosixPath(unicodedata.normalize("NFC", relative.as_posix()))


def is_foreign(name: str) -> bool:
    """Check whether the files of a folder of this name are not the student's own."""
    return name in NOT_READ or name.startswith(".")


def _own(members: Iterable[Member]) -> list[Member]:
    """Leave out what is not the student's own; what lies deep comes last."""
    members = [m for m in members if not any(map(is_foreign, m.path.parts))]
    made: set[PurePosixPath] = set()  # the folders of environments
    for member in members:
        for place, part in enumerate(member.path.parts):
            if part in _ENVIRONMENT and place:
                made.add(PurePosixPath(*member.path.parts[:place]))
    made -= {m.path.parent for m in members if _holds_scripts([m.path.name])}
    own = [m for m in members if made.isdisjoint((m.path, *m.path.parents))]
    return sorted(own, key=lambda m: len(m.path.parts))


def unpacked(
    members: Iterable[Member], problems: list[str], depth: int = 0
) -> Iterator[Member]:
    """List the student's own files, and those of the zips among them."""
    for member in _own(members):
        shown = clean(str(member.path))[:200]
        if OTHER_ARCHIVE.search(member.path.name):
            problems.append(phrases.NO_ZIP.format(file=shown))
        elif member.read is None:
            continue
        elif member.path.suffix.lower() != ".zip":
            yield member
        elif depth >= _DEEPEST_ZIP:
            problems.append(phrases.ZIP_TOO_DEEP.format(file=shown))
        else:
            try:
                archive = zipfile.ZipFile(io.BytesIO(member.content()))
            except Exception as error:  # zipfile may raise anything for a broken file
                reason = clean(str(error))[:200]
                problems.append(phrases.BROKEN_ZIP.format(file=shown, reason=reason))
                continue
            inner = zip_members(archive, shown, problems)
            for found in unpacked(inner, problems, depth + 1):
                yield Member(member.path / found.path, found.read)


def decode_script(content: bytes, shown: str, problems: list[str]) -> str:
    """Read a script's text, whatever its encoding and line endings.

    Returns:
        The text as UTF-8 would hold it: lines end with a newline alone.
    """
    text = ""
    if content[:2] in (b"\xff\xfe", b"\xfe\xff"):
        text = content.decode("utf-16", errors="replace")
        problems.append(phrases.IS_UTF16.format(file=shown))
    else:
        try:
            encoding, _ = tokenize.detect_encoding(io.BytesIO(content).readline)
            text = content.decode(encoding)
        except (SyntaxError, LookupError, UnicodeDecodeError):
            text = content.decode("latin-1")
            problems.append(phrases.IS_LATIN.format(file=shown))
    text = text.lstrip("\ufeff").replace("\r\n", "\n").replace("\r", "\n")
    head = text.split("\n", 2)
    for number in range(min(2, len(head))):
        if _ENCODING_LINE.match(head[number]):
            head[number] = "#"  # because the copy that is graded is UTF-8
    text = "\n".join(head)
    return text if text.endswith("\n") else f"{text}\n"
