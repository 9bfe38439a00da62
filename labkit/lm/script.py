"""Language models written in Python: a class in a file, ``my_lm.py:MyModel``.

The class has three methods, whatever its states are::

    class MyModel:
        def start(self):                  # the state before a transcript
        def score(self, state, symbol):   # (state after the symbol, its ln p)
        def finish(self, state):          # ln p of the end of the transcript

A symbol is a character, or ``<unk>`` for one that is not in the alphabet. With
``units = "word"`` in the class it is a word, and ``words`` may list them.
"""

from __future__ import annotations

import importlib.util
import math
from collections.abc import Sequence
from pathlib import Path
from typing import Any, cast

from labkit.base import USAGE, LabError
from labkit.lm.ngram import NO_UNKNOWN_LOG_PROB

_METHODS = ("start", "score", "finish")
_UNITS = ("char", "word")


def is_script(name: str) -> bool:
    """Check whether a name is that of a class in a file: ``my_lm.py:MyModel``."""
    return name.rpartition(":")[0].endswith(".py")


class ScriptModel:
    """A language model written in Python; every score is checked.

    Raises:
        LabError: The file or the class cannot be used, or a score is none.

    Attributes:
        name: ``FILE.py:CLASS``.
        units: "char" or "word".
        words: The words that it knows; empty if it does not list them.
    """

    def __init__(self, name: str) -> None:
        self.name = name
        path, _, class_name = name.rpartition(":")
        made = _import(Path(path), class_name, name)
        missing = [m for m in _METHODS if not callable(getattr(made, m, None))]
        self.units = getattr(made, "units", "char")
        if missing or self.units not in _UNITS:
            what = f"no method {missing[0]}()" if missing else f"units {self.units!r}"
            raise LabError(
                f"{name}: {what} in the class",
                'write start(), score() and finish(); units are "char" or "word"',
                USAGE,
            )
        self.words: Sequence[str] = list(getattr(made, "words", ()))
        self._model = made

    def start(self) -> object:
        """Return the state before a transcript."""
        return self._model.start()

    def score(self, state: object, symbol: str) -> tuple[object, float]:
        """Return the state after a symbol, and its ln p."""
        call, found = f"score({symbol!r})", self._model.score(state, symbol)
        if not isinstance(found, tuple) or len(found) != 2:
            raise self._wrong(call, found, "(state, log probability)")
        return found[0], self._checked(found[1], call)

    def finish(self, state: object) -> float:
        """Return ln p of the end of a transcript."""
        return self._checked(self._model.finish(state), "finish()")

    def _checked(self, log_prob: Any, call: str) -> float:  # noqa: ANN401 (any result)
        try:
            value = float(log_prob)
        except (TypeError, ValueError):
            value = math.nan
        if not value < math.inf:  # NaN too
            raise self._wrong(call, log_prob, "a logarithm of a probability")
        # As an ARPA file's: a search weighs scores, and 0 x inf is no score.
        return max(value, NO_UNKNOWN_LOG_PROB)

    def _wrong(self, call: str, found: object, wanted: str) -> LabError:
        shown = repr(found)[:60]
        return LabError(f"{self.name}: {call} returns {shown}", f"return {wanted}")


def _import(path: Path, class_name: str, name: str) -> Any:  # noqa: ANN401 (any class)
    """Run the file, and make an object of the class."""
    if not path.is_file():
        raise LabError(f"{path}: No such file", "give FILE.py:CLASS", USAGE)
    spec = importlib.util.spec_from_file_location(f"{path.stem}_of_lm", path)
    assert spec  # the name ends in .py
    module = importlib.util.module_from_spec(spec)
    try:
        cast(Any, spec.loader).exec_module(module)
        found = getattr(module, class_name, None)
        made = found() if isinstance(found, type) else None
    except Exception as error:
        raise LabError(
            f"{name}: the model cannot be made ({type(error).__name__}: {error})",
            "correct its file; --verbose shows where",
        ) from error
    if made is None:
        raise LabError(f"{path}: no class {class_name!r}", "give FILE.py:CLASS", USAGE)
    return made
