"""Build, measure and describe n-gram language models.

    python -m labkit.lm build TEXT --units char -o my.arpa.gz    from sentences
    python -m labkit.lm score my.arpa.gz TEXT                    perplexity
    python -m labkit.lm info my.arpa.gz                          what it holds

TEXT is a file with one sentence a line, a .tsv of Common Voice, or - for what is
piped in. It is normalised as the transcripts are, so that the model speaks of the same
letters. Two models of French come with the lab: instead of a file, say char or word.
"""

from __future__ import annotations

import argparse
import math
import shlex
import sys
from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path

from labkit.arpa import read_arpa, write_arpa
from labkit.cli import LabParser, ModuleParser
from labkit.desk import Lab
from labkit.errors import USAGE, LabError, run_program
from labkit.ngram import (
    END,
    MAX_ORDER,
    SPACE,
    START,
    UNKNOWN,
    NGram,
    estimate,
    symbols_of,
)

ROOT = Path(__file__).resolve().parents[1]
SHIPPED = ("char", "word")
_NAMES = {"char": "character", "word": "word"}
DEFAULT_ORDERS = {"char": 6, "word": 3}
_STDIN = "-"


def shipped(name: str, lang: str = "fr") -> Path:
    """Find a language model that comes with the lab.

    Args:
        name: "char" or "word".
        lang: Its language.

    Raises:
        LabError: There is no such model.
    """
    path = ROOT / "corpora" / "lm" / lang / f"{name}.arpa.gz"
    if name not in SHIPPED or not path.is_file():
        raise LabError(
            f"no language model named {name} comes with the lab",
            f"choose {' or '.join(SHIPPED)}, or give an .arpa or .arpa.gz file",
        )
    return path


def load_language_model(name_or_path: str) -> NGram:
    """Load a model: "char" or "word" that come with the lab, or any ARPA file.

    Raises:
        LabError: There is no such model, or the file is none.
    """
    named = name_or_path in SHIPPED
    return read_arpa(shipped(name_or_path) if named else Path(name_or_path))


def _read_text(name: str) -> str:
    if name == _STDIN and sys.stdin is None:
        raise LabError("the standard input is closed", "pipe a text in, or name a file")
    if name == _STDIN:
        content = sys.stdin.buffer.read()
    else:
        content = Path(name).read_bytes()
    try:
        return content.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        raise LabError(
            f"{name}: not UTF-8 (byte {error.start})",
            "give a text file, one sentence a line, saved as UTF-8",
        ) from error


def read_sentences(names: Sequence[str]) -> list[str]:
    """Read the sentences of texts, as they are written.

    Args:
        names: Text files with one sentence a line, tsv files of Common Voice, or "-"
            for the standard input.

    Raises:
        LabError: A text is not UTF-8, a tsv has no column ``sentence``, or there is
            not one sentence.
        OSError: A file cannot be read.
    """
    sentences: list[str] = []
    for name in names:
        # No splitlines(): a sentence may hold U+2028, which is no end of line here.
        lines = _read_text(name).replace("\r\n", "\n").split("\n")
        if name.endswith(".tsv"):
            lines = _sentence_column(name, lines)
        sentences += filter(str.strip, lines)
    if not sentences:
        raise LabError(
            f"{', '.join(names)}: not one sentence", "give one sentence a line"
        )
    return sentences


def _sentence_column(name: str, lines: list[str]) -> list[str]:
    columns = lines[0].split("\t")
    if "sentence" not in columns:
        raise LabError(
            f"{name}: no column named sentence",
            "its first line must name the columns as Common Voice does",
        )
    place = columns.index("sentence")
    rows = [(n, line.split("\t")) for n, line in enumerate(lines[1:], 2) if line]
    for number, cells in rows:
        if len(cells) != len(columns):
            raise LabError(
                f"{name}:{number}: {len(cells)} cells, not {len(columns)}",
                "unpack the corpus again: the file is damaged or was edited",
            )
    return [cells[place] for _, cells in rows]


