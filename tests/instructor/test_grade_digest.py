"""What a mark depends on: a change to any of it grades everyone again."""

from __future__ import annotations

import shutil
from dataclasses import replace
from pathlib import Path

import pytest
from autograder.intake import Submission
from autograder.marking import Grader
from autograder.marking.material import digest_of_lab, open_material
from autograder.program import open_sandbox
from autograder.sandbox import Limits
from shared import REFERENCE, ROOT

DEEP = (
    "test_implementation.py",
    "checks/data.py",
    "checks/deep/oracles.py",
    "labkit/version.py",
    "labkit/some/room/x.py",
    "LabsSolutions/02-pytorch-asr/data.py",
    "instructor/autograder/records.py",
    "instructor/autograder/marking/marks.py",
)
ONLY_SHOWN = (
    "instructor/autograder/output/templates/style.css",
    "instructor/make_handout.py",
    "docs/instructors.md",
    "tests/test_x.py",
)


@pytest.fixture
def root(tmp_path: Path) -> Path:
    """Make a copy of what grading reads, and files deep in its folders."""
    ignored = shutil.ignore_patterns("__pycache__")
    for name in ("checks", "labkit", "instructor"):
        shutil.copytree(ROOT / name, tmp_path / name, ignore=ignored)
    shutil.copytree(REFERENCE, tmp_path / REFERENCE.relative_to(ROOT), ignore=ignored)
    shutil.copy(ROOT / "test_implementation.py", tmp_path)
    for name in (*DEEP, *ONLY_SHOWN):
        path = tmp_path / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.touch()
    return tmp_path


def append(path: Path, text: str) -> None:
    """Append to a file."""
    path.write_text(path.read_text("utf-8") + text, "utf-8")


@pytest.mark.parametrize("name", DEEP)
def test_a_change_at_any_depth_changes_the_digest(root: Path, name: str) -> None:
    before = digest_of_lab(root)
    append(root / name, "# changed\n")
    assert digest_of_lab(root) != before


@pytest.mark.parametrize("name", ONLY_SHOWN)
def test_what_no_mark_depends_on_changes_nothing(root: Path, name: str) -> None:
    before = digest_of_lab(root)
    append(root / name, "/* changed */\n")
    assert digest_of_lab(root) == before


def test_another_digest_means_to_grade_again(root: Path) -> None:
    material, limits = open_material(root), Limits()
    assert material.digest == digest_of_lab(root)
    sandbox = open_sandbox(material, root, limits, jobs=1)
    try:
        changed = replace(material, digest="another")
        one, two = (Grader(m, sandbox, limits, 7) for m in (material, changed))
        alice = Submission("alice", scripts={"data.py": "x = 1\n"})
        assert one.key_of(alice) != two.key_of(alice)
    finally:
        sandbox.close()
