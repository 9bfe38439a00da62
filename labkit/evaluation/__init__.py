"""What ``test`` does with a network: transcribe, score, compare, tune."""

from labkit.evaluation.tester import Clip, Tester

__all__ = [
    "Clip",
    "Tester",
]
