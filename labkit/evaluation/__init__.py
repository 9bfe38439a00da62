"""The command ``test``: transcribing, scoring, comparing, tuning."""

from labkit.evaluation.fold import score_fold
from labkit.evaluation.posteriors import EncodedBatch, score_batch
from labkit.evaluation.setup import Setup
from labkit.evaluation.tables import FoldReport
from labkit.evaluation.timed import describe
from labkit.evaluation.transcribe import transcribe
from labkit.evaluation.transcripts import Transcript, subtitles

__all__ = [
    "EncodedBatch",
    "FoldReport",
    "Setup",
    "Transcript",
    "describe",
    "score_batch",
    "score_fold",
    "subtitles",
    "transcribe",
]
