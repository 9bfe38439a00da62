"""Reading what was handed in, and what comes back from student code."""

from __future__ import annotations

import ast
import shutil
import subprocess
import sys
import zipfile
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
import torch
from autograder.intake import Source, find_submissions, probe_files, transplant
from autograder.intake.syntax import parse
from helpers.submitted import REGIONS, SOLVED, STARTER, hand_in
from shared import ROOT

from labkit.base.errors import LabError
from labkit.exercises.exchange import from_bytes, to_bytes
from labkit.exercises.expect import MismatchError, expect, part
from labkit.exercises.verdicts import Verdict, judge_parts
from test_implementation import EXERCISES

FILES = tuple(dict.fromkeys(script.name for script in REGIONS.values()))
MOODLE = "Marie Dupont_12345_assignsubmission_file_"

# ---- reading what was handed in


def zip_scripts(path: Path, scripts: dict[str, str], folder: str = "") -> Path:
    """Zip scripts, in a folder of the zip or at its top."""
    path.parent.mkdir(parents=True, exist_ok=True)
    with zipfile.ZipFile(path, "w") as archive:
        for name, text in scripts.items():
            archive.writestr(f"{folder}{name}", text)
    return path


def found_in(given: Path) -> dict[str, Any]:
    """Read submissions, by name."""
    return {s.name: s for s in find_submissions(given, FILES)}


def test_answers_in_words_are_read_wherever_the_scripts_are(tmp_path: Path) -> None:
    both = {**SOLVED, "answers.md": "## Q1 Été\n", "metrics.csv": "dev_cer\n0.1\n"}
    hand_in(tmp_path / "alice", both)
    hand_in(tmp_path / "alice" / "old", {"answers.md": "an older one\n"})
    zip_scripts(tmp_path / "bob.zip", both, "asr-lab/")
    zip_scripts(tmp_path / f"{MOODLE}submission.zip", both)
    hand_in(tmp_path / "dora", SOLVED)
    found = found_in(tmp_path)
    assert found.pop("dora").answers == ""
    assert [one.answers for one in found.values()] == [both["answers.md"]] * 3
    assert {one.metrics for one in found.values()} == {both["metrics.csv"]}
    assert all(one.scripts == SOLVED and not one.problems for one in found.values())


def test_folders_zips_and_moodles_downloads_are_one_class(tmp_path: Path) -> None:
    hand_in(tmp_path / "alice", SOLVED)
    hand_in(tmp_path / "bob" / "deep" / "lab", SOLVED)
    zip_scripts(tmp_path / "carol.zip", SOLVED, "asr-lab/")
    hand_in(tmp_path / MOODLE, SOLVED)
    flat = "Jean-Luc P_77_assignsubmission_file_"
    for name, text in SOLVED.items():
        (tmp_path / f"{flat}{name}").write_text(text, encoding="utf-8")
    zip_scripts(tmp_path / "Zoé_9_assignsubmission_file_submission.zip", SOLVED)
    (tmp_path / "grades.csv").write_text("no submission")
    found = found_in(tmp_path)
    names = ["Jean-Luc P", "Marie Dupont", "Zoé", "alice", "bob", "carol"]
    assert sorted(found) == names
    assert all(s.scripts == SOLVED and not s.problems for s in found.values())
    numbers = [found[name].identifier for name in names]
    assert numbers == ["77", "12345", "9", "", "", ""]


@pytest.mark.parametrize("wrapper", ["", "class/"])
def test_one_zip_of_all_may_be_nested_once(tmp_path: Path, wrapper: str) -> None:
    inner = zip_scripts(tmp_path / "inner.zip", SOLVED, "lab/")
    with zipfile.ZipFile(tmp_path / "all.zip", "w") as archive:
        archive.write(inner, f"{wrapper}alice.zip")
        for name, text in SOLVED.items():
            archive.writestr(f"{wrapper}bob/{name}", text)
            archive.writestr(f"{wrapper}__MACOSX/bob/._{name}", "junk")
    found = found_in(tmp_path / "all.zip")
    assert sorted(found) == ["alice", "bob"]
    assert all(s.scripts == SOLVED for s in found.values())


