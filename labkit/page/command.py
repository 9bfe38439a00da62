"""The command line of the page. No torch at import."""

from __future__ import annotations

import argparse

from labkit.base import LabParser, choose_waiting, number

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
    parser = LabParser(
        description=description, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument(
        "--modelpath",
        metavar="FILE",
        help="a best_model.pt (default: that of the newest run, else the kit's)",
    )
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
    parser.add_argument(
        "--baselogdir", default="./logs", help="folder of the runs (default: ./logs)"
    )
    parser.add_argument(
        "--device",
        default="auto",
        choices=("auto", "cpu", "cuda"),
        help="where to compute (default: auto)",
    )
    parser.add_argument(
        "--nthreads",
        type=number(int, 1, high=1024),
        metavar="N",
        help="threads of the CPU (default: all cores)",
    )
    parser.add_argument(
        "--verbose", action="store_true", help="show the traceback of an error"
    )
    args = parser.parse_args(argv)
    choose_waiting(args.nthreads)
    return args
