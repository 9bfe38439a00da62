"""Every answer that the checks know, graded as an instructor does (make test-all)."""

from __future__ import annotations

import os
from collections import Counter
from collections.abc import Iterator

import pytest
from answers import ANSWERS, Answer
from autograder.intake import Submission
from autograder.marking import Grader, open_material
from autograder.program import open_sandbox
from autograder.sandbox import Limits
from helpers.submitted import solved_with
from shared import ROOT

pytestmark = pytest.mark.skipif(
    "LAB_TEST_ALL" not in os.environ, reason="takes long: make test-all"
)


@pytest.fixture(scope="module")
def grader() -> Iterator[Grader]:
    material, limits = open_material(ROOT), Limits()
    sandbox = open_sandbox(material, ROOT, limits, jobs=1)
    sandbox.start(sandbox.slots)
    yield Grader(material, sandbox, limits, secret=11)
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
