"""Properties of the rooms: who may import whom, and through which door."""

from __future__ import annotations

import ast
import subprocess
import sys
from pathlib import Path

import pytest
from imports import (
    AUTOGRADER,
    LABKIT,
    House,
    find_circle,
    names_of,
    read_imports,
    read_tree,
    sources,
)
from shared import REFERENCE, ROOT

MOST_ARROWS = 34  # between the rooms of labkit
NO_TORCH = ("base", "options", "doctor")
HEAVY = ("torch", "torchaudio", "torchvision", "numpy", "matplotlib", "jiwer")

# Ways past a door that are meant: (file, module) and why.
PAST_THE_DOOR = {
    ("conftest.py", "labkit.exercises.pytest_plugin"): "pytest looks for its hooks",
    ("benchmarks/loading.py", "labkit.loading"): "sets its memory to 0, to stream",
}

both_houses = pytest.mark.parametrize("house", [LABKIT, AUTOGRADER], ids=str)


@both_houses
def test_the_map_names_every_room_and_no_other(house: House) -> None:
    there = {
        path.name.removesuffix(".py")
        for path in house.folder.iterdir()
        if path.suffix == ".py" or (path / "__init__.py").is_file()
    }
    assert there - {"__init__"} == set(house.rooms)


@both_houses
def test_a_room_imports_only_rooms_below_it(house: House) -> None:
    floor = {room: number for number, room in enumerate(house.rooms)}
    top = len(floor)
    up = [
        str(one)
        for room, other, one in house.crossings()
        if floor.get(other, top) >= floor.get(room, top)
    ]
    assert not up, "\n".join(up)


@both_houses
def test_a_room_is_entered_through_its_door(house: House) -> None:
    past, meant = [], set()
    for path in sources():
        inside = path.relative_to(house.folder).parts if _lies_in(path, house) else ()
        own = inside[0].removesuffix(".py") if inside else ""
        for one in house.imports(path):
            room = house.room_of(one.module)
            door = house.door(room)
            is_door = one.module == f"{house.package}.{room}" and door.is_file()
            if room == own or (is_door and set(one.names) <= names_of(door)):
                continue
            if (one.file, one.module) in PAST_THE_DOOR:
                meant.add((one.file, one.module))
            else:
                past.append(str(one))
    assert not past, "\n".join(past)
    if house is LABKIT:
        assert meant == set(PAST_THE_DOOR), "an exception is not needed any more"


def _lies_in(path: Path, house: House) -> bool:
    return house.folder in path.parents


@both_houses
def test_a_door_says_its_purpose_and_offers_something(house: House) -> None:
    for room in house.rooms:
        door = house.door(room)
        assert ast.get_docstring(read_tree(door)) and names_of(door), door


@both_houses
def test_no_module_imports_itself_in_a_circle(house: House) -> None:
    graph: dict[str, set[str]] = {}
    for path in sorted(house.folder.rglob("*.py")):
        parts = path.relative_to(house.folder.parent).with_suffix("").parts
        name = ".".join(parts).removesuffix(".__init__")
        for one in house.imports(path):
            below = {f"{one.module}.{child}" for child in one.names} or {one.module}
            graph.setdefault(name, set()).update(
                module if _is_module(module, house) else one.module for module in below
            )
    assert " -> ".join(find_circle(graph)) == ""


def _is_module(name: str, house: House) -> bool:
    path = house.folder.parent.joinpath(*name.split("."))
    return path.with_suffix(".py").is_file() or (path / "__init__.py").is_file()


def test_few_arrows_lead_from_room_to_room() -> None:
    arrows = {(room, other) for room, other, _ in LABKIT.crossings()}
    listed = "\n".join(f"{room} -> {other}" for room, other in sorted(arrows))
    assert len(arrows) <= MOST_ARROWS, f"{len(arrows)} arrows:\n{listed}"


def test_labkit_imports_nothing_of_the_kit_but_itself() -> None:
    kit = {path.relative_to(ROOT).parts[0].removesuffix(".py") for path in sources()}
    kit |= {path.stem for path in REFERENCE.glob("*.py")} | {"autograder"}
    kit -= {"labkit"}
    found = [
        str(one)
        for path in sorted(LABKIT.folder.rglob("*.py"))
        for one in read_imports(path)
        if one.module.split(".")[0] in kit
    ]
    assert not found, "\n".join(found)


def test_the_scripts_of_the_desk_do_not_import_each_other_in_a_circle() -> None:
    scripts = {path.stem: path for path in REFERENCE.glob("*.py")}
    graph = {
        name: {one.module for one in read_imports(path)} & set(scripts)
        for name, path in scripts.items()
        if name != "labkit"  # leads to the package
    }
    assert find_circle(graph) == []
    mains = {one for others in graph.values() for one in others if one[:4] == "main"}
    assert mains == {"main_ctc"}  # part two builds and trains its encoder as part one


def _modules_without_torch() -> list[str]:
    return [
        ".".join(path.relative_to(ROOT).with_suffix("").parts)
        for room in NO_TORCH
        for path in sorted(LABKIT.folder.rglob("*.py"))
        if path.relative_to(LABKIT.folder).parts[0].removesuffix(".py") == room
        and path.stem != "__main__"
    ]


def test_the_ground_floor_names_no_torch_at_the_top_of_a_module() -> None:
    for name in _modules_without_torch():
        path = ROOT.joinpath(*name.split(".")).with_suffix(".py")
        for node in read_tree(path).body:
            names = [alias.name for alias in getattr(node, "names", [])]
            module = getattr(node, "module", None)
            tops = {(module or one).split(".")[0] for one in names if one}
            assert not tops & set(HEAVY), f"{name}:{node.lineno}"


def test_the_ground_floor_can_be_imported_where_there_is_no_torch() -> None:
    blocked = f"import sys; sys.modules.update(dict.fromkeys({HEAVY}))"
    modules = ", ".join(_modules_without_torch())
    command = [sys.executable, "-c", f"{blocked}; import {modules}"]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr


def test_the_doctor_needs_the_standard_library_alone() -> None:
    assert not LABKIT.imports(LABKIT.folder / "doctor.py")
    path = f"import sys; sys.path.insert(0, {str(ROOT)!r})"
    # -S: without the folder of the packages that are installed.
    command = [sys.executable, "-I", "-S", "-c", f"{path}; import labkit.doctor"]
    done = subprocess.run(command, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
