"""Finding answers that were copied from the reference, the checks or the kit."""

from __future__ import annotations

import ast
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cache

from autograder.output.similarity import answers_of, passages, tokens
from autograder.records import SubmissionRecord

REFERENCE = ""  # as a source, in place of the name of a file

_LEAST_TOKENS = 30  # of an answer that is equal to the reference by no chance
# Independent right answers share at most 18 passages, and a fifth, with any such file.
_LEAST_PASSAGES, _LEAST_SHARE = 12, 0.4  # of those that the reference does not have
_MANY_PASSAGES = 25  # whatever their share


@dataclass(frozen=True)
class Copy:
    """What a student's answers have in common with code that is not theirs.

    Attributes:
        student: Index among the records.
        source: A file of the checks or the kit, or ``REFERENCE``.
        exercises: Id of each exercise, or name of a script, and the share of it that
            is alike, 0 to 1.
    """

    student: int
    source: str
    exercises: tuple[tuple[str, float], ...]


@cache
def _passages_of_file(text: str) -> frozenset[int]:
    """Hash the passages of every function of a file, each by itself."""
    functions = [n for n in ast.walk(ast.parse(text)) if isinstance(n, ast.FunctionDef)]
    return frozenset().union(*(passages(ast.unparse(one)) for one in functions))


def copies(
    records: Sequence[SubmissionRecord],
    reference: SubmissionRecord | None,
    kit: Mapping[str, str],
) -> list[Copy]:
    """Find answers that equal the reference's, or are like a file that students have.

    Args:
        records: The class.
        reference: The record of the reference.
        kit: The texts of the checks, and of those files of the kit that hold answers.

    Returns:
        Each student and source, in the order of the records.
    """
    base = answers_of(reference) if reference else {}
    known = {id_: passages(text) for id_, text in base.items()}
    files = {name: _passages_of_file(text) for name, text in kit.items()}
    found = []
    for student, record in enumerate(records):
        alike: dict[str, list[tuple[str, float]]] = {}
        for id_, answer in answers_of(record).items():
            source, share = "", 0.0
            if answer == base.get(id_) and len(tokens(answer)) >= _LEAST_TOKENS:
                source, share = REFERENCE, 1.0
            elif answer:
                source, share = _most_like(
                    passages(answer) - known.get(id_, frozenset()), files
                )
            if share:
                alike.setdefault(source, []).append((id_, share))
        found += [Copy(student, source, tuple(ids)) for source, ids in alike.items()]
    return found


def _most_like(
    own: frozenset[int], files: Mapping[str, frozenset[int]]
) -> tuple[str, float]:
    """Name the file that has most of these passages, and their share; 0 if few."""
    counts = {name: len(own & there) for name, there in files.items()}
    best = max(counts, key=counts.__getitem__, default="")
    count = counts.get(best, 0)
    share = count / len(own) if count else 0.0
    enough = count >= _LEAST_PASSAGES and share >= _LEAST_SHARE
    return (best, share) if enough or count >= _MANY_PASSAGES else ("", 0.0)
