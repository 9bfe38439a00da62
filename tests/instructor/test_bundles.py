"""The bundles for Gradescope and GitHub Classroom: complete, never without a result."""

from __future__ import annotations

import base64
import json
import os
import re
import shutil
import subprocess
import sys
import zipfile
from pathlib import Path

import pytest
from make_bundles import ASSEMBLE, GRADER
from shared import REFERENCE, ROOT
from starter import generate, load

from labkit.base import write_zip

# Both systems run Linux; elsewhere their programs lack bash or GNU's timeout.
posix = pytest.mark.skipif(
    not all(map(shutil.which, ("bash", "timeout", "base64"))), reason="needs Linux"
)
thorough = pytest.mark.skipif(
    not os.environ.get("LAB_TEST_ALL"), reason="make test-all grades for real"
)
SECONDS = 180
TEMPLATES = ROOT / "instructor" / "autograder" / "output" / "templates"


def unpacked(system: str, folder: Path) -> Path:
    """Assemble a bundle and unpack it as its system does."""
    archive = folder / f"{system}.zip"
    write_zip(archive, ASSEMBLE[system](ROOT), programs=True)
    target = folder / system
    with zipfile.ZipFile(archive) as source:
        for entry in source.infolist():
            path = Path(source.extract(entry, target))
            path.chmod(entry.external_attr >> 16 & 0o777)
    return target


def starter(folder: Path) -> Path:
    """Write the untouched scripts as a submission."""
    exercises = load(REFERENCE)
    folder.mkdir(parents=True)
    for name, text in generate(exercises, exercises).items():
        (folder / name).write_text(text, encoding="utf-8")
    return folder


@pytest.mark.parametrize("system", ASSEMBLE)
def test_same_files_give_the_same_bundle(system: str, tmp_path: Path) -> None:
    files = ASSEMBLE[system](ROOT)
    write_zip(tmp_path / "a.zip", files, programs=True)
    write_zip(tmp_path / "b.zip", dict(reversed(files.items())), programs=True)
    assert (tmp_path / "a.zip").read_bytes() == (tmp_path / "b.zip").read_bytes()


def test_gradescope_bundle_has_its_programs_and_the_grader(tmp_path: Path) -> None:
    root = unpacked("gradescope", tmp_path)
    for name in ("setup.sh", "run_autograder"):
        text = (root / name).read_text(encoding="utf-8")
        assert text.startswith("#!/usr/bin/env bash\n") and "\r" not in text
        assert os.access(root / name, os.X_OK)
    assert all((root / "lab" / name).exists() for name in GRADER)
    assert (root / "lab" / "LabsSolutions" / "02-pytorch-asr" / "data.py").is_file()
    there = {path.relative_to(root / "lab") for path in (root / "lab").rglob("*.*")}
    templates = {path.relative_to(ROOT) for path in TEMPLATES.iterdir()}
    assert {"feedback.html.j2", "style.css"} <= {path.name for path in templates}
    assert templates <= there


@pytest.mark.parametrize("system", ASSEMBLE)
def test_a_bundle_of_part_one_has_no_script_of_part_two(system: str) -> None:
    left_out = set(ASSEMBLE[system](ROOT)) - set(ASSEMBLE[system](ROOT, 1))
    names = {Path(path).name for path in left_out}
    assert names == {"seq2seq.py", "hybrid.py", "main_seq2seq.py"}
    assert not any("checks" in path or "answers" in path for path in left_out)


def test_students_of_classroom_get_no_reference(tmp_path: Path) -> None:
    root = unpacked("classroom", tmp_path)
    students = {
        path.relative_to(root / "students").as_posix()
        for path in (root / "students").rglob("*")
    }
    assert {
        "data.py",
        "labkit/exercises/verdicts.py",
        "test_implementation.py",
        "checks/oracles.py",
    } <= students
    assert not any(
        name.startswith(("LabsSolutions", "instructor")) for name in students
    )
    assert all((root / "grader" / name).exists() for name in GRADER)


def test_workflow_keeps_the_names_that_classroom_asks_for(tmp_path: Path) -> None:
    root = unpacked("classroom", tmp_path)
    path = root / "students" / ".github" / "workflows" / "classroom.yml"
    text = path.read_text(encoding="utf-8")
    assert re.search(r"^name: Autograding Tests$", text, re.MULTILINE)
    jobs = text.partition("\njobs:\n")[2]
    assert re.findall(r"^  (\S+):$", jobs, re.MULTILINE) == ["run-autograding-tests"]
    # The reporter reads <RUNNER>_RESULTS for each of its runners.
    runner = re.search(r"runners: (\w+)", text)[1]
    assert f"{runner.upper()}_RESULTS: ${{{{ steps.lab.outputs.result }}}}" in text
    assert "\t" not in text
    script = re.search(r"bash grader/(\S+) submission", text)[1]
    assert (root / "grader" / script).is_file()


