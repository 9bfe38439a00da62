"""Submissions for the tests of grading, and what grading them leaves."""

from __future__ import annotations

import json
import os
import re
import subprocess
import sys
import textwrap
from pathlib import Path
from typing import Any

from shared import REFERENCE, ROOT
from starter import generate, load

REGIONS = load(REFERENCE)
STARTER = generate(REGIONS, REGIONS)
SOLVED = generate(REGIONS, ())
PROGRAM = ROOT / "instructor" / "grade.py"


def starter_with(bodies: dict[str, str], top: str = "") -> dict[str, str]:
    """Write bodies of exercises into the starter, and ``top`` above their scripts."""
    scripts = dict(STARTER)
    for id_, body in bodies.items():
        file = REGIONS[id_].name
        unwritten = re.compile(rf'^( *)raise NotImplementedError\("{id_}"\)\n', re.M)
        margin = unwritten.search(scripts[file])[1]
        block = textwrap.indent(textwrap.dedent(body).strip(), margin)
        scripts[file] = unwritten.sub(lambda _, b=block: f"{b}\n", scripts[file])
        scripts[file] = f"{top}\n{scripts[file]}" if top else scripts[file]
    return {
        f: t.replace("from __future__ import annotations\n", "") if top else t
        for f, t in scripts.items()
    }


def solved_with(bodies: dict[str, str]) -> dict[str, str]:
    """Write bodies of exercises into the reference."""
    scripts = {}
    for script in {REGIONS[id_].name: REGIONS[id_] for id_ in REGIONS}.values():
        own = {id_: body for id_, body in bodies.items() if REGIONS[id_] is script}
        text = script.render(own)
        for id_, body in own.items():
            raised = re.compile(rf'^( *)raise NotImplementedError\("{id_}"\)\n', re.M)
            margin = raised.search(text)[1]
            block = textwrap.indent(textwrap.dedent(body).strip(), margin)
            text = raised.sub(lambda _, b=block: f"{b}\n", text)
        scripts[script.name] = text
    return scripts


def hand_in(folder: Path, scripts: dict[str, str]) -> Path:
    """Write scripts into a folder."""
    folder.mkdir(parents=True, exist_ok=True)
    for name, text in scripts.items():
        (folder / name).write_text(text, encoding="utf-8")
    return folder


def grade(
    submissions: Path, results: Path, *options: object, seconds: int = 300
) -> subprocess.CompletedProcess:
    """Run the program that grades."""
    command = [sys.executable, PROGRAM, submissions, "-o", results, *options]
    return subprocess.run(
        [str(part) for part in command],
        capture_output=True,
        encoding="utf-8",
        timeout=seconds,
        env={k: v for k, v in os.environ.items() if k != "LAB_SEED"},
    )


def records_of(results: Path) -> dict[str, dict[str, Any]]:
    """Read the records of a run, by the student's name."""
    found = {}
    for path in (results / "records").glob("*.json"):
        record = json.loads(path.read_text(encoding="utf-8"))
        if "exercises" in record:
            found[record["name"]] = record
    return found


def earned(record: dict[str, Any]) -> float:
    """Points of a record."""
    return sum(exercise["earned"] for exercise in record["exercises"])


def exercise_of(record: dict[str, Any], id_: str) -> dict[str, Any]:
    """One exercise of a record."""
    return next(e for e in record["exercises"] if e["id"] == id_)
