"""Grading a class: fairness, states, resuming."""

from __future__ import annotations

import os
import shutil
import signal
import subprocess
import sys
import time
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
from autograder.intake import Source
from autograder.marking import open_material
from helpers.submitted import (
    PROGRAM,
    SOLVED,
    STARTER,
    earned,
    exercise_of,
    grade,
    hand_in,
    records_of,
    solved_with,
    starter_with,
)
from shared import REFERENCE, ROOT

from test_implementation import EXERCISES

POINTS = sum(exercise.points for exercise in EXERCISES.values())

TAKES_LONG = pytest.mark.skipif(
    "LAB_TEST_ALL" not in os.environ, reason="takes long: make test-all"
)

OWN_HELPERS = {
    "E07": "return len(transcript) + sum(own_pairs(transcript))",
    "E19": "return self_made(nhidden, vocab_size)",
}
HELPERS = (
    "import itertools as own_tools\n\n\n"
    "def own_pairs(symbols):\n"
    "    return [a == b for a, b in zip(symbols, own_tools.islice(symbols, 1, None))]\n"
    "\n\ndef self_made(nhidden, n_symbols):\n"
    "    return nn.Sequential(nn.Linear(2 * nhidden, n_symbols))\n"
)
# Each submission has a home and a place for temporary files.
AT_HOME = """

import pathlib
import tempfile

with tempfile.TemporaryFile() as file:
    file.write(b"1")
(pathlib.Path.home() / "mine").write_text("1")
"""
BY_HEART = """
known = {answers}
return known.get(tuple(transcript), -1)
"""


def by_heart() -> str:
    """Write a body for E07 that knows what seed 0 asks."""
    import torch

    inputs = EXERCISES["E07"].check.inputs(torch.Generator().manual_seed(0))
    asked = inputs["transcripts"]
    answers = {tuple(t): len(t) + sum(a == b for a, b in zip(t, t[1:])) for t in asked}
    return BY_HEART.format(answers=answers)


def students() -> dict[str, dict[str, str]]:
    """Write the class: names and scripts."""
    helped = solved_with(OWN_HELPERS)
    helped["models.py"] += f"\n\n{HELPERS}"
    broken = {
        **SOLVED,
        "models.py": SOLVED["models.py"].replace("return", "retrun(", 1),
    }
    lost = {
        **SOLVED,
        "decoding.py": SOLVED["decoding.py"].replace("collapse(", "fold("),
    }
    early = starter_with(
        {
            "E01": "return 44",
            "E04": "raise ValueError('nor this')",
            "E05": "raise ValueError('not yet')",
        }
    )
    at_home = {**SOLVED, "data.py": SOLVED["data.py"] + AT_HOME}
    helped["data.py"] += AT_HOME
    return {
        "all right": at_home,
        "untouched": STARTER,
        "a mistake": solved_with({"E11": "return lengths // 4"}),
        "two mistakes": solved_with(
            {"E03": "return None", "E17": "raise ValueError('E17 is hard')"}
        ),
        "own helpers": helped,
        "broken": broken,
        "lost": lost,
        "missing": {f: t for f, t in SOLVED.items() if f != "decoding.py"},
        "early": early,
        "only E05": starter_with({"E05": _body("E05")}),
        "half of E02": solved_with(
            {
                "E02": "encoded = CharMap().encode(QUESTION_SENTENCE)\n"
                "return encoded, 'no'"
            }
        ),
        "by heart": solved_with({"E07": by_heart()}),
        "windows": {f: t.replace("\n", "\r\n") for f, t in at_home.items()},
    }


def _body(id_: str) -> str:
    """Take the reference's body of an exercise."""
    source = Source(SOLVED[EXERCISES[id_].file])
    return source.answer(EXERCISES[id_].function)


@dataclass
class Class:
    """A class, where it stands, and what came of it."""

    folder: Path
    results: Path
    output: str
    records: dict[str, Any]


