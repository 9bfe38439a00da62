"""A run of training: what its loop iterates over, its folder, its checkpoints."""

from labkit.training.checkpoint import DEBUG_PREFIX, load_checkpoint
from labkit.training.run import Run
from labkit.training.start import begin, load_network, start_network

__all__ = [
    "DEBUG_PREFIX",
    "Run",
    "begin",
    "load_checkpoint",
    "load_network",
    "start_network",
]
