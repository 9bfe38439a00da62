"""A bar with the time left, on a terminal only."""

from __future__ import annotations

import sys
from collections.abc import Iterable, Sized


def progress(
    batches: Iterable, title: str, quiet: bool = False, done: int = 0
) -> Iterable:
    """Show a bar with the time left, on a terminal only."""
    from tqdm import tqdm  # here: make_starter.py runs without any package

    hidden = quiet or not sys.stderr.isatty()
    total = len(batches) if isinstance(batches, Sized) else None
    return tqdm(
        batches,
        desc=title,
        unit="batch",
        leave=False,
        disable=hidden,
        initial=done,
        total=total,
    )
