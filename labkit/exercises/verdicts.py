"""Checking exercises: their states, and the text that pytest prints.

A check has two halves. ``probe(lab, inputs)`` runs beside the student's code and
returns only text, numbers, lists and tensors. ``judge(inputs, result)`` runs where no
student code is, and holds the oracles. They exchange JSON and plain bytes
(``labkit.exercises.exchange``), so they can be two processes.
"""

from __future__ import annotations

import ast
import os
import traceback
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import torch

from labkit.base import Lab, unwritten_exercise
from labkit.exercises.expect import PARTS, MismatchError, shown
from labkit.exercises.registry import (
    SEED_VARIABLE,
    Exercise,
    Exercises,
    Milestone,
    Values,
)

_DEFINED = (ast.FunctionDef, ast.AsyncFunctionDef, ast.ClassDef)
DONE, TODO, BLOCKED, FAIL = "done", "todo", "blocked", "fail"


@dataclass(frozen=True)
class Verdict:
    """The state of an exercise, and why."""

    state: str  # done, todo, blocked or fail
    lines: tuple[str, ...] = ()  # what to print of a failure
    waits_for: str = ""  # the exercise that a blocked one ran into
    share: float = 0.0  # of the points: a failure may have parts that are right


def is_starter_body(body: Sequence[ast.stmt], exercise_id: str) -> bool:
    """Check whether a body is ``raise NotImplementedError(id)``, strings apart."""
    statements = [
        n
        for n in body
        if not (isinstance(n, ast.Expr) and isinstance(n.value, ast.Constant))
    ]
    if len(statements) != 1 or not isinstance(statements[0], ast.Raise):
        return False
    raised = ast.unparse(statements[0])
    return "NotImplementedError" in raised and exercise_id in raised


def _is_unwritten(path: Path, exercise: Exercise) -> bool:
    body = ast.parse(path.read_text(encoding="utf-8")).body
    for name in exercise.function.split("."):
        found = [n for n in body if isinstance(n, _DEFINED) and n.name == name]
        if not found:
            return False
        body = found[-1].body
    return is_starter_body(body, exercise.id)


def run_probe(exercise: Exercise, lab: Lab, inputs: Values) -> Values:
    """Call the student's code; an exception becomes part of the result."""
    try:
        return {"result": exercise.probe(lab, inputs)}
    except (Exception, SystemExit) as error:
        blocked_by = unwritten_exercise(error)
        frames = traceback.extract_tb(error.__traceback__)
        own = [f for f in frames if Path(f.filename).parent == lab.folder]
        last = (own or frames)[-1]
        place = f"{Path(last.filename).name}:{last.lineno} in {last.name}"
        if not own:
            place += ", outside your scripts: see what they hand over"
        if isinstance(error, SyntaxError) and error.filename:
            place = f"{Path(error.filename).name}:{error.lineno}"
        return {
            "raised": type(error).__name__,
            "message": str(error),
            "blocked_by": blocked_by or "",
            "place": place,
        }


def judge_outcome(exercise: Exercise, inputs: Values, outcome: Values) -> Verdict:
    """Turn the result of a probe into a verdict."""
    if "raised" in outcome:
        if outcome["blocked_by"] and outcome["blocked_by"] != exercise.id:
            return Verdict(BLOCKED, waits_for=outcome["blocked_by"])
        if outcome["blocked_by"] == exercise.id:
            return Verdict(TODO)
        got = shown(f"{outcome['raised']}: {outcome['message']}")
        why = f"the exception comes from {outcome['place']}"
        mistake = MismatchError(exercise.function, "a result", got, why)
        return failure(exercise, *mistake.lines)
    try:
        exercise.judge(inputs, outcome["result"])
    except Exception as error:
        return _mistake(exercise, outcome, error)
    return Verdict(DONE, share=1.0)


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
    failure = _mistake(exercise, outcome, wrong[0])
    return replace(failure, share=1 - len(wrong) / len(parts))


