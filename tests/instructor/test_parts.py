"""Grading a class that does one part of the lab, or hands in one part."""

from __future__ import annotations

import os
from pathlib import Path

import pytest
from autograder import phrases
from autograder.marking import open_material
from helpers.submitted import SOLVED, earned, grade, hand_in, records_of

from labkit.base import LabError
from labkit.exercises import in_folder, split_parts
from labkit.exercises.registry import scripts_of
from test_implementation import EXERCISES

ONE, TWO = split_parts(scripts_of(EXERCISES))
POINTS = [
    sum(e.points for e in EXERCISES.values() if e.file in own) for own in (ONE, TWO)
]
ROOT = Path(__file__).parents[2]
TAKES_LONG = pytest.mark.skipif(
    "LAB_TEST_ALL" not in os.environ, reason="takes long: make test-all"
)


def of(scripts: list[str]) -> dict[str, str]:
    """Take some of the solved scripts."""
    return {name: SOLVED[name] for name in scripts}


@pytest.fixture
def students(tmp_path: Path) -> Path:
    folder = tmp_path / "class"
    for name, scripts in (("one", ONE), ("two", TWO), ("both", ONE + TWO)):
        hand_in(folder / name, of(scripts))
    return folder


@TAKES_LONG
def test_a_part_that_was_not_handed_in_is_named_on_one_line(
    students: Path, tmp_path: Path
) -> None:
    results = tmp_path / "results"
    done = grade(students, results)
    assert done.returncode == 0, done.stderr
    records = records_of(results)
    assert earned(records["both"]) == sum(POINTS) and not records["both"]["problems"]
    for name, number, points, absent in (
        ("one", 2, POINTS[0], TWO),
        ("two", 1, POINTS[1], ONE),
    ):
        assert earned(records[name]) == points
        (line,) = records[name]["problems"]
        assert line == f"part {number} not handed in: {', '.join(absent)}"
        page = next((results / "feedback").glob(f"{name}*.md")).read_text("utf-8")
        assert "not handed in" in page and f"of {sum(POINTS)} points" in page
        assert phrases.NEXT_PROBLEM not in page


@TAKES_LONG
def test_a_class_that_does_part_one_is_graded_out_of_its_points(
    students: Path, tmp_path: Path
) -> None:
    results = tmp_path / "results"
    done = grade(students, results, "--part", 1)
    assert done.returncode == 0, done.stderr
    assert f"reference {POINTS[0]}/{POINTS[0]}" in done.stdout
    records = records_of(results)
    for name, points in (("one", POINTS[0]), ("both", POINTS[0])):
        assert earned(records[name]) == points and not records[name]["problems"]
        assert {e["where"].partition(":")[0] for e in records[name]["exercises"]} == {
            *ONE
        }


def test_a_record_of_one_part_is_none_of_all_parts() -> None:
    digests = {open_material(ROOT, part).digest for part in (0, 1, 2)}
    assert len(digests) == 3


def test_a_reference_without_part_two_grades_part_one(tmp_path: Path) -> None:
    kept, absent = in_folder(EXERCISES, hand_in(tmp_path / "reference", of(ONE)))
    assert {one.file for one in kept.values()} == {*ONE} and {*absent} == {*TWO}
    assert in_folder(EXERCISES, tmp_path) == (EXERCISES, [])


def test_a_part_that_the_reference_lacks_is_refused(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    hand_in(tmp_path / "reference", of(ONE))
    for name in ONE:
        source = ROOT / "LabsSolutions" / "02-pytorch-asr" / name
        (tmp_path / "reference" / name).write_bytes(source.read_bytes())
    monkeypatch.setattr("autograder.marking.material.REFERENCE", "reference")
    monkeypatch.setattr("autograder.marking.material.digest_of_lab", lambda root: "")
    assert {e.file for e in open_material(tmp_path).exercises.values()} == {*ONE}
    with pytest.raises(LabError, match="no part 2"):
        open_material(tmp_path, 2)
