"""A release of Common Voice on disk: its tables, its clips and their errors."""

from __future__ import annotations

import importlib
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from labkit.corpus.commonvoice import (
        CommonVoice,
        DatasetFilter,
        default_location,
        newest_version,
        repeated_clips,
    )

__all__ = [
    "CommonVoice",
    "DatasetFilter",
    "default_location",
    "newest_version",
    "repeated_clips",
]


def __getattr__(name: str) -> Any:  # noqa: ANN401
    """Import a name when it is asked for: ``--help`` answers without torch."""
    if name not in __all__:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return getattr(importlib.import_module("labkit.corpus.commonvoice"), name)
