"""The command of a milestone runs with its exercises alone."""

from __future__ import annotations

import shlex
import subprocess
import sys
from pathlib import Path

import pytest
from shared import ROOT, Run

from labkit.exercises import Milestone
from labkit.options import SEQ2SEQ
from test_implementation import EXERCISES, MILESTONES

SHORT = ("--num_epochs", 1)


def write_desk(written: list[str], folder: Path) -> None:
    """Write a desk on which some exercises are solved."""
    maker = ROOT / "instructor" / "make_starter.py"
    keep = [word for id_ in written for word in ("--keep", id_)]
    command = [sys.executable, str(maker), *keep, "--output", str(folder)]
    subprocess.run(command, check=True, capture_output=True)


@pytest.mark.parametrize("milestone", MILESTONES, ids=lambda one: one.upto)
def test_the_command_of_a_milestone_runs_when_its_exercises_are_done(
    milestone: Milestone, tmp_path: Path, corpus: Path, run: Run
) -> None:
    desk = tmp_path / "desk"
    write_desk(milestone.needs(EXERCISES), desk)
    _, script, command, *options = shlex.split(milestone.command)
    options = [word.replace("corpora/", f"{ROOT}/corpora/") for word in options]
    given = ("--datasetroot", corpus, "--datasetversion", "v", "--device", "cpu")
    if command == "test" and script == SEQ2SEQ.script and not SEQ2SEQ.pretrained:
        # There is no network of the kit to test: train one first.
        run(desk / script, "train", *given, *SHORT, PYTHONPATH=str(ROOT))
    short = SHORT if command == "train" else ()
    done = run(desk / script, command, *options, *given, *short, PYTHONPATH=str(ROOT))
    # One epoch is not enough to learn clips by heart, and --debug says so.
    too_short = "after 1 epochs" in done.stderr
    assert done.returncode == 0 or too_short, done.stdout + done.stderr
    assert (
        "times: by your viterbi()" if "--transcript" in options else "CER"
    ) in done.stdout
