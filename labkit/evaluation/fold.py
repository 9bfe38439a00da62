"""The option ``test --fold``: scoring a fold."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import nullcontext
from pathlib import Path

from torch.utils.data import DataLoader

from labkit.decoding import Hypothesis, log_posteriors
from labkit.evaluation.compare import compare
from labkit.evaluation.posteriors import EncodedBatch, score_batch
from labkit.evaluation.setup import Setup
from labkit.evaluation.sweep import sweep_thresholds
from labkit.evaluation.tables import FoldReport
from labkit.evaluation.transcripts import Transcript, open_fold
from labkit.evaluation.tune import tune
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
        compare(setup, loader)
    else:
        score_one(setup, loader)


def score_one(setup: Setup, loader: DataLoader) -> None:
    """Print the error rates of one decoder; write the transcripts if asked for."""
    args = setup.args
    search, listed = setup.make_search(args.decoder, args.lm), {}
    if args.worst is not None:
        listed = {
            "listed": args.worst,
            "with_best": True,
            "folder": clips_folder(loader),
        }
    report = FoldReport(args.decoder, **listed)
    # Files of clips lie in the same folder; no clip is likely to have this name.
    name = f"fold_{args.fold}.{args.output}"
    path = Path(args.baselogdir, "transcripts", name)
    with open_fold(path) if args.output else nullcontext() as write:
        for batch in setup.encode_fold(loader):
            found = score_batch(
                report, search, batch, setup.alphabet, setup.frame_seconds
            )
            if write:
                for transcript in _transcripts(setup, batch, found):
                    write(transcript)
    report.print()
    if write:
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
