"""Translating: every phrase that a student reads stands in one of two files."""

from __future__ import annotations

import ast
import re
from collections.abc import Iterator
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest
from autograder import phrases
from autograder.intake import find_one
from autograder.marking import marks
from autograder.output import feedback
from autograder.sandbox import Limits, Reply
from helpers import gradings
from shared import ROOT

from labkit.exercises import failure, render
from labkit.exercises import phrases as around
from labkit.exercises.verdicts import Verdict
from test_implementation import EXERCISES, MILESTONES

MARK = "§"
FILES = ("data.py", "models.py")
# Literals of two words that no student reads: names, code, what only instructors read.
ROOMS = ("intake", "marking", "output")
NO_PHRASES = re.compile(
    r"as is|lower center|python test_implementation|from __future__|<\?xml|"
    r"give (a folder|it a region)|, or take it out|identifier or full name|"
    r"raise PermissionError|def import_script|the folder whose scripts|"
    r"id   points|list the exercises|print the hint|check this|folder of the"
)
LISTS = (
    "worksheet.py",
    "tidy.py",
    "files.py",
    "scopes.py",
    "code.py",
)  # of words, not phrases


def marked(value: Any) -> Any:  # noqa: ANN401
    """Stand for a translation of a phrase."""
    if isinstance(value, dict):
        return {key: marked(item) for key, item in value.items()}
    return f"{MARK}{value}" if isinstance(value, str) else value


@pytest.fixture
def translated(monkeypatch: pytest.MonkeyPatch) -> None:
    """Put a mark before every phrase."""
    for module in (phrases, around):
        for name, value in vars(module).items():
            if name.isupper() and name not in ("LANGUAGE", "DECIMAL", "LEADERBOARD"):
                monkeypatch.setattr(module, name, marked(value))


def literals(path: Path) -> Iterator[str]:
    """List the texts in a file, without docstrings and errors that are raised."""
    tree = ast.parse(path.read_text(encoding="utf-8"))
    skipped: set[int] = set()
    for node in ast.walk(tree):
        if isinstance(node, ast.Raise):
            skipped |= {id(part) for part in ast.walk(node)}
        elif isinstance(node, ast.Expr):
            skipped.add(id(node.value))
    for node in ast.walk(tree):
        if isinstance(node, ast.Constant) and id(node) not in skipped:
            yield str(node.value)


def test_no_phrase_stands_outside_of_the_two_files() -> None:
    autograder, exercises = ROOT / "instructor/autograder", ROOT / "labkit/exercises"
    files = [path for room in ROOMS for path in (autograder / room).glob("*.py")]
    files += [path for path in exercises.glob("*.py") if path.name != "phrases.py"]
    two_words = re.compile(r"[A-Za-z]{2,} +[A-Za-z]{2,}")
    found = [
        f"{path.name}: {text!r}"
        for path in files
        if path.name not in LISTS
        for text in literals(path)
        if two_words.search(text) and not NO_PHRASES.search(text)
    ]
    assert not found, "\n".join(found)


@pytest.mark.usefixtures("translated")
@pytest.mark.parametrize(
    "files",
    [
        {},
        {"a.pdf": b"", "b.ipynb": b""},
        {"data.py": b"x = '\xe9'\n", "b.ipynb": b""},
        {"a/data.py": b"x = 1\n", "b/data.py": b"x = 2\n", "c.rar": b"", "d.zip": b"P"},
    ],
)
def test_problems_with_files_are_translated(
    files: dict[str, bytes], tmp_path: Path
) -> None:
    for name, content in files.items():
        (tmp_path / name).parent.mkdir(exist_ok=True)
        (tmp_path / name).write_bytes(content)
    problems = find_one(tmp_path, FILES).problems
    assert problems and all(problem.startswith(MARK) for problem in problems)


def first_words(lines: tuple[str, ...]) -> list[str]:
    return [line.split()[0] for line in lines]


@pytest.mark.usefixtures("translated")
def test_a_failure_and_a_crash_are_translated() -> None:
    exercise = EXERCISES["E08"]
    made = failure(exercise, "x", "y", "z")
    assert first_words(made.lines[1:]) == [
        f"{MARK}{word}" for word in ("called", "expected", "got", "why", "re-run")
    ]
    for reply in (
        Reply((), killed="time"),
        Reply((), killed="memory"),
        Reply((), killed="unknown"),
        Reply((), signal=11),
        Reply((), code=3),
    ):
        trial = marks.tried(exercise, reply, lambda _: (made, False), FILES, Limits())
        assert marks.mistake_of(trial.verdict).startswith(MARK)
        texts = [line.split(maxsplit=1)[1] for line in trial.verdict.lines[2:]]
        assert all(text.startswith(MARK) for text in texts[:-1])


@pytest.mark.usefixtures("translated")
def test_pages_and_the_list_of_exercises_are_translated() -> None:
    page = feedback.as_markdown(feedback.collect(gradings.submission()))
    heads = re.findall(r"^#+ (.*)$", page, re.M)
    assert [h for h in heads if not h.startswith((MARK, "E"))] == []
    verdicts = {id_: Verdict("todo") for id_ in EXERCISES}
    lines = render(EXERCISES, verdicts, MILESTONES)
    assert all(MARK in line for line in lines)


def names_in_braces(module: ModuleType) -> dict[str, list[str]]:
    return {
        name: re.findall(r"{(\w+)}", value)
        for name, value in vars(module).items()
        if name.isupper() and isinstance(value, str)
    }


def test_every_phrase_is_used() -> None:
    code = [*ROOT.glob("instructor/**/*.py"), *ROOT.glob("labkit/exercises/*.py")]
    code += ROOT.glob("instructor/**/*.j2")
    texts = "\n".join(p.read_text("utf-8") for p in code if p.name != "phrases.py")
    for module in (phrases, around):
        unused = [n for n in names_in_braces(module) if f"phrases.{n}" not in texts]
        assert not unused, module.__name__
