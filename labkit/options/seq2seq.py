"""Part two: the options of its decoder and losses, and of how both heads decode."""

from __future__ import annotations

import argparse
from collections.abc import Iterator

from labkit.base import number
from labkit.options.common import (
    COUNT,
    DATA,
    LONG_RUNS,
    PROBABILITY,
    RUN,
    SIZE,
    TRAINING,
)
from labkit.options.ctc import CTC, NETWORK
from labkit.options.option import (
    TEST,
    TRAIN,
    Decoder,
    Option,
    Part,
    changed,
    group,
)
from labkit.options.searching import (
    DECODING,
    FLASHLIGHT,
    TESTING,
    one_of,
    refuse_searches,
)

DECODERS = (
    *(
        decoder._replace(compared=(None,) if decoder.name in ("greedy", "beam") else ())
        for decoder in CTC.decoders
    ),
    Decoder("attention", "beam search of the attention decoder alone"),
    Decoder("joint", "one beam search, scored by CTC and by attention"),
    Decoder("rescore", "the n-best list of `beam`, ranked anew in one call"),
    Decoder(
        "verify",
        "greedy CTC, checked in one call; attention goes on where it disagrees",
        takes_lm=False,
    ),
    Decoder(
        "par",
        "partially autoregressive: only what CTC is unsure of is decoded again",
        takes_lm=False,
    ),
)
_WEIGHTED = ("joint", "rescore")  # weigh CTC and attention
_FUSED = ("beam", "attention", "joint", "rescore")  # take the kit's language models

ATTENTION = group(
    "attention decoder",
    Option(
        "decoder_type",
        "gru",
        "the decoder that attends to the encoder's frames",
        choices=("gru", "transformer"),
    ),
    Option("nhidden_decoder", 256, "its hidden units", SIZE),
    Option("heads", 4, "heads of its attention, which share its hidden units", COUNT),
    architecture=True,
)
LOSSES = group(
    "losses of both heads",
    Option(
        "ctc_weight",
        0.3,
        "weight of CTC in the loss, and in --decoder joint and rescore; that of "
        "attention is 1 less it",
        PROBABILITY,
    ),
    Option(
        "label_smoothing",
        0.1,
        "probability that the attention loss spreads over all symbols",
        number(float, 0, high=0.9),
        only=TRAIN,
    ),
    Option(
        "guided_attention",
        None,
        "for the first N epochs, pull attention to the frames that CTC aligns",
        COUNT,
        metavar="N",
        only=TRAIN,
    ),
    Option(
        "from_scratch",
        False,
        "start from random weights (default: from the newest network of part one, or "
        "that of the kit)",
        only=TRAIN,
        without=("init_from", "resume"),
        refusal="contradicts --{other}",
    ),
)
PARTIAL = group(
    "decoding with attention",
    Option(
        "length_norm",
        0.0,
        "rank by the log probability over the length to this power",
        number(float, 0, high=2),
        decoders=("attention", "joint"),
    ),
    Option(
        "par_threshold",
        0.9,
        "decode again what CTC is less sure of",
        PROBABILITY,
        decoders=("par",),
    ),
    Option(
        "max_seq_len",
        5,
        "symbols by which an uncertain segment may grow",
        number(int, 1, high=100),
        decoders=("par",),
    ),
    Option(
        "max_mask_parallel",
        -1,
        "segments of an utterance that are decoded together; -1 for all",
        number(int, -1, high=1_000_000),
        decoders=("par",),
    ),
    Option(
        "sweep",
        False,
        "draw error rates and decoder calls against --par_threshold",
        needs=("fold",),
        without=(
            "compare",
            "tune",
            "worst",
            "par_threshold",
            "output",
            "audiofile",
        ),
        refusal="goes without --{other}",
        implies=("decoder", "par"),
    ),
    only=TEST,
)


def refuse_attention(args: argparse.Namespace) -> Iterator[str]:
    """Refuse sizes and weights that do not fit together."""
    if args.nhidden_decoder % args.heads:
        yield (
            f"--heads {args.heads} do not share --nhidden_decoder "
            f"{args.nhidden_decoder} evenly"
        )
    if args.max_mask_parallel == 0:
        yield "--max_mask_parallel 0 decodes nothing: 1 or more, or -1 for all"
    if args.tune and not args.lm and args.decoder not in _WEIGHTED:
        yield "--tune goes with --lm, or with --decoder joint or rescore"
    if args.sweep and args.decoder != "par":
        yield "--sweep goes with --decoder par"


SEQ2SEQ = Part(
    "seq2seq",
    "main_seq2seq.py",
    changed(
        (
            DATA,
            NETWORK._replace(rows=NETWORK.rows[1:]),  # LinearModel has no frames
            ATTENTION,
            TRAINING,
            LOSSES,
            LONG_RUNS,
            TESTING,
            DECODING,
            PARTIAL,
            FLASHLIGHT,
            RUN,
        ),
        logname={"default": "seq2seq"},
        num_epochs={"default": 14},
        base_lr={"default": 2e-3},
        decoder={
            "default": "rescore",
            "choices": tuple(decoder.name for decoder in DECODERS),
            "help": "of CTC: greedy, prefix, beam, flashlight; with attention: "
            "attention, joint, rescore, verify, par",
        },
        compare={"type": one_of(DECODERS)},
        tune={
            "needs": ("fold",),
            "without": ("lm_weight", "word_bonus", "ctc_weight"),
            "refusal": "chooses the weights: leave --{other} out",
            "help": "try weights of CTC and of the --lm on the --fold (take dev)",
        },
        beamwidth={"decoders": ("prefix", "flashlight", *_FUSED, "par")},
        lm={"implies": None, "decoders": ("prefix", "flashlight", *_FUSED)},
        hotwords={"implies": None, "decoders": _FUSED},
        stream={"implies": None},
    ),
    DECODERS,
    (refuse_searches, refuse_attention),
    encoder=CTC,
)
