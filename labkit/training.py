"""The training loop, shared by every network of the lab."""

from __future__ import annotations

import math
import sys
import time
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, field
from typing import Any, Protocol

import torch
from torch import Tensor, nn
from torch.optim.lr_scheduler import LambdaLR
from torch.utils.data import DataLoader
from tqdm import tqdm

from labkit.errorrates import ErrorRate, character_error_rate, word_error_rate
from labkit.errors import LabError, unwritten_exercise
from labkit.files import uninterrupted
from labkit.runs import RunFolder

_SHOWN_DECODINGS = 4
_WARMUP_SHARE = 0.1  # of the updates
_DEBUG_LINES_EVERY = 10  # epochs


@dataclass
class BatchResult:
    """What came of one minibatch.

    Attributes:
        losses: Loss of each utterance in nats, (B,).
        references: The transcripts, as text.
        hypotheses: The decodings, as text.
        penalty: The penalty that was added to the mean loss.
    """

    losses: Tensor
    references: list[str]
    hypotheses: list[str]
    penalty: float = 0.0


class Recipe(Protocol):
    """What the loop asks of a script: one training step, one evaluation."""

    def step(self, minibatch: Any) -> BatchResult:  # noqa: ANN401
        """Update the network once."""

    def evaluate(self, minibatch: Any) -> BatchResult:  # noqa: ANN401
        """Decode a minibatch, without an update."""


@dataclass
class FoldScore:
    """The loss and the error rates of a fold, gathered batch by batch."""

    losses: list[float] = field(default_factory=list)
    penalties: list[float] = field(default_factory=list)
    references: list[str] = field(default_factory=list)
    hypotheses: list[str] = field(default_factory=list)

    def add(self, result: BatchResult) -> None:
        """Count one minibatch in."""
        self.losses += result.losses.tolist()
        self.penalties.append(result.penalty)
        self.references += result.references
        self.hypotheses += result.hypotheses

    @property
    def loss(self) -> float:
        """Mean loss of an utterance, in nats."""
        return sum(self.losses) / max(len(self.losses), 1)

    @property
    def penalty(self) -> float:
        """Mean penalty of a minibatch."""
        return sum(self.penalties) / max(len(self.penalties), 1)

    @property
    def cer(self) -> ErrorRate:
        """Character error rate."""
        return character_error_rate(self.references, self.hypotheses)

    @property
    def wer(self) -> ErrorRate:
        """Word error rate."""
        return word_error_rate(self.references, self.hypotheses)

    @property
    def perfect(self) -> bool:
        """Whether every utterance is transcribed without a mistake."""
        return bool(self.references) and self.references == self.hypotheses

    def __str__(self) -> str:
        """Give the loss and the rates in one line."""
        return f"loss {self.loss:.2f}, CER {self.cer}, WER {self.wer}"

    def row(self, name: str) -> dict[str, float]:
        """Return the figures as columns ``name_loss``, ``name_cer``, ``name_wer``."""
        return {
            f"{name}_loss": round(self.loss, 6),
            f"{name}_cer": round(self.cer.rate, 6),
            f"{name}_wer": round(self.wer.rate, 6),
        }


def warmup_cosine(optimizer: torch.optim.Optimizer, n_updates: int) -> LambdaLR:
    """Raise the learning rate linearly, then lower it along half a cosine.

    Args:
        optimizer: Its learning rate is the highest that is reached.
        n_updates: Updates of the whole run.

    Returns:
        A scheduler to step after each update.
    """
    warmup = max(1, round(_WARMUP_SHARE * n_updates))

    def factor(update: int) -> float:
        if update < warmup:
            return (update + 1) / warmup
        progress = (update - warmup) / max(1, n_updates - warmup)
        return 0.5 * (1 + math.cos(math.pi * min(1.0, progress)))

    return LambdaLR(optimizer, factor)


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


def progress(batches: Iterable, title: str, quiet: bool = False) -> Iterable:
    """Show a bar with the time left, on a terminal alone."""
    hidden = quiet or not sys.stderr.isatty()
    return tqdm(batches, desc=title, unit="batch", leave=False, disable=hidden)


def _minibatches(
    loader: DataLoader, device: torch.device, title: str, quiet: bool
) -> Iterator:
    for minibatch in progress(loader, title, quiet):
        if minibatch is not None:
            yield tuple(part.to(device) for part in minibatch)


def score_fold(
    model: nn.Module,
    recipe: Recipe,
    loader: DataLoader,
    device: torch.device,
    title: str = "dev",
) -> FoldScore:
    """Evaluate a fold, without dropout and with BatchNorm's running statistics."""
    model.eval()
    score = FoldScore()
    with torch.inference_mode():
        for minibatch in _minibatches(loader, device, title, quiet=False):
            score.add(recipe.evaluate(minibatch))
    return score


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
    ) -> None:
        self.model = model
        self.recipe = recipe
        self.run = run
        self.device = device
        self.checkpoint = checkpoint
        self.draw = draw
        self.scheduler = scheduler
        self.best: FoldScore | None = None

    def train_epoch(
        self, loader: DataLoader, epoch: int, quiet: bool = False
    ) -> FoldScore:
        """Update the network with every minibatch of ``loader``.

        Raises:
            LabError: The loss is not finite.
        """
        loader.batch_sampler.set_epoch(epoch)
        self.model.train()
        score = FoldScore()
        for minibatch in _minibatches(loader, self.device, f"epoch {epoch}", quiet):
            result = self.recipe.step(minibatch)
            if not result.losses.isfinite().all():
                kept = self.run.best_model
                saved = f"{kept} is usable" if kept.exists() else "no network is kept"
                raise LabError(
                    f"the loss is not finite in epoch {epoch}; {saved}",
                    "lower --base_lr or --grad_clip",
                )
            score.add(result)
            if self.scheduler:
                self.scheduler.step()
        return score

    def keep_if_best(self, score: FoldScore, row: dict[str, float]) -> bool:
        """Write the checkpoint if ``score`` has the lowest CER, then loss, so far."""
        if not math.isfinite(score.loss):
            return False
        rank = (score.cer.rate, score.loss)
        if self.best and rank >= (self.best.cer.rate, self.best.loss):
            return False
        self.best = score
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
        """Train for ``num_epochs``, scoring the dev fold after each."""
        print("epoch  train loss     CER     WER   dev loss     CER     WER    time")
        for epoch in range(1, num_epochs + 1):
            start = time.perf_counter()
            learnt = self.train_epoch(train, epoch)
            heard = score_fold(self.model, self.recipe, dev, self.device)
            seconds = time.perf_counter() - start
            with uninterrupted():
                row = self.log(epoch, learnt, heard, seconds)
                best = self.keep_if_best(heard, row)
                self.show_decodings(epoch, heard)
                if epoch & (epoch - 1) == 0 or epoch == num_epochs:  # 1, 2, 4, 8, ...
                    self.draw(epoch)
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
            learnt = self.train_epoch(train, epoch, quiet=True)
            heard = None
            if learnt.perfect or epoch == num_epochs:
                heard = score_fold(self.model, self.recipe, train, self.device)
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
