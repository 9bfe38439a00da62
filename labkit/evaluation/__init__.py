"""The command ``test``: transcribing, scoring, comparing, tuning."""

from labkit.evaluation.fold import score_fold
from labkit.evaluation.posteriors import EncodedBatch, score_batch
from labkit.evaluation.setup import Setup
from labkit.evaluation.tables import FoldReport
from labkit.evaluation.transcribe import transcribe

__all__ = [
    "EncodedBatch",
    "FoldReport",
    "Setup",
    "score_batch",
    "score_fold",
    "transcribe",
]
