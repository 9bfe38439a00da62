"""The command line of ``main_ctc.py``: it answers ``--help`` without torch."""

from __future__ import annotations

import argparse
import math
import os
import re
import sys
from typing import Any

from labkit.base import LabParser, number, text

# Options that are not given take these values ...
DEFAULTS: dict[str, Any] = {
    "batch_size": 16,
    "num_epochs": 28,
    "base_lr": 3e-3,
    "grad_clip": 20.0,
    "nlayers_rnn": 2,
    "nhidden_rnn": 128,
    "cell_type": "GRU",
    "dropout": 0.1,
    "weight_decay": 1e-2,
    "nmels": 20,
}
# ... and with --debug these, which overfit one minibatch in the least time on a CPU.
DEBUG_DEFAULTS: dict[str, Any] = {
    **DEFAULTS,
    "num_epochs": 400,
    "base_lr": 3e-3,
    "nlayers_rnn": 1,
    "nhidden_rnn": 256,
    "dropout": 0.0,
    "weight_decay": 0.0,
}
MODEL_OPTIONS = ("model", "nmels", "nlayers_rnn", "nhidden_rnn", "cell_type")
_TRAIN_ONLY = (
    *("debug", "num_epochs", "base_lr", "grad_clip", "scheduler", "train_augment"),
    *("weight_decay", "dropout", "l1", "logname", "speed_perturbation", "resume"),
    *("checkpoint_minutes", "amp", "compile", "average", "patience", "init_from"),
)
# A run that is resumed knows its options, but for those of the process ...
PROCESS_OPTIONS = ("command", "resume", "device", "baselogdir", "verbose")
# ... and these may be given anew.
RESUME_OPTIONS = ("nthreads", "checkpoint_minutes", "num_epochs")
_FLAGS = (*("debug", "train_augment", "tune", "speed_perturbation", "amp", "compile"),)
_COMMANDS = ("train", "test")
# Options that ask for a search, each with what it goes with or is only for.
_SEARCHING = ("beamsearch", "lm", "hotwords")
_GOES_WITH = {
    "transcript": "audiofile",
    "compare": "fold",
    "tune": "fold",
    "hotword_weight": "hotwords",
}
_ONLY_FOR = {
    "hotwords": ("beam",),
    **dict.fromkeys(
        (
            *("lexicon", "symbols_per_frame", "beam_threshold"),
            *("unknown_score", "silence_score"),
        ),
        ("flashlight",),
    ),
}
_PLAIN_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9_-]{0,99}")
_TEST_BATCH = 64  # clips: the batched search is quickest with many
DECODERS = ("greedy", "prefix", "beam", "flashlight")
# The options of a search take these values where they are not given.
SEARCH_DEFAULTS: dict[str, Any] = {
    "beamwidth": 10,
    "nbest": 10,
    "lm_weight": 0.5,
    "word_bonus": 0.0,
    "hotword_weight": 8.0,
    "beam_threshold": 25.0,
    "unknown_score": float("-inf"),
    "silence_score": 0.0,
}
_TEST_ONLY = (
    *("modelpath", "audiofile", "fold", "transcript", "output"),
    *("decoder", "beamsearch", "compare", "tune", "lm", "hotwords", "lexicon"),
    *("symbols_per_frame", *SEARCH_DEFAULTS),
)

_COUNT = number(int, 1, high=1_000_000)
_SIZE = number(int, 1, high=16_384)  # of a layer: more fits no memory
_LAYERS = number(int, 1, high=100)
_THREADS = number(int, 1, high=1024)
_POSITIVE = number(float, 0, open_low=True)
_NOT_NEGATIVE = number(float, 0)
_PROBABILITY = number(float, 0, high=1)
_BEAM = number(int, 1, high=10_000)  # hypotheses: more fit no memory
# Nats: with more, nothing else would count, and float32 would run out of digits.
_WEIGHT = number(float, 0, high=1000)
_NATS = number(float, -1000, high=1000)
_NATS_OR_NEVER = number(float, float("-inf"), high=1000)


def _decoder_and_model(text: str) -> tuple[str, str | None]:
    """Read "beam" or "beam+char", for argparse."""
    decoder, plus, lm = text.partition("+")
    if decoder not in DECODERS:
        names = ", ".join(DECODERS)
        raise argparse.ArgumentTypeError(f"{decoder} is no decoder ({names})")
    if lm and decoder == "greedy":
        raise argparse.ArgumentTypeError("greedy decoding hears no language model")
    if plus and not lm:
        raise argparse.ArgumentTypeError(f"{text}: no language model behind the +")
    return decoder, lm or None


