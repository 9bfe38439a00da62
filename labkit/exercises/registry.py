"""Exercises and milestones, and the order that a registry must keep."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch

from labkit.base import EXERCISE_ID, PARTS, Lab

SEED_VARIABLE = "LAB_SEED"  # environment variable: draws other inputs for the checks

Values = dict[str, Any]


def without_answers(inputs: Values) -> Values:
    """Leave out what only the judge gets: its names begin with an underscore."""
    return {name: value for name, value in inputs.items() if not name.startswith("_")}


class Check:
    """Groups the functions that check an exercise; it is never instantiated."""

    @staticmethod
    def inputs(generator: torch.Generator) -> Values:
        """Draw what the check uses, from a seeded generator.

        What begins with an underscore is for the judge alone.
        """
        return {}

    @staticmethod
    def probe(lab: Lab, inputs: Values) -> Values:
        """Call the student's code; return text, numbers, lists and tensors."""
        raise NotImplementedError

    @staticmethod
    def judge(inputs: Values, result: Values) -> None:
        """Compare the result with an oracle; see ``labkit.exercises.expect``."""
        raise NotImplementedError


@dataclass(frozen=True)
class Exercise:
    """One exercise, as its author states it."""

    id: str  # "E" and two digits
    title: str  # what is to be written
    points: int
    minutes: int
    difficulty: int  # 1 (easy) to 5 (hard)
    where: str  # file.py:function or file.py:Class.method
    check: type[Check]
    hint: str  # a question or a worked number, never the line of code
    needs: tuple[str, ...] = ()  # the exercises that its function calls

    @property
    def file(self) -> str:
        """The script that holds the exercise."""
        return self.where.partition(":")[0]

    @property
    def function(self) -> str:
        """The function or method to write."""
        return self.where.partition(":")[2]

    @property
    def section(self) -> str:
        """Where the text of the lab teaches what the exercise needs."""
        return f"docs/lab.md#{self.id.lower()}"

    @property
    def name(self) -> str:
        """The function and the id, as messages name the exercise."""
        return f"{self.function} ({self.id})"


exercise = Exercise  # as a row of the registry states it
Exercises = dict[str, Exercise]


@dataclass(frozen=True)
class Milestone:
    """A command that works once some exercises are done."""

    upto: str  # the id of the last of them; all smaller ids count too
    what: str  # what it shows, in a few words
    command: str
    without: tuple[str, ...] = ()

    def needs(self, exercises: Iterable[str]) -> list[str]:
        """List the ids of a registry that must be done for it."""
        return [e for e in exercises if e <= self.upto and e not in self.without]


def registry(*exercises: Exercise) -> Exercises:
    """Map the id of each exercise to it, in the order given.

    Raises:
        ValueError: An id, a hint or a needed exercise is wrong.
    """
    found = {exercise.id: exercise for exercise in exercises}
    if len(found) < len(exercises):
        raise ValueError("two exercises have one id")
    for id_, exercise in found.items():
        if not EXERCISE_ID.fullmatch(id_):
            raise ValueError(f"{id_}: an id is E and two digits")
        if not exercise.hint.strip():
            raise ValueError(f"{id_}: no hint")
        unknown = set(exercise.needs) - set(found)
        if unknown:
            raise ValueError(f"{id_}: needs {unknown}, which nobody defines")
    return found


def scripts_of(exercises: Exercises) -> list[str]:
    """List the files that hold exercises, in the order in which they are needed."""
    return list(dict.fromkeys(exercise.file for exercise in exercises.values()))


def split_parts(scripts: Iterable[str]) -> list[list[str]]:
    """Group file names by the parts of the lab, in their order; some may be empty."""
    names = list(scripts)
    return [[name for name in names if name[: -len(".py")] in part] for part in PARTS]


def in_folder(exercises: Exercises, folder: Path) -> tuple[Exercises, list[str]]:
    """Leave out a part of the lab of which a folder holds no script.

    Args:
        exercises: The registry.
        folder: The folder of the scripts; if it holds none at all, nothing is left out.

    Returns:
        The other exercises, and the scripts that are left out.
    """
    scripts = scripts_of(exercises)
    there = {name for name in scripts if (folder / name).is_file()}
    absent = [
        name
        for own in split_parts(scripts)
        for name in own
        if there and there.isdisjoint(own)
    ]
    kept = {id_: one for id_, one in exercises.items() if one.file not in absent}
    return kept, absent
