"""The terminal: a bar with the time left, and silence where libraries write to it."""

from __future__ import annotations

import importlib
import os
import sys
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from types import ModuleType
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


@contextmanager
def silent_stderr() -> Iterator[TextIO | None]:
    """Redirect the file descriptor of stderr, which child processes and C++ use.

    It yields what still writes to where stderr went.
    """
    if sys.stderr is None:  # closed by the shell: nothing to redirect
        yield None
        return
    sys.stderr.flush()
    saved = os.dup(2)
    try:
        with open(os.devnull, "w") as nowhere, open(os.dup(saved), "w") as screen:
            os.dup2(nowhere.fileno(), 2)
            yield screen
    finally:
        os.dup2(saved, 2)
        os.close(saved)


def deepcs_module(name: str) -> ModuleType:
    """Import ``deepcs.<name>`` without its complaint about the terminal.

    deepcs runs ``stty size`` when it is imported, which complains on stderr where
    there is no terminal.
    """
    with silent_stderr():
        return importlib.import_module(f"deepcs.{name}")