class Normaliser:
    """Turns sentences into symbols by way of the lab's own alphabet.

    Args:
        folder: The folder of the lab's scripts.

    Raises:
        LabError: There is no ``data.py``.
        ImportError: It cannot be imported.
    """

    def __init__(self, folder: Path) -> None:
        if not (folder / "data.py").is_file():
            raise LabError(
                f"no data.py in {folder}", "give the lab's folder with --lab", USAGE
            )
        self.charmap = Lab(folder).data.CharMap()

    def __call__(self, sentences: Iterable[str], units: str) -> list[list[str]]:
        """Cut sentences into symbols; those of which nothing is left are dropped.

        Raises:
            LabError: Nothing is left of any.
        """
        charmap = self.charmap
        texts = (charmap.plain(charmap.decode(charmap.encode(s))) for s in sentences)
        cut = [symbols_of(text, units, charmap.unknown) for text in texts]
        if not any(cut):
            raise LabError(
                "nothing but punctuation in the text", "give one sentence a line"
            )
        return [symbols for symbols in cut if symbols]


@dataclass
class Measure:
    """How well a model predicts a text; logarithms in nats.

    Attributes:
        sentences: How many there are.
        words: How many there are.
        symbols: Characters or words, without ``</s>``.
        unknown: How many of the symbols the model does not know.
        log_prob: ln p of the text.
        known_log_prob: The part of it that is not of unknown symbols.
    """

    sentences: int
    words: int
    symbols: int
    unknown: int
    log_prob: float
    known_log_prob: float

    def lines(self, units: str) -> list[str]:
        """Say it for people."""
        name = _NAMES[units]
        counted = "" if units == "word" else f", {self.symbols} characters"
        ends = self.sentences  # each </s> is predicted too
        perplexity = f"{_perplexity(self.log_prob, self.symbols + ends)} a {name}"
        if units == "char":
            perplexity += f", {_perplexity(self.log_prob, self.words + ends)} a word"
        known = self.symbols - self.unknown + ends
        return [
            f"text        {self.sentences} sentences, {self.words} words{counted}",
            f"perplexity  {perplexity}",
            f"unknown     {100 * self.unknown / self.symbols:.2f} % of the {name}s; "
            f"{_perplexity(self.known_log_prob, known)} a {name} without them",
        ]


def _perplexity(log_prob: float, n: int) -> str:
    return f"{math.exp(min(-log_prob / n, 700.0)):.2f}"  # e^709 is the last float


def measure(model: NGram, sentences: Sequence[Sequence[str]]) -> Measure:
    """Measure a model on a text that it was not made from.

    Args:
        model: The model.
        sentences: The symbols of each sentence, at least one.
    """
    known = {*model.vocabulary} - {UNKNOWN}
    total = known_total = 0.0
    for symbols in sentences:
        sentence = (START, *symbols, END)
        for i in range(1, len(sentence)):
            log_prob = model.log_prob(sentence[max(0, i - MAX_ORDER) : i], sentence[i])
            total += log_prob
            known_total += log_prob if sentence[i] in known else 0.0
    every = [symbol for symbols in sentences for symbol in symbols]
    unknown = sum(symbol not in known for symbol in every)
    words = len(every)
    if _units(model) == "char":
        texts = ("".join(symbols).replace(SPACE, " ") for symbols in sentences)
        words = sum(len(symbols_of(text, "word")) for text in texts)
    return Measure(len(sentences), words, len(every), unknown, total, known_total)


def _units(model: NGram) -> str:
    return "char" if model.is_character_model else "word"


def _table(model: NGram) -> str:
    """Count the n-grams of each order."""
    counts = Counter(map(len, model.log_probs))
    return ", ".join(f"{counts[n]} of order {n}" for n in range(1, model.order + 1))