def _add_data_options(parser: LabParser) -> None:
    group = parser.add_argument_group("data")
    group.add_argument(
        "--datasetroot",
        help="folder of the corpora (default: the environment's COMMONVOICE_ROOT, "
        "else the embedded corpus)",
    )
    group.add_argument(
        "--datasetversion", help="folder of one release (default: the newest)"
    )
    group.add_argument("--lang", help="folder of one language (default: fr)")
    group.add_argument(
        "--min_duration", type=_NOT_NEGATIVE, help="shortest clip, in s (default: 1)"
    )
    group.add_argument(
        "--max_duration", type=_POSITIVE, help="longest clip, in s (default: 5)"
    )
    group.add_argument("--batch_size", type=_COUNT, help="clips in a minibatch")
    group.add_argument(
        "--batch_frames",
        type=_COUNT,
        metavar="N",
        help="fill minibatches up to N frames of 10 ms, padding included, instead",
    )
    group.add_argument(
        "--cache", metavar="DIR", help="keep the log-mels of all clips in files there"
    )
    group.add_argument("--nmels", type=_SIZE, help="mel bands")
    group.add_argument(
        "--normalization",
        nargs=2,
        type=float,
        metavar=("MEAN", "STD"),
        help="of the log-mels, in dB (default: measured on the training fold)",
    )
    group.add_argument(
        "--train_augment",
        action="store_const",
        const=True,
        help="mask random times and bands in training (SpecAugment)",
    )
    group.add_argument(
        "--speed_perturbation",
        action="store_const",
        const=True,
        help="train on clips at 0.9, 1 and 1.1 times their speed",
    )


def _add_model_options(parser: LabParser) -> None:
    group = parser.add_argument_group("network")
    group.add_argument(
        "--model", choices=("CTCModel", "LinearModel"), help="(default: CTCModel)"
    )
    group.add_argument(
        "--nlayers_rnn", type=number(int, 1, high=100), help="recurrent layers"
    )
    group.add_argument("--nhidden_rnn", type=_SIZE, help="units of each direction")
    group.add_argument("--cell_type", choices=("GRU", "LSTM"), help="recurrent cell")
    group.add_argument(
        "--dropout", type=_PROBABILITY, help="probability of dropping a unit"
    )


def _add_training_options(parser: LabParser) -> None:
    group = parser.add_argument_group("training")
    group.add_argument(
        "--debug",
        action="store_const",
        const=True,
        help="overfit one minibatch, then stop",
    )
    group.add_argument("--num_epochs", type=_COUNT, help="epochs, at most")
    group.add_argument("--base_lr", type=_POSITIVE, help="learning rate")
    group.add_argument(
        "--grad_clip", type=_POSITIVE, help="largest norm of the gradient"
    )
    group.add_argument(
        "--scheduler",
        nargs="?",
        const=True,
        choices=("cosine", "plateau"),
        help="warm the learning rate up, then lower it along a cosine (if no other is "
        "named), or halve it whenever the dev CER stays",
    )
    group.add_argument("--weight_decay", type=_NOT_NEGATIVE, help="of AdamW")
    group.add_argument(
        "--l1", type=_NOT_NEGATIVE, help="weight of the L1 penalty (default: 0)"
    )
    group.add_argument(
        "--patience", type=_COUNT, metavar="N", help="stop after N epochs without gain"
    )
    group.add_argument(
        "--average",
        type=number(int, 2, high=1000),
        metavar="N",
        help="at the end, average the weights of the last N epochs",
    )
    group.add_argument("--logname", help="name of the run's folder (default: ctc)")


def _add_running_options(parser: LabParser) -> None:
    group = parser.add_argument_group("training, long runs")
    group.add_argument(
        "--resume",
        nargs="?",
        const="",
        metavar="RUN",
        help="go on with the folder of an unfinished run (default: the newest)",
    )
    group.add_argument(
        "--checkpoint_minutes",
        type=_NOT_NEGATIVE,
        metavar="N",
        help="keep what --resume needs every N minutes (default: 10) and each epoch",
    )
    group.add_argument(
        "--init_from",
        metavar="CHECKPOINT",
        help="start from the weights of a best_model.pt",
    )
    group.add_argument(
        "--amp",
        action="store_const",
        const=True,
        help="convolutions and linear layers in bfloat16",
    )
    group.add_argument(
        "--compile",
        action="store_const",
        const=True,
        help="compile the convolutions (a minute or two, for long runs)",
    )


