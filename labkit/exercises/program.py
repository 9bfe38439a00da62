"""``python test_implementation.py``: the exercises without pytest's output."""

from __future__ import annotations

import csv
import sys
from collections.abc import Sequence
from pathlib import Path

import torch

from labkit.base import (
    DEBUG_PREFIX,
    USAGE,
    Lab,
    LabError,
    LabParser,
    run_program,
    write_zip,
)
from labkit.exercises import phrases
from labkit.exercises.answers import ANSWERS, count_answered, read_answers
from labkit.exercises.code import own_modules
from labkit.exercises.registry import Exercises, Milestone, in_folder, scripts_of
from labkit.exercises.verdicts import DONE, FAIL, check_next, is_todo, left_out, render

SUBMISSION = Path("submission.zip")
METRICS = "metrics.csv"  # of a run


def check_all(
    exercises: Exercises, milestones: Sequence[Milestone], folder: Path
) -> bool:
    """Check every exercise and print the list; return whether all is done."""
    exercises, absent = in_folder(exercises, folder)
    lab, verdicts = Lab(folder), {}
    torch.set_num_threads(1)  # the tensors are tiny: threads would slow it down
    for exercise in exercises.values():
        verdict = check_next(exercise, lab, exercises, verdicts)
        if verdict.state == FAIL:
            print("\n".join(verdict.lines), end="\n\n")
    print("\n".join(render(exercises, verdicts, milestones, absent)))
    return all(verdict.state == DONE for verdict in verdicts.values())


def list_exercises(
    exercises: Exercises, milestones: Sequence[Milestone], folder: Path
) -> None:
    """Print the exercises and, with their times, the milestones."""
    exercises, absent = in_folder(exercises, folder)
    print("id   points  min  difficulty  what" + " " * 42 + "where")
    ends = {milestone.upto: milestone for milestone in milestones}
    points = minutes = 0
    for id_, exercise in exercises.items():
        stars = "*" * exercise.difficulty
        needs = f"   needs {' '.join(exercise.needs)}" if exercise.needs else ""
        print(
            f"{id_}  {exercise.points:6d}  {exercise.minutes:3d}  {stars:10}  "
            f"{exercise.title:44}  {exercise.file} {exercise.function}{needs}"
        )
        points, minutes = points + exercise.points, minutes + exercise.minutes
        if id_ in ends:
            reached = f"{ends[id_].what}: {ends[id_].command}"
            needed = sum(exercises[e].minutes for e in ends[id_].needs(exercises))
            print(f"     after {needed // 60} h {needed % 60:02} min: {reached}")
    print(f"{len(exercises)} exercises, {points} points, about {minutes / 60:.0f} h")
    print(*left_out(absent), sep="\n", end="\n" if absent else "")


def lowest_cer(metrics: str) -> float | None:
    """Find the lowest CER on the dev fold in the text of a ``metrics.csv``, if any."""
    rates = []
    for row in csv.DictReader(metrics.splitlines()):
        try:
            rates.append(float(row.get("dev_cer") or "nan"))
        except ValueError:  # not what the kit wrote
            continue
    return min((rate for rate in rates if rate >= 0), default=None)  # no NaN


def best_run(logdir: Path) -> Path | None:
    """Find the run with the lowest CER on its dev fold, if there is any."""
    found = []
    for metrics in logdir.glob(f"*/{METRICS}"):
        rate = lowest_cer(metrics.read_text(encoding="utf-8"))
        if rate is not None:
            # A --debug run makes no mistake on its one minibatch, so it comes last.
            debug = metrics.parent.name.startswith(DEBUG_PREFIX)
            found.append((debug, rate, metrics.parent))
    return min(found)[2] if found else None


