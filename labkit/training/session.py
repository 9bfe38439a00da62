"""A training from its first line to the score of the test fold, resumed or not."""

from __future__ import annotations

import argparse
from collections.abc import Callable
from pathlib import Path
from shutil import which
from typing import Any

import torch
from torch import nn
from torch.utils.data import DataLoader

from labkit.base import LabError, cores_of_process, uninterrupted
from labkit.training.averaging import EpochWeights, refresh_batchnorm
from labkit.training.checkpoint import (
    DEBUG_PREFIX,
    load_checkpoint,
    load_weights,
    save_checkpoint,
)
from labkit.training.device import choose_device, seed_everything
from labkit.training.distributed import ALONE, World, join_world
from labkit.training.loop import Trainer
from labkit.training.precision import fuse_updates, use_bfloat16
from labkit.training.runfolder import RunFolder, SilentRun
from labkit.training.schedules import make_scheduler
from labkit.training.scoring import Recipe, score_fold
from labkit.training.state import (
    NO_OPTIONS,
    State,
    adopt_options,
    find_run,
    leave_stops_to_the_parent,
    mend_states,
    options_of,
    read_state,
    remove_states,
    write_state,
)

Folds = tuple[DataLoader, DataLoader, DataLoader]


def begin(args: argparse.Namespace) -> None:
    """Settle what a run needs to know before anything is built.

    ``args`` gets ``world``, ``run`` and ``state`` (of the run to resume, or None), the
    options of that run, and its device as a ``torch.device``.
    """
    args.world = join_world() if args.command == "train" else ALONE
    args.state = args.run = None
    if args.resume is not None:
        if args.world.first:
            args.run = find_run(args.resume, Path(args.baselogdir), args.part)
            mend_states(args.run)
        args.run = args.world.from_first(args.run)
        args.state = read_state(args.run)
        adopt_options(args, args.state, args.run)
    args.nthreads = args.nthreads or cores_of_process()
    args.device = choose_device(args.device, args.nthreads)
    seed_everything(args.seed)


def prepare(model: nn.Module, args: argparse.Namespace) -> nn.Module:
    """Move a network to its device, and make of it what training is to call.

    Args:
        model: The network; it keeps the weights.
        args: Options: device, amp, compile.

    Returns:
        The network itself, or what stands around it.
    """
    model.to(args.device)
    if args.amp:
        use_bfloat16(model, args.device)
    if args.compile:
        _compile(model, args.device)
    return args.world.wrap(model, args.device)


def _compile(model: nn.Module, device: torch.device) -> None:
    """Compile the convolutions; packed sequences have no form with symbolic sizes."""
    if not hasattr(model, "convolve"):
        raise LabError("--compile: this network has no convolutions", "leave it out")
    if device.type == "cpu" and not any(map(which, ("c++", "g++", "clang++", "cl"))):
        raise LabError(
            "--compile: no C++ compiler found", "install one, or leave it out"
        )
    model.convolve = torch.compile(model.convolve, dynamic=True)


