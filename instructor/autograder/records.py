"""The record of one submission: plain values, written as JSON."""

from __future__ import annotations

import json
from dataclasses import asdict, dataclass, field
from pathlib import Path

from labkit.base import write_atomically


@dataclass(frozen=True)
class ExerciseRecord:
    """The mark of one exercise.

    Attributes:
        id: "E" and two digits.
        title: Its title.
        where: ``file.py:function``.
        points: What the exercise is worth.
        earned: The points of the answer; the better of ``as_is`` and ``alone``.
        state: done, partial, fail, todo or blocked; crash where the process died.
        as_is: State with the student's scripts as they are.
        alone: State with the reference, this one answer put in.
        lines: The failure block, line by line.
        mistake: The failure block's text under "why", to count the usual mistakes.
        hint: The question that helps.
        seconds: Time that the checks took, but for those beside the reference.
        answer: The student's function, without comments and docstring, to compare.
        waits_for: The exercise that a blocked one ran into, or "".
        minutes: How long the exercise should take.
    """

    id: str
    title: str
    where: str
    points: int
    earned: float
    state: str
    as_is: str = ""
    alone: str = ""
    lines: tuple[str, ...] = ()
    mistake: str = ""
    hint: str = ""
    seconds: float = 0.0
    answer: str = ""
    waits_for: str = ""
    minutes: int = 0


@dataclass(frozen=True)
class SubmissionRecord:
    """The marks of one submission.

    Attributes:
        name: The student's name as the folder or zip has it.
        identifier: Moodle's participant number, or "".
        source: The folder or zip, relative to what was given.
        exercises: In the order of the registry.
        problems: Errors in the files, one line each.
        seed: Seed of the checks' inputs.
        versions: Versions of Python, torch and the kit.
        graded_at: Time in ISO 8601, UTC.
        seconds: Sum of the times of its exercises.
        key: Digest of the scripts, the checks and the seed.
        answers: The answer to each question of ``answers.md``, by its title; "" where
            there is none. They earn nothing, and are not kept with the marks.
        dev_cer: The lowest CER of the best run, as the student's machine measured it.
        own: By script, what the student wrote beside the exercises, to compare.
    """

    name: str
    identifier: str
    source: str
    exercises: tuple[ExerciseRecord, ...] = ()
    problems: tuple[str, ...] = ()
    seed: int = 0
    versions: dict[str, str] = field(default_factory=dict)
    graded_at: str = ""
    seconds: float = 0.0
    key: str = ""
    answers: dict[str, str] = field(default_factory=dict)
    dev_cer: float | None = None
    own: dict[str, str] = field(default_factory=dict)

    @property
    def earned(self) -> float:
        """Points earned."""
        return sum(exercise.earned for exercise in self.exercises)

    @property
    def total(self) -> int:
        """Points of all exercises."""
        return sum(exercise.points for exercise in self.exercises)


def write_record(path: Path, record: SubmissionRecord) -> None:
    """Write ``record`` as JSON, whole or not at all."""
    text = json.dumps(asdict(record), ensure_ascii=False, indent=1)
    write_atomically(path, lambda part: part.write_text(text, encoding="utf-8"))


def read_record(path: Path) -> SubmissionRecord:
    """Read what ``write_record`` wrote."""
    values = json.loads(path.read_text(encoding="utf-8"))
    exercises = tuple(
        ExerciseRecord(**{**item, "lines": tuple(item["lines"])})
        for item in values.pop("exercises")
    )
    problems = tuple(values.pop("problems"))
    return SubmissionRecord(**values, exercises=exercises, problems=problems)
