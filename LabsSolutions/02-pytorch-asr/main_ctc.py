"""Train a CTC network to write down speech, and test it.

    python main_ctc.py train --debug                overfit one minibatch: start here
    python main_ctc.py train --scheduler            train on the whole training fold
    python main_ctc.py test --audiofile clip.mp3    transcribe a clip
    python main_ctc.py test --fold test             score a fold

Axis letters: T frames, T' frames after the convolutions, B utterances, U characters
of a transcript, V symbols of the alphabet.
"""

from __future__ import annotations

from labkit.options import CTC, parse

if __name__ == "__main__":
    ARGS = parse(CTC, __doc__)  # before torch is imported: --help answers at once

import argparse
from collections.abc import Callable, Iterable
from functools import partial

import torch
import torch.nn.functional as F
from data import (
    _DEFAULT_WIN_STEP,
    BatchCollate,
    CharMap,
    Minibatch,
    get_dataloaders,
    unpack_minibatch,
)
from decoding import DECODERS, greedy_decode
from models import AcousticModel, CTCModel, LinearModel, fits_ctc
from torch import Tensor, nn
from torch.nn.utils import clip_grad_norm_
from torch.nn.utils.rnn import PackedSequence, pad_packed_sequence
from trellis import viterbi

from labkit.base import run_program
from labkit.evaluation import Setup, score_fold, transcribe
from labkit.loading import open_corpus
from labkit.metrics import FoldScore
from labkit.training import Run, open_network

WIN_STEP = _DEFAULT_WIN_STEP * 1e-3  # s


def ctc_losses(
    scores: PackedSequence, transcripts: PackedSequence, blank: int
) -> Tensor:
    """Compute the CTC loss of each utterance (Graves et al. 2006).

    Args:
        scores: Packed scores (T', B, V); not normalised.
        transcripts: Packed indices (U, B).
        blank: The index of the blank.

    Returns:
        The negative log probability of each transcript, in nats, (B,); infinite
        where no path fits into T' frames.
    """
    # >>> E10
    #: (3 steps) unpack the scores; unpack the transcripts, batch first; F.ctc_loss
    #: on log-probabilities, without any reduction
    padded, n_frames = pad_packed_sequence(scores)  # (T', B, V), (B,)
    targets, n_chars = pad_packed_sequence(transcripts, batch_first=True)  # (B, U)
    return F.ctc_loss(
        padded.log_softmax(dim=2), targets, n_frames, n_chars, blank, reduction="none"
    )
    # <<< E10


def build_model(args: argparse.Namespace, charmap: CharMap) -> CTCModel:
    """Build the network that the options ask for.

    Args:
        args: Options: nmels, nhidden_rnn, nlayers_rnn, cell_type, dropout, l1.
        charmap: The alphabet.

    Returns:
        The network, on the CPU.
    """
    # >>> E21
    return CTCModel(
        charmap,
        n_mels=args.nmels,
        nhidden_rnn=args.nhidden_rnn,
        nlayers_rnn=args.nlayers_rnn,
        cell_type=args.cell_type,
        dropout=args.dropout,
        l1=args.l1,
    )
    # <<< E21


def build_optimizer(
    model: nn.Module, args: argparse.Namespace
) -> torch.optim.Optimizer:
    """Build the optimiser: AdamW over every parameter of the network.

    Args:
        model: The network.
        args: Options: base_lr (the learning rate) and weight_decay.

    Returns:
        The optimiser.
    """
    # >>> E13
    return torch.optim.AdamW(
        model.parameters(), lr=args.base_lr, weight_decay=args.weight_decay
    )
    # <<< E13


