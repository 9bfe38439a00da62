"""What an exercise is, and the order that its registry must keep."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import torch

from labkit.base import EXERCISE_ID, Lab

Values = dict[str, Any]


@dataclass(frozen=True)
class Exercise:
    """One exercise, as its author states it.

    Attributes:
        id: "E" and two digits.
        title: What is to be written.
        points: What it is worth.
        minutes: How long it takes.
        difficulty: 1 (easy) to 5 (hard).
        where: ``file.py:function`` or ``file.py:Class.method``.
        needs: The exercises that its function calls.
        hint: A question or a worked number, never the line of code.
        inputs: Draws what the check uses, from a seeded generator.
        probe: Calls the student's code on them.
        judge: Compares what came out with the oracles.
    """

    id: str
    title: str
    points: int
    minutes: int
    difficulty: int
    where: str
    needs: tuple[str, ...]
    hint: str
    inputs: Callable[[torch.Generator], Values]
    probe: Callable[[Lab, Values], Values]
    judge: Callable[[Values, Values], None]

    @property
    def file(self) -> str:
        """The script that holds the exercise."""
        return self.where.partition(":")[0]

    @property
    def function(self) -> str:
        """The function or method to write."""
        return self.where.partition(":")[2]


def assert_registry(exercises: dict[str, Exercise]) -> None:
    """See that the registry itself is in order.

    Raises:
        ValueError: An id, a hint or a needed exercise is wrong.
    """
    for id_, exercise in exercises.items():
        if not EXERCISE_ID.fullmatch(id_) or exercise.id != id_:
            raise ValueError(f"{id_}: an id is E and two digits")
        if not exercise.hint.strip():
            raise ValueError(f"{id_}: no hint")
        unknown = set(exercise.needs) - set(exercises)
        if unknown:
            raise ValueError(f"{id_}: needs {unknown}, which nobody defines")