def _mistake(exercise: Exercise, outcome: Values, error: Exception) -> Verdict:
    """Describe a mismatch, or a result that the judge could not read."""
    if not isinstance(error, MismatchError):
        expected = "a result of the kind that the docstring promises"
        got = shown(outcome.get("result"))
        why = f"reading it failed with {type(error).__name__}: {error}"
        error = MismatchError(exercise.function, expected, got, why)
    return failure(exercise, *error.lines)


def failure(exercise: Exercise, *pairs: tuple[str, str]) -> Verdict:
    """Write a failure as a block of lines: called, expected, got, why, re-run."""
    where = f"{exercise.file} {exercise.function}"
    head = f"{exercise.id}  FAIL  {exercise.title}"
    rerun = f"pytest -k {exercise.id}"
    hint = f"hint: python test_implementation.py --hint {exercise.id}"
    lines = [f"{head:55}  {where}"]
    lines += [f"     {name:9}{' '.join(text.split())}" for name, text in pairs]
    last = f"     re-run   {rerun}   {hint}   text: {exercise.section}"
    return Verdict(FAIL, (*lines, last))


def check(exercise: Exercise, lab: Lab, seed: int) -> Verdict:
    """Check one exercise of a student's scripts, on inputs of a seed."""
    try:
        if _is_unwritten(lab.folder / exercise.file, exercise):
            return Verdict(TODO)
    except (SyntaxError, OSError, ValueError):
        pass  # the probe meets the same error, and reports it with its place
    generator = torch.Generator().manual_seed(seed)
    inputs = exercise.inputs(generator)
    return judge_outcome(exercise, inputs, run_probe(exercise, lab, inputs))


def check_next(
    exercise: Exercise, lab: Lab, exercises: Exercises, verdicts: dict[str, Verdict]
) -> Verdict:
    """Check an exercise and add its verdict to ``verdicts``, of those before it.

    A failure that a needed exercise explains ends in "perhaps from collate (E05)".
    """
    verdict = check(exercise, lab, int(os.environ.get(SEED_VARIABLE, "0")))
    suspects = [
        exercises[needed].name
        for needed in exercise.needs
        if needed in verdicts and verdicts[needed].state == FAIL
    ]
    if verdict.state == FAIL and suspects:
        head = f"{verdict.lines[0]}   perhaps from {', '.join(suspects)}"
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
            f"{id_}  {points}/{exercise.points}  {verdict.state:7}  "
            f"{exercise.title:44}  {where}"
        )
        if verdict.waits_for:
            needed = exercises.get(verdict.waits_for)
            name = needed.name if needed else verdict.waits_for
            lines.append(f"              waits for {name}")
    lines.append(f"total {score}/{total}")
    lines += left_out(absent)
    done = {id_ for id_, verdict in verdicts.items() if verdict.state == DONE}
    lines += [
        f"reached: {milestone.what}: {milestone.command}"
        for milestone in milestones
        if milestone.upto in exercises and done.issuperset(milestone.needs(exercises))
    ]
    return lines + _what_next(exercises, verdicts)


def left_out(absent: Sequence[str]) -> list[str]:
    """Say in one line that a part of the lab is not there; nothing if it is."""
    return [f"left out, as they are not here: {', '.join(absent)}"] if absent else []


def _what_next(exercises: Exercises, verdicts: dict[str, Verdict]) -> list[str]:
    """Name the next step: a failure comes before what is not written yet."""
    for state in (FAIL, TODO, BLOCKED):
        for id_, verdict in verdicts.items():
            if verdict.state == state:
                one = exercises[id_]
                where = f"{id_} in {one.file} {one.function}   ({one.minutes} min)"
                return [
                    f"next: {where}   re-run: pytest -k {id_}",
                    f"hint: {one.hint}",
                    f"text: {one.section}",
                ]
    if len(verdicts) == len(exercises):
        return ["all done"]
    return ["done; what is next: pytest"]
