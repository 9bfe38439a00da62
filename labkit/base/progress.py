"""A bar with the time left, on a terminal only."""

from __future__ import annotations

import sys
from collections.abc import Iterable, Iterator
from typing import TextIO, TypeVar

Item = TypeVar("Item")


def progress(
    items: Iterable[Item],
    title: str,
    quiet: bool = False,
    done: int = 0,
    unit: str = "batch",
    total: int | None = None,
    screen: TextIO | None = None,
) -> Iterator[Item]:
    """Yield items, and show a bar with the time left, on a terminal only.

    ``total`` counts them if they have no length; ``done`` were used before. The bar
    is drawn on ``screen`` where stderr is silenced.
    """
    from tqdm import tqdm  # here: make_starter.py runs without any package

    hidden = quiet or not (screen or sys.stderr).isatty()
    bar = {"desc": title, "total": total, "unit": unit, "initial": done}
    yield from tqdm(items, leave=False, file=screen, disable=hidden, **bar)
