"""Exercises: their registry, checks and verdicts, and their output in pytest."""

from labkit.exercises.answers import ANSWERS, count_answered, match_answers
from labkit.exercises.code import find_bindings, is_unwritten, own_modules
from labkit.exercises.exchange import from_bytes, to_bytes
from labkit.exercises.expect import expect, expect_close, expect_that, part
from labkit.exercises.program import METRICS, lowest_cer, main
from labkit.exercises.registry import (
    SEED_VARIABLE,
    Check,
    Exercise,
    Milestone,
    Values,
    exercise,
    in_folder,
    registry,
    split_parts,
    without_answers,
)
from labkit.exercises.verdicts import (
    DONE,
    FAIL,
    TODO,
    Verdict,
    failure,
    is_place,
    judge_parts,
    line_start,
    render,
    run_probe,
)

__all__ = [
    "ANSWERS",
    "DONE",
    "FAIL",
    "METRICS",
    "SEED_VARIABLE",
    "TODO",
    "Check",
    "Exercise",
    "Milestone",
    "Values",
    "Verdict",
    "count_answered",
    "exercise",
    "expect",
    "expect_close",
    "expect_that",
    "failure",
    "find_bindings",
    "from_bytes",
    "in_folder",
    "is_place",
    "is_unwritten",
    "judge_parts",
    "line_start",
    "lowest_cer",
    "main",
    "match_answers",
    "own_modules",
    "part",
    "registry",
    "render",
    "run_probe",
    "split_parts",
    "to_bytes",
    "without_answers",
]
