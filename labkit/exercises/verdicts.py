"""Checking exercises: their states, and the text that pytest prints.

A check has two halves. ``probe(lab, inputs)`` runs beside the student's code and
returns only text, numbers, lists and tensors. ``judge(inputs, result)`` runs where no
student code is, and holds the oracles. They exchange JSON and plain bytes
(``labkit.exercises.exchange``), so they can be two processes.
"""

from __future__ import annotations

import ast
import os
import signal
import sys
import traceback
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace
from pathlib import Path

import torch

from labkit.base import Lab, unwritten_exercise
from labkit.exercises import phrases
from labkit.exercises.code import is_unwritten
from labkit.exercises.expect import PARTS, MismatchError, shown
from labkit.exercises.registry import (
    SEED_VARIABLE,
    Exercise,
    Exercises,
    Milestone,
    Values,
    without_answers,
)

DONE, TODO, BLOCKED, FAIL = "done", "todo", "blocked", "fail"
LONGEST_CHECK = 60  # seconds; the checks of right answers take one or two


@dataclass(frozen=True)
class Verdict:
    """The state of an exercise, and why."""

    state: str  # done, todo, blocked or fail
    lines: tuple[str, ...] = ()  # what to print of a failure
    waits_for: str = ""  # the exercise that a blocked one ran into
    share: float = 0.0  # of the points: a failure may have parts that are right
    broken: str = ""  # the script that could not be imported


def run_probe(
    probe: Callable[[Lab, Values], Values], lab: Lab, inputs: Values
) -> Values:
    """Call the student's code; an exception becomes part of the result.

    Its place is a line of the student's, or empty: no line of the kit is to blame.
    """
    try:
        return {"result": probe(lab, inputs)}
    except (Exception, SystemExit) as error:
        frames = traceback.extract_tb(error.__traceback__)
        own = [f for f in frames if Path(f.filename).parent == lab.folder]
        place = ""
        if own:
            last = own[-1]
            place = f"{Path(last.filename).name}:{last.lineno} in {last.name}"
        if isinstance(error, SyntaxError) and error.filename:
            place = f"{Path(error.filename).name}:{error.lineno}"
        return {
            "raised": type(error).__name__,
            "message": str(error),
            "blocked_by": unwritten_exercise(error) or "",
            "place": place,
        }


def judge_outcome(exercise: Exercise, inputs: Values, outcome: Values) -> Verdict:
    """Turn the result of a probe into a verdict."""
    if "raised" in outcome:
        return _judge_exception(exercise, outcome)
    try:
        exercise.check.judge(inputs, outcome["result"])
    except Exception as error:
        return _mistake(exercise, outcome, error)
    return Verdict(DONE, share=1.0)


def _judge_exception(exercise: Exercise, outcome: Values) -> Verdict:
    if outcome["blocked_by"] == exercise.id:
        got = f'NotImplementedError("{exercise.id}")'
        return failure(exercise, phrases.A_RESULT, got, phrases.DELETE_THE_RAISE)
    if outcome["blocked_by"]:
        return Verdict(BLOCKED, waits_for=outcome["blocked_by"])
    got = shown(f"{outcome['raised']}: {outcome['message']}".rstrip(": "))
    why = phrases.NOT_IN_A_SCRIPT.format(function=exercise.function)
    if place := outcome["place"].strip("?"):
        why = phrases.RAISED_AT.format(place=place)
    script, _, function = place.partition(" in ")
    broken = script.partition(":")[0] if function in ("", "<module>") else ""
    return replace(failure(exercise, phrases.A_RESULT, got, why), broken=broken)


def judge_parts(exercise: Exercise, inputs: Values, outcome: Values) -> Verdict:
    """Judge every part of an exercise, and compute the share that is right."""
    token = PARTS.set({})
    try:
        verdict = judge_outcome(exercise, inputs, outcome)
        parts = PARTS.get() or {}
    finally:
        PARTS.reset(token)
    wrong = [mistakes[0] for mistakes in parts.values() if mistakes]
    if verdict.state != DONE or not wrong:
        return verdict
    share = 1 - len(wrong) / len(parts)
    return replace(_mistake(exercise, outcome, wrong[0]), share=share)


def _mistake(exercise: Exercise, outcome: Values, error: Exception) -> Verdict:
    """Describe a mismatch, or a result that the judge could not read."""
    if isinstance(error, MismatchError):
        return failure(exercise, error.expected, error.got, error.why, error.called)
    got, kind = shown(outcome.get("result")), type(error).__name__
    why = phrases.READING_FAILED.format(kind=kind, message=error)
    return failure(exercise, phrases.NO_SUCH_RESULT, got, why)


def failure(
    exercise: Exercise, expected: str, got: str, why: str, called: str = ""
) -> Verdict:
    """Write a failure as a block of lines: called, expected, got, why, re-run.

    Called is the function of the exercise, unless it is said what.
    """
    pairs = {
        "called": called or exercise.function,
        **{"expected": expected, "got": got, "why": why},
        "re-run": f"pytest -k {exercise.id}",
    }
    lines = [f"{line_start(k)}{' '.join(text.split())}" for k, text in pairs.items()]
    hint = f"python test_implementation.py --hint {exercise.id}"
    hint = phrases.ASK_FOR_HINT.format(command=hint)
    lines[-1] += f"   {hint}   {phrases.SECTION.format(section=exercise.section)}"
    head = f"{exercise.id}  {phrases.FAILS}  {exercise.title}"
    where = f"{exercise.file} {exercise.function}"
    return Verdict(FAIL, (f"{head:55}  {where}", *lines))


def line_start(label: str) -> str:
    """Return what the line of a failure begins with: called, expected, got, why."""
    return f"     {phrases.LABELS[label]:8} "


