"""Importing the scripts of one folder, and of no other."""

from __future__ import annotations

import importlib
import importlib.abc
import importlib.machinery
import importlib.util
import sys
from collections.abc import Sequence
from pathlib import Path
from types import ModuleType

# The modules of each part of the lab. A folder need not hold every part.
PARTS = (
    ("data", "models", "decoding", "trellis", "main_ctc"),
    ("seq2seq", "hybrid", "main_seq2seq"),
)
_MODULES = frozenset(name for part in PARTS for name in part)
_KIT = frozenset(("labkit", "checks", "probes"))  # never a student's own


class _OnlyHere(importlib.abc.MetaPathFinder):
    """Finds the lab's scripts in one folder only, and a student's modules beside them.

    These come before installed ones, as where Python runs a script of that folder.
    """

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.beside: set[str] = set()  # modules of the student's own, found here

    def find_spec(
        self, name: str, path: Sequence[str] | None, target: ModuleType | None = None
    ) -> importlib.machinery.ModuleSpec | None:
        if path is not None or name in _KIT:
            return None
        if name not in _MODULES:
            return self._find_beside(name)
        file = self.folder / f"{name}.py"
        if not file.is_file():
            raise ModuleNotFoundError(f"no {name}.py in {self.folder}", name=name)
        return importlib.util.spec_from_file_location(name, file)

    def _find_beside(self, name: str) -> importlib.machinery.ModuleSpec | None:
        find = importlib.machinery.PathFinder.find_spec
        spec = find(name, [str(self.folder)])
        # A folder without __init__.py is a package where nothing else has its name.
        if spec is None or (spec.loader is None and find(name) is not None):
            return None
        self.beside.add(name)
        return spec

    def forget(self) -> None:
        """Remove the modules of this folder from Python's table."""
        for name in [*sys.modules]:
            top = name.partition(".")[0]
            if top in self.beside or name in _MODULES:
                del sys.modules[name]


class Lab:
    """The scripts of one folder, imported when they are first asked for.

    ``lab.models`` imports ``models.py``. So a mistake in ``main_ctc.py`` does not
    affect the exercises of ``data.py``.
    """

    def __init__(self, folder: Path) -> None:
        self.folder = folder.resolve()
        self._finder = _OnlyHere(self.folder)
        self.activate()

    def activate(self) -> None:
        """Make this folder the one that the scripts are imported from."""
        if self._finder in sys.meta_path:
            return
        for finder in [f for f in sys.meta_path if isinstance(f, _OnlyHere)]:
            sys.meta_path.remove(finder)
            finder.forget()
        self._finder.forget()
        sys.meta_path.insert(0, self._finder)

    def __getattr__(self, name: str) -> ModuleType:
        """Import one script.

        Raises:
            ModuleNotFoundError: The folder has no such script.
            ImportError: The script was imported from elsewhere.
            AttributeError: It is no script of the lab.
        """
        if name not in _MODULES:
            raise AttributeError(name)
        self.activate()
        module = importlib.import_module(name)
        found = Path(module.__file__ or "").resolve()
        if found.parent != self.folder:
            raise ImportError(f"{name} was imported from {found}, not {self.folder}")
        return module