def _add_test_options(parser: LabParser) -> None:
    group = parser.add_argument_group("testing")
    group.add_argument(
        "--modelpath", help="a best_model.pt (default: that of the newest run)"
    )
    group.add_argument(
        "--audiofile",
        action="append",
        help="a clip to transcribe: mp3, wav, flac or ogg; may be repeated",
    )
    group.add_argument(
        "--fold",
        choices=("train", "dev", "test"),
        help="score a whole fold: CER, WER and the worst utterances",
    )
    group.add_argument(
        "--transcript",
        type=text,
        metavar="TEXT",
        help="find when TEXT, all that is said, is said in the --audiofile",
    )
    group.add_argument(
        "--output",
        choices=("txt", "json", "srt"),
        help="write the transcripts to files too, with times",
    )
    group.add_argument(
        "--compare",
        nargs="*",
        type=_decoder_and_model,
        metavar="DECODER[+LM]",
        help="score the --fold with several decoders, such as: greedy beam beam+char "
        "flashlight+word (default: all that there are)",
    )
    group.add_argument(
        "--tune",
        action="store_const",
        const=True,
        help="try weights and bonuses of the --lm on the --fold (take dev)",
    )


def _add_search_options(parser: LabParser) -> None:
    group = parser.add_argument_group("decoding")
    group.add_argument(
        "--decoder",
        choices=DECODERS,
        help="greedy; prefix (your search, in plain Python); beam (the same over a "
        "batch); flashlight (default: greedy, or beam where an option asks for it)",
    )
    group.add_argument(
        "--beamsearch", action="store_const", const=True, help="as --decoder beam"
    )
    group.add_argument("--beamwidth", type=_BEAM, help="hypotheses kept (default: 10)")
    group.add_argument("--nbest", type=_COUNT, help="hypotheses shown (default: 10)")
    group.add_argument(
        "--lm",
        type=text,
        help="language model: char, word (those of the kit), or an ARPA file",
    )
    group.add_argument(
        "--lm_weight",
        type=_WEIGHT,
        help="of its log probability (default: 0.5)",
    )
    group.add_argument(
        "--word_bonus",
        type=_NATS,
        help="nats added for each word, by prefix and beam for each space (default: 0)",
    )
    group.add_argument(
        "--hotwords",
        type=text,
        metavar="A,B",
        help="what the speaker is likely to say",
    )
    group.add_argument(
        "--hotword_weight", type=_NATS, help="nats for each hot word (default: 8)"
    )
    flashlight = parser.add_argument_group("decoding, --decoder flashlight alone")
    flashlight.add_argument(
        "--lexicon",
        type=text,
        help="words and their spelling (default: the words of the --lm)",
    )
    flashlight.add_argument(
        "--symbols_per_frame",
        type=_COUNT,
        help="the likeliest that are tried at each frame (default: all)",
    )
    flashlight.add_argument(
        "--beam_threshold", type=_POSITIVE, help="nats below the best (default: 25)"
    )
    flashlight.add_argument(
        "--unknown_score",
        type=_NATS_OR_NEVER,
        help="for a word not in the lexicon (-inf)",
    )
    flashlight.add_argument(
        "--silence_score", type=_NATS, help="for each space (default: 0)"
    )


def _add_run_options(parser: LabParser) -> None:
    group = parser.add_argument_group("run")
    group.add_argument("--device", choices=("auto", "cpu", "cuda"), default="auto")
    group.add_argument("--seed", type=number(int, 0, high=2**32 - 1), default=0)
    group.add_argument(
        "--nthreads",
        type=number(int, 1, high=1024),
        help="threads and workers (default: all cores)",
    )
    group.add_argument("--baselogdir", default="./logs", help="folder of the runs")
    group.add_argument(
        "--verbose", action="store_true", help="show the traceback of an error"
    )


def _fill_in(args: argparse.Namespace) -> None:
    """Give the options that were left out their values."""
    args.given = {name for name, value in vars(args).items() if value is not None}
    defaults = DEBUG_DEFAULTS if args.debug else DEFAULTS
    if args.command == "test":
        defaults = {**defaults, "batch_size": _TEST_BATCH}
    for name, value in defaults.items():
        if getattr(args, name) is None:
            setattr(args, name, value)
    searching = args.given & set(_SEARCHING)
    rest = {"min_duration": 1.0, "max_duration": 5.0, "l1": 0.0, **SEARCH_DEFAULTS}
    rest.update(logname="ctc", model="CTCModel", lang="fr", scheduler=False)
    rest["checkpoint_minutes"] = 10.0
    rest["decoder"] = "beam" if searching else "greedy"
    for name, value in rest.items():
        if getattr(args, name) is None:
            setattr(args, name, value)
    if args.scheduler == "cosine":
        args.scheduler = True
    for name in _FLAGS:
        setattr(args, name, bool(getattr(args, name)))
    args.hotwords = tuple(w for w in (args.hotwords or "").split(",") if w.strip())


