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
from dataclasses import dataclass
from pathlib import Path, PurePosixPath
from typing import IO

LARGEST_SCRIPT = 1 << 20  # bytes
LARGEST_ZIP = 64 << 20  # bytes: of a zip within a zip, which is read into memory
MOST_MEMBERS = 20_000
_DEEPEST_ZIP = 2  # zips within the zip or folder of one submission

OTHER_ARCHIVE = re.compile(r"\.(7z|rar|tar|tgz|gz|bz2|xz|tbz2?|txz)$", re.IGNORECASE)
# Folders whose files are not the student's own.
NOT_READ = frozenset(
    "LabsSolutions labkit checks tests __MACOSX __pycache__ site-packages node_modules "
    ".git .venv venv .ipynb_checkpoints".split()
)
_ENCODING_LINE = re.compile(r"^[ \t\f]*#.*?coding[:=][ \t]*[-\w.]+.*$")


@dataclass(frozen=True)
class Member:
    """A file of a submission, not yet read."""

    path: PurePosixPath
    read: Callable[[], bytes]


def clean(text: str) -> str:
    """Normalise a name, and remove what could break a line or a file name."""
    text = unicodedata.normalize("NFC", text)
    return " ".join("".join(c if c.isprintable() else " " for c in text).split())


def _unsafe(path: str) -> bool:
    parts = path.replace("\\", "/").split("/")
    return ".." in parts or path.startswith(("/", "\\")) or path[1:2] == ":"


def zip_members(
    archive: zipfile.ZipFile, where: str, problems: list[str]
) -> Iterator[Member]:
    """List the files of a zip; an unsafe one becomes a problem."""
    infos = archive.infolist()
    if len(infos) > MOST_MEMBERS:
        problems.append(f"{where}: {len(infos)} files; only {MOST_MEMBERS} are read")
    for info in infos[:MOST_MEMBERS]:
        name = unicodedata.normalize("NFC", info.filename)
        shown = f"{where}: {clean(name)[:200]}"
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
            yield Member(path, _zip_reader(archive, info))


def _zip_reader(archive: zipfile.ZipFile, info: zipfile.ZipInfo) -> Callable[[], bytes]:
    def read() -> bytes:
        if info.flag_bits & 1:
            raise ValueError("encrypted")
        with archive.open(info) as file:
            return _read_bounded(file, info.filename)

    return read


def _file_reader(path: Path) -> Callable[[], bytes]:
    def read() -> bytes:
        with path.open("rb") as file:
            return _read_bounded(file, path.name)

    return read


def _read_bounded(file: IO[bytes], name: str) -> bytes:
    """Read a file up to a limit, because the size stated in a zip may be wrong."""
    most = LARGEST_ZIP if name.lower().endswith(".zip") else LARGEST_SCRIPT
    content = file.read(most + 1)
    if len(content) > most:
        raise ValueError(f"larger than {most >> 20} MB")
    return content


def folder_members(folder: Path, problems: list[str]) -> Iterator[Member]:
    """List the files of a folder, without links."""
    count = 0
    for place, folders, files in os.walk(folder):
        links = [n for n in (*folders, *files) if os.path.islink(Path(place, n))]
        folders[:] = sorted(set(folders) - set(links))
        relative = Path(place).relative_to(folder)
        for name in sorted(links):
            problems.append(f"{clean(str(relative / name))}: a link, ignored")
        for name in sorted(set(files) - set(links)):
            path = Path(place, name)
            count += 1
            if count > MOST_MEMBERS:
                problems.append(f"only {MOST_MEMBERS} files are read")
                return
            if path.is_file():
                inner = unicodedata.normalize("NFC", (relative / name).as_posix())
                yield Member(PurePosixPath(inner), _file_reader(path))


def _is_read(path: PurePosixPath) -> bool:
    return not any(part in NOT_READ or part.startswith("._") for part in path.parts)


def unpacked(
    members: Iterable[Member], problems: list[str], depth: int = 0
) -> Iterator[Member]:
    """Open zips among the members."""
    for member in members:
        if not _is_read(member.path):
            continue
        shown = clean(str(member.path))[:200]
        if OTHER_ARCHIVE.search(member.path.name):
            problems.append(f"{shown}: not a zip, not read")
        elif member.path.suffix.lower() != ".zip":
            yield member
        elif depth >= _DEEPEST_ZIP:
            problems.append(f"{shown}: a zip in a zip in a zip, not read")
        else:
            try:
                archive = zipfile.ZipFile(io.BytesIO(member.read()))
            except Exception as error:  # zipfile may raise anything for a broken file
                problems.append(f"{shown}: unreadable zip: {clean(str(error))[:200]}")
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
            head[number] = "#"  # because the copy that is graded is UTF-8
    text = "\n".join(head)
    return text if text.endswith("\n") else f"{text}\n"
