"""What submissions are graded against: the checks, the reference and the starter."""

from __future__ import annotations

import ast
import hashlib
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path

from starter import REFERENCE, generate, load

from autograder.intake import PACKAGE
from autograder.sandbox import ENVIRONMENT
from labkit.base import USAGE, LabError
from labkit.exercises import Exercise, in_folder, split_parts

CHECKS = "test_implementation.py"
_PUBLIC = (f"{PACKAGE}/*.py", "labkit/decoding/**/*.py", "labkit/metrics.py")


@dataclass(frozen=True)
class Material:
    """The material that submissions are graded against.

    Attributes:
        exercises: The registry.
        files: The names of the scripts.
        reference: The text of each script of the reference.
        beside: For each exercise, the scripts in which it is tried alone: the starter
            with those exercises of the reference that it needs.
        needed: For each exercise, the functions that it needs, in words; or "".
        reasons: The texts of the checks.
        public: The files that students have and that hold answers: checks and kit.
        starter: The text of each script as students get it.
        digest: Digest of the checks, the kit and the reference.
    """

    exercises: dict[str, Exercise]
    files: tuple[str, ...]
    reference: dict[str, str]
    starter: dict[str, str]
    beside: dict[str, dict[str, str]]
    needed: dict[str, str]
    reasons: frozenset[str]
    public: dict[str, str]
    digest: str


def digest_of(parts: Iterable[str]) -> str:
    """Sum up texts in a few characters."""
    digest = hashlib.sha256()
    for part in parts:
        digest.update(f"{len(part)} {part}".encode("utf-8", "surrogatepass"))
    return digest.hexdigest()[:20]


def digest_of_lab(root: Path) -> str:
    """Compute a digest of every file that a mark depends on.

    Those are the checks, the kit, the reference and the grader itself, at any depth,
    but not its templates. A change grades everyone again.
    """
    folders = (PACKAGE, "labkit", REFERENCE, Path("instructor", "autograder"))
    scripts = [path for name in folders for path in sorted((root / name).rglob("*.py"))]
    return digest_of(p.read_text(encoding="utf-8") for p in (root / CHECKS, *scripts))


def _all_needs(exercises: dict[str, Exercise], id_: str) -> list[str]:
    """List what an exercise needs, and what that needs in turn."""
    found: dict[str, None] = {}
    left = list(exercises[id_].needs)
    while left:
        needed = left.pop(0)
        if needed not in found:
            found[needed] = None
            left += exercises[needed].needs
    return list(found)


def _texts_of(checks: Path) -> frozenset[str]:
    """Read the texts in the checks, the reasons of mistakes among them."""
    trees = [
        ast.parse(path.read_text(encoding="utf-8")) for path in checks.glob("*.py")
    ]
    constants = [n for t in trees for n in ast.walk(t) if isinstance(n, ast.Constant)]
    return frozenset(
        " ".join(c.value.split()) for c in constants if type(c.value) is str
    )


def open_material(root: Path, part: int = 0, solved: Sequence[str] = ()) -> Material:
    """Read the checks, the reference and the starter of the lab at ``root``.

    Args:
        root: The folder of the lab.
        part: Grade the exercises of this part of the lab alone, and read no script of
            a later one; 0 for all parts that the reference has.
        solved: Exercises that were handed out solved, and give no points.

    Raises:
        LabError: One of them has an error, or the reference has no such part.
    """
    from test_implementation import EXERCISES

    regions = load(root / REFERENCE)
    needs = {id_: _all_needs(EXERCISES, id_) for id_ in EXERCISES}
    exercises, _ = in_folder(EXERCISES, root / REFERENCE)
    missing = sorted(set(exercises) - set(regions))
    if missing:
        remedy = f"give it a region in {REFERENCE}, or take it out of {CHECKS}"
        raise LabError(f"no solution of {', '.join(missing)}", remedy, ENVIRONMENT)
    scripts = [exercise.file for exercise in exercises.values()]
    scripts += [script.name for script in regions.values()]
    files, digest = tuple(dict.fromkeys(scripts)), digest_of_lab(root)
    if part:
        digest = digest_of([digest, str(part)])
        parts = split_parts(files)
        exercises = {k: e for k, e in exercises.items() if e.file in parts[part - 1]}
        files = tuple(name for own in parts[:part] for name in own)
    if not exercises:
        raise LabError(f"the reference has no part {part}", "leave --part out", USAGE)
    if unknown := " ".join(set(solved) - set(exercises)):
        known = f"{min(exercises)} to {max(exercises)}"
        raise LabError(f"no exercise {unknown}", f"choose from {known}", USAGE)
    if solved:
        exercises = {k: e for k, e in exercises.items() if k not in solved}
        digest = digest_of([digest, *sorted(solved)])
    return Material(
        exercises,
        files,
        reference=generate(regions, ()),
        starter=generate(regions, regions),
        beside={
            id_: generate(regions, set(regions) - set(needs[id_])) for id_ in exercises
        },
        needed={
            id_: ", ".join(EXERCISES[n].name for n in needs[id_]) for id_ in exercises
        },
        reasons=_texts_of(root / PACKAGE),
        public={
            path.relative_to(root).as_posix(): path.read_text(encoding="utf-8")
            for pattern in _PUBLIC
            for path in sorted(root.glob(pattern))
        },
        digest=digest,
    )
