"""What the maintainers' tests share: the reference, and running its programs."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
import soundfile
from shared import REFERENCE, ROOT, Run

from labkit.base.desk import Lab

# A shell's background job ignores Ctrl-C, and so would the programs that tests start.
signal.signal(signal.SIGINT, signal.default_int_handler)

# Tests of grading import its package as instructor/grade.py does.
sys.path.insert(0, str(ROOT / "instructor"))

# The tests import the scripts by name: they mean the reference.
REFERENCE_LAB = Lab(REFERENCE)


@pytest.fixture(autouse=True)
def _reference_scripts() -> None:
    """Mean the reference in every test, also in what a script imports when called."""
    REFERENCE_LAB.activate()


@pytest.fixture(autouse=True, scope="module")
def _reference_scripts_of_a_module() -> None:
    """Mean it in what all tests of a module share, too, whatever ran before."""
    REFERENCE_LAB.activate()


@pytest.fixture
def run(tmp_path: Path) -> Run:
    """Run a script in a folder of its own; paths are relative to the root."""

    def call(
        script: str | Path, *options: object, seconds: int = 300, **environment: str
    ) -> subprocess.CompletedProcess:
        command = [sys.executable, str(ROOT / script), *map(str, options)]
        return subprocess.run(
            command,
            cwd=tmp_path,
            capture_output=True,
            encoding="utf-8",
            timeout=seconds,
            env={**os.environ, "OMP_NUM_THREADS": "1", **environment},
        )

    return call


@pytest.fixture
def corpus(tmp_path: Path) -> Path:
    """Make a root with one small corpus ``v``: six clips of tones in each fold."""
    folder = tmp_path / "corpora" / "v" / "fr"
    (folder / "clips").mkdir(parents=True)
    for n, fold in enumerate(("train", "dev", "test")):
        lines = ["client_id\tpath\tsentence\tlocale"]
        for i in range(6):
            name = f"clip_{fold}_{i}.mp3"
            tone = 0.3 * np.sin(np.arange(24000 + 800 * i) * (0.05 + 0.01 * (n + i)))
            soundfile.write(folder / "clips" / name, tone, 16000, format="MP3")
            lines.append(f"speaker{n}\t{name}\t{'abc'[i % 3]} {'de'[i % 2]}\tfr")
        (folder / f"{fold}.tsv").write_text("\n".join(lines) + "\n", encoding="utf-8")
    return folder.parents[1]


@pytest.fixture
def cut_only() -> Callable[[str, Path], None]:
    """Write the reference into a folder, one exercise cut."""

    def cut(id_: str, folder: Path) -> None:
        maker = ROOT / "instructor" / "make_starter.py"
        command = [sys.executable, str(maker), "--only", id_, "--output", str(folder)]
        subprocess.run(command, check=True, capture_output=True)

    return cut


def pytest_sessionstart() -> None:
    """Mean the reference again: pytest's own options chose another folder."""
    REFERENCE_LAB.activate()