def train_step(
    model: nn.Module,
    compute_losses: Callable[[PackedSequence, PackedSequence], Tensor],
    penalty: Callable[[], Tensor],
    optimizer: torch.optim.Optimizer,
    minibatch: Minibatch,
    grad_clip: float,
) -> tuple[Tensor, Tensor, PackedSequence]:
    """Update the network once.

    The step minimises the mean loss of the utterances plus the penalty.

    Args:
        model: The network, in training mode.
        compute_losses: ``(scores, transcripts)`` to the losses (B,).
        penalty: Returns a scalar to add to the mean loss.
        optimizer: The optimiser of the network's parameters.
        minibatch: Packed spectrograms (T, B, M) and packed transcripts (U, B).
        grad_clip: Largest norm of the gradient of all parameters together.

    Returns:
        The losses (B,), the penalty and the packed scores (T', B, V), as they were
        before the update.
    """
    # >>> E14
    #: (7 steps) zero the gradients; forward; losses; penalty; backward of their sum;
    #: clip; update
    spectrograms, transcripts = minibatch
    optimizer.zero_grad()
    scores = model(spectrograms)
    losses = compute_losses(scores, transcripts)
    extra = penalty()
    (losses.mean() + extra).backward()
    clip_grad_norm_(model.parameters(), grad_clip)
    optimizer.step()
    return losses, extra, scores
    # <<< E14


def compare_texts(
    scores: PackedSequence, minibatch: Minibatch, charmap: CharMap
) -> list[tuple[str, str]]:
    """Decode a minibatch greedily.

    Args:
        scores: Packed scores (T', B, V).
        minibatch: The minibatch that gave them.
        charmap: The alphabet.

    Returns:
        The reference and the hypothesis of each utterance, without markers.
    """
    decode, plain = charmap.decode, charmap.plain
    references = [target.tolist() for _, target in unpack_minibatch(minibatch)]
    return [
        (plain(decode(indices)), plain(text))
        for indices, (_, text) in zip(references, greedy_decode(scores, charmap))
    ]


@torch.inference_mode()
def evaluate(model: AcousticModel, minibatches: Iterable[Minibatch]) -> FoldScore:
    """Score a network, which is in evaluation mode, on the minibatches of a fold.

    Returns:
        The sums of losses and errors.
    """
    score, charmap = FoldScore(), model.charmap
    for minibatch in minibatches:
        scores = model(minibatch[0])  # (T', B, V)
        score.add(ctc_losses(scores, minibatch[1], charmap.blankid))
        score.compare(compare_texts(scores, minibatch, charmap))
    return score


def make_model(args: argparse.Namespace, charmap: CharMap) -> AcousticModel:
    """Build the network, or the linear baseline."""
    if args.model == "LinearModel":
        return LinearModel(charmap, args.nmels)
    return build_model(args, charmap)


def train(args: argparse.Namespace) -> None:
    """Train a network, and write the folder of the run."""
    charmap = CharMap()
    model = open_network(args, make_model, charmap)
    fits = partial(fits_ctc, cnn=model.cnn, charmap=charmap)  # T' is enough for U
    loaders = open_corpus(args, get_dataloaders, fits)
    optimizer, clip = build_optimizer(model, args), args.grad_clip
    to_text = partial(compare_texts, charmap=charmap)
    run = Run(args, model, optimizer, loaders, to_text, WIN_STEP)
    compute_losses = run.weighted(partial(ctc_losses, blank=charmap.blankid))
    for epoch in run.epochs():
        for minibatch in run.minibatches(epoch):
            step = train_step(
                run.network, compute_losses, run.penalty, optimizer, minibatch, clip
            )
            run.count(step, minibatch)
        run.finish(epoch, evaluate(model, run.dev()))
    run.report(evaluate)


def test(args: argparse.Namespace) -> None:
    """Transcribe clips, score a fold, or both."""
    model = open_network(args, make_model, CharMap())
    processor = BatchCollate(args.nmels, False, args.normalization).processor
    setup = Setup(args, model, DECODERS, processor, viterbi)
    with torch.inference_mode():
        if args.audiofile:
            transcribe(setup)
        if args.fold:
            score_fold(setup, open_corpus(args, get_dataloaders))


def main(args: argparse.Namespace) -> None:
    """Run the command of ``args``."""
    {"train": train, "test": test}[args.command](args)


if __name__ == "__main__":
    raise SystemExit(run_program(partial(main, ARGS), ARGS.verbose))
