"""Libraries without the noise that they make."""

from __future__ import annotations

import importlib
import os
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from types import ModuleType


@contextmanager
def silent_stderr() -> Iterator[None]:
    """Turn the file descriptor of stderr away, for what child processes and C++ say."""
    if sys.stderr is None:  # closed by the shell: nobody would hear it
        yield
        return
    sys.stderr.flush()
    saved = os.dup(2)
    try:
        with open(os.devnull, "w") as nowhere:
            os.dup2(nowhere.fileno(), 2)
            yield
    finally:
        os.dup2(saved, 2)
        os.close(saved)


def deepcs_module(name: str) -> ModuleType:
    """Import ``deepcs.<name>``; its question to the terminal stays unheard.

    deepcs runs ``stty size`` when it is imported, which complains on stderr where
    there is no terminal.
    """
    with silent_stderr():
        return importlib.import_module(f"deepcs.{name}")
