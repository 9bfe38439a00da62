"""The checks fail every mistake, name it, and accept every way that is right."""

from __future__ import annotations

import shutil
import textwrap
from collections import Counter
from pathlib import Path

import pytest
from answers import ANSWERS, RIGHT, WRONG, Answer

from labkit.base.desk import Lab
from labkit.exercises.registry import scripts_of
from labkit.exercises.verdicts import DONE, FAIL, Verdict, check
from test_implementation import EXERCISES

REFERENCE = Path(__file__).parents[2] / "LabsSolutions" / "02-pytorch-asr"
LONGEST_LINE = 300  # characters
WRONG_SEEDS, RIGHT_SEEDS = (0, 1), (0, 1, 2)


def replaced(source: str, answer: Answer) -> str:
    """Put an answer in the place of the reference solution's region."""
    before, opening, rest = source.partition(f"# >>> {answer.exercise}\n")
    _, closing, after = rest.partition(f"# <<< {answer.exercise}\n")
    assert opening and closing, f"no region {answer.exercise}"
    indent = before[before.rindex("\n") + 1 :]
    body = textwrap.indent(answer.body, indent)
    return f"{before}{opening}{body}\n{indent}{closing}{after}"


def lab_of(answer: Answer, folder: Path) -> Lab:
    """Copy the reference scripts with one answer in them."""
    for name in scripts_of(EXERCISES):
        shutil.copy(REFERENCE / name, folder)
    script = folder / EXERCISES[answer.exercise].file
    source = script.read_text(encoding="utf-8")
    script.write_text(replaced(source, answer), encoding="utf-8")
    return Lab(folder)


def assert_readable(verdict: Verdict, answer: Answer) -> None:
    """See that a failure has its lines, none too long, and names the mistake."""
    head, *body = verdict.lines
    assert head.startswith(f"{answer.exercise}  FAIL  ")
    names = [line.split()[0] for line in body]
    assert names == ["called", "expected", "got", "why", "re-run"]
    assert all(len(line.split()) > 1 for line in body)
    assert max(map(len, verdict.lines)) < LONGEST_LINE
    # The line to re-run names the exercise, whatever the mistake is.
    assert answer.mentions in "\n".join(body[:-1])


def labels(answers: list[Answer]) -> list[str]:
    """Name the cases."""
    return [answer.label for answer in answers]


@pytest.mark.filterwarnings("ignore:dropout option adds dropout:UserWarning")
@pytest.mark.parametrize("answer", WRONG, ids=labels(WRONG))
def test_wrong_answer_fails_and_says_why(answer: Answer, tmp_path: Path) -> None:
    lab = lab_of(answer, tmp_path)
    for seed in WRONG_SEEDS:
        verdict = check(EXERCISES[answer.exercise], lab, seed)
        assert verdict.state == FAIL, f"seed {seed}: {answer.mistake}"
        assert_readable(verdict, answer)


@pytest.mark.filterwarnings("ignore:dropout option adds dropout:UserWarning")
@pytest.mark.parametrize("answer", RIGHT, ids=labels(RIGHT))
def test_right_answer_is_done(answer: Answer, tmp_path: Path) -> None:
    lab = lab_of(answer, tmp_path)
    for seed in RIGHT_SEEDS:
        verdict = check(EXERCISES[answer.exercise], lab, seed)
        assert verdict.state == DONE, "\n".join(verdict.lines)


def test_every_exercise_has_three_mistakes_and_a_right_answer() -> None:
    mistakes = Counter(answer.exercise for answer in WRONG)
    assert {id_ for id_ in EXERCISES if mistakes[id_] < 3} == set()
    assert set(EXERCISES) - {answer.exercise for answer in RIGHT} == set()


def test_names_are_unique() -> None:
    counts = Counter(labels(ANSWERS))
    assert [label for label, count in counts.items() if count > 1] == []
