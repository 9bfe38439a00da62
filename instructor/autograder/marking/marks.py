"""From the result of a probe to the mark of an exercise, without student code."""

from __future__ import annotations

import re
from collections.abc import Callable, Collection, Sequence
from dataclasses import dataclass, replace

from autograder import phrases
from autograder.sandbox import Limits, Reply
from labkit.exercises import FAIL, Exercise, Verdict, failure, line_start

CRASH, PARTIAL = "crash", "partial"
SEEDS = 3  # draws of the inputs: an answer must be right for all of them

_FRAME = re.compile(r'File "([^"]+)", line (\d+) in (\S+)')
_PLACE = re.compile(r"\b(\w+\.py):(\d+)")
_MEGABYTE = 1 << 20


@dataclass(frozen=True)
class Trial:
    """The verdict on one variant of an exercise.

    Attributes:
        verdict: The worst verdict of all seeds.
        judged: Whether a judge saw a result, and found it wrong.
        seconds: The time that the probe took.
        stuck_in: Place of an endless loop, ``file.py:function``.
        sealed: Whether it shows nothing that student code wrote.
    """

    verdict: Verdict
    judged: bool = False
    seconds: float = 0.0
    stuck_in: str = ""
    sealed: bool = False


def tried(
    exercise: Exercise,
    reply: Reply,
    judge: Callable[[Sequence[bytes]], tuple[Verdict, bool]],
    files: Sequence[str],
    limits: Limits,
) -> Trial:
    """Judge what came back from the sandbox.

    Args:
        exercise: The exercise.
        reply: How its probe ended, with an outcome for each seed if it went well.
        judge: Judges the outcomes.
        files: The names of the student's scripts.
        limits: The limits of the run, for the messages.

    Returns:
        The verdict, with what explains it.
    """
    place, function = _last_place(reply.trace, files)
    if len(reply.outcomes) < SEEDS:
        verdict = replace(_crash(exercise, reply, place, limits), state=CRASH)
        stuck = function if reply.killed == "time" else ""
        return Trial(verdict, seconds=reply.seconds, stuck_in=stuck)
    verdict, judged = judge(reply.outcomes[:SEEDS])
    return Trial(verdict, judged, reply.seconds)


def out_of_time(exercise: Exercise, seconds: float) -> Trial:
    """Explain an exercise that was not run, as others had taken all the time."""
    got = phrases.NOT_RUN.format(seconds=f"{seconds:.0f}")
    verdict = failure(exercise, phrases.A_RESULT, got, phrases.WHY_NOT_RUN)
    return Trial(replace(verdict, state=CRASH))


def sealed(
    exercise: Exercise, trial: Trial, beside: str, reasons: Collection[str]
) -> Trial:
    """Replace all that student code may have written beside parts of the reference.

    Args:
        exercise: The exercise.
        trial: What came of it.
        beside: The functions of the reference that stood beside it, for the message.
        reasons: Texts of the checks: one of them may be shown.
    """
    verdict = trial.verdict
    if verdict.state not in (FAIL, CRASH):
        return trial
    reason = mistake_of(verdict)
    if reason not in reasons:
        reason = phrases.SEALED
    shown = failure(
        exercise,
        phrases.RIGHT_BESIDE.format(functions=beside),
        phrases.ANOTHER if trial.judged else phrases.NONE,
        reason,
    )
    verdict = replace(verdict, lines=shown.lines)
    return Trial(verdict, trial.judged, trial.seconds, sealed=True)


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
        got = phrases.NO_TIME.format(seconds=limits.seconds, wall=limits.wall)
        why = phrases.WHY_NO_TIME
    elif reply.killed == "memory":
        got = phrases.NO_MEMORY.format(megabytes=limits.memory // _MEGABYTE)
        why = phrases.WHY_NO_MEMORY
    elif reply.killed:
        got, why = phrases.KILLED, phrases.WHY_KILLED
    elif reply.signal:
        what = phrases.SIGNALS.get(reply.signal, phrases.A_SIGNAL)
        got = phrases.ENDED_BY.format(what=what, number=reply.signal)
        why = phrases.WHY_ENDED_BY
    else:
        got, why = phrases.EXITED.format(code=reply.code), phrases.WHY_EXITED
    why = phrases.IT_WAS_AT.format(why=why, place=place) if place else why
    return failure(exercise, phrases.A_RESULT, got, why)


def better(as_is: Trial | None, alone: Trial | None) -> Trial | None:
    """Choose the variant that counts, and the most helpful failure."""
    if as_is is None or alone is None:
        return as_is or alone
    if alone.verdict.share != as_is.verdict.share:
        return max(alone, as_is, key=lambda trial: trial.verdict.share)
    if alone.verdict.state not in (FAIL, CRASH):
        return as_is
    says_more = alone.judged and not alone.sealed
    return alone if says_more or as_is.verdict.state != FAIL else as_is


def state_of(verdict: Verdict) -> str:
    """Name a verdict's state; a failure may be right in part."""
    return PARTIAL if verdict.state == FAIL and verdict.share > 0 else verdict.state


def mistake_of(verdict: Verdict) -> str:
    """Return the text of a failure under "why"."""
    start = line_start("why")
    found = (line for line in verdict.lines if line.startswith(start))
    return next(found, start)[len(start) :]


def with_own_lines(
    verdict: Verdict, file: str, own_line: Callable[[int], int | None]
) -> Verdict:
    """Use the line numbers of the student's script, not of the graded copy."""

    def renamed(match: re.Match) -> str:
        line = own_line(int(match[2])) if match[1] == file else None
        return f"{match[1]}:{line}" if line else match[1]

    lines = tuple(_PLACE.sub(renamed, line) for line in verdict.lines)
    return replace(verdict, lines=lines)
