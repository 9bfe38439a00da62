"""Make the students' scripts out of the reference: cut the exercises.

    python instructor/make_starter.py                write every script of the desk
    python instructor/make_starter.py --check        has one drifted? (writes nothing)
    python instructor/make_starter.py --only E05 --output build/desk
    python instructor/make_starter.py --keep E05 --output build/desk
    python instructor/make_starter.py --reset E05    unsolve it in a student's file

An exercise is the body of a function, its docstring left out, between the lines
`# >>> E05` and `# <<< E05`; the desk keeps its comments that begin with `#:`.
"""

from __future__ import annotations

import argparse
import ast
import io
import re
import shutil
import sys
from collections.abc import Iterable
from dataclasses import dataclass
from itertools import count
from pathlib import Path
from typing import NoReturn

ROOT = Path(__file__).resolve().parent.parent
sys.path.insert(0, str(ROOT))  # Python itself looks only beside this script

from labkit.base import (  # noqa: E402 (needs the path)
    USAGE,
    LabError,
    run_program,
    write_atomically,
)

REFERENCE = Path("LabsSolutions", "02-pytorch-asr")
MARKER = re.compile(r"(\s*)# (>>>|<<<) (E\d\d)\r?\n?")
LIKE_A_MARKER = re.compile(r"#+:?\s*(>>>|<<<)")
KEPT = re.compile(r"(\s*)#: ?(.*?)\s*")


class Parser(argparse.ArgumentParser):
    """A parser whose errors have a cause and a remedy, as all others have."""

    def error(self, message: str) -> NoReturn:
        """Raise a `LabError` for a wrong command line."""
        raise LabError(message, f"python {self.prog} --help lists the options", USAGE)


@dataclass(frozen=True)
class Place:
    """Where a function stands; lines count from 1."""

    start: int  # its first line, decorators included
    margin: str  # the white space before `def`
    body: int  # the line after its docstring; 0 without one on lines of its own
    code: int  # its first statement but the docstring; 0 if there is none
    inner: str  # what stands before the first statement on its line
    last: int  # its last line; comments at the end count if they line up


def read_source(path: Path) -> str:
    """Read a script as it is: its line endings and byte order mark too.

    Raises:
        LabError: It is not UTF-8.
    """
    try:
        return path.read_bytes().decode("utf-8")
    except UnicodeDecodeError as error:
        raise LabError(f"{path}: not UTF-8", "save the file as UTF-8") from error


def split_lines(text: str) -> list[str]:
    """Split where Python does, each line with its own ending."""
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
    last = function.end_lineno
    for number, line in enumerate(lines[last:], last + 1):
        if not inner.strip() and re.match(rf"{inner}\s*#", line):
            last = number
        elif line.strip():
            break
    return Place(
        start=_first_line(function),
        margin=lines[function.lineno - 1][: function.col_offset],
        body=first.end_lineno + 1 if has_docstring and not shared else 0,
        code=_first_line(code[0]) if code else 0,
        inner=inner,
        last=last,
    )


def find_functions(lines: list[str], file: str) -> dict[str, Place]:
    """Map qualified names to functions; of two of one name, to the one in force.

    Raises:
        LabError: The text is no Python; the message names the line.
    """
    try:
        tree = ast.parse("".join(lines).lstrip("\ufeff"))  # a byte order mark
    except (SyntaxError, ValueError) as error:
        line, what = getattr(error, "lineno", 1), getattr(error, "msg", error)
        raise LabError(f"{file}:{line}: {what}", "mend the syntax first") from error
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
            if not LIKE_A_MARKER.search(line):
                continue
            problem, marker = "", MARKER.fullmatch(line)
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
        """Return the name of the function whose whole body an exercise is."""
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
                kept = KEPT.fullmatch(line)
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
    """Map the name of each script that has exercises to its text, some of them cut."""
    return {script.name: script.render(cut) for script in exercises.values()}


def write(path: Path, text: str) -> None:
    """Write a script, its line endings as they are."""
    write_atomically(path, lambda temporary: temporary.write_bytes(text.encode()))


def back_up(path: Path) -> Path:
    """Copy a script to the first of ``.bak``, ``.bak1``, ... that is free."""
    names = (f"{path.name}.bak{n or ''}" for n in count())
    free = next(n for n in names if not path.with_name(n).exists())
    return Path(shutil.copy2(path, path.with_name(free)))


def loses_work(path: Path, text: str, cut: Iterable[str]) -> bool:
    """Tell whether ``text`` would replace a file in which a ``cut`` body is written."""
    if not path.is_file() or path.read_bytes() == text.encode():
        return False
    there = path.read_text(encoding="utf-8", errors="replace")
    return any(f'NotImplementedError("{exercise}")' not in there for exercise in cut)


