"""Properties of size: what is to be read in an evening must not grow in silence."""

from __future__ import annotations

import ast

from imports import LABKIT, Import, read_tree, sources
from shared import REFERENCE, ROOT

from labkit.base import PARTS

MOST_LINES = 350  # of a file
MOST_LINES_OF_A_FUNCTION = 60  # its docstring counted in
MOST_LINES_OF_LABKIT = 17_200  # with room for an option; lower it whenever you can
MOST_NAMES = 35  # that the scripts of one part take from labkit

# Files that may be longer, each with its reason; "file function" for a function.
LONGER = {}

BENCHMARKS = "benchmarks"  # programs that are run, not read


def _sizes() -> dict[str, int]:
    """Measure every file, and every function as "file name"."""
    sizes = {}
    for path in sources(without=("tests", BENCHMARKS)):
        file = path.relative_to(ROOT).as_posix()
        sizes[file] = len(path.read_text(encoding="utf-8").splitlines())
        for node in ast.walk(read_tree(path)):
            if isinstance(node, (ast.FunctionDef, ast.AsyncFunctionDef)):
                lines = (node.end_lineno or node.lineno) - node.lineno + 1
                name = f"{file} {node.name}"
                sizes[name] = max(lines, sizes.get(name, 0))
    return sizes


def test_files_and_functions_are_short() -> None:
    too_long = {
        name: size
        for name, size in _sizes().items()
        if size > (MOST_LINES_OF_A_FUNCTION if " " in name else MOST_LINES)
    }
    found = [f"{n:5} {name}" for name, n in too_long.items() if name not in LONGER]
    assert not found, "\n".join(found)
    assert set(LONGER) <= set(too_long), "an exception is not needed any more"


def test_labkit_as_a_whole_stays_small() -> None:
    files = LABKIT.folder.rglob("*.py")
    lines = sum(len(path.read_text(encoding="utf-8").splitlines()) for path in files)
    assert lines <= MOST_LINES_OF_LABKIT, "remove what nobody needs, or raise the limit"


def test_the_desk_takes_few_names_from_labkit() -> None:
    def count(one: Import) -> int:
        return max(1, len(one.names))  # import labkit.text: one

    for part in PARTS:
        taken = {
            name: sum(map(count, LABKIT.imports(REFERENCE / f"{name}.py")))
            for name in part
        }
        assert sum(taken.values()) <= MOST_NAMES, taken