@pytest.fixture(scope="module")
def graded(tmp_path_factory: pytest.TempPathFactory) -> Class:
    """Grade the class once."""
    folder = tmp_path_factory.mktemp("class")
    results = tmp_path_factory.mktemp("out") / "results"
    for name, scripts in students().items():
        target = hand_in(folder / name, {})
        for file, text in scripts.items():
            (target / file).write_bytes(text.encode())
    done = grade(folder, results, "-j", 2, "--seed", 7)
    assert done.returncode == 0, done.stdout + done.stderr
    return Class(folder, results, done.stdout, records_of(results))


def lost_points(record: dict[str, Any]) -> dict[str, float]:
    """Points that a record lacks, by exercise."""
    exercises = record["exercises"]
    lacks = {e["id"]: round(e["points"] - e["earned"], 2) for e in exercises}
    return {id_: points for id_, points in lacks.items() if points}


def test_the_run_names_isolation_reference_and_starter(graded: Class) -> None:
    assert graded.output.startswith("isolation: a process for each exercise")
    assert f"reference {POINTS}/{POINTS}, untouched starter 0/{POINTS}" in graded.output
    assert (graded.results / "grades.csv").is_file()


@pytest.mark.parametrize("name", ["all right", "own helpers", "windows"])
def test_right_answers_earn_everything(graded: Class, name: str) -> None:
    record = graded.records[name]
    assert lost_points(record) == {}
    # Whatever the slot: as they are, not only one by one.
    assert {e["as_is"] for e in record["exercises"]} == {"done"}


@pytest.mark.parametrize(
    "name, mistakes",
    [
        ("a mistake", {"E11": 2.0}),
        ("two mistakes", {"E03": 2.0, "E17": 2.0}),
        ("half of E02", {"E02": 0.5}),
        ("by heart", {"E07": 2.0}),
    ],
)
def test_a_mistake_costs_once(
    graded: Class, name: str, mistakes: dict[str, float]
) -> None:
    assert lost_points(graded.records[name]) == mistakes


def states(record: dict[str, Any]) -> dict[str, str]:
    """States of a record, by exercise."""
    return {e["id"]: e["state"] for e in record["exercises"]}


def test_states(graded: Class) -> None:
    assert set(states(graded.records["untouched"]).values()) == {"todo"}
    assert states(graded.records["half of E02"])["E02"] == "partial"
    assert states(graded.records["early"])["E05"] == "fail"
    assert earned(graded.records["early"]) == 1
    only = graded.records["only E05"]
    assert earned(only) == EXERCISES["E05"].points
    assert exercise_of(only, "E05")["as_is"] == "blocked"


def test_a_broken_script_is_named_with_its_line(graded: Class) -> None:
    record = graded.records["broken"]
    lost = [id_ for id_, e in EXERCISES.items() if e.file == "models.py"]
    assert set(lost_points(record)) == set(lost)
    assert any("models.py: line" in problem for problem in record["problems"])
    assert "fix models.py, line" in exercise_of(record, "E11")["mistake"]


def test_a_lost_function_and_a_missing_file_are_named(graded: Class) -> None:
    lost = exercise_of(graded.records["lost"], "E08")
    assert lost["state"] == "fail" and "no collapse in decoding.py" in lost["lines"][3]
    missing = graded.records["missing"]
    assert "decoding.py: missing" in missing["problems"]
    own = [e for e in missing["exercises"] if e["where"].startswith("decoding.py")]
    assert {e["state"] for e in own} == {"todo"}
    others = {id_ for id_, e in EXERCISES.items() if e.file != "decoding.py"}
    assert {e["id"] for e in missing["exercises"] if e["earned"]} == others


def test_lines_are_those_of_the_students_script(graded: Class) -> None:
    record = graded.records["early"]
    text = (graded.folder / "early" / "data.py").read_text("utf-8")
    line = text[: text.index("raise ValueError('nor this')")].count("\n") + 1
    assert f"data.py:{line} in pack_sequences" in exercise_of(record, "E04")["mistake"]


def test_nothing_is_shown_of_a_run_beside_the_reference(graded: Class) -> None:
    early = exercise_of(graded.records["early"], "E05")
    assert (early["as_is"], early["alone"]) == ("blocked", "fail")
    text = " ".join(early["lines"])
    assert "not yet" not in text and "data.py:" not in text
    assert "the lab's own WaveformProcessor.build_tospectro (E03)" in text


