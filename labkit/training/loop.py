"""The training loop, shared by every network of the lab."""

from __future__ import annotations

import math
import time
from collections.abc import Callable, Mapping
from typing import Any

import torch
from torch import Tensor, nn
from torch.optim.lr_scheduler import LambdaLR
from torch.utils.data import DataLoader

from labkit.base import LabError, draw_seed, uninterrupted, unwritten_exercise
from labkit.metrics import BatchResult, FoldScore
from labkit.training.distributed import ALONE, World
from labkit.training.guard import DIVERGED, SkippedUpdates
from labkit.training.runfolder import RunFolder
from labkit.training.schedules import tell
from labkit.training.scoring import Recipe, minibatches, n_utterances, score_fold
from labkit.training.state import State, StopRequest, stopped

_SHOWN_DECODINGS = 4
_DEBUG_LINES_EVERY = 10  # epochs


def checked_penalty(model: nn.Module) -> Callable[[], Tensor]:
    """Call ``model.penalty()`` once, to see that training can use it.

    Returns:
        The penalty; one that gives 0 where the network has none, or where it is an
        exercise still to be written.

    Raises:
        LabError: It is not a finite scalar that depends on the weights. Its own
            errors pass through.
    """
    device = next(model.parameters()).device

    def nothing() -> Tensor:
        return torch.zeros((), device=device)

    if not hasattr(model, "penalty"):
        return nothing
    try:
        value = model.penalty()
    except NotImplementedError as error:
        exercise = unwritten_exercise(error)
        if exercise is None:
            raise
        print(f"penalty() is not written yet ({exercise}): training goes on without")
        return nothing
    remedy = "return a 0-dimensional tensor computed from self.parameters()"
    if not isinstance(value, Tensor) or value.dim() != 0:
        shape = tuple(value.shape) if isinstance(value, Tensor) else ""
        raise LabError(
            f"penalty() returns a {type(value).__name__}{shape}, not a scalar tensor",
            remedy,
        )
    if not value.requires_grad:
        raise LabError("penalty() does not depend on the weights", remedy)
    if not value.isfinite():
        raise LabError(f"penalty() returns {value.item()}", remedy)
    return model.penalty


