"""Speak, and watch the decoder at work, on a page in the browser.

    python demo.py                                      your newest network
    python demo.py --modelpath logs/ctc_0/best_model.pt
    python demo.py --clips ROOT/VERSION/fr/test.tsv      choose among clips of yours
    python demo.py --port 8000 --no_browser             print the address only

Without a network of your own, it takes that of the kit. Sound and page stay on this
computer. Nothing is to be written here.
"""

from __future__ import annotations

from labkit.page import parse_page

if __name__ == "__main__":
    ARGS = parse_page(__doc__)  # before torch is imported: --help answers at once

import argparse
from functools import partial
from importlib import import_module
from types import ModuleType

from labkit.base import LabError, run_program
from labkit.page import serve


def desk(script: str) -> ModuleType:
    """Import a script of this folder, such as ``main_ctc``.

    Raises:
        LabError: It is not here.
    """
    try:
        return import_module(script)
    except ModuleNotFoundError as error:
        if error.name != script:
            raise
        raise LabError(
            f"{script}.py is not in this folder", "choose a network of part one"
        ) from error


def main(args: argparse.Namespace) -> None:
    """Serve the page until Ctrl-C."""
    serve(args, desk)


if __name__ == "__main__":
    raise SystemExit(run_program(partial(main, ARGS), ARGS.verbose))
