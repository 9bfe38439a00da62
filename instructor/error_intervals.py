"""Error rates of a tested fold, with intervals by a bootstrap over its speakers.

    python main_ctc.py test --fold test --output json ...
    python instructor/error_intervals.py logs/transcripts/fold_test.json FOLDER/test.tsv

The tsv of the fold tells who says which clip (its column client_id).
"""

from __future__ import annotations

import argparse
import json
import sys
from functools import partial
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

from labkit.base import LabError, LabParser, run_program
from labkit.metrics import Heard, intervals
from labkit.text import Characters


def read_speakers(path: Path) -> dict[str, str]:
    """Read who says each clip of a fold.

    Raises:
        LabError: It is no tsv of Common Voice.
    """
    # Not splitlines: a sentence may hold other ends of lines.
    lines = path.read_text(encoding="utf-8-sig").split("\n")
    columns = lines[0].split("\t")
    rows = (dict(zip(columns, line.split("\t"))) for line in lines[1:] if line)
    try:
        return {row["path"]: row["client_id"] for row in rows}
    except KeyError as error:
        raise LabError(
            f"{path}: a row without {error.args[0]}", "take the tsv of the fold"
        ) from error


def read_transcripts(path: Path, speakers: dict[str, str]) -> list[Heard]:
    """Read what ``test --fold --output json`` has written.

    Raises:
        LabError: It is no such file, or is of another fold.
    """
    charmap = Characters()
    heard = []
    try:
        for row in json.loads(path.read_text(encoding="utf-8")):
            reference = charmap.decode(charmap.encode(row["reference"]))
            speaker = speakers[row["clip"]]
            heard.append(Heard(speaker, charmap.plain(reference), row["text"]))
    except (ValueError, TypeError, KeyError) as error:
        raise LabError(
            f"{path}: not the transcripts of that fold ({error})",
            "write them by test --fold test --output json",
        ) from error
    return heard


def main(transcripts: Path, fold: Path) -> None:
    """Print the error rates."""
    heard = read_transcripts(transcripts, read_speakers(fold))
    n_speakers = len({one.speaker for one in heard})
    cer, wer = intervals(heard)
    print(f"{len(heard)} utterances of {n_speakers} speakers; 95 % of 10,000 draws")
    print(f"CER {cer}\nWER {wer}")


def parse() -> argparse.Namespace:
    """Read the command line."""
    parser = LabParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("transcripts", type=Path, help="fold_test.json")
    parser.add_argument("fold", type=Path, help="test.tsv")
    parser.add_argument("--verbose", action="store_true")
    return parser.parse_args()


if __name__ == "__main__":
    ARGS = parse()
    raise SystemExit(
        run_program(partial(main, ARGS.transcripts, ARGS.fold), ARGS.verbose)
    )