def _check(parser: LabParser, args: argparse.Namespace) -> None:
    others = _TEST_ONLY if args.command == "train" else _TRAIN_ONLY
    for name in others:
        if getattr(args, name) is not None:
            parser.error(f"--{name} is no option of {args.command}")
    if args.debug and (args.resume is not None or args.average or args.patience):
        parser.error("--debug goes without --resume, --average and --patience")
    if args.resume is not None and args.init_from:
        parser.error("--resume goes without --init_from: a run has its weights")
    if args.command == "test" and not (args.audiofile or args.fold):
        parser.error("test needs --audiofile CLIP or --fold test")
    if args.command == "test":
        _check_search(parser, args)
    mean, std = args.normalization or (0.0, 1.0)
    if not (math.isfinite(mean) and 0 < std < math.inf):
        parser.error("--normalization: two finite numbers, the second above 0")
    if args.logname is not None and not _PLAIN_NAME.fullmatch(args.logname):
        parser.error("--logname: letters, digits, - and _ only")


def _check_search(parser: LabParser, args: argparse.Namespace) -> None:
    """Refuse options that would be read and not used."""
    given = {name for name, value in vars(args).items() if value is not None}
    if args.beamsearch and args.decoder not in (None, "beam"):
        parser.error(f"--beamsearch contradicts --decoder {args.decoder}")
    for name, other in _GOES_WITH.items():
        if name in given and other not in given:
            parser.error(f"--{name} goes with --{other}")
    if args.tune and (args.lm is None or given & {"lm_weight", "word_bonus"}):
        parser.error("--tune goes with --lm, whose weight and bonus it chooses")
    if args.transcript is not None and len(args.audiofile) > 1:
        parser.error("--transcript goes with one --audiofile")
    for name in ("decoder", *_SEARCHING):
        if args.transcript is not None and name in given:
            parser.error(f"--transcript is aligned, not searched: leave --{name} out")
    if args.output == "srt" and (args.fold or not args.audiofile):
        parser.error("--output srt goes with --audiofile, and without --fold")
    if args.output and given & {"compare", "tune"} and not args.audiofile:
        parser.error("--output goes with one decoder: leave --compare and --tune out")
    if (args.nbest or 0) > (args.beamwidth or SEARCH_DEFAULTS["beamwidth"]):
        parser.error("--nbest is at most --beamwidth (default: 10)")
    if args.compare is None:
        decoders = {args.decoder or ("beam" if given & {*_SEARCHING} else "greedy")}
        models = {args.lm}
    else:
        if given & {"decoder", "beamsearch", "lm", "tune"}:
            parser.error("--compare names its decoders and models: beam beam+char")
        if len({*args.compare}) < len(args.compare):
            parser.error("--compare names a decoder twice")
        decoders = {decoder for decoder, _ in args.compare} or {*DECODERS}
        models = {lm for _, lm in args.compare} or {"char"}
    for name in ("lm_weight", "word_bonus"):
        if name in given and models == {None}:
            parser.error(f"--{name} goes with --lm or a model in --compare")
    for name in ("beamwidth", *_SEARCHING):
        if name in given and decoders == {"greedy"}:
            parser.error(f"--{name} goes with --beamsearch or another --decoder")
    for name, users in _ONLY_FOR.items():
        if name in given and decoders.isdisjoint(users):
            parser.error(f"--{name} goes with --decoder {' or '.join(users)}")


def _with_values(argv: list[str]) -> list[str]:
    """Keep ``--scheduler train`` and ``--resume train`` from eating the command."""
    left_out = {"--scheduler": "cosine", "--resume": ""}
    words = []
    for word, following in zip(argv, [*argv[1:], ""]):
        if word in left_out and following in _COMMANDS:
            word = f"{word}={left_out[word]}"
        words.append(word)
    return words


def parse(description: str | None, argv: list[str] | None = None) -> argparse.Namespace:
    """Read the command line, before torch is imported.

    Args:
        description: What the program does, with commands to paste.
        argv: The arguments; None for those of the process.

    Returns:
        Every option by name; ``given`` holds the names of those that were given.

    Raises:
        SystemExit: 2 for a wrong command line, 0 for ``--help``.
    """
    parser = LabParser(
        description=description, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("command", choices=_COMMANDS)
    _add_data_options(parser)
    _add_model_options(parser)
    _add_training_options(parser)
    _add_running_options(parser)
    _add_test_options(parser)
    _add_search_options(parser)
    _add_run_options(parser)
    table = [
        f"  --{name:13} {DEFAULTS[name]!s:>8} {DEBUG_DEFAULTS[name]!s:>13}"
        for name in DEFAULTS
    ]
    parser.epilog = "\n".join(["defaults           train   train --debug", *table])
    args = parser.parse_args(_with_values(sys.argv[1:] if argv is None else argv))
    _check(parser, args)
    _fill_in(args)
    # Torch's threads wait for one another by spinning. Where another program wants a
    # core too, that makes training several times slower; sleeping costs nothing.
    os.environ.setdefault("OMP_WAIT_POLICY", "PASSIVE")
    return args
