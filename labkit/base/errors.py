"""Errors that a user can fix: one line of cause, one line of remedy."""

from __future__ import annotations

import io
import os
import re
import sys
import traceback
from collections.abc import Callable
from pathlib import Path

FAILURE = 1  # exit code of a run that failed
USAGE = 2  # exit code of a wrong command line
INTERRUPTED = 130  # what a shell reports after Ctrl-C

EXERCISE_ID = re.compile(r"\bE\d\d\b")


class LabError(Exception):
    """An error that the user can fix: what is wrong and what to do, a line each."""

    def __init__(self, cause: str, remedy: str, exit_code: int = FAILURE) -> None:
        super().__init__(cause)
        self.cause, self.remedy, self.exit_code = cause, remedy, exit_code

    def __reduce__(self) -> tuple:
        """Pickle the error with its remedy: it may come from a worker process."""
        return type(self), (self.cause, self.remedy, self.exit_code)


def unwritten_exercise(error: BaseException) -> str | None:
    """Return the id of the exercise whose starter body raised ``error``, if any."""
    if not isinstance(error, NotImplementedError):
        return None
    found = EXERCISE_ID.search(str(error))
    return found.group() if found else None


def _from_unwritten(error: NotImplementedError, exercise: str) -> LabError:
    """Say where the body of ``exercise`` is missing."""
    last = traceback.extract_tb(error.__traceback__)[-1]
    # A data-loading worker only passes on the text of its traceback.
    frames = re.findall(r'File "(.+)", line (\d+), in (\w+)', str(error))
    file, line, name = frames[-1] if frames else (last.filename, last.lineno, last.name)
    where = f"{Path(file).name}:{line} in {name}"
    return LabError(
        f"exercise {exercise} is not written yet: {where}",
        f"write it, then check it with: pytest -k {exercise}"
        f"   (a hint: python test_implementation.py --hint {exercise})",
    )


def as_lab_error(error: BaseException) -> LabError | None:
    """Translate ``error`` into one to show; None stands for a bug."""
    if isinstance(error, LabError):
        return error
    exercise = unwritten_exercise(error)
    if exercise and isinstance(error, NotImplementedError):
        return _from_unwritten(error, exercise)
    no_memory = isinstance(error, MemoryError) or "allocate memory" in str(error)
    if no_memory or type(error).__name__ == "OutOfMemoryError":
        smaller = "use a smaller --batch_size, --max_duration or --beamwidth"
        return LabError("out of memory", f"{smaller}, or a smaller network")
    if isinstance(error, OSError) and error.errno:
        where = f"{error.filename}: " if error.filename else ""
        remedy = "check the path, your rights on it and the room left on the disk"
        return LabError(f"{where}{error.strerror}", remedy)
    return None


def show_error(error: LabError) -> None:
    """Print cause and remedy, a line each, on stderr."""
    print(f"error: {error.cause}", file=sys.stderr)
    print(f"to do: {error.remedy}", file=sys.stderr)


def run_program(program: Callable[[], int | None], verbose: bool = False) -> int:
    """Run ``program``; print an error that a user can fix as two lines on stderr.

    An error that only a programmer can fix passes through; ``verbose`` shows the
    traceback of all.

    Returns:
        The exit code: that of the program (None is 0), 1 (failure), 2 (wrong use) or
        130 (Ctrl-C).
    """
    for stream in (sys.stdout, sys.stderr):
        # Printing a transcript must not fail where the terminal lacks a letter.
        if isinstance(stream, io.TextIOWrapper):  # None where the shell closed it
            stream.reconfigure(errors="replace")
    try:
        return program() or 0
    except KeyboardInterrupt:
        print("\ninterrupted: no file is half written", file=sys.stderr)
        return INTERRUPTED
    except BrokenPipeError:
        # The program that read the output has ended, so there is nothing to report.
        os.dup2(os.open(os.devnull, os.O_WRONLY), 1)
        return FAILURE
    except Exception as error:
        shown = as_lab_error(error)
        if verbose:
            traceback.print_exc()
        if shown is None:
            raise
        show_error(shown)
        return shown.exit_code
