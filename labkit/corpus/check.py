"""Check a release of Common Voice before training on it.

    python -m labkit.corpus check ROOT/VERSION          what is there, what is broken
    python -m labkit.corpus check ROOT/VERSION --all    the same, every clip read

It reads the tables, the list of the clips and a sample of them, reports whether the
corpus can be trained on and with which command, and draws the lengths of the clips
into logs/figures/.
"""

from __future__ import annotations

import argparse
import shlex
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from labkit.base import LabError, LabParser, run_program
from labkit.corpus.commonvoice import find_tables

if TYPE_CHECKING:
    from labkit.corpus.inspection import Audio, Fold

# The defaults of main_ctc.py.
LANGUAGE, SHORTEST, LONGEST = "fr", 1.0, 5.0  # the durations in s

_FOLDERS = 8  # listed where one must be chosen


def locate(folder: Path, lang: str | None) -> Path:
    """Find the folder of a language, or of the only one, or of French of several.

    ``folder`` is ROOT/VERSION, or ROOT/VERSION/LANG, or ROOT with a single release.

    Raises:
        LabError: There is no corpus, or there are several.
    """
    folder = folder.resolve()
    if not folder.is_dir():
        packed = folder.is_file() and ".tar" in folder.name
        unpack = shlex.join(["tar", "-xf", str(folder)])
        raise LabError(
            f"{folder}: {'still packed' if packed else 'no such folder'}",
            unpack if packed else "give the folder of a release",
        )
    if folder.name == "clips":
        folder = folder.parent
    levels = (find_tables(folder, level) for level in (".", "*", "*/*"))
    there = sorted({table.parent for table in next(filter(None, levels), [])})
    for wanted in [lang] if lang else [None, LANGUAGE]:
        found = [place for place in there if wanted in (None, place.name)]
        if len(found) == 1:
            return found[0]
    if there:
        names = ", ".join(str(place.relative_to(folder)) for place in there[:_FOLDERS])
        more = ", ..." if len(there) > _FOLDERS else ""
        raise LabError(
            f"{folder}: {f'no {lang}' if lang else 'several corpora'}; it holds "
            f"{names}{more}",
            "give the folder of one release, and its language with --lang",
        )
    archives = sorted(folder.glob("*.tar*"))
    raise LabError(
        f"no corpus here: no train.tsv or validated.tsv in {folder}/{lang or LANGUAGE}",
        "unpack it first: " + shlex.join(["tar", "-xf", str(archives[0])])
        if archives
        else "give the folder of a release, ROOT/VERSION, which holds LANG/train.tsv",
    )


def _refuse(
    folds: Sequence[Fold],
    errors: Sequence[LabError],
    sizes: dict[str, int],
    audio: Audio,
    low: float,
    high: float,
) -> None:
    """Raise an error if the corpus cannot be trained on."""
    if errors:
        raise errors[0]
    for fold in folds:
        if not any(sizes.get(name) for name in fold.clips):
            raise LabError(
                f"{fold.source}: not one of the {len(fold.clips):,} clips of "
                f"{fold.name} is in {fold.source.parent / 'clips'}",
                "unpack the whole archive of the release there",
            )
        if not fold.kept(low, high):
            raise LabError(
                f"{fold.source}: none of {len(fold.clips):,} clips of {fold.name} "
                f"lasts {low:g} to {high:g} s",
                "widen --min_duration and --max_duration",
            )
    if audio.read and len(audio.broken) == audio.read:
        raise LabError(
            f"not one of {audio.read:,} clips can be read", "unpack the corpus again"
        )


def _command(folder: Path, low: float, high: float) -> str:
    version, lang = folder.parent, folder.name
    options = ["--datasetroot", str(version.parent), "--datasetversion", version.name]
    if lang != LANGUAGE:
        options += ["--lang", lang]
    if (low, high) != (SHORTEST, LONGEST):
        options += ["--min_duration", f"{low:g}", "--max_duration", f"{high:g}"]
    return shlex.join(["python", "main_ctc.py", "train", *options, "--scheduler"])


def check(args: argparse.Namespace) -> None:
    """Print what a corpus holds.

    Raises:
        LabError: The corpus cannot be trained on.
    """
    # Here: --help answers without torch.
    from labkit.corpus import report
    from labkit.corpus.inspection import (
        list_clips,
        open_folds,
        plot_lengths,
        read_clips,
    )
    from labkit.figures import save_figure

    low, high = args.min_duration, args.max_duration
    folder = locate(args.folder, args.lang)
    sizes = list_clips(folder / "clips")
    folds, errors = open_folds(folder)
    if not folds:
        raise errors[0]
    report.print_tables(folder, folds)
    report.print_folds(folds, sizes, low, high)
    seconds = {
        name: length
        for fold in folds
        for name, length in zip(fold.clips, fold.seconds)
        if sizes.get(name)
    }
    audio = read_clips(folder / "clips", seconds, args.all)
    faulty = report.print_clips(folds, sizes)
    report.print_audio(audio, len(seconds))
    report.print_overlaps(folds)
    report.print_characters(folds)
    figure = f"lengths_{folder.parent.name}_{folder.name}.png"
    save_figure(plot_lengths(folds, low, high), Path("logs", "figures", figure))
    _refuse(folds, errors, sizes, audio, low, high)
    without = ", without the clips that cannot be read" * (faulty or bool(audio.broken))
    print(f"\nready{without}: {_command(folder, low, high)}")


def main(argv: Sequence[str] | None = None) -> int:
    """Answer the command line; return the exit code."""
    parser = LabParser(prog="python -m labkit.corpus", description=__doc__)
    add, seconds = parser.add_argument, {"type": float, "metavar": "S"}
    add("command", choices=["check"], metavar="check", help="check a release")
    add("folder", metavar="FOLDER", type=Path, help="of a release: ROOT/VERSION")
    add("--lang", help=f"folder of one language (default: {LANGUAGE})")
    add("--all", action="store_true", help="read every clip, not a sample")
    add("--min_duration", default=SHORTEST, help="shortest clip kept", **seconds)
    add("--max_duration", default=LONGEST, help="longest clip kept", **seconds)
    add("--verbose", action="store_true", help="show the traceback of an error")
    args = parser.parse_args(argv)
    return run_program(lambda: check(args), args.verbose)
