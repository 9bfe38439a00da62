"""One result in five formats, each held against the rules of the system it is for."""

from __future__ import annotations

import base64
import json
import math
import re
import xml.etree.ElementTree as ET
from dataclasses import replace
from typing import Any

import pytest
from autograder import phrases
from autograder.output.formats import FILE_NAMES, FORMATS
from autograder.records import SubmissionRecord
from helpers import gradings
from helpers.gradings import NASTY, SECRET, exercise, submission

from labkit.exercises import lowest_cer

RECORDS = {
    "all-states": submission(),
    "all-done": submission(states=("done",) * 3),
    "nothing": submission(states=("todo",) * 3),
    "nasty": gradings.nasty(),
    "huge": gradings.huge(),
    "empty": gradings.empty(),
    "no-number": submission(
        exercises=(exercise("E01", "fail", earned=math.nan, seconds=math.inf),),
        seconds=math.nan,
    ),
    "too-much": submission(exercises=(exercise("E01", "done", earned=1e9),)),
    "thirds": submission(
        exercises=tuple(exercise(f"E0{n}", "partial", earned=1 / 3) for n in (1, 2, 3))
    ),
}
EVERY_RECORD = pytest.mark.parametrize("record", RECORDS.values(), ids=RECORDS)
VISIBILITIES = {"hidden", "after_due_date", "after_published", "visible"}
TEXT_FORMATS = {"text", "html", "simple_format", "md", "ansi"}
VISIBLE_CONTROLS = set("\n\t")


def no_constant(name: str) -> None:
    """Refuse NaN and Infinity, which are no JSON."""
    raise AssertionError(f"{name} in JSON")


def loads(text: str) -> Any:  # noqa: ANN401
    return json.loads(text, parse_constant=no_constant)


def assert_keys(found: dict, needed: dict[str, type | tuple], others: set[str]) -> None:
    """Check that keys are there, of their types, and none that the format lacks."""
    for key, kind in needed.items():
        assert isinstance(found[key], kind), key
        assert not (kind is not bool and isinstance(found[key], bool)), key
    assert set(found) - set(needed) <= others


def earned_by_hand(record: SubmissionRecord) -> float:
    points = [0 if math.isnan(e.earned) else e.earned for e in record.exercises]
    worth = [exercise_.points for exercise_ in record.exercises]
    return sum(min(p, w) for p, w in zip(points, worth))


@EVERY_RECORD
def test_gradescope(record: SubmissionRecord) -> None:
    text = FORMATS["gradescope"](record)
    result = loads(text)
    number = (int, float)
    assert_keys(
        result,
        {"score": number, "tests": list, "output": str, "execution_time": number},
        {"output_format", "visibility", "stdout_visibility", "extra_data"},
    )
    assert result["output_format"] in TEXT_FORMATS
    assert {result["visibility"], result["stdout_visibility"]} <= VISIBILITIES
    assert result["score"] == pytest.approx(earned_by_hand(record), abs=1e-3)
    assert result["score"] == pytest.approx(
        sum(test["score"] for test in result["tests"]), abs=1e-3
    )
    assert len(result["tests"]) == len(record.exercises)
    for test in result["tests"]:
        assert_keys(
            test,
            {"name": str, "score": number, "max_score": number, "output": str},
            {"status", "number", "name_format", "output_format", "visibility"},
        )
        assert 0 <= test["score"] <= test["max_score"]
        assert test["status"] in ("passed", "failed")
        assert test["visibility"] == "visible", "a hidden test hides the total"
        assert re.fullmatch(r"\d+(\.\d+)*", test["number"])
    assert result["extra_data"]["seed"] == record.seed
    assert len(text.encode()) < 10**6