def build(args: argparse.Namespace) -> None:
    """Answer ``build``."""
    output = Path(args.output)
    order = args.order or DEFAULT_ORDERS[args.units]
    if not output.name.endswith((".arpa", ".arpa.gz")):
        raise LabError(
            f"{output}: no name of a language model",
            "end it in .arpa, or in .arpa.gz to compress it",
            USAGE,
        )
    if output.is_dir():
        raise LabError(f"{output}: a folder", "give the name of a file", USAGE)
    if args.units == "word" and order == 1:
        raise LabError(
            "a word model of order 1: no decoder here can use it",
            "give --order 2",
            USAGE,
        )
    # All texts first: one that is missing must not cost the long work.
    texts = read_sentences(args.text)
    held_out = read_sentences([args.held_out]) if args.held_out else []
    normalise = Normaliser(args.lab)
    sentences = normalise(texts, args.units)
    model = estimate(sentences, order, args.min_count)
    if {*model.vocabulary} <= {END, UNKNOWN}:
        raise LabError(
            f"the model would know not one {_NAMES[args.units]}",
            "give more text, or a smaller --min_count",
        )
    if _units(model) != args.units:
        raise LabError(
            "every word is one letter: the model would be taken for one of characters",
            "give text of whole words, or --units char",
        )
    write_arpa(model, output, args.digits)
    n_symbols, name = sum(map(len, sentences)), _NAMES[args.units]
    print(f"learnt from {len(sentences)} sentences, {n_symbols} {name}s")
    print(f"n-grams     {_table(model)}")
    print(f"{output}: {output.stat().st_size / 1e6:.2f} MB")
    if held_out:
        held_out_symbols = normalise(held_out, args.units)
        print(f"on {args.held_out}:")
        print("\n".join(measure(model, held_out_symbols).lines(args.units)))
    decoder = {"char": "beam", "word": "flashlight"}[args.units]
    options = shlex.join(["--decoder", decoder, "--lm", str(output)])
    print(f"to use it: python main_ctc.py test --fold test {options}")


def score(args: argparse.Namespace) -> None:
    """Answer ``score``."""
    model = load_language_model(args.model)
    sentences = Normaliser(args.lab)(read_sentences([args.text]), _units(model))
    print("\n".join(measure(model, sentences).lines(_units(model))))


def info(args: argparse.Namespace) -> None:
    """Answer ``info``."""
    model = load_language_model(args.model)
    vocabulary = model.vocabulary
    has_unknown = "with" if UNKNOWN in vocabulary else "without"
    print(f"order       {model.order}, of {_NAMES[_units(model)]}s")
    print(f"vocabulary  {len(vocabulary)}, {has_unknown} {UNKNOWN}")
    print(f"n-grams     {_table(model)}")


def _parser() -> LabParser:
    parser = ModuleParser(
        prog="-m labkit.lm",
        description=__doc__,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    commands = parser.add_subparsers(dest="command", metavar="COMMAND", required=True)
    common = LabParser(add_help=False)
    common.add_argument(
        "--lab", type=Path, default=ROOT, help="folder of data.py, which normalises"
    )
    common.add_argument(
        "--verbose", action="store_true", help="show the traceback of an error"
    )
    building = commands.add_parser("build", parents=[common], help="build a model")
    building.set_defaults(answer=build)
    building.add_argument("text", metavar="TEXT", nargs="+", help="sentences")
    building.add_argument("--units", choices=SHIPPED, required=True)
    building.add_argument(
        "--order",
        type=int,
        choices=range(1, MAX_ORDER + 1),
        help="longest n-gram (default: 6 characters, 3 words)",
    )
    building.add_argument("-o", "--output", required=True, help=".arpa or .arpa.gz")
    building.add_argument(
        "--min_count",
        type=int,
        nargs="+",
        default=[1],
        metavar="N",
        help="drop n-grams rarer than this: one number for each order, the last one "
        "for all that follow (default: 1, keep all)",
    )
    building.add_argument("--held_out", metavar="TEXT", help="measure on this text")
    building.add_argument(
        "--digits",
        type=int,
        choices=range(2, 10),
        default=7,
        help="decimals in the file: 3 make a small one (default: 7)",
    )
    scoring = commands.add_parser("score", parents=[common], help="measure a model")
    scoring.set_defaults(answer=score)
    scoring.add_argument("model", metavar="FILE", help="ARPA file, char or word")
    scoring.add_argument("text", metavar="TEXT", help="sentences")
    telling = commands.add_parser("info", parents=[common], help="describe a model")
    telling.set_defaults(answer=info)
    telling.add_argument("model", metavar="FILE", help="ARPA file, char or word")
    return parser


def main(argv: Sequence[str] | None = None) -> int:
    """Answer the command line; return the exit code."""
    args = _parser().parse_args(argv)
    return run_program(lambda: args.answer(args), args.verbose)


if __name__ == "__main__":
    raise SystemExit(main())
