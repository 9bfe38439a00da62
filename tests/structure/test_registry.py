"""The registry keeps its order, and what is written about it is true."""

from __future__ import annotations

import re
from itertools import groupby

import pytest
from shared import ROOT

from labkit.exercises.registry import scripts_of
from test_implementation import EXERCISES, MILESTONES

README = (ROOT / "README.md").read_text("utf-8")
INSTRUCTORS = (ROOT / "docs" / "instructors.md").read_text("utf-8")
TABLE = (ROOT / "test_implementation.py").read_text("utf-8")

POINTS = sum(exercise.points for exercise in EXERCISES.values())
HOURS = f"{sum(exercise.minutes for exercise in EXERCISES.values()) / 60:.0f}"


def ranges(ids: list[str]) -> str:
    """Write ids in their order, neighbours as a range: E01-E03, E15."""
    numbers = sorted(int(id_[1:]) for id_ in ids)
    runs = groupby(enumerate(numbers), lambda pair: pair[1] - pair[0])
    parts = []
    for _, run in runs:
        _, numbers = zip(*run)
        first, last = f"E{numbers[0]:02}", f"E{numbers[-1]:02}"
        parts.append(first if first == last else f"{first}-{last}")
    return ", ".join(parts)


def test_the_plans_for_teaching_state_the_minutes_of_the_registry() -> None:
    rows = re.findall(r"^\| \S+ \| (E[^|]*) \| (\d+) \| ", INSTRUCTORS, re.M)
    assert len(rows) == 7
    for cell, minutes in rows:
        spans = [(span[:3], span[-3:]) for span in cell.split(", ")]
        found = {i for i in EXERCISES for first, last in spans if first <= i <= last}
        assert sum(EXERCISES[id_].minutes for id_ in found) == int(minutes), cell


def test_the_ids_are_the_order_to_work_in() -> None:
    assert list(EXERCISES) == sorted(EXERCISES)
    for id_, exercise in EXERCISES.items():
        assert all(needed < id_ for needed in exercise.needs)


def test_a_milestone_is_a_command_of_a_script_of_the_lab() -> None:
    for milestone in MILESTONES:
        script = re.match(r"python (\w+\.py) ", milestone.command)
        assert script and script[1] in scripts_of(EXERCISES)


@pytest.mark.parametrize("page", [README, INSTRUCTORS], ids=["README", "instructors"])
def test_the_counts_are_those_of_the_registry(page: str) -> None:
    text = " ".join(page.split())
    counts = re.findall(r"(\d+) short exercises \((\d+) points, about (\d+) h", text)
    assert counts == [(str(len(EXERCISES)), str(POINTS), HOURS)]


def test_the_readme_says_which_exercises_each_script_holds() -> None:
    rows = dict(re.findall(r"^\| `(\w+\.py)` \|.*\| (E[^|]*) \|$", README, re.M))
    wanted: dict[str, list[str]] = {}
    for id_, exercise in EXERCISES.items():
        wanted.setdefault(exercise.file, []).append(id_)
    assert rows == {file: ranges(ids) for file, ids in wanted.items()}
    assert f"{min(EXERCISES)} to {max(EXERCISES)}" in README


def test_the_readme_shows_the_milestones() -> None:
    rows = re.findall(r"^\| (E\d\d) \| (.*) \| `(python .*)` \|$", README, re.M)
    assert rows == [(one.upto, one.what, one.command) for one in MILESTONES]


def test_the_instructors_page_quotes_the_table_as_it_is() -> None:
    (quoted,) = re.findall(
        r'^ +exercise\("E.*?(?=\n +hint=")', INSTRUCTORS, re.M | re.S
    )
    rows = [line.strip() for line in TABLE.splitlines()]
    lines = [line.strip() for line in quoted.splitlines()]
    start = rows.index(lines[0])
    assert rows[start : start + len(lines)] == lines
