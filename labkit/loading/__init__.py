"""From the clips of a corpus to minibatches."""

from labkit.loading.batches import LengthBatches
from labkit.loading.clips import PLAIN, SPEEDS
from labkit.loading.loaders import describe_folds, make_loader
from labkit.loading.utterances import Utterance, UtteranceSet

__all__ = [
    "PLAIN",
    "SPEEDS",
    "LengthBatches",
    "Utterance",
    "UtteranceSet",
    "describe_folds",
    "make_loader",
]
