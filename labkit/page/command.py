"""The command line of the page, and what it starts. No torch at import."""

from __future__ import annotations

import argparse
import threading
import webbrowser
from typing import TYPE_CHECKING

from labkit.base import LabParser, choose_waiting, number
from labkit.options import CTC

if TYPE_CHECKING:
    from labkit.page.networks import Desk

_AS_IN_TEST = ("modelpath", "device", "nthreads", "baselogdir", "verbose")
_HIGHEST_PORT = 65_535


def parse_page(
    description: str | None, argv: list[str] | None = None
) -> argparse.Namespace:
    """Read the command line of ``demo.py``, before torch is imported.

    Args:
        description: What the program does, with commands to paste.
        argv: The arguments; None for those of the process.

    Raises:
        SystemExit: 2 for a wrong command line, 0 for ``--help``.
    """
    parser = LabParser(description=description)
    parser.add_argument(
        "--clips",
        metavar="FILE",
        help="a tsv of clips to choose from, with the columns path and sentence "
        "(default: the embedded corpus)",
    )
    parser.add_argument(
        "--port",
        type=number(int, 0, high=_HIGHEST_PORT),
        default=0,
        metavar="N",
        help="where the page is: http://127.0.0.1:N (default: a free one)",
    )
    parser.add_argument(
        "--no_browser", action="store_true", help="print the address, open nothing"
    )
    for name in _AS_IN_TEST:
        CTC.rows[name].add_to(parser)
        parser.set_defaults(**{name: CTC.rows[name].default})
    args = parser.parse_args(argv)
    choose_waiting(args.nthreads)
    return args


def serve(args: argparse.Namespace, desk: Desk) -> None:
    """Serve the page until Ctrl-C.

    Args:
        args: The options of the page.
        desk: Gives the scripts of the lab by their names.

    Raises:
        LabError: There is no network, or the port is taken.
    """
    from labkit.page.server import PageServer  # here: --help answers without torch
    from labkit.page.studio import Studio

    with PageServer(Studio(args, desk), args.port) as server:
        try:
            threading.Thread(target=server.studio.prepare, daemon=True).start()
            print(f"the page: {server.url}   (Ctrl-C ends it)", flush=True)
            if not args.no_browser:
                webbrowser.open(server.url)
            server.serve_forever(poll_interval=0.2)
        except KeyboardInterrupt:
            print("\nthe page is closed")
