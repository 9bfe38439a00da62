"""Pack the grader for Gradescope or for GitHub Classroom.

    python instructor/make_bundles.py gradescope      dist/gradescope.zip
    python instructor/make_bundles.py classroom       dist/classroom.zip
    python instructor/make_bundles.py gradescope --part 1    grades part one alone

Gradescope takes the first zip as it is. The second holds two folders, each for a
repository: `grader` (private: it has the reference) and `students` (the handout and
the workflow that grades it). The same files give the same archives, byte for byte.
"""

from __future__ import annotations

import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))  # where labkit is

from bundles import collect, of_later_parts, walk
from starter import REFERENCE, ROOT

from labkit.base import LabError, LabParser, run_program, write_zip

BUNDLES = Path("instructor", "bundles")
GRADER = (
    "checks",
    "labkit",
    "LabsSolutions",
    "instructor",
    "test_implementation.py",
    "conftest.py",
    "requirements.txt",
    "pyproject.toml",
)
OPTIONAL = ("checks", "answers.md")
WORKFLOW = ".github/workflows/classroom.yml"


def grader(root: Path, part: int = 0) -> dict[str, bytes]:
    """Map path to content: what grading needs, the reference among it.

    Args:
        root: The repository.
        part: The last part of the lab that is graded; 0 for all.

    Raises:
        LabError: A file is missing.
    """
    missing = [name for name in GRADER if not any(walk(root, name))]
    if missing:
        raise LabError(
            f"{root}: missing: {', '.join(missing)}", "the grader needs them all"
        )
    later = {REFERENCE / name for name in of_later_parts(part)}
    return {
        path.as_posix(): (root / path).read_bytes()
        for name in (*GRADER, *OPTIONAL)
        for path in walk(root, name)
        if path not in later
    }


def gradescope(root: Path, part: int = 0) -> dict[str, bytes]:
    """Map path to content: Gradescope's two programs, and the grader in ``lab``."""
    files = {f"lab/{path}": content for path, content in grader(root, part).items()}
    for name in ("setup.sh", "run_autograder"):
        files[name] = (root / BUNDLES / "gradescope" / name).read_bytes()
    return files


def classroom(root: Path, part: int = 0) -> dict[str, bytes]:
    """Map path to content: the grader's repository, and the students'."""
    files = {f"grader/{path}": content for path, content in grader(root, part).items()}
    for path, content in collect(root, part).items():
        files[f"students/{path}"] = content
    workflow = root / BUNDLES / "classroom" / "classroom.yml"
    files[f"students/{WORKFLOW}"] = workflow.read_bytes()
    return files


ASSEMBLE = {"gradescope": gradescope, "classroom": classroom}


def main() -> None:
    """Run the command line."""
    parser = LabParser(description="Pack the grader.")
    parser.add_argument("system", choices=sorted(ASSEMBLE))
    parser.add_argument("--output", type=Path, help="the zip file")
    parser.add_argument("--verbose", action="store_true", help="show tracebacks")
    parser.add_argument(
        "--part", type=int, choices=(1,), default=0, help="grade part one alone"
    )
    options = parser.parse_args()
    archive = options.output or ROOT / "dist" / f"{options.system}.zip"
    files = ASSEMBLE[options.system](ROOT, options.part)
    write_zip(archive, files, programs=True)
    print(f"{archive}: {len(files)} files, {archive.stat().st_size / 1e6:.1f} MB")


if __name__ == "__main__":
    raise SystemExit(run_program(main, "--verbose" in sys.argv))
