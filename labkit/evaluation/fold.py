"""The option ``test --fold``: scoring a fold with one decoder, or with several."""

from __future__ import annotations

import sys
from collections.abc import Iterator, Sequence
from pathlib import Path

import torch
from torch.nn.utils.rnn import pack_sequence
from torch.utils.data import DataLoader

from labkit.base import LabError, as_lab_error
from labkit.decoding import Hypothesis, log_posteriors
from labkit.evaluation.setup import CountingSearch, EncodedBatch, Setup
from labkit.evaluation.tables import FoldReport, print_comparison
from labkit.evaluation.transcripts import Transcript, write_fold
from labkit.evaluation.tune import sweep_thresholds, tune
from labkit.loading import clips_folder, describe_folds


def score_fold(setup: Setup, folds: Sequence[DataLoader]) -> None:
    """Print the error rates of ``--fold``: of one decoder, of several or of a sweep.

    Args:
        setup: The network, its decoders, and the options.
        folds: The loaders of the train, dev and test folds.
    """
    args = setup.args
    loader = dict(zip(("train", "dev", "test"), folds))[args.fold]
    print(describe_folds(**{args.fold: loader}))
    if vars(args).get("sweep"):  # part one has no such option
        sweep_thresholds(setup, loader)
    elif args.tune:
        tune(setup, loader)
    elif args.compare is not None:
        _compare(setup, loader)
    else:
        _score_one(setup, loader)


def _score_one(setup: Setup, loader: DataLoader) -> None:
    """Print the error rates of one decoder; write the transcripts if asked for."""
    args, report = setup.args, FoldReport(setup.args.decoder)
    if args.worst is not None:
        report.listed, report.with_best = args.worst, True
        report.folder = clips_folder(loader)
    search = setup.make_search(args.decoder, args.lm)
    # Files of clips lie in the same folder; no clip is likely to have this name.
    path = Path(args.baselogdir, "transcripts", f"fold_{args.fold}.{args.output}")
    scored = (
        (batch, setup.score(report, search, batch))
        for batch in setup.encode_fold(loader)
    )
    if args.output:
        write_fold(path, (one for pair in scored for one in _transcripts(setup, *pair)))
    for _ in scored:
        pass
    report.print()
    if args.output:
        print(f"transcripts: {path}")


def _transcripts(
    setup: Setup, batch: EncodedBatch, found: list[list[Hypothesis]]
) -> Iterator[Transcript]:
    """Make the transcript of each utterance of a batch."""
    log_probs, lengths = log_posteriors(batch.encoding.ctc_scores)  # (T', B, V), (B,)
    for b, (utterance, nbest) in enumerate(zip(batch.utterances, found)):
        seconds = len(utterance.log_mel) * setup.win_step
        yield Transcript(
            clip=utterance.clip,
            duration=seconds,
            decoder=setup.args.decoder,
            hypotheses=setup.describe(nbest, log_probs[: lengths[b], b], seconds),
            reference=utterance.sentence,
        )


def _compare(setup: Setup, loader: DataLoader) -> None:
    """Print the error rates of several decoders in one table."""
    args, searches = setup.args, _make_searches(setup)
    reports = setup.score_all(setup.encode_fold(loader), searches)
    weights = []
    if {"joint", "rescore"} & {name.partition("+")[0] for name in searches}:
        weights.append(f"--ctc_weight {args.ctc_weight:g}")
    if any("+" in name for name in searches):
        weights += [f"--lm_weight {args.lm_weight:g}"]
        weights += [f"--word_bonus {args.word_bonus:g}"]
    print_comparison(reports, " ".join(weights))


def _make_searches(setup: Setup) -> dict[str, CountingSearch]:
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


def _try(setup: Setup, search: CountingSearch) -> None:
    """Search one frame of equal scores: it raises if an exercise is not written yet."""
    encoding = setup.encode(pack_sequence([torch.zeros(1, setup.args.nmels)]))
    scores = encoding.scores
    if scores is not None:
        encoding = encoding._replace(
            scores=scores._replace(data=torch.zeros_like(scores.data))
        )
    search(encoding)
