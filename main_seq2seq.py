"""Train a network with attention beside CTC, and decode with both.

    python main_seq2seq.py train --debug                overfit one minibatch
    python main_seq2seq.py train --scheduler            train, from part one's network
    python main_seq2seq.py test --audiofile clip.mp3    transcribe a clip
    python main_seq2seq.py test --fold test --compare   score every way of decoding

Axis letters: T frames, T' frames after the convolutions, B utterances, U symbols of a
transcript, V symbols of the alphabet.
"""

from __future__ import annotations

from labkit.options import SEQ2SEQ, parse

if __name__ == "__main__":
    ARGS = parse(SEQ2SEQ, __doc__)  # before torch is imported: --help answers at once

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
from hybrid import DECODERS
from main_ctc import build_model, build_optimizer, ctc_losses
from models import fits_ctc
from seq2seq import (
    DECODER_TYPES,
    Outputs,
    Seq2Seq,
    greedy_attention,
    shift_transcripts,
)
from torch import Tensor
from torch.nn.utils import clip_grad_norm_
from torch.nn.utils.rnn import PackedSequence, pad_packed_sequence
from trellis import viterbi

from labkit.base import run_program
from labkit.evaluation import Setup, score_fold, transcribe
from labkit.loading import open_corpus
from labkit.metrics import FoldScore
from labkit.training import GuidedAttention, Run, open_network

WIN_STEP = _DEFAULT_WIN_STEP * 1e-3  # s
ONE_HEAD = {
    0.0: "only attention counts; on a small corpus, it learns little without CTC",
    1.0: "only CTC counts; the attention decoder learns nothing",
}


def attention_losses(
    log_probs: Tensor, targets: Tensor, n_targets: Tensor, smoothing: float
) -> Tensor:
    """Compute the loss of the attention decoder, with label smoothing.

    A target counts ``1 - smoothing`` times its own negative log probability, plus
    ``smoothing`` times the mean of those of all V symbols (Szegedy et al. 2016).

    Args:
        log_probs: Log-probabilities of each target, (B, U, V).
        targets: Indices, padded at the end, (B, U).
        n_targets: The number of targets of each utterance, (B,).
        smoothing: From 0 to 1.

    Returns:
        The sum over the targets of each utterance, in nats, (B,).
    """
    # (3 steps) the loss of every target, padding included; which ones count; the sum
    raise NotImplementedError("E32")


def joint_losses(
    outputs: Outputs,
    transcripts: PackedSequence,
    blank: int,
    ctc_weight: float,
    smoothing: float,
) -> Tensor:
    """Compute the joint loss of each utterance (Watanabe et al. 2017, equation 21).

    Args:
        outputs: CTC scores in ``outputs.encoding.ctc_scores``, packed (T', B, V), and
            log-probabilities of the attention decoder in ``outputs.log_probs``.
        transcripts: Packed indices (U, B).
        blank: The index of the blank.
        ctc_weight: The weight of the CTC loss; that of attention is 1 less it. A loss
            of weight 0 has no say, not even if it is infinite.
        smoothing: Of the labels of the attention loss.

    Returns:
        The losses (B,), in nats.
    """
    # useful: ctc_losses, shift_transcripts, attention_losses
    raise NotImplementedError("E33")


def train_step(
    model: Callable[[PackedSequence, PackedSequence], Outputs],
    parameters: Iterable[torch.nn.Parameter],
    compute_losses: Callable[[Outputs, PackedSequence], Tensor],
    penalty: Callable[[], Tensor],
    optimizer: torch.optim.Optimizer,
    minibatch: Minibatch,
    grad_clip: float,
) -> tuple[Tensor, Tensor, Outputs]:
    """Update the network once: the step of part one, with transcripts as inputs too.

    Returns:
        The losses (B,), the penalty, and what the network gave.
    """
    optimizer.zero_grad()
    outputs = model(*minibatch)
    losses = compute_losses(outputs, minibatch[1])
    extra = penalty()
    (losses.mean() + extra).backward()
    clip_grad_norm_(parameters, grad_clip)
    optimizer.step()
    return losses, extra, outputs


@torch.inference_mode()
def compare_texts(
    outputs: Outputs, minibatch: Minibatch, model: Seq2Seq
) -> list[tuple[str, str]]:
    """Decode a minibatch by greedy attention, without its transcripts.

    Returns:
        The reference and the hypothesis of each utterance, without markers.
    """
    charmap = model.charmap
    decode, plain = charmap.decode, charmap.plain
    start = charmap.char2idx[charmap.soschar]
    _, limits = pad_packed_sequence(outputs.encoding.attended)
    found = greedy_attention(
        model.decoder,
        model.read(outputs.encoding),
        limits,
        start,
        charmap.eos,
        excluded=(charmap.blankid, start),
    )
    references = [target.tolist() for _, target in unpack_minibatch(minibatch)]
    return [
        (plain(decode(indices)), plain(decode(symbols)))
        for indices, symbols in zip(references, found)
    ]


@torch.inference_mode()
def evaluate(
    model: Seq2Seq,
    minibatches: Iterable[Minibatch],
    compute_losses: Callable[[Outputs, PackedSequence], Tensor],
) -> FoldScore:
    """Score a network, which is in evaluation mode, on the minibatches of a fold.

    The losses are those of teacher forcing, the error rates those of decoding.

    Returns:
        The sums of losses and errors.
    """
    score = FoldScore()
    for minibatch in minibatches:
        outputs = model(*minibatch)
        score.add(compute_losses(outputs, minibatch[1]))
        score.compare(compare_texts(outputs, minibatch, model))
    return score


def make_model(args: argparse.Namespace, charmap: CharMap) -> Seq2Seq:
    """Build the network that the options ask for."""
    encoder = build_model(args, charmap)
    decoder = DECODER_TYPES[args.decoder_type](
        charmap.vocab_size,
        2 * args.nhidden_rnn,  # both directions
        args.nhidden_decoder,
        args.heads,
        args.dropout,
    )
    return Seq2Seq(encoder, decoder)


def train(args: argparse.Namespace) -> None:
    """Train a network, and write the folder of the run."""
    charmap = CharMap()
    model = open_network(args, make_model, charmap)
    fits = partial(fits_ctc, cnn=model.encoder.cnn, charmap=charmap)
    loaders = open_corpus(args, get_dataloaders, fits)
    optimizer, clip = build_optimizer(model, args), args.grad_clip
    to_text = partial(compare_texts, model=model)
    run = Run(args, model, optimizer, loaders, to_text, WIN_STEP)
    compute_losses = partial(
        joint_losses,
        blank=charmap.blankid,
        ctc_weight=args.ctc_weight,
        smoothing=args.label_smoothing,
    )
    score = partial(evaluate, compute_losses=compute_losses)
    guided = GuidedAttention(args, charmap.blankid, compute_losses)
    for epoch in run.epochs():
        losses = run.weighted(guided.losses(epoch))
        for minibatch in run.minibatches(epoch):
            step = train_step(
                run.network,
                model.parameters(),
                losses,
                run.penalty,
                optimizer,
                minibatch,
                clip,
            )
            run.count(step, minibatch)
        run.finish(epoch, score(model, run.dev()))
    run.report(score)


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
    if args.ctc_weight in ONE_HEAD:
        print(f"--ctc_weight {args.ctc_weight:g}: {ONE_HEAD[args.ctc_weight]}")
    {"train": train, "test": test}[args.command](args)


if __name__ == "__main__":
    raise SystemExit(run_program(partial(main, ARGS), ARGS.verbose))
