"""Every answer that the checks know, graded as an instructor does (make test-all)."""

from __future__ import annotations

import os
from collections import Counter
from collections.abc import Iterator
from pathlib import Path

import pytest
from answers import ANSWERS, Answer
from autograder.engine import Grader
from autograder.program import open_lab, open_sandbox
from autograder.sandbox import Limits
from autograder.submissions import Submission
from submitted import solved_with

pytestmark = pytest.mark.skipif(
    "LAB_TEST_ALL" not in os.environ, reason="takes long: make test-all"
)
ROOT = Path(__file__).resolve().parents[1]


@pytest.fixture(scope="module")
def grader() -> Iterator[Grader]:
    lab, limits = open_lab(ROOT), Limits()
    sandbox = open_sandbox(lab, ROOT, limits, jobs=1)
    sandbox.start(sandbox.slots)
    yield Grader(lab, sandbox, limits, secret=11)
    sandbox.close()


STATES: Counter[tuple[str, str]] = Counter()


@pytest.mark.parametrize("answer", ANSWERS, ids=[a.label for a in ANSWERS])
def test_every_answer_gets_its_state(grader: Grader, answer: Answer) -> None:
    scripts = solved_with({answer.exercise: answer.body})
    submission = Submission(answer.name, scripts=scripts)
    record = grader.grade(submission, grader.sandbox.slots[0], [answer.exercise])
    (mark,) = record.exercises
    STATES["wrong" if answer.mistake else "right", mark.state] += 1
    if answer.mistake:
        assert mark.state in ("fail", "partial") and mark.earned < mark.points
        assert answer.mentions in "\n".join(mark.lines[:-1])
    else:
        assert (mark.state, mark.earned) == ("done", mark.points), mark.lines