class Session:
    """One run of ``main_ctc.py train``.

    Args:
        args: The options, as ``begin`` left them.
        model: The network, on its device.
        optimizer: Its optimiser.
        recipe: How it is trained and evaluated.
        folds: The loaders of the training, dev and test folds.
        content: What its checkpoints hold besides the weights.
        draw: Draws what the network makes of an utterance, given the run and the epoch.
    """

    def __init__(
        self,
        args: argparse.Namespace,
        model: nn.Module,
        optimizer: torch.optim.Optimizer,
        recipe: Recipe,
        folds: Folds,
        content: dict[str, Any],
        draw: Callable[[RunFolder, int], None],
    ) -> None:
        self.args = args
        self.world: World = args.world
        self.model = model
        self.recipe = recipe
        self.train_loader, self.dev_loader, self.test_loader = folds
        self.content = content
        for loader in folds:
            loader.worker_init_fn = leave_stops_to_the_parent
        fuse_updates(optimizer, args.device)
        # Seen from here, since the loop changes it: the fold's first epoch.
        n_updates = args.num_epochs * len(self.train_loader)
        scheduler = make_scheduler(args.scheduler, optimizer, n_updates)
        stateful = {"weights": model, "optimizer": optimizer}
        if scheduler:
            stateful["scheduler"] = scheduler
        self.run = self._open_run()
        self.average = args.average and EpochWeights(self.run.path, args.average)
        # What its files need of the corpus, so that it is not measured once more.
        args.normalization = content["normalization"]
        self.options = options_of(args)
        self.trainer = Trainer(
            *(model, recipe, self.run, args.device, self._keep_best),
            lambda epoch: draw(self.run, epoch) if self.world.first else None,
            scheduler,
            world=self.world,
            stateful=stateful,
            write_state=None if args.debug else self._write_state,
            minutes=args.checkpoint_minutes,
            patience=args.patience,
            seed=args.seed,
        )
        if args.state:
            self.trainer.resume(args.state)
            args.state = None  # as large as the network, three times over

    def _open_run(self) -> RunFolder | SilentRun:
        args, run = self.args, None
        if self.world.first and args.state:
            run = RunFolder(args.run.parent, args.run.name, args.state["epoch"])
        elif self.world.first:
            prefix = DEBUG_PREFIX if args.debug else ""
            run = RunFolder(Path(args.baselogdir), prefix + args.logname)
            shown = {n: v for n, v in vars(args).items() if n not in NO_OPTIONS}
            run.write_summary(self.model, shown)
        path = self.world.from_first(run and run.path)
        print(f"run: {path}   (watch it: tensorboard --logdir {path.parent})")
        return run or SilentRun(path)

    def _keep_best(self, metrics: dict[str, float]) -> None:
        if self.world.first:
            content = {**self.content, "metrics": metrics}
            save_checkpoint(self.run.best_model, self.model, content)

    def _write_state(self, state: State) -> None:
        if not self.world.first:
            return
        if self.average and state["batch"] == 0 and state["epoch"] > 1:
            self.average.keep(state["epoch"] - 1, self.model)
        write_state(self.run.path, {"options": self.options, **state})

    def overfit(self) -> None:
        """Train on one minibatch."""
        self.trainer.overfit(self.train_loader, self.args.num_epochs)
        print(f"best network: {self.run.best_model}")

    def fit(self) -> None:
        """Train, average, and score the best network on the test fold."""
        args, run = self.args, self.run
        self.trainer.fit(self.train_loader, self.dev_loader, args.num_epochs)
        if self.trainer.refusals.total:
            print(f"minibatches skipped: {self.trainer.refusals.total}")
        if self.average:
            self._try_average()
        self.world.total([0])  # the first has written the best network
        best = load_checkpoint(run.best_model)["weights"]
        load_weights(self.model, best, run.path)
        score = self._score(self.test_loader, "test")
        with uninterrupted():
            run.write_result(f"test fold, best network: {score}")
            if self.world.first:
                if self.average:
                    self.average.remove()
                remove_states(run.path)
        print(f"best network: {run.best_model}")

    def _score(self, loader: DataLoader, title: str) -> Any:  # noqa: ANN401
        return score_fold(
            *(self.model, self.recipe, loader, self.args.device, title, self.world)
        )

    def _try_average(self) -> None:
        """Keep the mean of the last epochs' weights, if the dev fold likes it best."""
        last = self.trainer.epoch - 1
        self.world.total([0])  # the first has written the weights
        self.model.load_state_dict(self.average.mean(last))
        self.train_loader.batch_sampler.set_epoch(last)
        torch.manual_seed(self.args.seed)
        refresh_batchnorm(self.model, self.train_loader, self.args.device, self.world)
        score = self._score(self.dev_loader, "dev")
        row = {"epoch": last, **score.row("dev")}
        best = self.trainer.keep_if_best(score, row)
        n_epochs = min(last, self.args.average)
        print(f"mean of the last {n_epochs} epochs: {score}{'  best' if best else ''}")