@pytest.mark.parametrize("folder", ["", "lab/"])
def test_one_student_alone(tmp_path: Path, folder: str) -> None:
    (alone,) = find_submissions(
        zip_scripts(tmp_path / "alice.zip", SOLVED, folder), FILES
    )
    assert (alone.name, alone.scripts) == ("alice", SOLVED)
    if not folder:
        (alone,) = find_submissions(hand_in(tmp_path / "bob", SOLVED), FILES)
        assert (alone.name, alone.scripts) == ("bob", SOLVED)


def test_the_shallowest_script_counts_and_rivals_are_named(tmp_path: Path) -> None:
    hand_in(tmp_path / "c" / "alice", SOLVED)
    hand_in(tmp_path / "c" / "alice" / "old", STARTER)
    hand_in(tmp_path / "c" / "bob" / "a", SOLVED)
    hand_in(tmp_path / "c" / "bob" / "b", {"data.py": "x = 1\n"})
    one = {f.replace(".py", " (1).py"): t for f, t in SOLVED.items()}
    hand_in(tmp_path / "c" / "carol", one)
    found = found_in(tmp_path / "c")
    assert all(found[name].scripts == SOLVED for name in found)
    assert found["alice"].problems == []
    assert found["bob"].problems == ["graded is a/, of 2 folders with scripts; not b/"]
    assert len(found["carol"].problems) == len(FILES)


@pytest.mark.parametrize(
    "content, named",
    [
        (b"\xef\xbb\xbfx = 'caf\xc3\xa9'\r\n", ""),
        (b"x = 'caf\xe9'\n", "Latin-1"),
        (b"# coding: latin-1\nx = 'caf\xe9'\n", ""),
        ("x = 'café'".encode("utf-16"), "UTF-16"),
        (b"x = 'caf\xc3\xa9'\rx = x", ""),
    ],
)
def test_encodings_and_line_endings(tmp_path: Path, content: bytes, named: str) -> None:
    hand_in(tmp_path / "alice", {})
    (tmp_path / "alice" / "data.py").write_bytes(content)
    alice = found_in(tmp_path)["alice"]
    text = alice.scripts["data.py"]
    scope: dict[str, str] = {}
    exec(text, scope)
    assert scope["x"] == "café" and "\r" not in text
    assert [p for p in alice.problems if named in p and "missing" not in p] or not named


def test_nothing_to_grade_is_a_usage_error(tmp_path: Path) -> None:
    (tmp_path / "notes.txt").write_text("nothing")
    for given in (tmp_path, tmp_path / "notes.txt", tmp_path / "none"):
        with pytest.raises(LabError) as caught:
            find_submissions(given, FILES)
        assert caught.value.exit_code == 2


# ---- an answer in the midst of the reference


@pytest.mark.parametrize("id_", EXERCISES)
def test_the_references_own_answer_goes_back_to_its_place(id_: str) -> None:
    exercise = EXERCISES[id_]
    text = SOLVED[exercise.file]
    moved = transplant(Source(text), Source(text), exercise.function)
    same = compile(text, "one", "exec").co_consts
    assert compile(moved.text, "one", "exec").co_consts == same


def test_helpers_imports_and_methods_go_along() -> None:
    theirs = Source(
        "import math as m\nLIMIT = 3\n\n"
        "def unused():\n    return 1\n\n"
        "def helper(x):\n    return m.floor(x) + LIMIT\n\n"
        "class Net:\n    def _own(self):\n        return helper(2.5)\n\n"
        "    def size(self):\n        '''Text\nat column 0.'''\n"
        "        return self._own()\n"
    )
    ours = Source("class Net:\n    def size(self):\n        return 0\n\nEND = 1\n")
    moved = transplant(theirs, ours, "Net.size")
    scope: dict[str, Any] = {}
    exec(moved.text, scope)
    assert scope["Net"]().size() == 5 and scope["END"] == 1
    assert "unused" not in scope
    place = moved.text.split("\n").index("    return m.floor(x) + LIMIT") + 1
    assert moved.own_line(place) == 8


@pytest.mark.parametrize(
    "text", ["(" * 5000, "x = " + "-" * 100_000 + "1", "def f(:\n", "\0", "'" * 7]
)
def test_a_text_that_is_no_python_is_a_syntax_error(text: str) -> None:
    with pytest.raises(SyntaxError):
        parse(text)
    assert Source(text).function("f") is None and Source(text).answer("f") == ""