def check(scripts: dict[str, str], folder: Path) -> None:
    """Compare the files of ``folder`` with what the reference gives.

    Raises:
        LabError: A file differs or is missing; each is printed.
    """
    drifted = 0
    for name, text in scripts.items():
        path = folder / name
        if not path.is_file():
            print(f"{path}: missing")
        elif path.read_bytes() != text.encode():
            both = (text.encode(), path.read_bytes())
            pairs = zip(*([*content.splitlines(True), None] for content in both))
            line = next(n for n, (a, b) in enumerate(pairs, 1) if a != b)
            print(f"{path}:{line}: differs from what the reference gives")
        else:
            continue
        drifted += 1
    if drifted:
        remedy = "edit the reference, then: python instructor/make_starter.py"
        raise LabError(f"drifted: {drifted} of {len(scripts)} scripts", remedy)
    print(f"as the reference gives them: {', '.join(scripts)}")


def reset(script: Script, exercise: str, folder: Path) -> None:
    """Put the unsolved body of an exercise back into a student's file.

    Raises:
        LabError: The file has a syntax error, or not that function.
    """
    path, name = folder / script.name, script.owners[exercise]
    text = read_source(path)
    lines, given = split_lines(text), split_lines(script.render([exercise]))
    theirs = find_functions(lines, str(path)).get(name)
    if theirs is None:
        raise LabError(
            f"{path}: {exercise} has lost its function {name}",
            "give it its name back, or take the file from a fresh copy of the lab",
        )
    ours = find_functions(given, script.file)[name]
    if theirs.body and ours.body:
        old, new, first, start = ours.inner, theirs.inner, ours.body, theirs.body
    else:  # without its docstring, only the whole function will do
        old, new, first, start = ours.margin, theirs.margin, ours.start, theirs.start
    ending = line_ending(lines[0]) or "\n"
    block = [
        (new + line[len(old) :] if line.startswith(old) else line).rstrip("\r\n")
        for line in given[first - 1 : ours.last]
    ]
    tail = line_ending(lines[theirs.last - 1])  # none, at the very end of some files
    head = ending if start > theirs.last and not tail else ""
    lines[start - 1 : theirs.last] = [head + ending.join(block) + tail]
    if (restored := "".join(lines)) == text:
        print(f"{script.name}: {exercise} is unsolved already")
        return
    kept = back_up(path)
    write(path, restored)
    print(f"{path}: {exercise} ({name}) is unsolved; what was there: {kept.name}")


def main() -> None:
    """Run the command line."""
    parser = Parser(description="Make the students' scripts out of the reference.")
    some = parser.add_mutually_exclusive_group()
    for option, what in (
        ("--only", "cut this exercise alone (may be repeated)"),
        ("--keep", "leave this exercise solved (may be repeated)"),
        ("--reset", "unsolve it in a student's file (may be repeated)"),
    ):
        some.add_argument(option, metavar="E05", action="append", default=[], help=what)
    parser.add_argument("--check", action="store_true", help="only compare")
    parser.add_argument("--output", type=Path, default=ROOT, help="folder of scripts")
    parser.add_argument("--source", type=Path, default=ROOT / REFERENCE)
    parser.add_argument("--verbose", action="store_true", help="show tracebacks")
    options = parser.parse_args()
    if options.reset and options.check:
        parser.error("--reset does not go with --check")
    if options.output.resolve() == options.source.resolve():
        parser.error("--output is the folder of the reference itself")
    exercises = load(options.source)
    chosen = {*options.only, *options.keep, *options.reset}
    if unknown := " ".join(sorted(chosen - {*exercises})):
        known = " ".join(sorted(exercises))
        raise LabError(f"no exercise {unknown}", f"the exercises are: {known}", USAGE)
    for exercise in options.reset:
        reset(exercises[exercise], exercise, options.output)
    cut = set(options.only or set(exercises) - set(options.keep))
    scripts = generate(exercises, cut)
    if options.check:
        check(scripts, options.output)
    if options.check or options.reset:
        return
    for name, text in scripts.items():
        path = options.output / name
        own = [e for e in cut if exercises[e].name == name]
        if loses_work(path, text, own):
            print(f"{name}: what was there: {back_up(path).name}")
        write(path, text)
        number = len(own)
        print(f"{name}: {number} exercise{'s' * (number != 1)} cut")


if __name__ == "__main__":
    raise SystemExit(run_program(main, "--verbose" in sys.argv))
