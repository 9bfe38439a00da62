"""The pytest plugin of the exercises: its option, their states, the final list."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest
import torch

from labkit.base import Lab
from labkit.exercises import phrases
from labkit.exercises.registry import Exercise, Exercises, Milestone, in_folder
from labkit.exercises.verdicts import (
    BLOCKED,
    DONE,
    FAIL,
    TODO,
    Verdict,
    check_next,
    render,
)


@dataclass
class _Session:
    """The exercises of a run of pytest, and their verdicts so far."""

    lab: Lab
    exercises: Exercises = field(default_factory=dict)
    milestones: Sequence[Milestone] = ()
    absent: list[str] = field(default_factory=list)  # files of exercises left out
    verdicts: dict[str, Verdict] = field(default_factory=dict)


_SESSION = pytest.StashKey[_Session]()


def pytest_addoption(parser: pytest.Parser) -> None:
    """Add ``--lab``."""
    parser.addoption(
        "--lab",
        metavar="DIR",
        help="the folder whose scripts are checked (default: beside the checks)",
    )


def pytest_configure(config: pytest.Config) -> None:
    """Open the folder of the scripts."""
    folder = Path(config.getoption("--lab") or config.rootpath)
    if not folder.is_dir():
        raise pytest.UsageError(f"--lab {folder}: no such folder; give that of data.py")
    config.stash[_SESSION] = _Session(Lab(folder))
    torch.set_num_threads(1)  # the tensors are tiny: threads would slow it down


def pytest_collection_modifyitems(
    config: pytest.Config, items: list[pytest.Item]
) -> None:
    """Leave out the exercises of a part of the lab that is not in the folder."""
    session, absent = config.stash[_SESSION], []
    for item in items:
        module: Any = getattr(item, "module", None)
        given = getattr(getattr(item, "callspec", None), "params", {})
        exercise = given.get("exercise")
        if isinstance(exercise, Exercise) and hasattr(module, "EXERCISES"):
            found = in_folder(module.EXERCISES, session.lab.folder)
            session.exercises, session.absent = found
            session.milestones = module.MILESTONES
            absent += [] if exercise.id in session.exercises else [item]
    config.hook.pytest_deselected(items=absent)
    items[:] = [item for item in items if item not in absent]


@pytest.fixture
def report(request: pytest.FixtureRequest) -> Callable[[Exercise], None]:
    """Check an exercise, and hand its verdict to pytest."""
    session = request.config.stash[_SESSION]

    def check_and_report(exercise: Exercise) -> None:
        lab, exercises, verdicts = session.lab, session.exercises, session.verdicts
        verdict = check_next(exercise, lab, exercises, verdicts)
        if verdict.state == FAIL:
            pytest.fail("\n".join(verdict.lines), pytrace=False)
        if verdict.state != DONE:
            pytest.skip(verdict.state)  # no failure block: the final list names it

    return check_and_report


def pytest_report_teststatus(report: pytest.TestReport) -> tuple[str, str, str] | None:
    """Give todo and blocked their own letter and count."""
    reason = report.longrepr[2] if isinstance(report.longrepr, tuple) else ""
    for state, letter in ((TODO, "t"), (BLOCKED, "b")):
        if reason == f"Skipped: {state}":
            return state, letter, state.upper()
    return None


def pytest_sessionfinish(session: pytest.Session, exitstatus: int) -> None:
    """Fail a run in which an exercise is not done."""
    verdicts = session.config.stash[_SESSION].verdicts.values()
    left = any(verdict.state != DONE for verdict in verdicts)
    if exitstatus == pytest.ExitCode.OK and left:
        session.exitstatus = pytest.ExitCode.TESTS_FAILED


def pytest_terminal_summary(
    terminalreporter: pytest.TerminalReporter, exitstatus: int
) -> None:
    """Print the list of exercises, the points and what to do next."""
    session = terminalreporter.config.stash[_SESSION]
    if session.exercises and exitstatus == pytest.ExitCode.NO_TESTS_COLLECTED:
        terminalreporter.write_line(phrases.NO_MATCH)
    if session.verdicts:
        terminalreporter.section("exercises")
        shown = session.exercises, session.verdicts, session.milestones, session.absent
        for line in render(*shown):
            terminalreporter.write_line(line)
