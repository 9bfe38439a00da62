"""Error rates, by jiwer, and what a fold scores."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field

import jiwer
from torch import Tensor


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


def _count(process: jiwer.CharacterOutput | jiwer.WordOutput) -> ErrorRate:
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


@dataclass
class BatchResult:
    """What came of one minibatch.

    Attributes:
        losses: Loss of each utterance in nats, (B,).
        references: The transcripts, as text.
        hypotheses: The decodings, as text.
        penalty: The penalty that was added to the mean loss.
        fault: Why the update was refused; "" where it was made.
    """

    losses: Tensor
    references: list[str]
    hypotheses: list[str]
    penalty: float = 0.0
    fault: str = ""


@dataclass
class FoldScore:
    """The loss and the error rates of a fold, gathered batch by batch."""

    losses: list[float] = field(default_factory=list)
    penalties: list[float] = field(default_factory=list)
    references: list[str] = field(default_factory=list)
    hypotheses: list[str] = field(default_factory=list)

    @classmethod
    def joined(cls, parts: Iterable[FoldScore]) -> FoldScore:
        """Join the scores of the parts of a fold."""
        whole = cls()
        for part in parts:
            for name, values in vars(whole).items():
                values += getattr(part, name)
        return whole

    def add(self, result: BatchResult) -> None:
        """Count one minibatch in."""
        self.losses += result.losses.tolist()
        self.penalties.append(result.penalty)
        self.references += result.references
        self.hypotheses += result.hypotheses

    @property
    def loss(self) -> float:
        """Mean loss of an utterance, in nats."""
        return sum(self.losses) / max(len(self.losses), 1)

    @property
    def penalty(self) -> float:
        """Mean penalty of a minibatch."""
        return sum(self.penalties) / max(len(self.penalties), 1)

    @property
    def cer(self) -> ErrorRate:
        """Character error rate."""
        return character_error_rate(self.references, self.hypotheses)

    @property
    def wer(self) -> ErrorRate:
        """Word error rate."""
        return word_error_rate(self.references, self.hypotheses)

    @property
    def perfect(self) -> bool:
        """Whether every utterance is transcribed without a mistake."""
        return bool(self.references) and self.references == self.hypotheses

    def __str__(self) -> str:
        """Give the loss and the rates in one line."""
        return f"loss {self.loss:.2f}, CER {self.cer}, WER {self.wer}"

    def row(self, name: str) -> dict[str, float]:
        """Return the figures as columns ``name_loss``, ``name_cer``, ``name_wer``."""
        return {
            f"{name}_loss": round(self.loss, 6),
            f"{name}_cer": round(self.cer.rate, 6),
            f"{name}_wer": round(self.wer.rate, 6),
        }
