"""Exercises: their registry, checks and verdicts, and their output in pytest."""

from labkit.exercises.answers import (
    ANSWERS,
    count_answered,
    match_answers,
    questions_of,
)
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
