"""Running a probe in a process of its own, where student code may do what it likes."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

from labkit.desk import Lab
from labkit.exchange import read_values, write_values
from labkit.grading import Exercise, run_probe

_ROOT = Path(__file__).resolve().parents[1]
_SECONDS = 60


def run_probe_apart(
    exercise: Exercise, lab: Lab, inputs: dict[str, Any]
) -> dict[str, Any]:
    """Run a probe in another process.

    Args:
        exercise: Whose probe.
        lab: Whose scripts.
        inputs: What the probe is given.

    Returns:
        What ``run_probe`` returns there, read back without pickle.
    """
    with TemporaryDirectory() as folder:
        given, brought = Path(folder, "inputs"), Path(folder, "outcome")
        write_values(given, inputs)
        command = [sys.executable, "-m", "labkit.probe", exercise.id]
        command += [str(path) for path in (lab.folder, given, brought)]
        try:
            done = subprocess.run(
                command,
                cwd=_ROOT,
                timeout=_SECONDS,
                stdout=subprocess.DEVNULL,
                stderr=subprocess.PIPE,
            )
        except subprocess.TimeoutExpired:
            return _crash("TimeoutExpired", f"no result after {_SECONDS} s")
        if done.returncode != 0:
            last = done.stderr.decode(errors="replace").strip().splitlines()[-1:]
            return _crash("Crash", f"exit code {done.returncode} {''.join(last)}")
        return read_values(brought)


def _crash(name: str, message: str) -> dict[str, Any]:
    return {"raised": name, "message": message, "blocked_by": "", "place": "?"}


def main(id_: str, folder: str, given: str, brought: str) -> None:
    """Run the probe of one exercise on the inputs at ``given``."""
    import torch

    from test_implementation import EXERCISES

    torch.set_num_threads(1)
    outcome = run_probe(EXERCISES[id_], Lab(Path(folder)), read_values(Path(given)))
    try:
        write_values(Path(brought), outcome)
    except TypeError as error:
        refused = {"raised": "TypeError", "message": str(error)}
        write_values(Path(brought), {**refused, "blocked_by": "", "place": id_})


if __name__ == "__main__":
    main(*sys.argv[1:])
