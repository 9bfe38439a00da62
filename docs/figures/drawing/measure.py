"""What the figures need of trained networks, taken from their runs into ``data/``.

Each file names the runs that it is taken from, and their commands.
"""

from __future__ import annotations

import argparse
import csv
import json
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import torch
from data import BatchCollate, CharMap, get_dataloaders
from decoding import DECODERS as CTC_DECODERS
from hybrid import DECODERS, confidences
from main_ctc import make_model as make_ctc
from main_seq2seq import make_model as make_seq2seq
from torch import Tensor

from drawing import stride2
from drawing.runs import RUNS, train
from drawing.sound import CLIP, read
from labkit.base import EMBEDDED_CORPORA
from labkit.decoding import attention_weights, log_posteriors
from labkit.evaluation import FoldReport, Setup
from labkit.loading import open_corpus
from labkit.options import CTC, SEQ2SEQ, Part, parse
from labkit.training import open_network

DATA = Path(__file__).resolve().parents[1] / "data"

WIDTHS = (1, 2, 5, 10, 20, 50, 100)
WEIGHTS = (0.0, 0.25, 0.5, 0.75, 1.0, 1.25, 1.5, 2.0, 2.5, 3.0)
WIDEST = 100  # the beam of the weights
WEIGHT = 0.5  # of the language model, for the widths
SEARCHES = {  # the decoder and the language model of each curve
    "none": ("beam", None),
    "char": ("beam", "char"),
    "word": ("flashlight", "word"),
}
PAR_CLIP = "mini_fr_00696.mp3"  # of the dev fold
THRESHOLD = 0.9  # below it CTC is unsure

Runs = Mapping[str, Path]
_COLUMNS = ("train_loss", "train_cer", "dev_loss", "dev_cer")


def _rounded(values: Tensor, digits: int = 3) -> list[Any]:
    """Return a tensor as lists of short numbers."""
    factor = 10.0**digits
    exact = (values.double() * factor).round() / factor
    return exact.tolist()


def _curve(run: Path) -> dict[str, list[float | None]]:
    """Read losses and error rates of each epoch of a run; None where there is none."""
    with (run / "metrics.csv").open(encoding="utf-8") as file:
        rows = list(csv.DictReader(file))
    return {
        name: [float(row[name]) if row[name] else None for row in rows]
        for name in _COLUMNS
    }


def _open(run: Path, part: Part = CTC, make: Callable[..., Any] | None = None) -> Any:  # noqa: ANN401 (a Setup, whose network has attention or not)
    """Open the network of a run, to test it on a CPU."""
    words = ("test", "--modelpath", str(run / "best_model.pt"), "--fold", "dev")
    args = parse(part, None, [*words, "--device", "cpu", "--nthreads", "1"])
    args.datasetroot, args.datasetversion = str(EMBEDDED_CORPORA), "mini"
    make = make or (make_ctc if part is CTC else make_seq2seq)
    model = open_network(args, make, CharMap())
    own = BatchCollate(args.nmels, False, args.normalization).processor
    return Setup(args, model, CTC_DECODERS if part is CTC else DECODERS, own)


def _clip(setup: Setup, name: str = CLIP) -> Any:  # noqa: ANN401 (a Clip, of one room)
    return setup.read_clip(str(EMBEDDED_CORPORA / "mini" / "fr" / "clips" / name))


def _make_stride2(args: argparse.Namespace, charmap: CharMap) -> torch.nn.Module:
    return stride2.build_model(args, charmap)


def measure_experiments(runs: Runs) -> dict[str, Any]:
    """Take the learning curves of the three experiments."""
    return {name: _curve(run) for name, run in runs.items()}


def measure_spikes(runs: Runs) -> dict[str, Any]:
    """Take the posteriors of one clip, of networks of stride 4 and 2."""
    found: dict[str, Any] = {}
    for name, run in runs.items():
        setup = _open(run, make=_make_stride2 if name == "stride2" else None)
        clip = _clip(setup)
        probabilities = setup.encode(clip.inputs).ctc_scores.data.softmax(dim=1)
        likely = (probabilities.amax(dim=0) > 0.05).nonzero().flatten()
        found[name] = {
            "frame_seconds": setup.frame_seconds,
            "symbols": setup.alphabet.decode(likely.tolist()),
            "probabilities": _rounded(probabilities[:, likely]),
            "dev_cer": min(filter(None, _curve(run)["dev_cer"])),
        }
    return found


