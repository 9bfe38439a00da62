"""From the result of a probe to the mark of an exercise, without student code."""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from typing import Any

import torch

from autograder.sandbox import Limits, Reply
from labkit.exercises import (
    DONE,
    FAIL,
    Exercise,
    Values,
    Verdict,
    failure,
    from_bytes,
    judge_parts,
    to_bytes,
)

CRASH, PARTIAL = "crash", "partial"

_OUTCOME_KEYS = ("raised", "message", "blocked_by", "place")
_FRAME = re.compile(r'File "([^"]+)", line (\d+) in (\S+)')
_PLACE = re.compile(r"\b(\w+\.py):(\d+)")
_WHY = re.compile(r"^     why {6}(.*)$")
_SIGNALS = {
    4: "an illegal instruction",
    6: "abort",
    7: "a bus error",
    8: "a division error",
    9: "a kill",
    11: "a segmentation fault",
    31: "a forbidden system call",
}
_MEGABYTE = 1 << 20


@dataclass(frozen=True)
class Trial:
    """The verdict on one variant of an exercise.

    Attributes:
        verdict: The worst verdict of all seeds.
        judged: Whether a judge saw a result, and found it wrong.
        seconds: The time that the probe took.
        stuck_in: Place of an endless loop, ``file.py:function``.
    """

    verdict: Verdict
    judged: bool = False
    seconds: float = 0.0
    stuck_in: str = ""


def draw_inputs(exercise: Exercise, seeds: Sequence[int]) -> list[Values]:
    """Draw what the check uses, for each seed."""
    generators = [torch.Generator().manual_seed(seed) for seed in seeds]
    return [exercise.inputs(generator) for generator in generators]


def try_out(
    exercise: Exercise,
    inputs: Sequence[Values],
    run: Callable[[Sequence[bytes]], Reply],
    files: Sequence[str],
    limits: Limits,
) -> Trial:
    """Run the probe of an exercise in the sandbox, and judge its result here.

    Args:
        exercise: The exercise.
        inputs: The inputs for each seed.
        run: Runs the probe on inputs as bytes.
        files: The names of the student's scripts.
        limits: The limits of the run, for the messages.

    Returns:
        The verdict, with what explains it.
    """
    reply = run([to_bytes(values) for values in inputs])
    place, function = _last_place(reply.trace, files)
    if len(reply.outcomes) < len(inputs):
        verdict = replace(_crash(exercise, reply, place, limits), state=CRASH)
        stuck = function if reply.killed == "time" else ""
        return Trial(verdict, seconds=reply.seconds, stuck_in=stuck)
    judged, verdicts = False, []
    for values, content in zip(inputs, reply.outcomes):
        outcome = _read_outcome(content)
        verdict = judge_parts(exercise, values, outcome)
        judged = judged or (verdict.state == FAIL and "result" in outcome)
        verdicts.append(verdict)
    # An answer must be right for all numbers.
    worst = min(verdicts, key=lambda verdict: (verdict.share, verdict.state == DONE))
    return Trial(worst, judged=judged, seconds=reply.seconds)


def _read_outcome(content: bytes) -> Values:
    """Read an outcome; a malformed one becomes an exception of the student's code."""
    try:
        outcome: Any = from_bytes(content)
        if set(outcome) == {"result"} and isinstance(outcome["result"], dict):
            return outcome
        texts = [outcome[key] for key in _OUTCOME_KEYS]
        if all(isinstance(text, str) for text in texts):
            return dict(zip(_OUTCOME_KEYS, texts))
        problem = "not of the form of an outcome"
    except Exception as error:  # a forged outcome may raise anything
        problem = f"{type(error).__name__}: {error}"
    values = ("unreadable result", problem, "", "?")
    return dict(zip(_OUTCOME_KEYS, values))


def _last_place(trace: str, files: Sequence[str]) -> tuple[str, str]:
    """Find the innermost line of a student's script in a dump of the stack.

    Returns:
        ``file.py:12 in function`` and ``file.py:function``, or two empty texts.
    """
    for path, line, function in _FRAME.findall(trace):
        name = path.replace("\\", "/").rpartition("/")[2]
        if name in files:
            return f"{name}:{line} in {function}", f"{name}:{function}"
    return "", ""


def _crash(exercise: Exercise, reply: Reply, place: str, limits: Limits) -> Verdict:
    if reply.killed == "time":
        got = f"none after {limits.seconds} s of computing, {limits.wall} s in all"
        why = "an endless loop, or far too slow"
    elif reply.killed == "memory":
        got = f"none: more than {limits.memory // _MEGABYTE} MB of memory"
        why = "the inputs are tiny: which object grows without bound?"
    elif reply.killed:
        got, why = (
            "none: the process ended without a message",
            "it was stopped or it exited",
        )
    elif reply.signal:
        what = _SIGNALS.get(reply.signal, "a signal")
        got = f"none: {what} (signal {reply.signal}) ended the process"
        why = "Python itself was stopped: too deep a recursion, or foreign code"
    else:
        got = f"none: the process ended itself, exit code {reply.code}"
        why = "an exercise must return, not exit"
    return failure(
        exercise,
        ("called", exercise.function),
        ("expected", "a result"),
        ("got", got),
        ("why", f"{why}; it was at {place}" if place else why),
    )


def better(as_is: Trial, alone: Trial | None) -> Trial:
    """Choose the variant that counts, and the most helpful failure."""
    if alone is None:
        return as_is
    if alone.verdict.share != as_is.verdict.share:
        return max(alone, as_is, key=lambda trial: trial.verdict.share)
    if alone.judged or as_is.verdict.state != FAIL:
        return alone
    return as_is


def state_of(verdict: Verdict) -> str:
    """Name a verdict's state; a failure may be right in part."""
    return PARTIAL if verdict.state == FAIL and verdict.share > 0 else verdict.state


def mistake_of(verdict: Verdict) -> str:
    """Return the text of a failure under "why"."""
    return next((m[1] for line in verdict.lines if (m := _WHY.match(line))), "")


def with_own_lines(
    verdict: Verdict, file: str, own_line: Callable[[int], int | None]
) -> Verdict:
    """Use the line numbers of the student's script, not of the graded copy."""

    def renamed(match: re.Match) -> str:
        line = own_line(int(match[2])) if match[1] == file else None
        return f"{match[1]}:{line}" if line else match[1]

    lines = tuple(_PLACE.sub(renamed, line) for line in verdict.lines)
    return replace(verdict, lines=lines)


def without_secrets(verdict: Verdict, secret_lines: frozenset[str]) -> Verdict:
    """Remove text that repeats a line of the reference: no feedback shows it."""

    def repeats(line: str) -> bool:
        return any(secret in line for secret in secret_lines)

    withheld = "     got      (withheld: it repeats code that is not the student's)"
    lines = tuple(withheld if repeats(line) else line for line in verdict.lines)
    return replace(verdict, lines=lines)
