"""A run of training: the epochs and minibatches of the loop in the script."""

from __future__ import annotations

import argparse
import math
import time
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import nullcontext
from dataclasses import asdict
from typing import Any, cast

import torch
from torch import Tensor, nn
from torch.nn.utils.rnn import PackedSequence
from torch.utils.data import DataLoader

from labkit.base import draw_seed, progress
from labkit.metrics import FoldScore
from labkit.training.averaging import EpochWeights, refresh_batchnorm
from labkit.training.checkpoint import load_checkpoint, load_weights
from labkit.training.distributed import World
from labkit.training.guard import SkippedUpdates, UpdateGuard, checked_penalty
from labkit.training.precision import fuse_updates
from labkit.training.record import DEBUG_HEADER, HEADER, Record
from labkit.training.schedules import make_scheduler, step_epoch
from labkit.training.start import prepare
from labkit.training.state import (
    State,
    StopRequest,
    check_clips,
    damaged_state,
    leave_stops_to_the_parent,
    stopped,
    unsolved,
)

_COMPARED = 500  # about so many training utterances are decoded for an epoch's CER

Minibatch = tuple[PackedSequence, PackedSequence]  # log-mels (T, B, M), targets (U, B)
# Maps scores and a minibatch to the reference and the hypothesis of each utterance.
Transcribe = Callable[[Any, Minibatch], Sequence[tuple[str, str]]]
Evaluate = Callable[[Any, Iterable[Minibatch]], FoldScore]


