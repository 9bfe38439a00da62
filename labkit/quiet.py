"""deepcs without the noise that it makes on import."""

from __future__ import annotations

import importlib
import os
import sys
from types import ModuleType


def deepcs_module(name: str) -> ModuleType:
    """Import ``deepcs.<name>``; its question to the terminal stays unheard.

    deepcs runs ``stty size`` when it is imported, which complains on stderr where
    there is no terminal. The complaint is written by a child process, so the file
    descriptor itself is turned away for a moment.
    """
    if sys.stderr is None:  # closed by the shell: nobody would hear it
        return importlib.import_module(f"deepcs.{name}")
    sys.stderr.flush()
    saved = os.dup(2)
    try:
        with open(os.devnull, "w") as nowhere:
            os.dup2(nowhere.fileno(), 2)
            return importlib.import_module(f"deepcs.{name}")
    finally:
        os.dup2(saved, 2)
        os.close(saved)
