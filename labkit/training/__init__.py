"""A run: its loop, its folder, its checkpoints, its processes."""

from labkit.training.checkpoint import (
    DEBUG_PREFIX,
    adopt_checkpoint,
    checkpoint_content,
    load_checkpoint,
    load_weights,
    newest_checkpoint,
)
from labkit.training.distributed import ALONE, World
from labkit.training.guard import UpdateGuard
from labkit.training.loop import Trainer, checked_penalty
from labkit.training.runfolder import RunFolder
from labkit.training.session import Session, begin, prepare

__all__ = [
    "ALONE",
    "DEBUG_PREFIX",
    "RunFolder",
    "Session",
    "Trainer",
    "UpdateGuard",
    "World",
    "adopt_checkpoint",
    "begin",
    "checked_penalty",
    "checkpoint_content",
    "load_checkpoint",
    "load_weights",
    "newest_checkpoint",
    "prepare",
]