def is_place(why: str) -> bool:
    """Check whether a "why" only says where an exception was raised."""
    texts = (phrases.RAISED_AT, phrases.NOT_IN_A_SCRIPT)
    return any(why.startswith(text.partition("{")[0]) for text in texts)


@contextmanager
def time_limit(seconds: float) -> Iterator[None]:
    """Raise ``TimeoutError`` where the code is stuck; needs POSIX, the main thread."""

    def stop(*_: object) -> None:
        if sys.gettrace() is None:  # a debugger may wait as long as it likes
            raise TimeoutError(phrases.NO_END.format(seconds=seconds))

    try:
        before = signal.signal(signal.SIGALRM, stop)
    except (AttributeError, ValueError):  # no POSIX, or not the main thread
        yield
        return
    left = signal.setitimer(signal.ITIMER_REAL, seconds)
    try:
        yield
    finally:
        signal.setitimer(signal.ITIMER_REAL, *left)
        signal.signal(signal.SIGALRM, before)


def is_todo(exercise: Exercise, folder: Path) -> bool:
    """Check whether an exercise is still what the starter has; runs no code."""
    try:
        text = (folder / exercise.file).read_text(encoding="utf-8")
        return is_unwritten(ast.parse(text).body, exercise.function, exercise.id)
    except (SyntaxError, OSError, ValueError):
        return False  # a probe meets the same error, and reports it with its place


def check(exercise: Exercise, lab: Lab, seed: int) -> Verdict:
    """Check one exercise of a student's scripts, on inputs of a seed."""
    if is_todo(exercise, lab.folder):
        return Verdict(TODO)
    generator = torch.Generator().manual_seed(seed)
    inputs = exercise.check.inputs(generator)
    with time_limit(LONGEST_CHECK):
        outcome = run_probe(exercise.check.probe, lab, without_answers(inputs))
    return judge_outcome(exercise, inputs, outcome)


def check_next(
    exercise: Exercise, lab: Lab, exercises: Exercises, verdicts: dict[str, Verdict]
) -> Verdict:
    """Check an exercise and add its verdict to ``verdicts``, of those before it.

    A failure that a needed exercise explains ends in "perhaps from collate (E05)". A
    script that cannot be imported is one failure; its other exercises wait for it.
    """
    verdict = check(exercise, lab, int(os.environ.get(SEED_VARIABLE, "0")))
    if verdict.broken and any(v.broken == verdict.broken for v in verdicts.values()):
        verdict = Verdict(BLOCKED, waits_for=verdict.broken, broken=verdict.broken)
    suspects = [
        exercises[needed].name
        for needed in exercise.needs
        if needed in verdicts and verdicts[needed].state == FAIL
    ]
    if verdict.state == FAIL and suspects:
        head = phrases.PERHAPS_FROM.format(names=", ".join(suspects))
        head = f"{verdict.lines[0]}   {head}"
        verdict = replace(verdict, lines=(head, *verdict.lines[1:]))
    verdicts[exercise.id] = verdict
    return verdict


def render(
    exercises: Exercises,
    verdicts: dict[str, Verdict],
    milestones: Sequence[Milestone] = (),
    absent: Sequence[str] = (),
) -> list[str]:
    """Write the list that ends every run: states, points, milestones, the next step.

    Args:
        exercises: The exercises of the scripts that are there.
        verdicts: The verdicts on those that were checked.
        milestones: The milestones.
        absent: The scripts of a part of the lab that is not there.
    """
    lines, score, total = [], 0, 0
    for id_, verdict in verdicts.items():
        exercise = exercises[id_]
        points = exercise.points if verdict.state == DONE else 0
        score, total = score + points, total + exercise.points
        where = f"{exercise.file} {exercise.function}"
        lines.append(
            f"{id_}  {points}/{exercise.points}  {phrases.STATES[verdict.state]:7}  "
            f"{exercise.title:44}  {where}"
        )
        if verdict.waits_for and not verdict.broken:
            needed = exercises.get(verdict.waits_for)
            name = needed.name if needed else verdict.waits_for
            lines.append(f"              {phrases.WAITS_FOR.format(name=name)}")
    lines.append(phrases.TOTAL.format(earned=score, total=total))
    lines += left_out(absent)
    done = {id_ for id_, verdict in verdicts.items() if verdict.state == DONE}
    lines += [
        phrases.REACHED.format(what=milestone.what, command=milestone.command)
        for milestone in milestones
        if milestone.upto in exercises and done.issuperset(milestone.needs(exercises))
    ]
    return lines + _what_next(exercises, verdicts)


def left_out(absent: Sequence[str]) -> list[str]:
    """Say in one line that a part of the lab is not there; nothing if it is."""
    return [phrases.LEFT_OUT.format(files=", ".join(absent))] if absent else []


def _what_next(exercises: Exercises, verdicts: dict[str, Verdict]) -> list[str]:
    """Name the next step: a failure comes before what is not written yet."""
    for state in (FAIL, TODO, BLOCKED):
        for id_, verdict in verdicts.items():
            if verdict.state == state and verdict.broken:
                ids = [e for e, v in verdicts.items() if v.broken == verdict.broken]
                return [phrases.MEND.format(file=verdict.broken, ids=" ".join(ids))]
            if verdict.state == state:
                one = exercises.get(verdict.waits_for, exercises[id_])
                names = {"id": one.id, "file": one.file, "function": one.function}
                command = f"pytest -k {one.id}"
                return [
                    phrases.NEXT.format(**names, minutes=one.minutes, command=command),
                    phrases.HINT.format(hint=one.hint),
                    phrases.SECTION.format(section=one.section),
                ]
    return [phrases.ALL_DONE if len(verdicts) == len(exercises) else phrases.GO_ON]
