"""The rooms of the grader: which may import which, and only through their doors."""

from __future__ import annotations

import ast
import importlib
from collections.abc import Iterator
from pathlib import Path

import pytest
from shared import ROOT

AUTOGRADER = ROOT / "instructor" / "autograder"
ROOMS = ("intake", "sandbox", "marking", "output")  # each may import those before it


def imports_of(path: Path) -> Iterator[tuple[str, str]]:
    """Yield the modules of the grader that a script imports from, and the names."""
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        found = []
        if isinstance(node, ast.ImportFrom):
            found = [(node.module or "", alias.name) for alias in node.names]
        elif isinstance(node, ast.Import):
            found = [(alias.name, "") for alias in node.names]
        yield from (pair for pair in found if pair[0].startswith("autograder"))


@pytest.mark.parametrize("room", ROOMS)
def test_a_room_imports_only_the_doors_of_rooms_before_it(room: str) -> None:
    doors = {f"autograder.{name}" for name in ROOMS[: ROOMS.index(room)]}
    doors |= {"autograder", "autograder.records"}  # the former for its phrases
    inside = f"autograder.{room}"
    for path in (AUTOGRADER / room).glob("*.py"):
        for module, _ in imports_of(path):
            own = module == inside or module.startswith(f"{inside}.")
            assert own or module in doors, f"{path.name} imports {module}"


def test_the_programs_import_only_doors() -> None:
    doors = {f"autograder.{name}" for name in (*ROOMS, "records", "program")}
    for path in (AUTOGRADER / "program.py", *(ROOT / "instructor").glob("*.py")):
        found = {module for module, _ in imports_of(path)}
        assert found <= doors, path.name


@pytest.mark.parametrize("room", ROOMS)
def test_a_door_names_what_others_use_of_it_and_nothing_else(room: str) -> None:
    door = importlib.import_module(f"autograder.{room}")
    assert door.__doc__ and len(door.__all__) <= 11
    assert all(hasattr(door, name) for name in door.__all__)
    others = (ROOT / "instructor").rglob("*.py")
    used = {
        name
        for path in others
        if path.parent != AUTOGRADER / room
        for module, name in imports_of(path)
        if module == door.__name__
    }
    assert used == set(door.__all__)