def run_autograder(root: Path, python: Path | str) -> dict:
    """Run Gradescope's program against a root of our own; return the results."""
    done = subprocess.run(
        [str(root / "source" / "run_autograder")],
        env={
            **os.environ,
            "AUTOGRADER_ROOT": str(root),
            "AUTOGRADER_PYTHON": str(python),
            "AUTOGRADER_SECONDS": str(SECONDS),
        },
        cwd=root,
        timeout=SECONDS + 30,
        capture_output=True,
    )
    assert done.returncode == 0, done.stderr.decode()
    text = (root / "results" / "results.json").read_text(encoding="utf-8")
    return json.loads(text)


def gradescope_root(tmp_path: Path) -> Path:
    """Lay out Gradescope's folders, the bundle in ``source``."""
    root = tmp_path / "auto grader"
    root.mkdir()
    shutil.move(str(unpacked("gradescope", tmp_path)), str(root / "source"))
    return root


@posix
@pytest.mark.parametrize(
    "program", ["exit 1", "kill -9 $$", "exit 0", "echo half; exit 3"]
)
def test_gradescope_has_a_result_when_grading_fails(
    program: str, tmp_path: Path
) -> None:
    root = gradescope_root(tmp_path)
    starter(root / "submission")
    python = tmp_path / "python"
    python.write_text(f"#!/bin/sh\n{program}\n", encoding="utf-8")
    python.chmod(0o755)
    result = run_autograder(root, python)
    assert result["score"] == 0 and result["tests"] == []
    assert "not your fault" in result["output"]


@posix
def test_gradescope_calls_the_grader_as_it_wants(tmp_path: Path) -> None:
    root = gradescope_root(tmp_path)
    python = tmp_path / "python"
    python.write_text('#!/bin/sh\nprintf "%s\\n" "$@" > "$0.args"\n', encoding="utf-8")
    python.chmod(0o755)
    run_autograder(root, python)
    arguments = (tmp_path / "python.args").read_text(encoding="utf-8").splitlines()
    assert arguments == [
        str(root / "source" / "lab" / "instructor" / "grade.py"),
        *(str(root / "submission"), "--format", "gradescope"),
    ]


def run_classroom(grader: Path, python: Path | str, submission: Path) -> dict:
    """Run the workflow's step; return the result that the next step gets."""
    output = submission.parent / "github_output"
    output.touch()
    script = grader / "instructor" / "bundles" / "classroom" / "run_classroom"
    variables = {"GITHUB_OUTPUT": str(output), "AUTOGRADER_PYTHON": str(python)}
    done = subprocess.run(
        ["bash", str(script), str(submission)],
        env={**os.environ, **variables, "AUTOGRADER_SECONDS": str(SECONDS)},
        timeout=SECONDS + 30,
        capture_output=True,
    )
    assert done.returncode == 0, done.stderr.decode()
    (line,) = output.read_text(encoding="utf-8").splitlines()
    name, _, encoded = line.partition("=")
    assert name == "result"
    return json.loads(base64.b64decode(encoded, validate=True))


@posix
def test_classroom_has_a_result_when_grading_fails(tmp_path: Path) -> None:
    grader = unpacked("classroom", tmp_path) / "grader"
    result = run_classroom(grader, "false", starter(tmp_path / "work" / "submission"))
    assert result == {"version": 3, "status": "error", "max_score": 0, "tests": []}


@posix
@thorough
def test_gradescope_gives_the_starter_nothing(tmp_path: Path) -> None:
    root = gradescope_root(tmp_path)
    starter(root / "submission")
    result = run_autograder(root, sys.executable)
    assert result["score"] == 0
    assert len(result["tests"]) == len(load(REFERENCE))
    assert all("not attempted" in test["output"] for test in result["tests"])


@posix
@thorough
def test_classroom_gives_the_reference_everything(tmp_path: Path) -> None:
    grader = unpacked("classroom", tmp_path) / "grader"
    submission = tmp_path / "work" / "submission"
    shutil.copytree(REFERENCE, submission)
    result = run_classroom(grader, sys.executable, submission)
    assert result["status"] == "pass" and result["max_score"] > 0
    assert sum(test["score"] for test in result["tests"]) == result["max_score"]
