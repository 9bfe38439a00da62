"""Make the students' scripts from the reference by cutting the exercises.

    python instructor/make_starter.py                write every script of the desk
    python instructor/make_starter.py --check        compare only
    python instructor/make_starter.py --only E05 --output build/desk
    python instructor/make_starter.py --keep E05 --output build/desk
    python instructor/make_starter.py --reset E05    unsolve it in a student's file

starter/regions.py says how the reference marks an exercise.
"""

from __future__ import annotations

import shutil
import sys
from collections.abc import Iterable
from itertools import count
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))  # where labkit is

from starter import (
    REFERENCE,
    ROOT,
    Script,
    find_functions,
    generate,
    given,
    line_ending,
    load,
    read_source,
    split_lines,
)

from labkit.base import USAGE, LabError, LabParser, run_program, write_atomically


def write(path: Path, text: str) -> None:
    """Write a script without changing its line endings."""
    write_atomically(path, lambda temporary: temporary.write_bytes(text.encode()))


def back_up(path: Path) -> Path:
    """Copy a script to the first of ``.bak``, ``.bak1``, ... that is free."""
    names = (f"{path.name}.bak{n or ''}" for n in count())
    free = next(n for n in names if not path.with_name(n).exists())
    return Path(shutil.copy2(path, path.with_name(free)))


def loses_work(path: Path, text: str, cut: Iterable[str]) -> bool:
    """Check whether ``text`` would overwrite a ``cut`` body that is written."""
    if not path.is_file() or path.read_bytes() == text.encode():
        return False
    there = path.read_text(encoding="utf-8", errors="replace")
    return any(f'NotImplementedError("{exercise}")' not in there for exercise in cut)


def check(scripts: dict[str, str], folder: Path) -> None:
    """Compare the files of ``folder`` with those made from the reference.

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
            "restore its name, or take the file from a fresh copy of the lab",
        )
    ours = find_functions(given, script.file)[name]
    if theirs.body and ours.body:
        old, new, first, start = ours.inner, theirs.inner, ours.body, theirs.body
    else:  # without its docstring, the whole function is replaced
        old, new, first, start = ours.margin, theirs.margin, ours.start, theirs.start
    ending = line_ending(lines[0]) or "\n"
    block = [
        (new + line[len(old) :] if line.startswith(old) else line).rstrip("\r\n")
        for line in given[first - 1 : ours.last]
    ]
    tail = line_ending(lines[theirs.last - 1])  # none at the end of some files
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
    parser = LabParser(description="Make the students' scripts out of the reference.")
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
    scripts = {**generate(exercises, cut), **given(options.source)}
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
    if options.keep:
        kept = " ".join(sorted(options.keep))
        print(
            f"handed out solved, so they give no points: {kept}; grade with "
            f"--given {kept}"
        )


if __name__ == "__main__":
    raise SystemExit(run_program(main, "--verbose" in sys.argv))
