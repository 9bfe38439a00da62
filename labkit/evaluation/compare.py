"""Scoring a fold with several decoders side by side."""

from __future__ import annotations

import sys

import torch
from torch.nn.utils.rnn import pack_sequence
from torch.utils.data import DataLoader

from labkit.base import LabError, as_lab_error
from labkit.decoding import Search
from labkit.evaluation.posteriors import score_batch
from labkit.evaluation.setup import Setup
from labkit.evaluation.tables import FoldReport, print_comparison


def compare(setup: Setup, loader: DataLoader) -> None:
    """Print the error rates of several decoders in one table."""
    args = setup.args
    searches = _make_searches(setup)
    reports = [FoldReport(name) for name in searches]
    for batch in setup.encode_fold(loader):
        for report, search in zip(reports, searches.values()):
            score_batch(report, search, batch, setup.alphabet, setup.frame_seconds)
    weights = []
    if {"joint", "rescore"} & {name.partition("+")[0] for name in searches}:
        weights.append(f"--ctc_weight {args.ctc_weight:g}")
    if any("+" in name for name in searches):
        weights += [f"--lm_weight {args.lm_weight:g}"]
        weights += [f"--word_bonus {args.word_bonus:g}"]
    print_comparison(reports, [" ".join(weights)] if weights else [])


def _make_searches(setup: Setup) -> dict[str, Search]:
    """Make the searches to compare, by name; print which of them cannot be made."""
    searches = {}
    for decoder, lm in setup.args.part.used(setup.args):
        name = f"{decoder}+{lm}" if lm else decoder
        try:
            search = setup.make_search(decoder, lm)
            _try(setup, search)
        except (LabError, NotImplementedError) as error:
            shown = as_lab_error(error)
            # A decoder that was asked for by name must not be left out.
            if setup.args.compare or shown is None:
                raise
            print(f"without {name}: {shown.cause}", file=sys.stderr)
            continue
        searches[name] = search
    return searches


def _try(setup: Setup, search: Search) -> None:
    """Search one frame of equal scores: it raises if an exercise is not written yet."""
    encoding = setup.encode(pack_sequence([torch.zeros(1, setup.args.nmels)]))
    scores = encoding.scores
    if scores is not None:
        encoding = encoding._replace(
            scores=scores._replace(data=torch.zeros_like(scores.data))
        )
    search(encoding)
