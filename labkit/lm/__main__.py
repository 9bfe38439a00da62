"""Build, measure and describe n-gram language models.

    python -m labkit.lm build TEXT --units char -o my.arpa.gz    from sentences
    python -m labkit.lm score my.arpa.gz TEXT                    perplexity
    python -m labkit.lm info my.arpa.gz                          what it holds

TEXT is a file with one sentence a line, a .tsv of Common Voice, or - for the standard
input. It is normalised like the transcripts, so that the model has the same letters.
Two models of French come with the lab: write char or word instead of a file.
"""

from __future__ import annotations

import argparse
import math
import shlex
from collections import Counter
from collections.abc import Callable, Collection, Sequence
from functools import partial
from pathlib import Path
from typing import Any

from labkit.base import USAGE, LabError, LabParser, number, run_program
from labkit.lm.arpa import load_language_model, write_arpa
from labkit.lm.ngram import (
    END,
    KENLM_ORDERS,
    MAX_ORDER,
    PIECE,
    SPACE,
    START,
    UNKNOWN,
    NGram,
    estimate,
    symbols_of,
)
from labkit.lm.pieces import cut_into_pieces, learn_pieces
from labkit.lm.sentences import cut_sentences, read_sentences

_NAMES = {"char": "character", "word": "word", "piece": "word piece"}
_ORDERS = {"char": 6, "word": 3, "piece": 4}  # by default
_USES = {"char": "beam", "word": "flashlight", "piece": "flashlight --pieces"}
_PIECES = 1000  # by default


def measure(model: NGram, sentences: Sequence[Sequence[str]]) -> list[str]:
    """Describe how well a model predicts the symbols of sentences, at least one."""
    units = _units(model)
    name, known = _NAMES[units], {*model.vocabulary} - {UNKNOWN}
    total = known_total = 0.0
    for symbols in sentences:
        sentence = (START, *symbols, END)
        for i in range(1, len(sentence)):
            context = sentence[max(0, i - model.order) : i]
            log_prob = model.log_prob(context, sentence[i])
            total += log_prob
            known_total += log_prob if sentence[i] in known else 0.0
    every = [symbol for symbols in sentences for symbol in symbols]
    n_unknown = sum(symbol not in known for symbol in every)
    ends = len(sentences)  # each </s> is predicted too
    counted = perplexity_of_words = ""
    n_words = _count_words(sentences, units)
    if units != "word":
        counted = f", {len(every)} {name}s"
        perplexity_of_words = f", {_perplexity(total, n_words + ends)} a word"
    of_known = _perplexity(known_total, len(every) - n_unknown + ends)
    return [
        f"text        {ends} sentences, {n_words} words{counted}",
        f"perplexity  {_perplexity(total, len(every) + ends)} a {name}"
        + perplexity_of_words,
        f"unknown     {100 * n_unknown / len(every):.2f} % of the {name}s; "
        f"{of_known} a {name} without them",
    ]


def _perplexity(log_prob: float, n: int) -> str:
    return f"{math.exp(min(-log_prob / n, 700.0)):.2f}"  # e^709 is the last float


def _count_words(sentences: Sequence[Sequence[str]], units: str) -> int:
    if units == "char":
        texts = ("".join(symbols).replace(SPACE, " ") for symbols in sentences)
        return sum(len(symbols_of(text, "word")) for text in texts)
    every = [symbol for symbols in sentences for symbol in symbols]
    return sum(units == "word" or symbol.startswith(PIECE) for symbol in every)


def _units(model: NGram) -> str:
    if any(symbol.startswith(PIECE) for symbol in model.vocabulary):
        return "piece"
    return "char" if model.is_character_model else "word"


def _cutter(units: str, pieces: Collection[str]) -> Callable[[str], list[str]]:
    """Return what cuts a text into symbols; ``pieces`` are those of a model of them."""
    if units == "piece":
        return partial(cut_into_pieces, pieces=pieces)
    return partial(symbols_of, units=units)


def _table(model: NGram) -> str:
    """Count the n-grams of each order."""
    counts = Counter(map(len, model.log_probs))
    return ", ".join(f"{counts[n]} of order {n}" for n in range(1, model.order + 1))


