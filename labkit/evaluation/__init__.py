"""The command ``test``: transcribing, scoring, comparing, tuning."""

from labkit.evaluation.fold import score_fold
from labkit.evaluation.setup import Setup
from labkit.evaluation.transcribe import transcribe

__all__ = [
    "Setup",
    "score_fold",
    "transcribe",
]
