"""What ``test`` prints: the table of hypotheses, and the scores of a fold."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field

from labkit.errorrates import ErrorRate, character_error_rate, word_error_rate
from labkit.errors import LabError

_WORST = 5


def print_hypotheses(name: str, nbest: Sequence[tuple[float, str]]) -> None:
    """Print the n-best list of a clip.

    Args:
        name: The clip.
        nbest: ``(negative log probability in nats, text)``, best first.
    """
    print(
        f"{name}   (log prob: negative log probability in nats, the lower the better)"
    )
    print("Log prob    Sequence")
    for cost, text in nbest:
        print(f"{max(0.0, cost):8.2f}    {text}")  # never -0.00


@dataclass
class FoldReport:
    """The references and hypotheses of a fold, clip by clip."""

    clips: list[str] = field(default_factory=list)
    references: list[str] = field(default_factory=list)
    hypotheses: list[str] = field(default_factory=list)

    def add(self, clip: str, reference: str, hypothesis: str) -> None:
        """Count one clip in."""
        self.clips.append(clip)
        self.references.append(reference)
        self.hypotheses.append(hypothesis)

    def print(self) -> None:
        """Print CER, WER and the worst utterances.

        Raises:
            LabError: There is no clip.
        """
        if not self.clips:
            raise LabError("not one clip can be used", "check the folder of the clips")
        print(f"{len(self.clips)} clips")
        _print_rate("CER", character_error_rate(self.references, self.hypotheses))
        _print_rate("WER", word_error_rate(self.references, self.hypotheses))
        texts = list(zip(self.references, self.hypotheses))
        rates = [character_error_rate([r], [h]) for r, h in texts]
        worst = sorted(range(len(rates)), key=lambda i: rates[i].rate, reverse=True)
        worst = [i for i in worst[:_WORST] if rates[i].errors]
        if worst:
            print("worst utterances")
        for i in worst:
            print(f"  {self.clips[i]}  CER {rates[i]}")
            print(f"    reference   {self.references[i]}")
            print(f"    hypothesis  {self.hypotheses[i]}")


def _print_rate(name: str, rate: ErrorRate) -> None:
    print(
        f"{name} {rate}   ({rate.substitutions} substitutions, {rate.deletions} "
        f"deletions, {rate.insertions} insertions in {rate.total})"
    )
