"""Character and word error rates, by jiwer."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import jiwer


@dataclass(frozen=True)
class ErrorRate:
    """Edit errors over the symbols of the references.

    Attributes:
        substitutions: Symbols taken for another.
        deletions: Symbols of the reference that are missing.
        insertions: Symbols that the reference has not.
        total: Symbols of the references.
    """

    substitutions: int
    deletions: int
    insertions: int
    total: int

    @property
    def errors(self) -> int:
        """The number of errors of all three kinds."""
        return self.substitutions + self.deletions + self.insertions

    @property
    def rate(self) -> float:
        """Errors for each symbol of the references; above 1 is possible."""
        return self.errors / max(self.total, 1)

    def __str__(self) -> str:
        """Give the rate in per cent."""
        return f"{100 * self.rate:.1f} %"


def _count(process: object) -> ErrorRate:
    total = process.hits + process.substitutions + process.deletions
    return ErrorRate(
        process.substitutions, process.deletions, process.insertions, total
    )


def character_error_rate(
    references: Sequence[str], hypotheses: Sequence[str]
) -> ErrorRate:
    """Compare texts character by character (CER)."""
    return _count(jiwer.process_characters(list(references), list(hypotheses)))


def word_error_rate(references: Sequence[str], hypotheses: Sequence[str]) -> ErrorRate:
    """Compare texts word by word (WER)."""
    return _count(jiwer.process_words(list(references), list(hypotheses)))
