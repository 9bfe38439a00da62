"""The options of testing, which every part has: what to test and how to decode it."""

from __future__ import annotations

import argparse
from collections.abc import Callable, Iterator

from labkit.base import number, text
from labkit.options.common import COUNT, POSITIVE
from labkit.options.option import TEST, Decoder, Option, group

_SEARCHES = ("prefix", "beam", "flashlight")
_SEARCHING = ("beamsearch", "lm", "hotwords", "stream")  # options that ask for a search

_BEAM = number(int, 1, high=10_000)  # hypotheses
# Nats; a larger bonus would outweigh all else and exceed float32's precision.
_WEIGHT = number(float, 0, high=1000)
_NATS = number(float, -1000, high=1000)
_NATS_OR_NEVER = number(float, float("-inf"), high=1000)


def _phrases(given: str) -> tuple[str, ...]:
    return tuple(phrase for phrase in text(given).split(",") if phrase.strip())


def one_of(decoders: tuple[Decoder, ...]) -> Callable[[str], tuple[str, str | None]]:
    """Make a reader of "beam" or "beam+char", for argparse."""
    takes_lm = {decoder.name: decoder.takes_lm for decoder in decoders}

    def read(text: str) -> tuple[str, str | None]:
        name, plus, lm = text.partition("+")
        if name not in takes_lm:
            names = ", ".join(takes_lm)
            raise argparse.ArgumentTypeError(f"{name} is no decoder ({names})")
        if lm and not takes_lm[name]:
            raise argparse.ArgumentTypeError(f"{name} decoding takes no language model")
        if plus and not lm:
            raise argparse.ArgumentTypeError(f"{text}: no language model after the +")
        return name, lm or None

    return read


TESTING = group(
    "testing",
    Option("modelpath", None, "a best_model.pt (default: the newest run's)", text),
    Option(
        "audiofile",
        None,
        "clips to transcribe: mp3, wav, flac or ogg",
        text,
        nargs="+",
        action="extend",
        metavar="CLIP",
    ),
    Option(
        "fold",
        None,
        "score a whole fold: CER, WER and the worst utterances",
        choices=("train", "dev", "test"),
    ),
    Option(
        "worst",
        None,
        "list the N worst and the N best utterances of the --fold, and their files "
        "(default: the 5 worst)",
        COUNT,
        metavar="N",
        needs=("fold",),
        without=("compare", "tune"),
        refusal="lists the utterances of one decoder: leave --{other} out",
    ),
    Option(
        "transcript",
        None,
        "align TEXT, all that is said, with the --audiofile",
        text,
        metavar="TEXT",
        needs=("audiofile",),
        without=("decoder", *_SEARCHING),
        refusal="is aligned, not decoded: leave --{other} out",
    ),
    Option(
        "output",
        None,
        "write the transcripts to files too, with times",
        choices=("txt", "json", "srt"),
    ),
    Option("no_figures", False, "draw none, which takes most of the time of a clip"),
    Option(
        "compare",
        None,
        "score the --fold with several decoders, such as: greedy beam beam+char "
        "flashlight+word (default: all)",
        nargs="*",
        metavar="DECODER[+LM]",
        needs=("fold",),
        without=("decoder", "beamsearch", "lm", "tune"),
        refusal="names its decoders and models: beam beam+char",
    ),
    Option(
        "tune",
        False,
        "try weights and bonuses of the --lm on the --fold (take dev)",
        needs=("fold", "lm"),
        without=("lm_weight", "word_bonus"),
        refusal="goes with --lm, whose weight and bonus it chooses",
    ),
    only=TEST,
)


DECODING = group(
    "decoding",
    Option(
        "decoder",
        "greedy",
        "greedy; prefix (your search, in plain Python); beam (the same over a "
        "batch); flashlight (default: greedy, or beam where an option asks for "
        "it)",
    ),
    Option("beamsearch", False, "as --decoder beam", implies=("decoder", "beam")),
    Option(
        "beamwidth",
        10,
        "hypotheses kept; many take memory, so fewer clips are searched together",
        _BEAM,
        decoders=_SEARCHES,
    ),
    Option("nbest", 10, "hypotheses shown", COUNT),
    Option(
        "lm",
        None,
        "language model: char, word (those of the kit), an ARPA file, or one written "
        "in Python, FILE.py:CLASS (docs/decoders.md)",
        text,
        implies=("decoder", "beam"),
        decoders=_SEARCHES,
    ),
    Option("lm_weight", 0.5, "weight of its log probability", _WEIGHT),
    Option(
        "word_bonus",
        0.0,
        "word insertion bonus in nats; prefix and beam add it for each space",
        _NATS,
    ),
    Option(
        "hotwords",
        (),
        "words that the speaker is likely to say (contextual biasing)",
        _phrases,
        metavar="A,B",
        implies=("decoder", "beam"),
        decoders=("beam",),
    ),
    Option(
        "hotword_weight",
        8.0,
        "bonus for each hot word, in nats",
        _NATS,
        needs=("hotwords",),
    ),
    Option(
        "stream",
        False,
        "give the frames of the --audiofile to the decoder bit by bit, and print what "
        "it has found so far",
        needs=("audiofile",),
        implies=("decoder", "beam"),
        decoders=("beam", "flashlight"),
    ),
    only=TEST,
)


FLASHLIGHT = group(
    "decoding, --decoder flashlight alone",
    Option(
        "lexicon",
        None,
        "words and their spelling (default: the words of the --lm)",
        text,
    ),
    Option(
        "symbols_per_frame",
        None,
        "how many of the likeliest to try at each frame (default: all)",
        COUNT,
    ),
    Option(
        "beam_threshold", 25.0, "drop hypotheses so many nats below the best", POSITIVE
    ),
    Option(
        "unknown_score",
        float("-inf"),
        "score of a word that is not in the lexicon",
        _NATS_OR_NEVER,
    ),
    Option("silence_score", 0.0, "score of each space", _NATS),
    Option("viterbi", False, "score a text by its best path, not by the sum of all"),
    Option(
        "pieces",
        False,
        "the words of the --lm are word pieces: ▁ starts a word",
        without=("silence_score",),
        refusal="has no silence between words: leave --{other} out",
    ),
    only=TEST,
    decoders=("flashlight",),
)


def refuse_searches(args: argparse.Namespace) -> Iterator[str]:
    """Refuse what cannot be tested, and options that would have no effect."""
    if args.command != TEST:
        return
    if not (args.audiofile or args.fold):
        yield "test needs --audiofile CLIP or --fold test"
    if args.beamsearch and args.decoder != "beam":
        yield f"--beamsearch contradicts --decoder {args.decoder}"
    if args.transcript is not None and len(args.audiofile) > 1:
        yield "--transcript goes with one --audiofile"
    if args.output == "srt" and (args.fold or not args.audiofile):
        yield "--output srt goes with --audiofile, and without --fold"
    if args.output and args.given & {"compare", "tune"} and not args.audiofile:
        yield "--output goes with one decoder: leave --compare and --tune out"
    if "nbest" in args.given and args.nbest > args.beamwidth:
        default = args.part.rows["beamwidth"].default
        yield f"--nbest is at most --beamwidth (default: {default})"
    if args.compare is not None and len({*args.compare}) < len(args.compare):
        yield "--compare names a decoder twice"
    for name in ("lm_weight", "word_bonus", "pieces"):
        if name in args.given and {lm for _, lm in args.part.used(args)} == {None}:
            yield f"--{name} goes with --lm or a model in --compare"