def scripts_to_submit(exercises: Exercises, folder: Path) -> list[str]:
    """List the scripts with exercises and what they import from beside them.

    A part of the lab may be absent.

    Raises:
        LabError: A script is missing, though others of its part are there.
    """
    exercises, absent = in_folder(exercises, folder)
    names = scripts_of(exercises)
    for path in (folder / name for name in names):
        if not path.is_file():
            raise LabError(f"{path}: no such script", "run this in the lab's folder")
    if absent:
        print(phrases.NOT_HERE.format(files=", ".join(absent)))
    print(phrases.SCRIPTS.format(files=", ".join(names)))
    own = _modules_beside(names, folder)
    if own:
        print(phrases.OWN_MODULES.format(files=", ".join(own)))
    return [*names, *own]


def _modules_beside(names: Sequence[str], folder: Path) -> list[str]:
    """List the student's own modules and packages that the scripts import."""

    def text_of(path: Path) -> str:
        return path.read_text(encoding="utf-8", errors="replace")

    def find(name: str) -> dict[str, str]:
        paths = [folder / f"{name}.py", *sorted((folder / name).rglob("*.py"))]
        there = [path for path in paths if path.is_file()]
        return {p.relative_to(folder).as_posix(): text_of(p) for p in there}

    return [*own_modules({name: text_of(folder / name) for name in names}, find)]


def submit(exercises: Exercises, folder: Path, logdir: Path) -> None:
    """Zip scripts and answers of ``folder``, and what the best run wrote of itself."""
    names = scripts_to_submit(exercises, folder)
    todo = [one.id for one in exercises.values() if is_todo(one, folder)]
    if todo:
        print(phrases.UNWRITTEN.format(ids=" ".join(todo)))
    members = {name: (folder / name).read_bytes() for name in names}
    run = best_run(logdir)
    if run is None:
        print(phrases.NO_RUN.format(folder=logdir))
    else:
        print(phrases.BEST_RUN.format(folder=run))
        if run.name.startswith(DEBUG_PREFIX):
            print(phrases.DEBUG_RUN)
        for name in ("summary.txt", METRICS):
            members[name] = (run / name).read_bytes()
    answers = folder / ANSWERS
    words = phrases.UNANSWERED.format(file=ANSWERS)
    if answers.is_file():
        members[ANSWERS] = answers.read_bytes()
        found = read_answers(answers.read_text(encoding="utf-8", errors="replace"))
        words = phrases.ANSWERED.format(file=ANSWERS, count=count_answered(found))
    print(words)
    write_zip(folder / SUBMISSION, members)
    print(phrases.HAND_IN.format(file=folder / SUBMISSION))


def main(
    exercises: Exercises, milestones: Sequence[Milestone], description: str | None
) -> int:
    """Answer the command line, which ``description`` describes.

    Returns:
        The exit code: 0 only when every exercise is done, or the request is met.
    """
    folder = Path(sys.argv[0]).resolve().parent
    parser = LabParser(description=description)
    parser.add_argument("--list", action="store_true", help="list the exercises")
    parser.add_argument("--hint", metavar="ID", help="print the hint of an exercise")
    parser.add_argument("--doctor", action="store_true", help="check this computer")
    parser.add_argument("--submit", action="store_true", help=f"write {SUBMISSION}")
    parser.add_argument(
        "--lab", type=Path, default=folder, help="folder of the scripts"
    )
    parser.add_argument("--baselogdir", type=Path, default=Path("logs"))
    parser.add_argument("--verbose", action="store_true")
    args = parser.parse_args()

    def answer() -> int:
        if args.list:
            list_exercises(exercises, milestones, args.lab)
        elif args.hint:
            asked = [
                one
                for one in exercises.values()
                if args.hint.lower() in f"{one.id} {one.function}".lower().split()
                or args.hint == one.function.rpartition(".")[2]
            ]
            if not asked:
                known = f"{min(exercises)} to {max(exercises)}"
                raise LabError(f"no exercise {args.hint}", f"choose {known}", USAGE)
            print(*(f"{one.hint}\ntext: {one.section}" for one in asked), sep="\n")
        elif args.submit:
            submit(exercises, args.lab, args.baselogdir)
        else:
            return int(not check_all(exercises, milestones, args.lab))
        return 0

    return run_program(answer, args.verbose)
