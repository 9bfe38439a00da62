"""Silencing what libraries write to stderr."""

from __future__ import annotations

import importlib
import os
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from types import ModuleType
from typing import TextIO


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
