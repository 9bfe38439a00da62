"""From what a probe brought back to the mark of an exercise. No student code here."""

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
        verdict: The worst of all seeds.
        judged: Whether a judge saw a result, and found it wrong.
        seconds: That the probe took.
        stuck_in: Where an endless loop was, ``file.py:function``.
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
    """Run the probe of an exercise elsewhere, and judge here what comes back.

    Args:
        exercise: Which.
        inputs: For each seed.
        run: Runs the probe on inputs as bytes.
        files: The names of the student's scripts.
        limits: What the run may use, for the messages.

    Returns:
        The verdict and what helps to explain it.
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
    # An answer that is right for some numbers only is not right.
    worst = min(verdicts, key=lambda verdict: (verdict.share, verdict.state == DONE))
    return Trial(worst, judged=judged, seconds=reply.seconds)


def _read_outcome(content: bytes) -> Values:
    """Read an outcome; what is none becomes an exception of the student's code."""
    try:
        outcome: Any = from_bytes(content)
        if set(outcome) == {"result"} and isinstance(outcome["result"], dict):
            return outcome
        texts = [outcome[key] for key in _OUTCOME_KEYS]
        if all(isinstance(text, str) for text in texts):
            return dict(zip(_OUTCOME_KEYS, texts))
        problem = "not of the form of an outcome"
    except Exception as error:  # whatever a forged outcome makes a reader do
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
        why = "the inputs are tiny: what grows without bound?"
    elif reply.killed:
        got, why = (
            "none: the process ended without a word",
            "it was stopped or it exited",
        )
    elif reply.signal:
        what = _SIGNALS.get(reply.signal, "a signal")
        got = f"none: {what} (signal {reply.signal}) ended the process"
        why = "Python itself was stopped: too deep a recursion, or foreign code"
    else:
        got = f"none: the process ended itself, exit code {reply.code}"
        why = "an exercise returns; it never exits"
    return failure(
        exercise,
        ("called", exercise.function),
        ("expected", "a result"),
        ("got", got),
        ("why", f"{why}; it was at {place}" if place else why),
    )


def better(as_is: Trial, alone: Trial | None) -> Trial:
    """Choose the variant that counts, and whose failure says most."""
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
    """Take what a failure says under "why"."""
    return next((m[1] for line in verdict.lines if (m := _WHY.match(line))), "")


def with_own_lines(
    verdict: Verdict, file: str, own_line: Callable[[int], int | None]
) -> Verdict:
    """Name lines as the student's script counts them, not as the graded copy does."""

    def renamed(match: re.Match) -> str:
        line = own_line(int(match[2])) if match[1] == file else None
        return f"{match[1]}:{line}" if line else match[1]

    lines = tuple(_PLACE.sub(renamed, line) for line in verdict.lines)
    return replace(verdict, lines=lines)


def without_secrets(verdict: Verdict, secret_lines: frozenset[str]) -> Verdict:
    """Take out what repeats a line of the reference: no feedback shows it."""

    def repeats(line: str) -> bool:
        return any(secret in line for secret in secret_lines)

    withheld = "     got      (withheld: it repeats code that is not the student's)"
    lines = tuple(withheld if repeats(line) else line for line in verdict.lines)
    return replace(verdict, lines=lines)