def measure_beam_and_weight(runs: Runs) -> dict[str, Any]:
    """Measure error rates of the dev fold for widths of the beam, weights of the LM."""
    setup = _open(runs["stride4"])
    _, dev, _ = open_corpus(setup.args, get_dataloaders)
    batches = list(setup.encode_fold(dev))

    def rates(name: str, width: int, weight: float) -> tuple[float, float]:
        how = {"beam_size": width, "lm_weight": weight}
        search = setup.make_search(*SEARCHES[name], **how)
        report = FoldReport()
        for batch in batches:
            setup.score(report, search, batch)
        return round(report.cer.rate, 6), round(report.wer.rate, 6)

    fused = [name for name, (_, lm) in SEARCHES.items() if lm]
    return {
        "clips": sum(len(batch.utterances) for batch in batches),
        "widths": WIDTHS,
        "weights": WEIGHTS,
        "weight": WEIGHT,
        "widest": WIDEST,
        "by_width": {
            name: [rates(name, k, WEIGHT) for k in WIDTHS] for name in SEARCHES
        },
        "by_weight": {
            name: [rates(name, WIDEST, w) for w in WEIGHTS] for name in fused
        },
    }


def measure_attention(runs: Runs) -> dict[str, Any]:
    """Take the attention of three networks of part two, and their dev CER."""
    found: dict[str, Any] = {}
    for name, run in runs.items():
        setup = _open(run, SEQ2SEQ)
        clip = _clip(setup)
        symbols = setup.alphabet.encode(read(CLIP)[1])[1:]
        weights = attention_weights(setup.model, setup.encode(clip.inputs), symbols)
        found[name] = {
            "frame_seconds": setup.frame_seconds,
            "symbols": setup.alphabet.decode(symbols),
            "weights": _rounded(weights),
            "dev_cer": _curve(run)["dev_cer"],
        }
    return found


def measure_segments(runs: Runs) -> dict[str, Any]:
    """Take what partially autoregressive decoding does to one sentence."""
    setup = _open(runs["both"], SEQ2SEQ)
    alphabet = setup.alphabet
    encoding = setup.encode(_clip(setup, PAR_CLIP).inputs)
    log_probs = log_posteriors(encoding.ctc_scores)[0][:, 0]  # (T', V)
    best, path = (x.tolist() for x in log_probs.max(dim=1))
    symbols, sure = confidences(best, path, alphabet.blank_id)
    search = setup.make_search("par", None, par_threshold=THRESHOLD)
    ((found, *_),) = search(encoding)
    string, segments, replacements = found.spliced
    decode = alphabet.decode
    return {
        "threshold": THRESHOLD,
        "said": alphabet.plain(decode(alphabet.encode(read(PAR_CLIP, "dev")[1]))),
        "symbols": decode(string),
        "confidences": _rounded(torch.tensor(_of_string(symbols, sure, string)), 4),
        "segments": segments,
        "replacements": [decode(one) for one in replacements],
        "result": alphabet.plain(decode(found.indices)),
    }


def _of_string(symbols: list[int], sure: list[float], string: list[int]) -> list[float]:
    """Return the confidences of the characters and the end, without the start."""
    return sure[len(symbols) - len(string) :]


# The file of each figure, the runs that it is taken from, and how.
MEASURES: dict[str, tuple[tuple[str, ...], Callable[[Runs], dict[str, Any]]]] = {
    "experiments": (("minibatch", "overfit", "generalise"), measure_experiments),
    "spikes": (("stride4", "stride2"), measure_spikes),
    "beam_and_weight": (("stride4",), measure_beam_and_weight),
    "attention": (("scratch_alone", "scratch_both", "both"), measure_attention),
    "segments": (("both",), measure_segments),
}


def path_of(figure: str) -> Path:
    """Return the file of what a figure needs."""
    return DATA / f"{figure}.json"


def load(figure: str) -> dict[str, Any]:
    """Read what a figure needs of trained networks."""
    return json.loads(path_of(figure).read_text(encoding="utf-8"))["measured"]


@torch.inference_mode()
def measure(figure: str, runs: Path) -> None:
    """Take again what a figure needs; runs that are missing are trained first."""
    names, take = MEASURES[figure]
    folders = {name: train(name, runs) for name in names}
    content = {"runs": {name: RUNS[name] for name in names}, "measured": take(folders)}
    text = json.dumps(content, ensure_ascii=False, separators=(",", ":"))
    readable = (
        text.replace('],"', '],\n"').replace('},"', '},\n"').replace("],[", "],\n[")
    )
    path_of(figure).write_text(readable + "\n", encoding="utf-8")
    print(f"data: {path_of(figure)}")
