"""Every answer that the checks know, graded as an instructor does (make test-all)."""

from __future__ import annotations

import os
from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from answers import ANSWERS, Answer
from autograder.intake import Source, Submission
from autograder.marking import Grader, open_material
from autograder.program import open_sandbox
from autograder.sandbox import Limits
from helpers.submitted import SOLVED, hand_in, solved_with
from shared import ROOT

from labkit.base.desk import Lab
from labkit.exercises.verdicts import check
from test_implementation import EXERCISES

pytestmark = pytest.mark.skipif(
    "LAB_TEST_ALL" not in os.environ, reason="takes long: make test-all"
)


@pytest.fixture(scope="module")
def grader() -> Iterator[Grader]:
    material, limits = open_material(ROOT), Limits()
    sandbox = open_sandbox(material, ROOT, limits, jobs=2)
    sandbox.start(sandbox.slots)
    yield Grader(material, sandbox, limits, secret=11)
    sandbox.close()


STATES: Counter[tuple[str, str]] = Counter()
SEEDS = (0, 1, 2)

SQUEEZE = (
    "[k for i, k in enumerate(path) if (i == 0 or k != path[i - 1]) and k != blank]"
)
WRONG = "[k for k in path if k != blank]"
# How a student may write collapse: what stands in its place, and a module beside it.
FORMS = {
    "lambda": ("collapse = lambda path, blank: {body}\n", ""),
    "alias": ("def mine(path, blank):\n    return {body}\n\n\ncollapse = mine\n", ""),
    "try": (
        "try:\n    from numba import no_such_name as collapse\nexcept ImportError:\n"
        "    def collapse(path, blank):\n        return {body}\n",
        "",
    ),
    "imported": (
        "from squeezing import collapse\n",
        "def collapse(path, blank):\n    return {body}\n",
    ),
    "module": (
        "import squeezing\n\n\ndef collapse(path, blank):\n"
        "    return squeezing.squeeze(path, blank)\n",
        "def squeeze(path, blank):\n    return {body}\n",
    ),
    "parameter": (
        "path = open('/no/such/file') if False else None\n\n\n"
        "def collapse(path, blank):\n    return {body}\n",
        "",
    ),
    "above the raise": (
        "def collapse(path, blank):\n    kept = {body}\n"
        "    raise NotImplementedError('E08')\n    return kept\n",
        "",
    ),
}


def verdict_of(scripts: dict[str, str], exercise: str, folder: Path) -> bool:
    """Ask what pytest says, on several seeds."""
    lab = Lab(hand_in(folder, scripts))
    return all(check(EXERCISES[exercise], lab, s).state == "done" for s in SEEDS)


def graded(grader: Grader, scripts: dict[str, str], exercise: str) -> list[Any]:
    """Grade in both slots, as with -j 2."""
    submission = Submission("student", scripts=scripts)
    slots = grader.sandbox.slots
    records = [grader.grade(submission, slot, [exercise]) for slot in slots]
    return [record.exercises[0] for record in records]


@pytest.mark.parametrize("body", [SQUEEZE, WRONG], ids=["right", "wrong"])
@pytest.mark.parametrize("form", FORMS)
def test_pytest_and_the_grader_agree_on_every_form(
    grader: Grader, form: str, body: str, tmp_path: Path
) -> None:
    text, beside = (one.replace("{body}", body) for one in FORMS[form])
    source = Source(SOLVED["decoding.py"])
    function = source.function("collapse")
    lines = SOLVED["decoding.py"].splitlines(keepends=True)
    lines[function.lineno - 1 : function.end_lineno] = [text]
    scripts = {**SOLVED, "decoding.py": "".join(lines)}
    scripts |= {"squeezing.py": beside} if beside else {}
    says_done = verdict_of(scripts, "E08", tmp_path)
    assert says_done == (body == SQUEEZE and form != "above the raise")
    for mark in graded(grader, scripts, "E08"):
        assert (mark.state == "done") == says_done, mark.lines
        # As it is: another mistake in the script would not matter either.
        assert says_done == (mark.as_is == "done")


@pytest.mark.parametrize("answer", ANSWERS, ids=[a.label for a in ANSWERS])
def test_every_answer_gets_its_state(
    grader: Grader, answer: Answer, tmp_path: Path
) -> None:
    scripts = solved_with({answer.exercise: answer.body})
    says_done = verdict_of(scripts, answer.exercise, tmp_path)
    assert says_done != bool(answer.mistake)
    for mark in graded(grader, scripts, answer.exercise):
        STATES["wrong" if answer.mistake else "right", mark.state] += 1
        assert (mark.state == "done") == says_done, mark.lines
        if answer.mistake:
            assert mark.state in ("fail", "partial") and mark.earned < mark.points
            assert answer.mentions in "\n".join(mark.lines[:-1])
        else:
            assert mark.earned == mark.points
