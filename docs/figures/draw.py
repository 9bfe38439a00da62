"""Draws the figures of the texts, in English and in French.

    python docs/figures/draw.py                     all, from docs/figures/data/
    python docs/figures/draw.py trellis packed      some of them
    python docs/figures/draw.py --runs DIR          measure data/ anew first
    python docs/figures/draw.py --alt               print the alternative texts, as JSON

No training is needed to draw: what the figures need of trained networks is in
``data/``. ``--runs`` takes that anew from the runs in a folder, and trains those that
are missing; ``drawing/runs.py`` names them and their commands.
"""

from __future__ import annotations

import argparse
import json
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

FOLDER = Path(__file__).resolve().parent
ROOT = FOLDER.parents[1]
# The reference's scripts come before all others.
sys.path[:0] = [str(ROOT / "LabsSolutions" / "02-pytorch-asr"), str(ROOT), str(FOLDER)]

from drawing.alternatives import ALTERNATIVES
from drawing.words import LANGUAGES, WORDS

from labkit.base import LabParser, run_program


def show_alternatives() -> None:
    """Print the alternative text of each figure in each language."""
    table = {name: dict(zip(LANGUAGES, two)) for name, two in ALTERNATIVES.items()}
    print(json.dumps(table, ensure_ascii=False, indent=2))


def drawings() -> dict[str, Callable[..., Any]]:
    """Return the function that draws each figure; it imports torch."""
    from drawing import curves, networks, shapes, sound, sums

    return {
        "log_mel": sound.draw_log_mel,
        "packed": shapes.draw_packed,
        "network": shapes.draw_network,
        "trellis": sums.draw_trellis,
        "spikes": networks.draw_spikes,
        "specaugment": sound.draw_specaugment,
        "experiments": curves.draw_experiments,
        "prefix_search": sums.draw_prefix_search,
        "beam_and_weight": curves.draw_beam_and_weight,
        "attention": networks.draw_attention,
        "segments": networks.draw_segments,
    }


def main(args: argparse.Namespace) -> None:
    """Measure what is asked for, and draw."""
    if args.alt:
        show_alternatives()
        return
    from drawing.measure import MEASURES, measure
    from drawing.style import Words, save, use_style
    from matplotlib import pyplot as plt

    names = args.figures or list(WORDS)
    for name in names if args.runs else ():
        if name in MEASURES:
            measure(name, args.runs.resolve())
    use_style()
    for name in names:
        for language in LANGUAGES:
            figure = drawings()[name](Words(name, language))
            save(figure, FOLDER / f"{name}.{language}.png")
            plt.close(figure)


def known(text: str) -> str:
    """Read the name of a figure, for argparse."""
    if text not in WORDS:
        raise argparse.ArgumentTypeError(f"{text} is none of {', '.join(WORDS)}")
    return text


def read_options() -> argparse.Namespace:
    """Read the command line."""
    parser = LabParser(description="Draw the figures of the texts.")
    parser.add_argument(
        "figures", nargs="*", type=known, metavar="FIGURE",
        help=f"which (default: all): {', '.join(WORDS)}",
    )  # fmt: skip
    parser.add_argument(
        "--runs", type=Path, metavar="DIR", help="measure anew from the runs in DIR"
    )
    parser.add_argument("--alt", action="store_true", help="print alternative texts")
    parser.add_argument("--verbose", action="store_true", help="show tracebacks")
    return parser.parse_args()


if __name__ == "__main__":
    options = read_options()
    raise SystemExit(run_program(lambda: main(options), options.verbose))
