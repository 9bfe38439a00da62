"""Grade submissions: a class in one evening, or one zip for a course's system.

    python instructor/grade.py SUBMISSIONS -o results          a folder or a zip of all
    python instructor/grade.py SUBMISSIONS -o results -j 4     four at a time
    python instructor/grade.py alice.zip --format gradescope   one, for another system
    python instructor/grade.py SUBMISSIONS --part 1            of part one's points
    python instructor/grade.py SUBMISSIONS --moodle worksheet.csv

Submissions that have not changed are not graded again. In results/: grades.csv,
feedback/ (a page for each student), class.html, records/ (the data behind them).
"""

from __future__ import annotations

import argparse
import os
import sys
import tempfile
from pathlib import Path

os.environ["OMP_NUM_THREADS"] = "1"  # before torch: the tensors are tiny
os.environ["CUDA_VISIBLE_DEVICES"] = ""

HERE = Path(__file__).resolve().parent
ROOT = HERE.parent
sys.path[:0] = [str(ROOT), str(HERE)]

from autograder.sandbox import ENVIRONMENT  # noqa: E402 (needs the path)

from labkit.base import (  # noqa: E402 (needs the path)
    EXERCISE_ID,
    LabError,
    LabParser,
    run_program,
)

FORMATS = ("gradescope", "classroom", "prairielearn", "vpl", "junit")


def _count(text: str) -> int:
    value = int(text)
    if not 1 <= value <= 1000:
        raise argparse.ArgumentTypeError(f"{text} is not between 1 and 1000")
    return value


_count.__name__ = "whole number"


def _add_limits(parser: LabParser) -> None:
    parser.add_argument(
        "--seconds", type=_count, default=10, help="of computing, an exercise"
    )
    parser.add_argument(
        "--memory", type=_count, default=350, metavar="MB", help="an exercise"
    )
    parser.add_argument("--verbose", action="store_true", help="show tracebacks")
    # For tests: switch measures of this system off, to test the others.
    parser.add_argument(
        "--without",
        action="append",
        default=[],
        choices=("namespaces", "kernel", "user", "fork"),
        help=argparse.SUPPRESS,
    )


def _exercise(text: str) -> str:
    if not EXERCISE_ID.fullmatch(text):
        raise argparse.ArgumentTypeError(
            f"{text} is no exercise, such as E05 (the submissions come before --given)"
        )
    return text


def _checked(parser: LabParser, options: argparse.Namespace) -> argparse.Namespace:
    """Refuse at once what would fail after an evening of grading."""
    if options.moodle and options.format:
        parser.error("--moodle does not go with --format")
    if options.moodle and not options.moodle.is_file():
        parser.error(f"--moodle {options.moodle}: no such file")
    return options


def parse(arguments: list[str]) -> argparse.Namespace:
    """Read the command line."""
    parser = LabParser(
        prog="instructor/grade.py",
        description=__doc__,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument(
        "submissions", type=Path, help="folder or zip: of all, or of one student"
    )
    parser.add_argument(
        "-o",
        "--output",
        type=Path,
        help="folder of what is written (default: results; with --format: nothing is)",
    )
    parser.add_argument(
        "-j",
        "--jobs",
        type=_count,
        default=1,
        metavar="N",
        help="at a time",
    )
    parser.add_argument(
        "--seed",
        type=int,
        help="seed of the inputs of the checks (default: the "
        "environment's LAB_SEED, else that of the last run, else at random)",
    )
    parser.add_argument(
        "--part",
        type=int,
        choices=(1, 2),
        default=0,
        help="grade this part of the lab alone (default: all parts)",
    )
    parser.add_argument(
        "--given",
        nargs="+",
        action="extend",
        type=_exercise,
        default=[],
        metavar="E05",
        help="exercises that were handed out solved: they give no points",
    )
    parser.add_argument("--force", action="store_true", help="grade everything again")
    parser.add_argument(
        "--format", choices=FORMATS, help="print the result of one submission"
    )
    parser.add_argument("--moodle", type=Path, metavar="CSV", help="sheet to fill")
    parser.add_argument(
        "--overwrite",
        action="store_true",
        help="replace grades and comments that the sheet has already",
    )
    _add_limits(parser)
    return _checked(parser, parser.parse_args(arguments))


def main(arguments: list[str]) -> None:
    """Grade."""
    options = parse(arguments)
    try:
        from autograder.program import grade  # imports torch: --help does not wait
    except ImportError as error:
        raise LabError(
            f"{error}",
            "python test_implementation.py --doctor says what to install",
            ENVIRONMENT,
        ) from error
    with tempfile.TemporaryDirectory() as nowhere:
        written = nowhere if options.format else "results"
        options.output = options.output or Path(written)
        grade(options, ROOT)


if __name__ == "__main__":
    verbose = "--verbose" in sys.argv
    raise SystemExit(run_program(lambda: main(sys.argv[1:]), verbose))
