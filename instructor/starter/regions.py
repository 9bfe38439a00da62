"""The exercises of the reference: regions of its scripts, to cut or to keep.

An exercise is the body of a function, its docstring left out, between the lines
`# >>> E05` and `# <<< E05`; the desk keeps its comments that begin with `#:`.
"""

from __future__ import annotations

import ast
import io
import re
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

from labkit.base import LabError

ROOT = Path(__file__).resolve().parents[2]  # of the repository
REFERENCE = Path("LabsSolutions", "02-pytorch-asr")
GIVEN = ("demo.py",)  # scripts of the desk without an exercise, copied as they are

_MARKER = re.compile(r"(\s*)# (>>>|<<<) (E\d\d)\r?\n?")
_LIKE_A_MARKER = re.compile(r"#+:?\s*(>>>|<<<)")
_KEPT = re.compile(r"(\s*)#: ?(.*?)\s*")


@dataclass(frozen=True)
class Place:
    """The place of a function; lines count from 1."""

    start: int  # its first line, decorators included
    margin: str  # the white space before `def`
    body: int  # the line after its docstring; 0 without one on lines of its own
    code: int  # its first statement but the docstring; 0 if there is none
    inner: str  # what stands before the first statement on its line
    last: int  # its last line; comments at the end count if they line up


def read_source(path: Path) -> str:
    """Read a script with its line endings and byte order mark.

    Raises:
        LabError: It is not UTF-8.
    """
    try:
        return path.read_bytes().decode("utf-8")
    except UnicodeDecodeError as error:
        raise LabError(f"{path}: not UTF-8", "save the file as UTF-8") from error


def split_lines(text: str) -> list[str]:
    """Split into lines like Python, each with its own ending."""
    return io.StringIO(text, newline="").readlines()


def line_ending(line: str) -> str:
    """Return the ending of one line, as it is."""
    return line[len(line.rstrip("\r\n")) :]


def _first_line(node: ast.AST) -> int:
    return min(part.lineno for part in [node, *getattr(node, "decorator_list", [])])


def _place(lines: list[str], function: ast.FunctionDef) -> Place:
    first, *others = function.body
    inner = lines[first.lineno - 1][: first.col_offset]
    has_docstring = ast.get_docstring(function, clean=False) is not None
    code = others if has_docstring else function.body
    shared = inner.strip() or (others and others[0].lineno == first.end_lineno)
    last = function.end_lineno or function.lineno
    for number, line in enumerate(lines[last:], last + 1):
        if not inner.strip() and re.match(rf"{inner}\s*#", line):
            last = number
        elif line.strip():
            break
    return Place(
        start=_first_line(function),
        margin=lines[function.lineno - 1][: function.col_offset],
        body=(first.end_lineno or 0) + 1 if has_docstring and not shared else 0,
        code=_first_line(code[0]) if code else 0,
        inner=inner,
        last=last,
    )


def find_functions(lines: list[str], file: str) -> dict[str, Place]:
    """Map qualified names to functions; of two with one name, to the last.

    Raises:
        LabError: The text is not Python; the message names the line.
    """
    try:
        tree = ast.parse("".join(lines).lstrip("\ufeff"))  # a byte order mark
    except (SyntaxError, ValueError) as error:
        line, what = getattr(error, "lineno", 1), getattr(error, "msg", error)
        raise LabError(f"{file}:{line}: {what}", "fix the syntax first") from error
    found: dict[str, Place] = {}

    def visit(node: ast.AST, path: tuple[str, ...]) -> None:
        for child in ast.iter_child_nodes(node):
            is_scope = isinstance(child, (ast.ClassDef, ast.FunctionDef))
            inside = (*path, child.name) if is_scope else path
            if isinstance(child, ast.FunctionDef):
                found[".".join(inside)] = _place(lines, child)
            visit(child, inside)

    visit(tree, ())
    return found