def test_seeds_versions_and_time_are_recorded(graded: Class) -> None:
    seeds = {record["seed"] for record in graded.records.values()}
    # Line endings apart, two of the class handed in the same.
    assert len(seeds) == len(graded.records) - 1
    record = graded.records["all right"]
    assert {"python", "torch", "labkit"} <= set(record["versions"])
    assert record["graded_at"].startswith("20") and record["key"]


def test_a_second_run_grades_only_what_changed(graded: Class, tmp_path: Path) -> None:
    folder = Path(shutil.copytree(graded.folder, tmp_path / "class"))
    results = Path(shutil.copytree(graded.results, tmp_path / "results"))
    before = records_of(results)
    hand_in(folder / "untouched", starter_with({"E01": "return 44"}))
    (results / "records" / "torn.json").write_text('{"name": ')
    done = grade(folder, results, "--seed", 7)
    assert f"unchanged since they were graded: {len(before) - 1}" in done.stdout
    after = records_of_readable(results)
    assert earned(after.pop("untouched")) == 1
    before.pop("untouched")
    assert after == before


def records_of_readable(results: Path) -> dict[str, Any]:
    """Read the records of a run, but for one that is torn."""
    (results / "records" / "torn.json").unlink()
    return records_of(results)


@TAKES_LONG
@pytest.mark.skipif(os.name != "posix", reason="signals")
def test_a_killed_run_goes_on_where_it_was(graded: Class, tmp_path: Path) -> None:
    results, folder = tmp_path / "results", tmp_path / "class"
    for name in ("a mistake", "all right", "early", "lost", "only E05", "untouched"):
        shutil.copytree(graded.folder / name, folder / name)
    command = [sys.executable, PROGRAM, folder, "-o", results, "--seed", "7"]
    running = subprocess.Popen(
        [str(part) for part in command],
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
    )
    deadline = time.monotonic() + 120
    while len(list((results / "records").glob("*.json"))) < 3:
        assert time.monotonic() < deadline and running.poll() is None
        time.sleep(0.05)
    running.send_signal(signal.SIGKILL)
    running.wait()
    kept = records_of(results)
    done = grade(folder, results, "-j", 2, "--seed", 7)
    assert done.returncode == 0, done.stderr
    assert f"unchanged since they were graded: {len(kept)}" in done.stdout
    whole = records_of(results)
    assert {name: record for name, record in whole.items() if name in kept} == kept
    assert len(whole) == 6 > len(kept)
    for name, record in whole.items():
        assert states(record) == states(graded.records[name])


@pytest.mark.skipif(os.name != "posix", reason="signals")
def test_ctrl_c_ends_quietly_and_says_what_to_do(graded: Class, tmp_path: Path) -> None:
    command = [sys.executable, PROGRAM, graded.folder, "-o", tmp_path / "results"]
    running = subprocess.Popen(
        [str(part) for part in command],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        encoding="utf-8",
    )
    while "reference" not in running.stdout.readline():
        assert running.poll() is None
    running.send_signal(signal.SIGINT)
    _, errors = running.communicate(timeout=60)
    assert running.returncode == 130
    assert (
        "the same command continues from here" in errors and "Traceback" not in errors
    )


@TAKES_LONG
@pytest.mark.parametrize("without", ["namespaces", "fork"])
def test_less_isolation_leads_to_the_same_grades(
    graded: Class, tmp_path: Path, without: str
) -> None:
    few = tmp_path / "few"
    for name in ("a mistake", "half of E02"):
        shutil.copytree(graded.folder / name, few / name)
    crash = {"E15": "import os; os._exit(3)", "E07": "import time; time.sleep(1000)"}
    hand_in(few / "crashes", solved_with(crash))
    options = ["--without", without, "--without", "user", "--seconds", 2]
    done = grade(few, tmp_path / "results", "--seed", 7, *options)
    assert done.returncode == 0, done.stdout + done.stderr
    records = records_of(tmp_path / "results")
    assert lost_points(records.pop("crashes")) == {"E15": 1, "E07": 2}
    for name, record in records.items():
        assert states(record) == states(graded.records[name])


