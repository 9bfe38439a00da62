"""Parsers that report an error in two lines, cause and remedy; bounds of numbers."""

from __future__ import annotations

import argparse
import difflib
import os
import re
import sys
from collections.abc import Callable
from typing import Any, NoReturn

from labkit.base.errors import USAGE

_NEGATIVE_NUMBER = re.compile(r"-(inf|\.?\d[\d.]*(e[-+]?\d+)?)$", re.IGNORECASE)


class LabParser(argparse.ArgumentParser):
    """A parser that reports an error in two lines, cause and remedy."""

    def __init__(self, **options: Any) -> None:
        options.setdefault("prog", f"python {os.path.basename(sys.argv[0])}")
        options.setdefault("formatter_class", argparse.RawDescriptionHelpFormatter)
        super().__init__(**options)
        # argparse takes -1 for a value, but -1e3 and -inf for options.
        self._negative_number_matcher = _NEGATIVE_NUMBER

    def error(self, message: str) -> NoReturn:
        """Print cause and remedy, and exit with 2."""
        remedy = f"{self.prog} --help lists the options"
        unknown = message.rpartition("unrecognized arguments: ")[2].split()
        if "unrecognized arguments" in message and unknown:
            known = [o for a in self._actions for o in a.option_strings]
            close = difflib.get_close_matches(unknown[0], known, n=1, cutoff=0.75)
            remedy = f"did you mean {close[0]}? {remedy}" if close else remedy
        print(f"error: {message}\nto do: {remedy}", file=sys.stderr)
        raise SystemExit(USAGE)


def number(
    kind: Callable[[str], float],
    low: float,
    open_low: bool = False,
    high: float = float("inf"),
) -> Callable[[str], float]:
    """Make a function for argparse that reads numbers within bounds."""

    def read(text: str) -> float:
        value = kind(text)
        inside = low < value if open_low else low <= value
        if not inside or value > high or value == float("inf"):
            bound = f"above {low:g}" if open_low else f"at least {low:g}"
            upper = " and finite" if high == float("inf") else f" and at most {high:g}"
            raise argparse.ArgumentTypeError(f"{text} is not {bound}{upper}")
        return value

    read.__name__ = {int: "whole number", float: "number"}[kind]
    return read


def text(text: str) -> str:
    """Read a text that must not be empty, for argparse."""
    if not text.strip(" ,\t\n"):
        raise argparse.ArgumentTypeError("is empty")
    return text