def test_the_probes_bring_no_judge_along(tmp_path: Path) -> None:
    files = probe_files(ROOT, EXERCISES)
    assert not {"checks/oracles.py", "checks/drawing.py"} & set(files)
    for text in files.values():
        assert "judge" not in text and "oracles" not in text and "expect" not in text
    tools = Source(files["checks/tools.py"])
    assert tools.function("pack") and tools.function("collapsed") is None
    for name, text in files.items():
        (tmp_path / name).parent.mkdir(exist_ok=True)
        (tmp_path / name).write_text(text, encoding="utf-8")
    code = f"import sys; sys.path[:0] = [{str(tmp_path)!r}, {str(ROOT)!r}]\n"
    code += "import probes; print(*probes.PROBES)"
    command = [sys.executable, "-I", "-c", code]
    done = subprocess.run(command, capture_output=True, encoding="utf-8", check=True)
    assert done.stdout.split() == [*EXERCISES, "import"]


def test_probes_bring_no_function_along_but_those_they_call() -> None:
    files = probe_files(ROOT, EXERCISES)
    trees = [node for text in files.values() for node in ast.walk(ast.parse(text))]
    methods = [n for c in trees if isinstance(c, ast.ClassDef) for n in c.body]
    inner = {
        n
        for f in trees
        if isinstance(f, ast.FunctionDef)
        for n in ast.walk(f)
        if n is not f
    }
    functions = {
        node.name
        for node in [*trees, *methods]
        if isinstance(node, ast.FunctionDef) and node not in inner
    }
    packing = {"pack", "unpacked", "convolution_weights", "without_biases"}
    networks = {"small_model", "give_weights", "__init__", "memory", "forward"}
    networks |= {"convolution_weights", "without_biases", "old_lengths_named"}
    assert functions == {"probe", "import_script", "losses", *packing, *networks}


def test_names_of_probes_are_resolved_as_python_does(tmp_path: Path) -> None:
    shutil.copytree(ROOT / "checks", tmp_path / "checks")
    decoding = tmp_path / "checks" / "decoding.py"
    text = decoding.read_text("utf-8")
    own = "run = lab.decoding.collapse\n"
    # A local variable, an attribute and a member that are named like oracles.
    local = f"{own}        collapsed = run.collapsed = inputs.get('judge')\n"
    decoding.write_text(text.replace(own, local), "utf-8")
    files = probe_files(tmp_path, EXERCISES)
    assert "def collapsed" not in "".join(files.values())
    assert "def judge" not in files["checks/decoding.py"]


def test_a_probe_that_uses_an_oracle_is_refused(tmp_path: Path) -> None:
    shutil.copytree(ROOT / "checks", tmp_path / "checks")
    decoding = tmp_path / "checks" / "decoding.py"
    text = decoding.read_text("utf-8")
    own = "run = lab.decoding.collapse\n"
    assert own in text
    decoding.write_text(text.replace(own, "run = language_gain\n"), "utf-8")
    with pytest.raises(ValueError, match="a probe uses an oracle"):
        probe_files(tmp_path, EXERCISES)


# ---- what comes back


@pytest.mark.parametrize("cut", range(0, 60, 7))
def test_half_an_outcome_is_a_value_error(cut: int) -> None:
    whole = to_bytes({"a": (torch.ones(2, 3), [1, "é", None, float("nan")])})
    with pytest.raises(ValueError):  # noqa: PT011 (of any kind)
        from_bytes(whole[: len(whole) - 1 - cut])


def test_what_looks_alike_is_told_apart_by_its_type() -> None:
    with pytest.raises(MismatchError) as found:
        expect("question1()", "44", 44, "one output for each symbol")
    assert (found.value.expected, found.value.got) == ("44 of int", "44 of str")


def test_parts_earn_their_share_where_an_instructor_grades() -> None:
    def judge(inputs: dict, result: dict) -> None:
        for name in ("a", "b", "a", "c"):
            with part(name):
                expect(name, result[name], 1, "must be 1")

    class Fake:
        id, title, where, file, function = "E99", "t", "f.py:g", "f.py", "g"
        section = "text.md#e99"

    Fake.check = SimpleNamespace(judge=judge)

    def share(**result: int) -> tuple[str, float]:
        verdict: Verdict = judge_parts(Fake, {}, {"result": result})
        return verdict.state, round(verdict.share, 2)

    assert share(a=1, b=1, c=1) == ("done", 1.0)
    assert share(a=1, b=0, c=1) == ("fail", 0.67)
    assert share(a=0, b=0) == ("fail", 0.0)