def test_alone_an_answer_stands_beside_what_it_needs_and_no_other() -> None:
    material = open_material(ROOT)
    for id_, exercise in EXERCISES.items():
        text = "".join(material.beside[id_].values())
        there = {
            one for one in EXERCISES if f'NotImplementedError("{one}")' not in text
        }
        needed = set(exercise.needs)
        needed |= {more for one in needed for more in EXERCISES[one].needs}
        assert there == needed
        # So an answer that keeps what it read finds nobody left to read it.
        assert all(one < id_ for one in needed)


def test_what_submit_makes_can_be_graded(tmp_path: Path) -> None:
    template = (ROOT / "answers.md").read_text(encoding="utf-8")
    answers = template.replace("**Answer**", "**Answer** Ninety nats.", 1)
    lab = hand_in(tmp_path / "lab", {**SOLVED, "answers.md": answers})
    program = ROOT / "test_implementation.py"
    command = [sys.executable, str(program), "--submit", "--lab", str(lab)]
    subprocess.run(command, check=True, cwd=tmp_path, capture_output=True)
    options = ["--format", "gradescope"]
    done = grade(lab / "submission.zip", tmp_path / "results", *options)
    assert done.returncode == 0 and '"tests"' in done.stdout
    (record,) = records_of(tmp_path / "results").values()
    assert earned(record) == POINTS
    (page,) = (tmp_path / "results" / "feedback").glob("*.md")
    text = page.read_text(encoding="utf-8")
    assert "1 of 6 questions answered" in text and "Ninety nats." in text


def test_one_result_is_printed_and_nothing_written(tmp_path: Path) -> None:
    lab = hand_in(tmp_path / "lab", {"data.py": SOLVED["data.py"]})
    (tmp_path / "results").mkdir()
    command = [sys.executable, str(PROGRAM), str(lab), "--format", "vpl"]
    command += ["--given", "E01", "--given", "E02", "--part", "1"]
    done = subprocess.run(command, cwd=tmp_path, capture_output=True, encoding="utf-8")
    assert done.returncode == 0, done.stderr
    own = [e for e in EXERCISES.values() if e.file == "data.py"]
    points = sum(e.points for e in own if e.id not in ("E01", "E02"))
    assert f"Grade :=>> {points}" in done.stdout.replace(".0", "")
    assert not [*(tmp_path / "results").iterdir()]


@pytest.mark.parametrize(
    "options",
    [
        ["--given", "nowhere"],
        ["--jobs", "0"],
        ["--format", "pdf"],
        ["nowhere"],
        ["--seed", "x"],
    ],
)
def test_wrong_use_is_two_lines_and_exit_code_2(
    tmp_path: Path, options: list[str]
) -> None:
    (tmp_path / "class" / "alice").mkdir(parents=True)
    given = tmp_path / "class"
    if options == ["nowhere"]:
        given, options = tmp_path / "nowhere", []
    done = grade(given, tmp_path / "results", *options)
    assert done.returncode == 2
    heads = [line.split(":")[0] for line in done.stderr.splitlines()]
    assert heads == ["error", "to do"]


def test_a_reference_that_fails_stops_everything(tmp_path: Path) -> None:
    lab = tmp_path / "lab"
    ignored = shutil.ignore_patterns("__pycache__")
    for name in ("checks", "labkit", "instructor", "LabsSolutions"):
        shutil.copytree(ROOT / name, lab / name, ignore=ignored)
    shutil.copy(ROOT / "test_implementation.py", lab)
    script = lab / REFERENCE.relative_to(ROOT) / "data.py"
    text = script.read_text("utf-8")
    script.write_text(text.replace("return CharMap().vocab_size", "return 1"), "utf-8")
    hand_in(tmp_path / "class" / "alice", SOLVED)
    command = [sys.executable, lab / "instructor" / "grade.py", tmp_path / "class"]
    done = subprocess.run(
        [str(part) for part in (*command, "-o", tmp_path / "results")],
        capture_output=True,
        encoding="utf-8",
    )
    assert done.returncode == 3, done.stdout + done.stderr
    assert "the reference does not pass here: E01 fail" in done.stderr
    assert not (tmp_path / "results" / "grades.csv").exists()
