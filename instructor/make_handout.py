"""Pack what students get: the unsolved desk, the kit, the corpus, the handout.

    python instructor/make_handout.py                        dist/asr-lab.zip
    python instructor/make_handout.py --output build/lab.zip
    python instructor/make_handout.py --without_agents       no AGENTS.md

The desk is made from the reference, whatever the root scripts are by now. README.md
loses what stands between `<!-- not for students -->` and `<!-- /not for students -->`.
AGENTS.md asks students' coding assistants to tutor, not to solve. The same files give
the same archive, byte for byte.
"""

from __future__ import annotations

import sys
import zipfile
from collections.abc import Iterator
from pathlib import Path

from make_starter import REFERENCE, ROOT, Parser, generate, load, read_source

# After make_starter, which tells Python where labkit is.
from labkit.base import LabError, run_program, write_atomically

TOP = "asr-lab"
README = "README.md"
NEEDED_FILES = (
    *("test_implementation.py", "conftest.py", "requirements.txt", ".gitignore"),
    *("pytorch-asr-py3.9.yaml", "pyproject.toml", README),
)
KIT = "labkit"  # of which only the Python files go
NEEDED_FOLDERS = (KIT, "corpora")
OPTIONAL = ("LICENSE", "docs", "pretrained")
NOT_FOR_STUDENTS = ("docs/instructors", "docs/maintainers")  # how paths begin
AGENTS = Path("instructor", "handout", "AGENTS.md")  # goes to the top of the archive

OPENING = "<!-- not for students -->"
CLOSING = "<!-- /not for students -->"

REGULAR_FILE = 0o100644  # Unix mode: rw-r--r--
UNIX = 3  # the system whose modes the archive holds


def cut_regions(text: str, file: str) -> str:
    """Cut what is not for students, and the blank lines that this leaves.

    Args:
        text: A Markdown text.
        file: How errors name it.

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
        is_stray = name == KIT and path.suffix != ".py"
        if path.is_file() and not (is_debris or is_ours or is_stray):
            yield relative


def collect(root: Path, agents: bool = True) -> dict[str, bytes]:
    """Map the path of each file in the archive to its content.

    Args:
        root: The repository.
        agents: Whether AGENTS.md is among them.

    Raises:
        LabError: A needed file is missing, or the reference or README is wrong.
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
    exercises = load(root / REFERENCE)
    for name, text in generate(exercises, exercises).items():
        files[name] = text.encode()
    if agents:
        files[AGENTS.name] = (root / AGENTS).read_bytes()
    return files


def pack(files: dict[str, bytes], archive: Path) -> None:
    """Write ``files`` as a zip file that depends on nothing else."""

    def write(temporary: Path) -> None:
        with zipfile.ZipFile(temporary, "w", zipfile.ZIP_DEFLATED) as target:
            for name in sorted(files):
                entry = zipfile.ZipInfo(f"{TOP}/{name}")  # dated 1980, always
                entry.compress_type = zipfile.ZIP_DEFLATED
                entry.create_system = UNIX
                entry.external_attr = REGULAR_FILE << 16
                target.writestr(entry, files[name])

    write_atomically(archive, write)


def make_handout(root: Path, archive: Path, agents: bool = True) -> None:
    """Make the archive of the repository ``root``, and say what it holds.

    Args:
        root: The repository.
        archive: The zip file.
        agents: Whether AGENTS.md is in it.

    Raises:
        LabError: A needed file is missing or wrong.
    """
    files = collect(root, agents)
    pack(files, archive)
    print(f"{archive}: {len(files)} files, {archive.stat().st_size / 1e6:.1f} MB")
    if agents:
        print("with AGENTS.md for coding assistants; --without_agents leaves it out")


def main() -> None:
    """Run the command line."""
    parser = Parser(description="Pack what students get.")
    default = ROOT / "dist" / "asr-lab.zip"
    parser.add_argument("--output", type=Path, default=default, help="the zip file")
    parser.add_argument("--verbose", action="store_true", help="show tracebacks")
    parser.add_argument(
        "--without_agents", action="store_true", help="leave AGENTS.md out"
    )
    options = parser.parse_args()
    make_handout(ROOT, options.output, agents=not options.without_agents)


if __name__ == "__main__":
    raise SystemExit(run_program(main, "--verbose" in sys.argv))
