"""Error rates, computed by jiwer, and their sums over a fold."""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence
from dataclasses import astuple, dataclass, field
from operator import add
from typing import TYPE_CHECKING, Any

from torch import Tensor

if TYPE_CHECKING:
    import jiwer

_APART = re.compile(r"\s+(?=[,.]+(\s|$))")  # before a mark that stands alone
_SHOWN = 4  # utterances of a fold whose transcripts are kept, to be shown


@dataclass(frozen=True)
class ErrorRate:
    """Edit errors over the symbols of the references.

    Attributes:
        substitutions: Symbols taken for another.
        deletions: Symbols of the reference that are missing.
        insertions: Symbols that the reference does not have.
        total: Symbols of the references.
    """

    substitutions: int = 0
    deletions: int = 0
    insertions: int = 0
    total: int = 0

    @property
    def errors(self) -> int:
        """The number of errors of all three kinds."""
        return self.substitutions + self.deletions + self.insertions

    @property
    def rate(self) -> float:
        """Errors for each symbol of the references; above 1 is possible."""
        return self.errors / max(self.total, 1)

    def __add__(self, other: ErrorRate) -> ErrorRate:
        """Count the errors of two sets of references together."""
        return ErrorRate(*map(add, astuple(self), astuple(other)))

    def __str__(self) -> str:
        """Give the rate in per cent."""
        return f"{100 * self.rate:.1f} %"


def _count(process: jiwer.WordOutput | jiwer.CharacterOutput) -> ErrorRate:
    total = process.hits + process.substitutions + process.deletions
    return ErrorRate(
        process.substitutions, process.deletions, process.insertions, total
    )


def character_error_rate(
    references: Sequence[str], hypotheses: Sequence[str]
) -> ErrorRate:
    """Compare texts character by character (CER)."""
    import jiwer  # here, because transcribing a clip does without it

    return _count(jiwer.process_characters(list(references), list(hypotheses)))


def word_error_rate(references: Sequence[str], hypotheses: Sequence[str]) -> ErrorRate:
    """Compare texts word by word (WER).

    A mark that stands alone ("vraiment ?") belongs to the word before.
    """
    import jiwer

    said, found = map(attach_marks, references), map(attach_marks, hypotheses)
    return _count(jiwer.process_words(list(said), list(found)))


def attach_marks(text: str) -> str:
    """Take out the space before a mark that stands alone, which is no word."""
    return _APART.sub("", text)


@dataclass
class FoldScore:
    """The losses and the errors of a fold, counted minibatch by minibatch.

    Attributes:
        n_utterances: Utterances whose loss is counted.
        total_loss: The sum of their losses, in nats.
        n_minibatches: Minibatches that these came in.
        total_penalty: The sum of the penalties of the minibatches.
        n_compared: Utterances whose transcript is compared with its reference.
        n_wrong: Those of them with an error.
        cer: Character errors of these.
        wer: Word errors of these.
        total_norm: The sum of the norms of the gradients of the minibatches.
        n_frames: Frames T' whose best symbol is counted.
        n_blanks: Those of them at which it is the blank.
        shown: References and hypotheses of the first few of them.
    """

    n_utterances: int = 0
    total_loss: float = 0.0
    n_minibatches: int = 0
    total_penalty: float = 0.0
    n_compared: int = 0
    n_wrong: int = 0
    cer: ErrorRate = ErrorRate()
    wer: ErrorRate = ErrorRate()
    total_norm: float = 0.0
    n_frames: int = 0
    n_blanks: int = 0
    shown: list[tuple[str, str]] = field(default_factory=list)

    def add(self, losses: Tensor, penalty: float = 0.0) -> None:
        """Count the losses (B,) of one minibatch, in nats, and its penalty."""
        for loss in losses.tolist():
            self.total_loss += loss
        self.n_utterances += len(losses)
        self.total_penalty += penalty
        self.n_minibatches += 1

    def watch(self, gradient_norm: float, scores: Tensor, blank: int) -> None:
        """Count the gradient of one minibatch and, of its scores (N, V), the blanks."""
        self.total_norm += gradient_norm
        self.n_frames += len(scores)
        self.n_blanks += int((scores.argmax(dim=1) == blank).sum())

    def compare(self, pairs: Sequence[tuple[str, str]]) -> None:
        """Count the errors of transcripts: a reference and a hypothesis each."""
        references, hypotheses = zip(*pairs)
        self.cer += character_error_rate(references, hypotheses)
        self.wer += word_error_rate(references, hypotheses)
        self.n_compared += len(pairs)
        self.n_wrong += sum(r != h for r, h in pairs)
        self.shown += pairs[: max(0, _SHOWN - len(self.shown))]

    @classmethod
    def joined(cls, parts: Iterable[FoldScore]) -> FoldScore:
        """Join the scores of the parts of a fold."""
        whole = cls()
        for part in parts:
            for name, value in vars(part).items():
                setattr(whole, name, getattr(whole, name) + value)
        whole.shown = whole.shown[:_SHOWN]
        return whole

    @property
    def loss(self) -> float:
        """Mean loss of an utterance, in nats."""
        return self.total_loss / max(self.n_utterances, 1)

    @property
    def penalty(self) -> float:
        """Mean penalty of a minibatch."""
        return self.total_penalty / max(self.n_minibatches, 1)

    @property
    def gradient_norm(self) -> float:
        """Mean norm of the gradient of a minibatch."""
        return self.total_norm / max(self.n_minibatches, 1)

    @property
    def share_of_blanks(self) -> float:
        """Share of the frames at which the blank is the best symbol."""
        return self.n_blanks / max(self.n_frames, 1)

    @property
    def perfect(self) -> bool:
        """Whether there are transcripts, and none of them has an error."""
        return self.n_compared > 0 and self.n_wrong == 0

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

    @classmethod
    def from_dict(cls, plain: dict[str, Any]) -> FoldScore:
        """Take back what ``dataclasses.asdict`` gave."""
        rates = {name: ErrorRate(**plain[name]) for name in ("cer", "wer")}
        return cls(**{**plain, **rates})
