"""Runs of training for the tests: on minibatches in memory, or on a small corpus."""

from __future__ import annotations

import argparse
from collections.abc import Iterator, Sequence
from functools import partial
from pathlib import Path
from types import SimpleNamespace

import main_ctc
import torch
from data import CharMap, get_dataloaders
from models import CTCModel
from torch import nn
from torch.nn.utils.rnn import pack_sequence

from labkit.loading import open_corpus
from labkit.metrics import FoldScore
from labkit.options import CTC, parse
from labkit.training import Run, begin

CHARMAP = CharMap()
WIN_STEP = 0.01  # s


class Order(SimpleNamespace):
    """Stands for the order of minibatches: it knows of no clip."""

    def __iter__(self) -> Iterator:
        """Yield nothing."""
        return iter(())


class Batches:
    """Stands for a loader of minibatches that are in memory."""

    collate_fn = SimpleNamespace(normalization=None)

    def __init__(self, minibatches: Sequence[main_ctc.Minibatch]) -> None:
        self.minibatches = list(minibatches)
        self.batch_sampler = Order(
            set_epoch=lambda epoch, start=0: None,
            utterances=["an utterance"] * len(self.minibatches),
            fingerprint=lambda: "",
        )

    def __len__(self) -> int:
        """Return the number of minibatches."""
        return len(self.minibatches)

    def __iter__(self) -> Iterator[main_ctc.Minibatch]:
        """Yield them."""
        return iter(self.minibatches)


def one_utterance(text: str = "abcd", n_frames: int = 80) -> main_ctc.Minibatch:
    """Make a minibatch of one utterance of noise."""
    target = torch.tensor(CHARMAP.encode(text))
    return pack_sequence([torch.randn(n_frames, 20)]), pack_sequence([target])


def options_of_run(folder: Path, *words: object) -> argparse.Namespace:
    """Read the options of ``train``, on one thread of the CPU."""
    rest = ("--baselogdir", folder, "--device", "cpu", "--nthreads", 1)
    args = parse(CTC, None, ["train", *map(str, (*words, *rest))])
    begin(args)
    return args


def small_model(cell_type: str = "GRU") -> CTCModel:
    """Build a network of two layers of 8, always the same."""
    torch.manual_seed(0)
    return CTCModel(CHARMAP, 20, 8, 2, cell_type, dropout=0.0)


def run_on(
    minibatches: Sequence[main_ctc.Minibatch],
    folder: Path,
    *words: object,
    model: nn.Module | None = None,
    transcribe: object = None,
) -> Run:
    """Open a run on minibatches in memory, for all three folds."""
    args, model = options_of_run(folder, *words), model or small_model()
    loader, optimizer = Batches(minibatches), main_ctc.build_optimizer(model, args)
    to_text = transcribe or partial(main_ctc.compare_texts, charmap=CHARMAP)
    return Run(args, model, optimizer, (loader,) * 3, to_text, WIN_STEP)


def run_on_corpus(args: argparse.Namespace, model: nn.Module) -> Run:
    """Open a run as ``main_ctc.py`` does, its network given."""
    loaders = open_corpus(args, get_dataloaders)
    optimizer = main_ctc.build_optimizer(model, args)
    to_text = partial(main_ctc.compare_texts, charmap=CHARMAP)
    return Run(args, model, optimizer, loaders, to_text, WIN_STEP)


def take_step(
    run: Run, minibatch: main_ctc.Minibatch, grad_clip: float = 20.0
) -> tuple[torch.Tensor, torch.Tensor, object]:
    """Take the training step of the script."""
    losses_of = run.weighted(partial(main_ctc.ctc_losses, blank=CHARMAP.blankid))
    return main_ctc.train_step(
        run.network, losses_of, run.penalty, run.optimizer, minibatch, grad_clip
    )


class Script:
    """Stands for what a network says, in training and in evaluation.

    Args:
        steps: Its hypothesis of "abcd" in each training step.
        evaluations: Its hypothesis and its loss in each evaluation.
    """

    def __init__(
        self, steps: Sequence[str], evaluations: Sequence[tuple[str, float]] = ()
    ) -> None:
        self.steps, self.evaluations = list(steps), list(evaluations)
        self.n_steps = 0

    def transcribe(self, scores: object, minibatch: object) -> list[tuple[str, str]]:
        """Say the next hypothesis of the training."""
        self.n_steps += 1
        return [("abcd", self.steps.pop(0))]

    def evaluate(self, model: nn.Module, minibatches: Iterator) -> FoldScore:
        """Say the next hypothesis of an evaluation, for each minibatch."""
        score = FoldScore()
        for _ in minibatches:
            hypothesis, loss = self.evaluations.pop(0)
            score.add(torch.tensor([loss]))
            score.compare([("abcd", hypothesis)])
        return score

    def fit(self, run: Run) -> None:
        """Go through the loop of the script, without updates."""
        for epoch in run.epochs():
            for minibatch in run.minibatches(epoch):
                run.count((torch.ones(1), torch.zeros(()), minibatch[0]), minibatch)
            run.finish(epoch, self.evaluate(run.model, run.dev()))