def build(args: argparse.Namespace) -> None:
    """Answer ``build``."""
    output, name = Path(args.output), _NAMES[args.units]
    order = args.order or _ORDERS[args.units]
    if not output.name.endswith((".arpa", ".arpa.gz")):
        raise LabError(
            f"{output}: not a file name of a language model",
            "end it in .arpa, or in .arpa.gz to compress it",
            USAGE,
        )
    if output.is_dir():
        raise LabError(f"{output}: a folder", "give the name of a file", USAGE)
    low, high = KENLM_ORDERS
    if args.units != "char" and not low <= order <= high:
        cause = f"a {name} model of order {order}: no decoder can use it"
        raise LabError(cause, f"give --order {low} to {high}", USAGE)
    if args.pieces and args.units != "piece":
        raise LabError("--pieces goes with --units piece", "leave it out", USAGE)
    # Read all texts first, so that a missing one is reported before the long work.
    texts, pieces = read_sentences(args.text), set()
    held_out = read_sentences([args.held_out]) if args.held_out else []
    if args.units == "piece":
        pieces = learn_pieces(texts, args.pieces or _PIECES)
    cut = _cutter(args.units, pieces)
    sentences = cut_sentences(texts, cut)
    model = estimate(sentences, order, args.min_count)
    if {*model.vocabulary} <= {END, UNKNOWN}:
        raise LabError(
            f"the model would know not one {name}",
            "give more text, or a smaller --min_count",
        )
    if _units(model) != args.units:
        raise LabError(
            "every word is one letter: the model would be taken for one of characters",
            "give text of whole words, or --units char",
        )
    write_arpa(model, output, args.digits)
    print(f"trained on {len(sentences)} sentences, {sum(map(len, sentences))} {name}s")
    print(f"n-grams     {_table(model)}")
    print(f"{output}: {output.stat().st_size / 1e6:.2f} MB")
    if held_out:
        print(f"on {args.held_out}:")
        print("\n".join(measure(model, cut_sentences(held_out, cut))))
    options = f"--decoder {_USES[args.units]} --lm {shlex.quote(str(output))}"
    print(f"to use it: python main_ctc.py test --fold test {options}")


def score(args: argparse.Namespace) -> None:
    """Answer ``score``."""
    model = load_language_model(args.model)
    cut = _cutter(_units(model), set(model.vocabulary))
    sentences = cut_sentences(read_sentences([args.text]), cut)
    print("\n".join(measure(model, sentences)))


def info(args: argparse.Namespace) -> None:
    """Answer ``info``."""
    model = load_language_model(args.model)
    vocabulary = model.vocabulary
    has_unknown = "with" if UNKNOWN in vocabulary else "without"
    print(f"order       {model.order}, of {_NAMES[_units(model)]}s")
    print(f"vocabulary  {len(vocabulary)}, {has_unknown} {UNKNOWN}")
    print(f"n-grams     {_table(model)}")


def _parser() -> LabParser:
    parser = LabParser(prog="python -m labkit.lm", description=__doc__)
    commands = parser.add_subparsers(dest="command", metavar="COMMAND", required=True)
    common = LabParser(add_help=False)
    verbose = "show the traceback of an error"
    common.add_argument("--verbose", action="store_true", help=verbose)

    def command(answer: Callable, what: str) -> Callable[..., Any]:
        parser = commands.add_parser(answer.__name__, parents=[common], help=what)
        parser.set_defaults(answer=answer)
        return parser.add_argument

    add = command(build, "build a model")
    add("text", metavar="TEXT", nargs="+", help="sentences")
    add("--units", choices=tuple(_NAMES), required=True)
    size = f"how many word pieces, for --units piece (default: {_PIECES})"
    add("--pieces", type=number(int, 1, high=100_000), metavar="N", help=size)
    low, high = KENLM_ORDERS
    longest = (
        f"longest n-gram, 1 to {MAX_ORDER}; --decoder flashlight reads {low} to {high} "
        "(default: 6 characters, 3 words, 4 pieces)"
    )
    orders = number(int, 1, high=MAX_ORDER)
    add("--order", type=orders, metavar="N", help=longest)
    add("-o", "--output", required=True, help=".arpa or .arpa.gz")
    rare = (
        "drop n-grams rarer than this: one number for each order, the last one for "
        "all that follow (default: 1, keep all)"
    )
    add("--min_count", type=int, nargs="+", default=[1], metavar="N", help=rare)
    add("--held_out", metavar="TEXT", help="measure on this text")
    decimals = "decimals in the file: 3 make a small one (default: 7)"
    add("--digits", type=int, choices=range(2, 10), default=7, help=decimals)
    add = command(score, "measure a model")
    add("model", metavar="FILE", help="ARPA file, char or word")
    add("text", metavar="TEXT", help="sentences")
    add = command(info, "describe a model")
    add("model", metavar="FILE", help="ARPA file, char or word")
    return parser


def main(argv: Sequence[str] | None = None) -> int:
    """Answer the command line; return the exit code."""
    args = _parser().parse_args(argv)
    return run_program(lambda: args.answer(args), args.verbose)


if __name__ == "__main__":
    raise SystemExit(main())
