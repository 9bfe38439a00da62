"""The command ``test``: transcribing, scoring, comparing, tuning."""

from labkit.evaluation.fold import score_fold
from labkit.evaluation.setup import EncodedBatch, Setup
from labkit.evaluation.tables import FoldReport
from labkit.evaluation.timed import rounded
from labkit.evaluation.transcribe import transcribe
from labkit.evaluation.transcripts import Transcript