class Script:
    """One reference script and its exercises.

    Args:
        path: Its file.

    Raises:
        LabError: A marker is wrong, or a region is not the whole body of a function.
    """

    def __init__(self, path: Path) -> None:
        self.name, self.file = path.name, str(path)
        self.lines = split_lines(read_source(path))
        self.functions = find_functions(self.lines, self.file)
        self.regions = self._pair_markers()  # id -> first and last line
        self.owners = {exercise: self._owner(exercise) for exercise in self.regions}

    def _pair_markers(self) -> dict[str, tuple[int, int]]:
        regions: dict[str, tuple[int, int]] = {}
        opened, first = "", 0
        for number, line in enumerate(self.lines, 1):
            if not _LIKE_A_MARKER.search(line):
                continue
            problem, marker = "", _MARKER.fullmatch(line)
            kind, exercise = marker.group(2, 3) if marker else ("", line.strip())
            if not marker:
                problem = "is a malformed marker"
            elif kind == ">>>" and opened:
                problem = f"opens inside {opened} (line {first})"
            elif kind == ">>>" and exercise in regions:
                problem = f"is on line {regions[exercise][0]} already"
            elif kind == "<<<" and exercise != opened:
                problem = f"closes {opened or 'what was never opened'}"
            if problem:
                raise LabError(
                    f"{self.file}:{number}: {exercise} {problem}",
                    "write lines # >>> E05 and # <<< E05, one pair for each exercise",
                )
            if kind == "<<<":
                regions[exercise] = (first, number)
            opened, first = (exercise, number) if kind == ">>>" else ("", 0)
        if opened:
            where = f"{self.file}:{first}: {opened}"
            raise LabError(f"{where} is never closed", f"add a line # <<< {opened}")
        return regions

    def _owner(self, exercise: str) -> str:
        """Return the name of the function whose body is the exercise."""
        first, last = self.regions[exercise]
        margin = self.lines[first - 1].partition("#")[0]
        for name, place in self.functions.items():
            above = self.lines[first : place.code - 1]
            if (
                first < place.code
                and all(line.lstrip()[:1] in ("", "#") for line in above)
                and (margin, last) == (place.inner, place.last)
            ):
                return name
        raise LabError(
            f"{self.file}:{first}: {exercise} is not the whole body of a function",
            "open it after the docstring, close it after the last line, align both",
        )

    def render(self, cut: Iterable[str]) -> str:
        """Return the script without markers, the exercises in ``cut`` unsolved."""
        rendered, done = [], 0
        for exercise, (first, last) in self.regions.items():
            rendered += self.lines[done : first - 1]
            done = last
            margin = self.lines[first - 1].partition("#")[0]
            ending = line_ending(self.lines[first - 1])
            for line in self.lines[first : last - 1]:
                kept = _KEPT.fullmatch(line)
                if kept:
                    indent = margin if exercise in cut else kept[1]
                    rendered.append(f"{indent}# {kept[2]}".rstrip() + ending)
                elif exercise not in cut:
                    rendered.append(line)
            if exercise in cut:
                raised = f'raise NotImplementedError("{exercise}")'
                rendered.append(margin + raised + ending)
        return "".join(rendered + self.lines[done:])


def load(source: Path) -> dict[str, Script]:
    """Map the id of each exercise in the folder ``source`` to its script.

    Raises:
        LabError: A script is wrong, an id is in two, or there is no exercise.
    """
    found: dict[str, Script] = {}
    for script in map(Script, sorted(source.glob("*.py"))):
        for exercise, (line, _) in script.regions.items():
            if exercise in found:
                other = found[exercise].name
                raise LabError(
                    f"{script.file}:{line}: {exercise} is in {other} already",
                    "give one of them an id of its own",
                )
            found[exercise] = script
    if not found:
        raise LabError(f"{source}: no script has an exercise", "check --source")
    return found


def generate(exercises: dict[str, Script], cut: Iterable[str]) -> dict[str, str]:
    """Map the name of each script with exercises to its text, with some of them cut."""
    return {script.name: script.render(cut) for script in exercises.values()}


def given(source: Path) -> dict[str, str]:
    """Map the name of each script of the desk without an exercise to its text."""
    paths = [source / name for name in GIVEN]
    return {path.name: read_source(path) for path in paths if path.is_file()}