class Trainer:
    """Trains a network and keeps the best one of the dev fold.

    Args:
        model: The network.
        recipe: Its step and its evaluation.
        run: The folder of the run.
        device: Where to compute.
        checkpoint: Writes the best network, given the metrics of its epoch.
        draw: Draws what the network makes of an utterance, given the epoch.
        scheduler: Stepped after each update, or None.
        world: The processes that train together.
        stateful: What the run must find again to be resumed: each has ``state_dict``
            and ``load_state_dict``.
        write_state: Writes the state of the run, or None.
        minutes: Between two states, besides those at the ends of epochs.
        patience: Epochs without gain after which training stops, or None.
        seed: Of all that is drawn in training.
    """

    def __init__(
        self,
        model: nn.Module,
        recipe: Recipe,
        run: RunFolder,
        device: torch.device,
        checkpoint: Callable[[dict[str, float]], None],
        draw: Callable[[int], None],
        scheduler: LambdaLR | None,
        *,
        world: World = ALONE,
        stateful: Mapping[str, Any] | None = None,
        write_state: Callable[[State], None] | None = None,
        minutes: float = math.inf,
        patience: int | None = None,
        seed: int = 0,
    ) -> None:
        self.model = model
        self.recipe = recipe
        self.run = run
        self.device = device
        self.checkpoint = checkpoint
        self.draw = draw
        self.scheduler = scheduler
        self.world = world
        self.stateful = stateful or {}
        self.write_state = write_state
        self.minutes = minutes
        self.patience = patience
        self.seed = seed
        self.best: tuple[float, float] | None = None  # CER, loss
        self.stale = 0  # epochs since the best
        self.epoch = 1  # the next, or that which is under way
        self.refusals = SkippedUpdates()
        self.stop = StopRequest()
        self._begun: tuple[int, FoldScore] | None = None  # batches of a resumed epoch
        self._done = 0  # minibatches of the epoch
        self._start = time.perf_counter()
        self._due = math.inf

    def keep_state(self, epoch: int, batch: int, score: FoldScore) -> None:
        """Write all that is needed to go on from here.

        Args:
            epoch: The epoch under way.
            batch: How many of its minibatches are done.
            score: What came of them, in this process.
        """
        self._due = time.monotonic() + 60 * self.minutes
        if self.write_state is None:
            return
        score = FoldScore.joined(self.world.gather(score))
        figures = {
            "epoch": epoch,
            "batch": batch,
            "score": vars(score),
            "seconds": time.perf_counter() - self._start,
            "best": self.best,
            "stale": self.stale,
            "refusals": vars(self.refusals),
        }
        states = {name: thing.state_dict() for name, thing in self.stateful.items()}
        with uninterrupted():
            self.write_state({**figures, **states})

    def resume(self, state: State) -> None:
        """Go on from a state that ``keep_state`` wrote."""
        for name, thing in self.stateful.items():
            thing.load_state_dict(state[name])
        self.epoch, self.stale = state["epoch"], state["stale"]
        self.best = state["best"] and tuple(state["best"])
        self.refusals = SkippedUpdates(**state["refusals"])
        # What the processes had scored is counted once.
        score = FoldScore(**state["score"]) if self.world.first else FoldScore()
        self._begun = state["batch"], score
        self._start = time.perf_counter() - state["seconds"]
        self._due = time.monotonic() + 60 * self.minutes
        print(f"resumed in epoch {self.epoch}, after {state['batch']} minibatches")

    def heed(
        self, epoch: int, batch: int, score: FoldScore, n_utterances: int = 1
    ) -> float:
        """Between two minibatches: keep the state if it is time, stop if asked to.

        Returns:
            How much the next minibatch weighs among those of all processes; 0 where
            one of them has nothing to learn from, so that none takes the step.

        Raises:
            LabError: The run is to stop. Its state is written.
        """
        stop, due = self.stop.signal > 0, time.monotonic() >= self._due
        empty = n_utterances == 0
        stop, due, n_empty, total = self.world.total([stop, due, empty, n_utterances])
        if stop or due:
            self.keep_state(epoch, batch, score)
        if stop:
            raise stopped(self.stop.signal, epoch, self.run.path)
        return 0.0 if n_empty else n_utterances * self.world.size / total

    def train_epoch(
        self, loader: DataLoader, epoch: int, quiet: bool = False
    ) -> FoldScore:
        """Update the network with every minibatch of ``loader``.

        Returns:
            The score of what this process has learnt from.

        Raises:
            LabError: The loss is not finite, several times in a row.
        """
        begun, score = self._begun or (0, FoldScore())
        self._begun, self._done = None, begun
        loader.batch_sampler.set_epoch(epoch, begun)
        self.model.train()
        quiet = quiet or not self.world.first
        batches = minibatches(loader, self.device, f"epoch {epoch}", quiet, begun)
        for batch, minibatch in enumerate(batches, begun):
            share = self.heed(epoch, batch, score, n_utterances(minibatch))
            if share:
                # Dropout draws the same however often the run was resumed.
                drawn = batch * self.world.size + self.world.rank
                torch.manual_seed(draw_seed(self.seed, epoch, drawn))
                self.recipe.share = share
                self._count(self.recipe.step(minibatch), score, epoch)
            if self.scheduler:
                self.scheduler.step()
            self._done = batch + 1
        return score

    def _count(self, result: BatchResult, score: FoldScore, epoch: int) -> None:
        """Count a minibatch in, unless its update was refused."""
        if not result.fault:
            self.refusals.accepted()
            score.add(result)
            return
        kept = self.run.best_model
        saved = f"{kept} is usable" if kept.exists() else "no network is kept"
        (diverged,) = self.world.total([result.fault == DIVERGED])
        self.refusals.refused(diverged > 0, epoch, saved)

    def keep_if_best(self, score: FoldScore, row: dict[str, float]) -> bool:
        """Write the checkpoint if ``score`` has the lowest CER, then loss, so far."""
        self.stale += 1
        if not math.isfinite(score.loss):
            return False
        rank = (score.cer.rate, score.loss)
        if self.best and rank >= self.best:
            return False
        self.best, self.stale = rank, 0
        self.checkpoint(row)
        return True

    def log(
        self, epoch: int, train: FoldScore, dev: FoldScore | None, seconds: float
    ) -> dict[str, float]:
        """Write the metrics of an epoch, and return them."""
        dev_row = (dev or FoldScore()).row("dev")
        if dev is None:
            dev_row = dict.fromkeys(dev_row, "")
        row = {"epoch": epoch, **train.row("train"), **dev_row}
        row["train_penalty"] = round(train.penalty, 6)
        row["seconds"] = round(seconds, 2)
        self.run.log(row)
        return row

    def show_decodings(self, epoch: int, score: FoldScore) -> None:
        """Write a few decodings of a fold, always of the same utterances."""
        few = slice(_SHOWN_DECODINGS)
        self.run.log_decodings(epoch, score.references[few], score.hypotheses[few])

    def fit(self, train: DataLoader, dev: DataLoader, num_epochs: int) -> None:
        """Train up to epoch ``num_epochs``, scoring the dev fold after each.

        Raises:
            LabError: No loss is finite, or the run was asked to stop.
        """
        print("epoch  train loss     CER     WER   dev loss     CER     WER    time")
        with self.stop:
            if self._begun is None:
                self.keep_state(self.epoch, 0, FoldScore())
            while self.epoch <= num_epochs:
                if self.patience and self.stale >= self.patience:
                    print(f"no gain in {self.stale} epochs: training ends here")
                    return
                self._fit_epoch(train, dev, self.epoch, num_epochs)
                self.epoch += 1
                self._start = time.perf_counter()
                self.keep_state(self.epoch, 0, FoldScore())
                self.heed(self.epoch, 0, FoldScore())

    def _fit_epoch(
        self, train: DataLoader, dev: DataLoader, epoch: int, num_epochs: int
    ) -> None:
        own = self.train_epoch(train, epoch)

        def between() -> None:
            self.heed(epoch, self._done, own)

        heard = score_fold(
            *(self.model, self.recipe, dev, self.device, "dev", self.world, between)
        )
        learnt = FoldScore.joined(self.world.gather(own))
        seconds = time.perf_counter() - self._start
        with uninterrupted():
            row = self.log(epoch, learnt, heard, seconds)
            best = self.keep_if_best(heard, row)
            self.show_decodings(epoch, heard)
            if epoch & (epoch - 1) == 0 or epoch == num_epochs:  # 1, 2, 4, 8, ...
                self.draw(epoch)
        tell(self.scheduler, heard.cer.rate)
        print(
            f"{epoch:5d} {learnt.loss:11.2f} {learnt.cer!s:>7} {learnt.wer!s:>7} "
            f"{heard.loss:10.2f} {heard.cer!s:>7} {heard.wer!s:>7} {seconds:6.1f}s"
            f"{'  best' if best else ''}"
        )
        if self.best is None:
            raise LabError(
                f"the dev loss is not finite in epoch {epoch}; no network is kept",
                "lower --base_lr or --grad_clip",
            )
        if epoch == 1 and not any(heard.hypotheses):
            print("       only blanks so far: every CTC network starts like this")

    def overfit(self, train: DataLoader, num_epochs: int) -> None:
        """Train on one minibatch until it is transcribed without a mistake.

        The network must make none in evaluation mode either.

        Args:
            train: A loader of one minibatch.
            num_epochs: Epochs at most.

        Raises:
            LabError: Mistakes are left after ``num_epochs``.
        """
        print("epoch  train loss     CER     WER    time")
        n_clips, start = len(train.dataset), time.perf_counter()
        for epoch in range(1, num_epochs + 1):
            own = self.train_epoch(train, epoch, quiet=True)
            learnt = FoldScore.joined(self.world.gather(own))
            heard = None
            if learnt.perfect or epoch == num_epochs:
                heard = score_fold(
                    self.model, self.recipe, train, self.device, world=self.world
                )
            seconds = time.perf_counter() - start
            with uninterrupted():
                row = self.log(epoch, learnt, heard, seconds)
                if heard:
                    self.keep_if_best(heard, row)
                    self.show_decodings(epoch, heard)
                if heard and (heard.perfect or epoch == num_epochs):
                    self.draw(epoch)
            if epoch % _DEBUG_LINES_EVERY == 0 or heard:
                print(
                    f"{epoch:5d} {learnt.loss:11.2f} {learnt.cer!s:>7} "
                    f"{learnt.wer!s:>7} {seconds:6.1f}s"
                )
            if heard and heard.perfect:
                print(f"all {n_clips} clips are transcribed without a mistake")
                return
        raise LabError(
            f"not all {n_clips} clips are transcribed without a mistake after "
            f"{num_epochs} epochs",
            "run pytest: a network that cannot overfit a minibatch has a mistake; "
            "with options of your own, try more --num_epochs or another --base_lr",
        )
