"""The pytest plugin of the exercises: its option, their states, the final list."""

from __future__ import annotations

import os
from collections.abc import Callable, Generator
from pathlib import Path
from typing import Any

import pytest
import torch

from labkit.base import Lab
from labkit.exercises.registry import (
    SEED_VARIABLE,
    Exercise,
    Exercises,
    Milestone,
    in_folder,
)
from labkit.exercises.verdicts import (
    BLOCKED,
    DONE,
    FAIL,
    TODO,
    Verdict,
    check,
    render,
    with_suspects,
)

_LAB = pytest.StashKey[Lab]()
_VERDICTS = pytest.StashKey[dict[str, Verdict]]()
_EXERCISES = pytest.StashKey[Exercises]()
_MILESTONES = pytest.StashKey[tuple[Milestone, ...]]()
_ABSENT = pytest.StashKey[list[str]]()


class _NotDoneError(Exception):
    """Raised for an exercise that is not done."""

    def __init__(self, verdict: Verdict) -> None:
        super().__init__(verdict.state)
        self.verdict = verdict


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
    config.stash[_LAB] = Lab(folder)
    config.stash[_VERDICTS] = {}
    config.stash[_EXERCISES] = {}
    config.stash[_MILESTONES] = ()
    config.stash[_ABSENT] = []
    torch.set_num_threads(1)  # the tensors are tiny: threads would slow it down


def pytest_collection_modifyitems(
    config: pytest.Config, items: list[pytest.Item]
) -> None:
    """Leave out the exercises of a part of the lab that is not in the folder."""
    absent: list[pytest.Item] = []
    for item in items:
        exercises = getattr(getattr(item, "module", None), "EXERCISES", {})
        given = getattr(getattr(item, "callspec", None), "params", {})
        exercise = given.get("exercise")
        if isinstance(exercise, Exercise) and exercise.id in exercises:
            kept, files = in_folder(exercises, config.stash[_LAB].folder)
            config.stash[_ABSENT] = files
            absent += [] if exercise.id in kept else [item]
    config.hook.pytest_deselected(items=absent)
    items[:] = [item for item in items if item not in absent]


@pytest.fixture
def report(request: pytest.FixtureRequest) -> Callable[[Exercise], None]:
    """Check an exercise, and hand its verdict to pytest."""
    stash = request.config.stash

    def check_and_report(exercise: Exercise) -> None:
        seed = int(os.environ.get(SEED_VARIABLE, "0"))
        verdict = check(exercise, stash[_LAB], seed)
        exercises, _ = in_folder(request.module.EXERCISES, stash[_LAB].folder)
        stash[_EXERCISES] = exercises
        stash[_MILESTONES] = request.module.MILESTONES
        verdict = with_suspects(verdict, exercises, exercise.id, stash[_VERDICTS])
        stash[_VERDICTS][exercise.id] = verdict
        if verdict.state == FAIL:
            pytest.fail("\n".join(verdict.lines), pytrace=False)
        if verdict.state != DONE:
            raise _NotDoneError(verdict)

    return check_and_report


@pytest.hookimpl(hookwrapper=True)
def pytest_runtest_makereport(
    item: pytest.Item, call: pytest.CallInfo
) -> Generator[None, Any, None]:
    """Show an unwritten or blocked exercise as its state, not as a failure."""
    outcome = yield
    error = call.excinfo and call.excinfo.value
    if isinstance(error, _NotDoneError):
        verdict = outcome.get_result()
        verdict.outcome = "skipped"  # no failure block: the final list names it
        verdict.longrepr = (str(item.path), 0, error.verdict.state)
        verdict.lab_state = error.verdict.state


def pytest_report_teststatus(
    report: pytest.TestReport,
) -> tuple[str, str, str] | None:
    """Give todo and blocked their own letter and count."""
    state = getattr(report, "lab_state", None)
    letters = {TODO: "t", BLOCKED: "b"}
    return (state, letters[state], state.upper()) if state else None


def pytest_sessionfinish(session: pytest.Session, exitstatus: int) -> None:
    """Fail a run in which an exercise is not done."""
    verdicts = session.config.stash[_VERDICTS]
    left = any(verdict.state != DONE for verdict in verdicts.values())
    if exitstatus == pytest.ExitCode.OK and left:
        session.exitstatus = pytest.ExitCode.TESTS_FAILED


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter) -> None:
    """Print the list of exercises, the points and what to do next."""
    stash = terminalreporter.config.stash
    if stash[_VERDICTS]:
        terminalreporter.section("exercises")
        shown = stash[_EXERCISES], stash[_VERDICTS], stash[_MILESTONES], stash[_ABSENT]
        for line in render(*shown):
            terminalreporter.write_line(line)