class Run:
    """One run of training, from its folder to the score of the test fold.

    The loop is the script's; this is what it loops over::

        compute_losses = run.weighted(...)
        for epoch in run.epochs():
            for minibatch in run.minibatches(epoch):
                run.count(train_step(..., compute_losses, ...), minibatch)
            run.finish(epoch, evaluate(model, run.dev()))
        run.report(evaluate)

    This class does what is hard about a loop: a run stops on request and resumes
    exactly there, every minibatch draws its random numbers from a seed of its own,
    an update that is not finite is skipped, several processes train as one, and the
    best network on the dev fold is kept.

    Args:
        args: The options, as ``open_network`` changed them.
        model: The network, on its device.
        optimizer: Its optimiser.
        loaders: The loaders of the training, dev and test folds.
        transcribe: Returns references and hypotheses of a minibatch, to count errors.
        win_step: Seconds from one frame T to the next.

    Attributes:
        network: The module to call in training; ``model`` keeps the weights.
        penalty: Returns the scalar that is added to the loss.
        guard: Skips an update that would destroy the weights.
        record: Writes the output of the run.
    """

    def __init__(
        self,
        args: argparse.Namespace,
        model: nn.Module,
        optimizer: torch.optim.Optimizer,
        loaders: tuple[DataLoader, DataLoader, DataLoader],
        transcribe: Transcribe,
        win_step: float,
    ) -> None:
        self.args = args
        self.world: World = args.world
        self.model = model
        self.network = prepare(model, args)
        self.optimizer = optimizer
        self.penalty = checked_penalty(model)
        self.transcribe = transcribe
        self._train_loader, self._dev_loader, self._test_loader = loaders
        self._batches: Any = self._train_loader.batch_sampler
        for loader in loaders:
            loader.worker_init_fn = leave_stops_to_the_parent
        fuse_updates(optimizer, args.device)
        self.guard = UpdateGuard(model, optimizer)
        self._blank = cast(Any, model).charmap.blankid
        # Measured here: training changes the length of the loader in each epoch.
        n_updates = args.num_epochs * len(self._train_loader)
        self._scheduler = make_scheduler(args.scheduler, optimizer, n_updates)
        samplers: Any = (loader.batch_sampler for loader in loaders)
        folds = zip(("train", "dev", "test"), samplers)
        self._clips = {name: sampler.fingerprint() for name, sampler in folds}
        if args.state:
            check_clips(args.run, args.state["clips"], self._clips)
        self.record = Record(args, model, loaders[1].collate_fn.normalization, win_step)
        self.skipped = SkippedUpdates()
        self._stop = StopRequest()
        self._weight = 1.0  # of this process' minibatch among those of all processes
        self._epoch = 1  # the current epoch, or the next
        self._done = 0  # minibatches of it
        self._score = FoldScore()  # of the epoch, in this process
        self._solved = False  # --debug: no errors are left
        self._start = time.perf_counter()
        self._due = math.inf
        if args.state:
            self._resume(args.state)
            args.state = None  # it takes three times the memory of the network

    # ---- the loop

    def epochs(self) -> Iterator[int]:
        """Yield the number of each epoch, from 1.

        They end with ``--num_epochs``, after ``--patience`` epochs without gain, or
        with ``--debug`` as soon as every training utterance is transcribed.

        Raises:
            LabError: The run was asked to stop, and its state is written; or errors
                are left at the end of ``--debug``.
        """
        args = self.args
        print(DEBUG_HEADER if args.debug else HEADER)
        with nullcontext() if args.debug else self._stop:
            self._save_state()
            while self._epoch <= args.num_epochs and not self._is_over():
                yield self._epoch
                self._epoch, self._done = self._epoch + 1, 0
                self._score = FoldScore()
                if not args.debug:
                    self._start = time.perf_counter()
                self._save_state()
                self._save_or_stop()
        if args.debug:
            n_clips = len(self._batches.utterances)
            if not self._solved:
                raise unsolved(args, n_clips)
            print(f"all {n_clips} clips are transcribed without a mistake")

    def _is_over(self) -> bool:
        stale, patience = self.record.stale, self.args.patience
        if not patience or stale < patience:
            return self._solved
        print(f"no improvement in {stale} epochs: training ends here")
        return True

    def minibatches(self, epoch: int) -> Iterator[Minibatch]:
        """Yield the minibatches of an epoch, the network in training mode.

        Between two of them the state is saved if it is time, and the run stops if it
        is asked to.
        """
        begun = self._done
        self._batches.set_epoch(epoch, begun)
        self.model.train()
        batches = self._on_device(self._train_loader, f"epoch {epoch}", begun)
        for batch, minibatch in enumerate(batches, begun):
            n_utterances = int(minibatch[0].batch_sizes[0]) if minibatch else 0
            self._weight = self._save_or_stop(n_utterances)
            if minibatch and self._weight:
                # Dropout draws the same numbers, however often the run was resumed.
                drawn = batch * self.world.size + self.world.rank
                torch.manual_seed(draw_seed(self.args.seed, epoch, drawn))
                with self.guard:
                    yield minibatch
            if self._scheduler:
                self._scheduler.step()
            self._done = batch + 1

    def weighted(
        self, compute_losses: Callable[[Any, PackedSequence], Tensor]
    ) -> Callable[[Any, PackedSequence], Tensor]:
        """Weight losses: their mean over all processes is that of all utterances."""
        return lambda scores, targets: self._weight * compute_losses(scores, targets)

    def count(self, step: tuple[Tensor, Tensor, Any], minibatch: Minibatch) -> None:
        """Add the result of ``train_step``, unless its update was skipped.

        A ``step`` is its losses (B,), of what ``weighted`` returned; penalty; scores.

        Raises:
            LabError: The loss is not finite, several times in a row.
        """
        losses, penalty, scores = step
        losses = losses.detach() / self._weight
        if not self.guard.passed:
            # Finite scores with an infinite loss: no path of the transcript fits.
            too_long = losses.isinf().any() and scores.data.isfinite().all()
            (diverged,) = self.world.total([not too_long])
            self.skipped.refused(diverged > 0, self._epoch, self.record.saved)
            return
        self.skipped.accepted()
        self._score.add(losses, penalty.item())
        self._score.watch(self.guard.norm, scores.data, self._blank)
        # Decoding takes time, most of all on a GPU; a sample is enough for the CER.
        if self._done % max(1, len(self._batches.utterances) // _COMPARED) == 0:
            self._score.compare(self.transcribe(scores, minibatch))

    def dev(self) -> Iterator[Minibatch]:
        """Yield the minibatches of the dev fold, the network in evaluation mode.

        With ``--debug``, they are those of the training fold, and there is none before
        the last epoch until every utterance is transcribed correctly in training mode.
        """
        if self.args.debug:
            train = self._join(self._score)
            if not train.perfect and self._epoch < self.args.num_epochs:
                return
        loader = self._train_loader if self.args.debug else self._dev_loader
        for minibatch in self._evaluation(loader, "dev"):
            self._save_or_stop()
            if minibatch:
                yield minibatch

    def _evaluation(self, loader: DataLoader, title: str) -> Iterator[Minibatch | None]:
        self.world.share_buffers(self.model)
        self.model.eval()
        yield from self._on_device(loader, title)

    def _on_device(
        self, loader: DataLoader, title: str, done: int = 0
    ) -> Iterator[Minibatch | None]:
        """Yield minibatches on the device; None where no utterance is usable."""
        quiet, device = self.args.debug or not self.world.first, self.args.device
        for batch in progress(loader, title, quiet, done):
            yield batch and tuple(part.to(device, non_blocking=True) for part in batch)

    def finish(self, epoch: int, score: FoldScore) -> None:
        """End an epoch: write its metrics and figures, keep the best network.

        ``score`` is that of ``dev()`` in this process.

        Raises:
            LabError: The dev loss is not finite, and no network has been kept.
        """
        train, dev = (self._join(s) for s in (self._score, score))
        self._solved = self.args.debug and dev.perfect
        seconds = time.perf_counter() - self._start
        rate = self.optimizer.param_groups[0]["lr"]
        self.record.write_epoch(epoch, train, dev, seconds, rate, self._dev_loader)
        step_epoch(self._scheduler, dev.cer.rate)

    def report(self, evaluate: Evaluate) -> None:
        """End the run: average weights if asked for, score the best network on test."""
        record = self.record
        if not self.args.debug:
            if self.skipped.total:
                print(f"minibatches skipped: {self.skipped.total}")
            if record.average:
                self._try_average(record.average, evaluate)
            self.world.wait()  # until the first has written the best network
            best = load_checkpoint(record.best_model)["weights"]
            load_weights(self.model, best, record.path)
            record.end(self._score_fold(evaluate, self._test_loader, "test"))
        print(f"best network: {record.best_model}")
        record.close()

    def _try_average(self, average: EpochWeights, evaluate: Evaluate) -> None:
        """Keep the mean of the last epochs' weights if it has the lowest dev CER."""
        last = self._epoch - 1
        self.world.wait()  # until the first has written the weights
        self.model.load_state_dict(average.mean(last))
        self._batches.set_epoch(last)
        torch.manual_seed(self.args.seed)
        device = self.args.device
        refresh_batchnorm(self.model, self._train_loader, device, self.world)
        score = self._score_fold(evaluate, self._dev_loader, "dev")
        best = self.record.keep_if_best(score, {"epoch": last, **score.row("dev")})
        n_epochs = min(last, average.n_epochs)
        print(f"mean of the last {n_epochs} epochs: {score}{'  best' if best else ''}")

    def _score_fold(
        self, evaluate: Evaluate, loader: DataLoader, title: str
    ) -> FoldScore:
        minibatches = filter(None, self._evaluation(loader, title))
        return self._join(evaluate(self.model, minibatches))

    def _join(self, score: FoldScore) -> FoldScore:
        return FoldScore.joined(self.world.gather(score))

    # ---- the state

    def _save_or_stop(self, n_utterances: int = 1) -> float:
        """Save the state if it is due, stop if asked to.

        Returns:
            The weight of the next minibatch among those of all processes; 0 if one of
            them has no usable utterance, so that none takes the step.

        Raises:
            LabError: The run must stop. Its state is written.
        """
        stop, due = self._stop.signal > 0, time.monotonic() >= self._due
        empty = n_utterances == 0
        stop, due, n_empty, total = self.world.total([stop, due, empty, n_utterances])
        if stop or due:
            self._save_state()
        if stop:
            raise stopped(self._stop.signal, self._epoch, self.record.path)
        return 0.0 if n_empty else n_utterances * self.world.size / total

    def _stateful(self) -> dict[str, Any]:
        parts = {"weights": self.model, "optimizer": self.optimizer}
        parts.update(record=self.record, scheduler=self._scheduler)
        return {name: part for name, part in parts.items() if part is not None}

    def _save_state(self) -> None:
        """Write the state that is needed to continue from here."""
        if self.args.debug:
            return
        self._due = time.monotonic() + 60 * self.args.checkpoint_minutes
        state = {
            "epoch": self._epoch,
            "batch": self._done,
            "score": asdict(self._join(self._score)),
            "seconds": time.perf_counter() - self._start,
            "skipped": vars(self.skipped),
            "clips": self._clips,
            **{name: thing.state_dict() for name, thing in self._stateful().items()},
        }
        self.record.write_state(state)

    def _resume(self, state: State) -> None:
        """Continue from a state that ``_save_state`` wrote."""
        try:
            for name, thing in self._stateful().items():
                thing.load_state_dict(state[name])
            self.skipped = SkippedUpdates(**state["skipped"])
            score = FoldScore.from_dict(state["score"])
        except (AttributeError, LookupError, RuntimeError, TypeError, ValueError) as e:
            raise damaged_state(self.record.path) from e
        self._epoch, self._done = state["epoch"], state["batch"]
        if self.world.first:  # the counts of all processes are restored once
            self._score = score
        self._start = time.perf_counter() - state["seconds"]
        print(f"resumed in epoch {self._epoch}, after {self._done} minibatches")
