"""Drawing the inputs of checks and judging results, in a limited process."""

from __future__ import annotations

import json
import re
from collections.abc import Mapping, Sequence
from functools import lru_cache, partial
from typing import Any

import torch

from autograder import phrases
from autograder.intake import IMPORTING
from autograder.sandbox import Worker
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
    without_answers,
)

SECONDS = 15  # for the results of one exercise: far more than any real one takes
_LEAST_SECONDS = 5  # however little time a submission has left
_MEMORY = 500 << 20  # bytes
_OUTCOME_KEYS = ("raised", "message", "blocked_by", "place")
_ID = re.compile(r"|E\d\d")
_LONGEST_RAISED = 120  # characters


class Judge:
    """Draws inputs and judges results.

    Args:
        exercises: The registry.
    """

    def __init__(self, exercises: Mapping[str, Exercise]) -> None:
        self.exercises = exercises
        self._worker = Worker(partial(_answer, exercises), _MEMORY)

    def draw(self, id_: str, seeds: Sequence[int]) -> list[bytes]:
        """Draw what a check uses, for each seed, as bytes."""
        asked = json.dumps({"id": id_, "seeds": list(seeds)}).encode()
        found = self._worker.ask([asked], SECONDS)
        if found is None:
            raise RuntimeError(f"{id_}: no inputs")
        return found

    def judge(
        self,
        id_: str,
        seeds: Sequence[int],
        outcomes: Sequence[bytes],
        seconds: float = SECONDS,
    ) -> tuple[Verdict, bool]:
        """Judge what a probe gave for each seed.

        Returns:
            The worst verdict, and whether a judge saw a result and found it wrong.
        """
        asked = json.dumps({"id": id_, "seeds": list(seeds)}).encode()
        seconds = min(max(seconds, _LEAST_SECONDS), SECONDS)
        found = self._worker.ask([asked, *outcomes], seconds)
        if found is None:
            return _too_much(self.exercises[id_]), False
        values = json.loads(found[0])
        judged = values.pop("judged")
        return Verdict(**{**values, "lines": tuple(values["lines"])}), judged

    def why_no_import(self, outcomes: Sequence[bytes]) -> str:
        """Say why a script cannot be imported; "" if it can."""
        asked = json.dumps({"id": IMPORTING, "seeds": []}).encode()
        found = self._worker.ask([asked, *outcomes], SECONDS)
        return found[0].decode() if found else phrases.NO_IMPORT

    def close(self) -> None:
        """End the process."""
        self._worker.close()


def _too_much(exercise: Exercise) -> Verdict:
    return failure(exercise, phrases.A_RESULT, phrases.TOO_MUCH, phrases.WHY_TOO_MUCH)


@lru_cache(maxsize=2)
def _drawn(exercise: Exercise, seeds: tuple[int, ...]) -> list[Values]:
    generators = [torch.Generator().manual_seed(seed) for seed in seeds]
    return [exercise.check.inputs(generator) for generator in generators]


def _answer(exercises: Mapping[str, Exercise], parts: list[bytes]) -> list[bytes]:
    """Draw inputs, or judge outcomes where there are some."""
    asked = json.loads(parts[0])
    if asked["id"] == IMPORTING:
        return [_raised(content).encode() for content in parts[1:]]
    exercise = exercises[asked["id"]]
    inputs = _drawn(exercise, tuple(asked["seeds"]))
    if len(parts) == 1:
        return [to_bytes(without_answers(values)) for values in inputs]
    judged, verdicts = False, []
    for values, content in zip(inputs, parts[1:]):
        outcome = _read_outcome(content)
        verdict = judge_parts(exercise, values, outcome)
        judged = judged or (verdict.state == FAIL and "result" in outcome)
        verdicts.append(verdict)
    # An answer must be right for all numbers.
    worst = min(verdicts, key=lambda verdict: (verdict.share, verdict.state == DONE))
    return [json.dumps({**vars(worst), "judged": judged}).encode()]


def _raised(content: bytes) -> str:
    """Say what the import of a script raised; "" if nothing."""
    outcome = _read_outcome(content)
    if "result" in outcome:
        return ""
    text = ", ".join(filter(None, ("{raised}: {message}", "{place}")))
    text = text.format(**outcome).rstrip(", ")
    return " ".join(text.encode("utf-8", "replace").decode().split())[:_LONGEST_RAISED]


def _read_outcome(content: bytes) -> Values:
    """Read an outcome; a malformed one becomes an exception of the student's code."""
    try:
        outcome: Any = from_bytes(content)
        if set(outcome) == {"result"} and isinstance(outcome["result"], dict):
            return outcome
        texts = [outcome[key] for key in _OUTCOME_KEYS]
        if all(isinstance(text, str) for text in texts) and _ID.fullmatch(texts[2]):
            return dict(zip(_OUTCOME_KEYS, texts))
        problem = phrases.NO_OUTCOME
    except Exception as error:  # a forged outcome may raise anything
        problem = f"{type(error).__name__}: {error}"
    values = (phrases.UNREADABLE_RESULT, problem, "", "")
    return dict(zip(_OUTCOME_KEYS, values))
