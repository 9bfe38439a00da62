"""Part one: the options of its network, and its decoders."""

from __future__ import annotations

from labkit.base import PRETRAINED
from labkit.options.common import (
    DATA,
    LAYERS,
    LONG_RUNS,
    PROBABILITY,
    RUN,
    SIZE,
    TRAINING,
)
from labkit.options.option import TRAIN, Decoder, Option, Part, changed, group
from labkit.options.searching import (
    DECODING,
    FLASHLIGHT,
    TESTING,
    one_of,
    refuse_searches,
)

# What --decoder and --compare take; decoding.py makes the decoders.
DECODERS = (
    Decoder("greedy", "the best symbol of each frame", takes_lm=False),
    Decoder("prefix", "prefix beam search in plain Python: the exercises E23 to E25"),
    Decoder(
        "beam",
        "the same search over a whole batch, in tensors (`--beamsearch`)",
        compared=(None, "char"),
    ),
    Decoder(
        "flashlight",
        "Flashlight's, with a lexicon for a word model; not on Python 3.13",
        compared=(None, "char", "word"),
    ),
)
NETWORK = group(
    "network",
    Option(
        "model",
        "CTCModel",
        "LinearModel is the trivial baseline",
        choices=("CTCModel", "LinearModel"),
    ),
    Option("nlayers_rnn", 2, "recurrent layers", LAYERS, debug=1),
    Option("nhidden_rnn", 128, "units of each direction", SIZE, debug=256),
    Option("cell_type", "GRU", "recurrent cell", choices=("GRU", "LSTM")),
    Option(
        "dropout",
        0.1,
        "probability of dropping a unit",
        PROBABILITY,
        debug=0.0,
        only=TRAIN,
    ),
    architecture=True,
)

CTC = Part(
    "ctc",
    "main_ctc.py",
    changed(
        (DATA, NETWORK, TRAINING, LONG_RUNS, TESTING, DECODING, FLASHLIGHT, RUN),
        logname={"default": "ctc"},
        decoder={"choices": tuple(decoder.name for decoder in DECODERS)},
        compare={"type": one_of(DECODERS)},
    ),
    DECODERS,
    (refuse_searches,),
    PRETRAINED,
)