def test_a_leaderboard_is_an_instructors_choice(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    ran = replace(
        submission(), dev_cer=lowest_cer("dev_cer\n0.5\n0.043211\n\nx\nnan\n")
    )
    assert "leaderboard" not in loads(FORMATS["gradescope"](ran))
    monkeypatch.setattr(phrases, "LEADERBOARD", "dev CER in %")
    assert "leaderboard" not in loads(FORMATS["gradescope"](submission()))
    (column,) = loads(FORMATS["gradescope"](ran))["leaderboard"]
    assert column == {"name": "dev CER in %", "value": 4.32, "order": "asc"}
    assert lowest_cer("") is lowest_cer("no metrics\n1\n") is None


@EVERY_RECORD
def test_classroom(record: SubmissionRecord) -> None:
    text = FORMATS["classroom"](record)
    assert "\n" not in text, "an output of a step is one line"
    assert len(text) + len("LAB_RESULTS=") < 128 * 1024, "one environment variable"
    result = loads(base64.b64decode(text, validate=True).decode("utf-8"))
    assert_keys(
        result,
        {"version": int, "status": str, "max_score": int, "tests": list},
        {"message"},
    )
    assert result["version"] == 3
    assert result["status"] in ("pass", "fail", "error")
    assert result["max_score"] == record.total
    total = sum(test["score"] for test in result["tests"])
    assert total == pytest.approx(earned_by_hand(record), abs=1e-3)
    assert (result["status"] == "pass") == (total == record.total > 0)
    for test in result["tests"]:
        kinds = dict.fromkeys(
            ("name", "status", "message", "test_code", "task_id", "filename", "output"),
            str,
        )
        assert_keys(
            test, {**kinds, "score": (int, float), "line_no": int}, {"duration"}
        )
        assert test["status"] in ("pass", "fail", "error")


@EVERY_RECORD
def test_prairielearn(record: SubmissionRecord) -> None:
    text = FORMATS["prairielearn"](record)
    assert len(text.encode()) < 2**20, "PrairieLearn refuses more than 1 MB"
    result = loads(text)
    assert_keys(
        result,
        {"gradable": bool, "score": (int, float), "tests": list, "output": str},
        {"message", "format_errors"},
    )
    assert 0 <= result["score"] <= 1
    if record.total:
        want = earned_by_hand(record) / record.total
        assert result["score"] == pytest.approx(want, abs=1e-3)
    # The display is switched off unless each test has both numbers.
    for test in result["tests"]:
        assert_keys(
            test,
            {"name": str, "points": (int, float), "max_points": (int, float)},
            {"description", "message", "output"},
        )
        assert 0 <= test["points"] <= test["max_points"]
    if not result["gradable"]:
        assert result["score"] == 0 and result["format_errors"]


def test_prairielearn_does_not_count_an_attempt_that_cannot_be_read() -> None:
    unread = submission(states=("todo", "todo"), problems=("models.py:3: SyntaxError",))
    result = loads(FORMATS["prairielearn"](unread))
    assert result["gradable"] is False
    assert result["format_errors"] == ["models.py:3: SyntaxError"]
    partly = submission(states=("done", "todo"), problems=("models.py:3: SyntaxError",))
    assert loads(FORMATS["prairielearn"](partly))["gradable"] is True


@EVERY_RECORD
def test_vpl(record: SubmissionRecord) -> None:
    text = FORMATS["vpl"](record)
    lines = text.rstrip("\n").split("\n")
    grades = [n for n, line in enumerate(lines) if re.search(r"Grade :=>>", line)]
    assert grades == [len(lines) - 1], "one grade, and it is the last line"
    grade = re.fullmatch(r"Grade :=>> (\d+(?:\.\d+)?)", lines[-1])
    assert float(grade[1]) == pytest.approx(earned_by_hand(record), abs=0.011)
    assert lines[0] == "<|--" and lines[-2] == "--|>"
    inside = lines[1:-2]
    assert all(line[:1] in ("-", ">") for line in inside)
    assert not any(mark in line for line in inside for mark in ("<|--", "--|>", ":=>>"))


@EVERY_RECORD
def test_junit(record: SubmissionRecord) -> None:
    root = ET.fromstring(FORMATS["junit"](record).encode())
    assert root.tag == "testsuites"
    (suite,) = root
    children = [child.tag for child in suite]
    order = [t for t in ("properties", "testcase", "system-err") if t in children]
    assert sorted(children, key=order.index) == children, "the schema's sequence"
    cases = suite.findall("testcase")
    kinds = {"tests": "testcase", "failures": "failure", "errors": "error"}
    for attribute, tag in {**kinds, "skipped": "skipped"}.items():
        assert int(suite.get(attribute)) == len(list(suite.iter(tag)))
    points = 0.0
    for case, exercise_ in zip(cases, record.exercises):
        assert case.get("classname") and case.get("name")
        assert math.isfinite(float(case.get("time")))
        found = {p.get("name"): p.get("value") for p in case.iter("property")}
        assert float(found["max_points"]) == exercise_.points
        points += float(found["points"])
        verdicts = [child for child in case if child.tag != "properties"]
        assert len(verdicts) == (exercise_.state != "done")
    assert points == pytest.approx(earned_by_hand(record), abs=0.02)


@pytest.mark.parametrize("name", FORMATS)
@EVERY_RECORD
def test_any_text_is_unicode_without_invisible_marks(
    record: SubmissionRecord, name: str
) -> None:
    text = FORMATS[name](record)
    text.encode("utf-8")  # no half surrogate
    if name in ("gradescope", "prairielearn"):
        text = "".join(strings(loads(text)))
    elif name == "classroom":
        text = "".join(strings(loads(base64.b64decode(text).decode())))
    controls = {char for char in text if ord(char) < 32 or 127 <= ord(char) < 160}
    assert controls <= VISIBLE_CONTROLS
    assert not set("\u202e\u202c\u2028\uffff\x1b") & set(text)


def strings(value: Any) -> list[str]:  # noqa: ANN401
    """Collect every text in a JSON value."""
    if isinstance(value, dict):
        return [text for item in value.values() for text in strings(item)]
    if isinstance(value, list):
        return [text for item in value for text in strings(item)]
    return [value] if isinstance(value, str) else []


@pytest.mark.parametrize("name", FORMATS)
def test_feedback_is_in_it_and_the_answer_is_not(name: str) -> None:
    text = FORMATS[name](submission())
    text = base64.b64decode(text).decode() if name == "classroom" else text
    assert "the order is that of the batch" in text
    assert "is E03 in order?" in text
    for words in ("not attempted", "waits for E02", "crashed: segmentation fault"):
        assert words in text
    assert SECRET not in text
    # What is done needs no hint, and what waits for another exercise has none.
    assert "is E01 in order?" not in text and "is E05 in order?" not in text


@pytest.mark.parametrize("name", FORMATS)
def test_long_output_keeps_head_and_tail_and_says_how_much_is_cut(name: str) -> None:
    lines = ("HEAD", *("x" * 100 for _ in range(500)), "TAIL")
    record = submission(exercises=(exercise("E01", "fail", lines=lines),))
    text = FORMATS[name](record)
    text = base64.b64decode(text).decode() if name == "classroom" else text
    assert "HEAD" in text and "TAIL" in text
    left_out = int(re.search(r"(\d+) characters left out", text)[1])
    assert left_out > 45_000
    assert len(text) < 12_000


def test_every_format_has_a_file_name() -> None:
    assert set(FORMATS) == set(FILE_NAMES)
    wanted = {"gradescope", "classroom", "prairielearn", "vpl", "junit"}
    assert set(FORMATS) == wanted


@pytest.mark.parametrize("name", FORMATS)
def test_same_record_gives_the_same_text(name: str) -> None:
    record = replace(submission(NASTY))
    assert FORMATS[name](record) == FORMATS[name](record)
