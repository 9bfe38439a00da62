"""The options that every part of the lab has: data, training, the run."""

from __future__ import annotations

import argparse
import math
import re
from typing import Any

from labkit.base import number, text
from labkit.options.option import TRAIN, Option, group

_PLAIN_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9_-]{0,99}")

_BY_UTTERANCE = "utterance"  # each band of each clip is normalised by itself

_THREADS = number(int, 1, high=1024)
_BANDS = number(int, 1, high=512)
_SEED = number(int, 0, high=2**32 - 1)
COUNT = number(int, 1, high=1_000_000)
SIZE = number(int, 1, high=16_384)  # units of a layer: more do not fit into memory
LAYERS = number(int, 1, high=100)
POSITIVE = number(float, 0, open_low=True)
NOT_NEGATIVE = number(float, 0)
PROBABILITY = number(float, 0, high=1)


def _schedule(text: str) -> bool | str:
    """Read the name of a schedule; the cosine is True, as without a name."""
    if text not in ("cosine", "plateau"):
        raise argparse.ArgumentTypeError(f"{text} is not cosine or plateau")
    return text == "cosine" or text


def _plain_name(text: str) -> str:
    if not _PLAIN_NAME.fullmatch(text):
        raise argparse.ArgumentTypeError("letters, digits, - and _ only")
    return text


def _decibels_or_utterance(text: str) -> float | str:
    try:
        return text if text == _BY_UTTERANCE else float(text)
    except ValueError:
        raise argparse.ArgumentTypeError(f"{text} is no number") from None


class _Normalization(argparse.Action):
    """Keeps two numbers as a list, and the one word as a word."""

    def __call__(
        self,
        parser: argparse.ArgumentParser,
        namespace: argparse.Namespace,
        values: Any,  # noqa: ANN401 (as argparse has it)
        option_string: str | None = None,
    ) -> None:
        value = values[0] if values == [_BY_UTTERANCE] else values
        if not normalizes(value):
            cause = f"two finite numbers, the second above 0, or {_BY_UTTERANCE}"
            raise argparse.ArgumentError(self, cause)
        setattr(namespace, self.dest, value)


def normalizes(value: object) -> bool:
    """Whether ``--normalization`` may have this value: two numbers, a word, or none."""
    if value is None or isinstance(value, str):
        return value in (None, _BY_UTTERANCE)
    if not isinstance(value, (list, tuple)) or len(value) != 2:
        return False
    numbers = all(isinstance(one, (int, float)) for one in value)
    return numbers and math.isfinite(value[0]) and 0 < value[1] < math.inf


DATA = group(
    "data",
    Option(
        "datasetroot",
        None,
        "folder of the corpora (default: the environment's COMMONVOICE_ROOT, else the "
        "embedded corpus)",
    ),
    Option("datasetversion", None, "folder of one release (default: the newest)", text),
    Option("lang", "fr", "folder of one language"),
    Option("min_duration", 1.0, "shortest clip, in s", NOT_NEGATIVE),
    Option("max_duration", 5.0, "longest clip, in s", POSITIVE),
    # More in testing, where the batched search gains from it.
    Option("batch_size", 16, "clips in a minibatch", COUNT, test=64),
    Option(
        "batch_frames",
        None,
        "instead, fill minibatches up to N frames of 10 ms, padding included",
        COUNT,
        metavar="N",
    ),
    Option(
        "cache", None, "keep the log-mels of all clips in files there", metavar="DIR"
    ),
    Option("nmels", 20, "mel bands", _BANDS, architecture=True),
    Option(
        "normalization",
        None,
        "of the log-mels, in dB; or utterance, for those of each band of each clip "
        "(default: measured on the training fold)",
        _decibels_or_utterance,
        nargs="+",
        action=_Normalization,
        metavar=("MEAN", "STD"),
    ),
    Option(
        "train_augment",
        False,
        "mask random times and bands in training (SpecAugment); strong for more and "
        "wider masks",
        choices=("strong",),
        nargs="?",
        const=True,
        only=TRAIN,
    ),
    Option(
        "speed_perturbation",
        False,
        "train on clips at 0.9, 1 and 1.1 times their speed",
        only=TRAIN,
    ),
)
# The defaults of --debug overfit one minibatch fastest on a CPU.
TRAINING = group(
    "training",
    Option(
        "debug",
        False,
        "overfit one minibatch, then stop",
        without=("resume", "average", "patience"),
    ),
    Option("num_epochs", 28, "epochs, at most", COUNT, debug=400, anew=True),
    Option("base_lr", 3e-3, "learning rate", POSITIVE),
    Option("grad_clip", 20.0, "largest norm of the gradient", POSITIVE),
    Option(
        "scheduler",
        False,
        "warm the learning rate up, then lower it along a cosine (if no other is "
        "named), or halve it when the dev CER stops falling",
        _schedule,
        nargs="?",
        const=True,
        metavar="{cosine,plateau}",
    ),
    Option("weight_decay", 1e-2, "of AdamW", NOT_NEGATIVE, debug=0.0),
    Option("l1", 0.0, "weight of the L1 penalty", NOT_NEGATIVE, architecture=True),
    Option(
        "patience", None, "stop after N epochs without improvement", COUNT, metavar="N"
    ),
    Option(
        "average",
        None,
        "at the end, average the weights of the last N epochs",
        number(int, 2, high=1000),
        metavar="N",
    ),
    Option("logname", None, "name of the run's folder", _plain_name),
    only=TRAIN,
)
LONG_RUNS = group(
    "training, long runs",
    Option(
        "resume",
        None,
        "continue the unfinished run in this folder (default: the newest)",
        nargs="?",
        const="",
        metavar="RUN",
        without=("init_from",),
        refusal="goes without --init_from: a run has its weights",
        process=True,
    ),
    Option(
        "checkpoint_minutes",
        10.0,
        "save the state for --resume every N minutes and each epoch",
        NOT_NEGATIVE,
        metavar="N",
        anew=True,
    ),
    Option(
        "init_from",
        None,
        "start from the weights of a best_model.pt",
        metavar="CHECKPOINT",
    ),
    Option("amp", False, "convolutions and linear layers in bfloat16"),
    Option(
        "compile", False, "compile the convolutions (a minute or two, for long runs)"
    ),
    only=TRAIN,
)
RUN = group(
    "run",
    Option(
        "device",
        "auto",
        "where to compute",
        choices=("auto", "cpu", "cuda"),
        process=True,
    ),
    Option("seed", 0, "seed of all random numbers", _SEED),
    Option(
        "nthreads",
        None,
        "threads and workers (default: all cores, or OMP_NUM_THREADS)",
        _THREADS,
        anew=True,
    ),
    Option("baselogdir", "./logs", "folder of the runs", process=True),
    Option("verbose", False, "show the traceback of an error", process=True),
)
