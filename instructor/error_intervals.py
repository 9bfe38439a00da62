"""Error rates of a tested fold, with intervals by a bootstrap over its speakers.

    python main_ctc.py test --fold test --output json ...
    python instructor/error_intervals.py logs/transcripts/fold_test.json FOLDER/test.tsv

The tsv of the fold tells who says which clip (its column client_id).
"""

from __future__ import annotations

import argparse
import json
import sys
from collections.abc import Sequence
from functools import partial
from pathlib import Path
from typing import NamedTuple

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

import numpy as np

from labkit.base import LabError, LabParser, read_table, run_program
from labkit.metrics import ErrorRate, character_error_rate, word_error_rate
from labkit.text import Characters

DRAWS = 10_000


class Interval(NamedTuple):
    """An error rate and the bounds between which it falls in 95 of 100 draws."""

    rate: float
    low: float
    high: float

    def __str__(self) -> str:
        """Give all three in per cent."""
        return "{:.1f} % ({:.1f} to {:.1f} %)".format(*(100 * value for value in self))


def bootstrap(rates: Sequence[ErrorRate], speakers: Sequence[str]) -> Interval:
    """Estimate the bounds of an error rate by drawing speakers anew.

    Utterances of one speaker err alike: drawn one by one, they would make the bounds
    too narrow (Bisani and Ney 2004). So whole speakers are drawn, with replacement.

    Args:
        rates: The errors of each utterance, N of them.
        speakers: Who says each utterance, N of them.
    """
    counts = np.array([(one.errors, one.total) for one in rates])  # (N, 2)
    names, number = np.unique(np.asarray(speakers), return_inverse=True)
    by_speaker = np.zeros((len(names), 2), dtype=np.int64)
    np.add.at(by_speaker, number, counts)
    shares = np.full(len(names), 1 / len(names))
    drawn = np.random.default_rng(0).multinomial(len(names), shares, size=DRAWS)
    errors, totals = (drawn @ by_speaker).T
    low, high = np.percentile(errors / np.maximum(totals, 1), [2.5, 97.5])
    return Interval(sum(rates, ErrorRate()).rate, float(low), float(high))


def read_transcripts(
    path: Path, fold: Path
) -> tuple[list[str], list[ErrorRate], list[ErrorRate]]:
    """Read what ``test --fold --output json`` has written.

    Args:
        path: The transcripts.
        fold: The tsv of the fold.

    Returns:
        Of each utterance: who says it, its character errors and its word errors.

    Raises:
        LabError: They are no such files, or of another fold.
    """
    table, charmap = read_table(fold, ("path", "client_id")), Characters()
    said_by = dict(zip(table.column("path"), table.column("client_id")))
    speakers, cers, wers = [], [], []
    try:
        for row in json.loads(path.read_text(encoding="utf-8")):
            reference = charmap.decode(charmap.encode(row["reference"]))
            texts = [charmap.plain(reference)], [row["text"]]
            speakers.append(said_by[row["clip"]])
            cers.append(character_error_rate(*texts))
            wers.append(word_error_rate(*texts))
    except (ValueError, TypeError, KeyError) as error:
        raise LabError(
            f"{path}: not the transcripts of that fold ({error})",
            "write them by test --fold test --output json",
        ) from error
    return speakers, cers, wers


def main(transcripts: Path, fold: Path) -> None:
    """Print the error rates."""
    speakers, cers, wers = read_transcripts(transcripts, fold)
    n_speakers = len({*speakers})
    print(f"{len(speakers)} utterances of {n_speakers} speakers; 95 % of 10,000 draws")
    print(f"CER {bootstrap(cers, speakers)}\nWER {bootstrap(wers, speakers)}")


def parse() -> argparse.Namespace:
    """Read the command line."""
    parser = LabParser(description=__doc__)
    parser.add_argument("transcripts", type=Path, help="fold_test.json")
    parser.add_argument("fold", type=Path, help="test.tsv")
    parser.add_argument("--verbose", action="store_true")
    return parser.parse_args()


if __name__ == "__main__":
    ARGS = parse()
    raise SystemExit(
        run_program(partial(main, ARGS.transcripts, ARGS.fold), ARGS.verbose)
    )
