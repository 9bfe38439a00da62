"""Pack the grader for Gradescope or for GitHub Classroom.

    python instructor/make_bundles.py gradescope      dist/gradescope.zip
    python instructor/make_bundles.py classroom       dist/classroom.zip

Gradescope takes the first zip as it is. The second holds two folders, each for a
repository: `grader` (private: it has the reference) and `students` (the handout and
the workflow that grades it). The same files give the same archives, byte for byte.
"""

from __future__ import annotations

import sys
import zipfile
from pathlib import Path

from make_handout import collect, walk
from make_starter import ROOT, Parser

# After make_starter, which tells Python where labkit is.
from labkit.base import LabError, run_program, write_atomically

BUNDLES = Path("instructor", "bundles")
GRADER = (
    *("checks", "labkit", "LabsSolutions", "instructor", "test_implementation.py"),
    *("conftest.py", "requirements.txt", "pyproject.toml"),
)
WORKFLOW = ".github/workflows/classroom.yml"

_PROGRAM, _PLAIN = 0o100755, 0o100644  # Unix modes
_UNIX = 3  # the system whose modes the archive holds


def grader(root: Path) -> dict[str, bytes]:
    """Map path to content: what grading needs, the reference among it.

    Raises:
        LabError: Something is missing.
    """
    missing = [name for name in GRADER if not any(walk(root, name))]
    if missing:
        raise LabError(
            f"{root}: missing: {', '.join(missing)}", "the grader needs them all"
        )
    return {
        path.as_posix(): (root / path).read_bytes()
        for name in GRADER
        for path in walk(root, name)
    }


def gradescope(root: Path) -> dict[str, bytes]:
    """Map path to content: Gradescope's two programs, and the grader in ``lab``."""
    files = {f"lab/{path}": content for path, content in grader(root).items()}
    for name in ("setup.sh", "run_autograder"):
        files[name] = (root / BUNDLES / "gradescope" / name).read_bytes()
    return files


def classroom(root: Path) -> dict[str, bytes]:
    """Map path to content: the grader's repository, and the students'."""
    files = {f"grader/{path}": content for path, content in grader(root).items()}
    for path, content in collect(root).items():
        files[f"students/{path}"] = content
    workflow = root / BUNDLES / "classroom" / "classroom.yml"
    files[f"students/{WORKFLOW}"] = workflow.read_bytes()
    return files


ASSEMBLE = {"gradescope": gradescope, "classroom": classroom}


def pack(files: dict[str, bytes], archive: Path) -> None:
    """Write ``files`` as a zip; what starts with ``#!`` can be run."""

    def write(temporary: Path) -> None:
        with zipfile.ZipFile(temporary, "w", zipfile.ZIP_DEFLATED) as target:
            for name in sorted(files):
                entry = zipfile.ZipInfo(name)  # dated 1980, always
                entry.compress_type = zipfile.ZIP_DEFLATED
                entry.create_system = _UNIX
                mode = _PROGRAM if files[name].startswith(b"#!") else _PLAIN
                entry.external_attr = mode << 16
                target.writestr(entry, files[name])

    write_atomically(archive, write)


def main() -> None:
    """Run the command line."""
    parser = Parser(description="Pack the grader.")
    parser.add_argument("system", choices=sorted(ASSEMBLE))
    parser.add_argument("--output", type=Path, help="the zip file")
    parser.add_argument("--verbose", action="store_true", help="show tracebacks")
    options = parser.parse_args()
    archive = options.output or ROOT / "dist" / f"{options.system}.zip"
    files = ASSEMBLE[options.system](ROOT)
    pack(files, archive)
    print(f"{archive}: {len(files)} files, {archive.stat().st_size / 1e6:.1f} MB")


if __name__ == "__main__":
    raise SystemExit(run_program(main, "--verbose" in sys.argv))
