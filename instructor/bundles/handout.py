"""The files that students get."""

from __future__ import annotations

from collections.abc import Collection, Iterator
from pathlib import Path

from starter import REFERENCE, generate, given, load, read_source

from labkit.base import PARTS, USAGE, LabError
from labkit.exercises import ANSWERS, questions_of

README = "README.md"
NEEDED_FILES = (
    "test_implementation.py",
    "conftest.py",
    "requirements.txt",
    ".gitignore",
    "pytorch-asr-py3.9.yaml",
    "pyproject.toml",
    README,
)
ONLY_PYTHON = (
    "labkit",
    "checks",
)  # only the Python files of these folders, and the page
PAGE = "labkit/page/files/"  # what a browser reads is no Python
NEEDED_FOLDERS = ("labkit", "corpora")
OPTIONAL = ("LICENSE", ANSWERS, "checks", "docs", "pretrained")
NOT_FOR_STUDENTS = (  # beginnings of paths
    "docs/instructors",
    "docs/maintainers",
    "docs/figures/draw",  # what draws the figures, with solutions in it
    "docs/figures/data/",  # what it draws
)

OPENING = "<!-- not for students -->"
CLOSING = "<!-- /not for students -->"


def cut_regions(text: str, file: str) -> str:
    """Cut the regions that are not for students, and the blank lines that remain.

    Args:
        text: A Markdown text.
        file: Its name, for errors.

    Returns:
        The rest.

    Raises:
        LabError: Regions are nested, unclosed or unopened, or a marker is not alone
            on its line.
    """
    remedy = f"write both on lines of their own: {OPENING} and {CLOSING}"
    rest: list[str] = []
    opened = 0  # the line of the opening marker
    after_cut = False
    for number, line in enumerate(text.splitlines(), 1):
        mark = line.strip()
        where = f"{file}:{number}"
        if mark == OPENING:
            if opened:
                raise LabError(f"{where}: opened on line {opened} already", remedy)
            opened = number
        elif mark == CLOSING:
            if not opened:
                raise LabError(f"{where}: closes what was never opened", remedy)
            opened, after_cut = 0, True
        elif "not for students -->" in mark:
            raise LabError(f"{where}: malformed marker: {mark}", remedy)
        elif not opened:
            doubled = not mark and (not rest or not rest[-1].strip())
            if after_cut and doubled:
                continue
            after_cut = False
            rest.append(line)
    if opened:
        raise LabError(f"{file}:{opened}: never closed", remedy)
    while rest and not rest[-1].strip():
        rest.pop()
    return "".join(f"{line}\n" for line in rest)


def walk(root: Path, name: str) -> Iterator[Path]:
    """Yield a file, or the files of a folder that are worth handing out."""
    start = root / name
    for path in start.rglob("*") if start.is_dir() else [start]:
        relative = path.relative_to(root)
        is_debris = path.suffix == ".pyc" or any(
            part.startswith(".") or part == "__pycache__" for part in relative.parts[1:]
        )
        is_ours = relative.as_posix().startswith(NOT_FOR_STUDENTS)
        is_page = relative.as_posix().startswith(PAGE)
        is_stray = name in ONLY_PYTHON and path.suffix != ".py" and not is_page
        if path.is_file() and not (is_debris or is_ours or is_stray):
            yield relative


def of_later_parts(part: int) -> set[str]:
    """Name the scripts of the parts of the lab after ``part``; none if it is 0."""
    later = PARTS[part:] if part else ()
    return {f"{name}.py" for own in later for name in own}


def collect(root: Path, part: int = 0, keep: Collection[str] = ()) -> dict[str, bytes]:
    """Map the path of each file in the archive to its content.

    Args:
        root: The repository.
        part: The last part of the lab that is handed out; 0 for all.
        keep: Exercises that are handed out solved.

    Raises:
        LabError: A needed file is missing, the reference or README is wrong, or there
            is no exercise to keep.
    """
    missing = [name for name in NEEDED_FILES if not (root / name).is_file()]
    missing += [f"{name}/" for name in NEEDED_FOLDERS if not any(walk(root, name))]
    if missing:
        names = ", ".join(missing)
        raise LabError(f"{root}: missing: {names}", "the handout needs them all")
    files = {
        path.as_posix(): (root / path).read_bytes()
        for name in (*NEEDED_FILES, *NEEDED_FOLDERS, *OPTIONAL)
        for path in walk(root, name)
    }
    readme = root / README
    files[README] = cut_regions(read_source(readme), str(readme)).encode()
    if ANSWERS in files:
        files[ANSWERS] = questions_of(files[ANSWERS].decode(), part).encode()
    exercises = load(root / REFERENCE)
    if unknown := " ".join(sorted({*keep} - {*exercises})):
        known = " ".join(sorted(exercises))
        raise LabError(f"no exercise {unknown}", f"the exercises are: {known}", USAGE)
    cut = {*exercises} - {*keep}
    scripts = {**generate(exercises, cut), **given(root / REFERENCE)}
    for name, text in scripts.items():
        if name not in of_later_parts(part):
            files[name] = text.encode()
    return files
