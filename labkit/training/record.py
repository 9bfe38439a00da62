"""The output of a run: its folder, its best network, the state to resume it from."""

from __future__ import annotations

import argparse
import math
import shlex
from pathlib import Path
from typing import Any, cast

from torch import nn
from torch.utils.data import DataLoader

from labkit.base import DEBUG_PREFIX, LabError, uninterrupted
from labkit.metrics import FoldScore
from labkit.training.averaging import EpochWeights
from labkit.training.checkpoint import checkpoint_content, save_checkpoint
from labkit.training.figures import first_clips, plot_first
from labkit.training.runfolder import RunFolder, lock_folder
from labkit.training.state import (
    NO_OPTIONS,
    State,
    options_of,
    remove_states,
    write_state,
)

HEADER = "epoch  train loss     CER     WER   dev loss     CER     WER    time"
DEBUG_HEADER = "epoch  train loss     CER     WER    time"
_DEBUG_LINES_EVERY = 10  # epochs
_CLIPS = 2  # of the dev fold, to listen to in TensorBoard


class Record:
    """Writes the output of a run; of several processes, only the first does.

    ``normalization`` says how the log-mels are normalised, and ``win_step`` how many
    seconds pass from one frame T to the next.

    Attributes:
        path: The folder of the run.
        best_model: Where the best network is kept.
        average: The weights of the last epochs, if they are averaged.
        best: CER and loss of the best network so far.
        stale: Epochs since the best one.
    """

    def __init__(
        self,
        args: argparse.Namespace,
        model: nn.Module,
        normalization: tuple[float, float] | str | None,
        win_step: float,
    ) -> None:
        args.normalization = normalization  # a resumed run does not measure it again
        self._args = args
        self._model = model
        self._win_step = win_step
        self._options = options_of(args)
        self._folder = self._open_folder() if args.world.first else None
        self.path: Path = args.world.from_first(self._folder and self._folder.path)
        self.best_model = self.path / "best_model.pt"
        watch = shlex.join(["tensorboard", "--logdir", str(self.path.parent)])
        print(f"run: {self.path}   (watch it: {watch})")
        self.average = args.average and EpochWeights(self.path, args.average)
        self.best: tuple[float, float] | None = None
        self.stale = 0

    def _open_folder(self) -> RunFolder:
        args = self._args
        if args.state:
            return RunFolder(args.run.parent, args.run.name, args.state["epoch"])
        prefix = DEBUG_PREFIX if args.debug else ""
        folder = RunFolder(Path(args.baselogdir), prefix + args.logname)
        shown = {n: v for n, v in vars(args).items() if n not in NO_OPTIONS}
        folder.write_summary(self._model, shown)
        args.lock = lock_folder(folder.path)
        return folder

    @property
    def saved(self) -> str:
        """Say what the run keeps if it ends now."""
        kept = self.best_model
        return f"{kept} is usable" if kept.exists() else "no network is kept"

    def keep_if_best(self, score: FoldScore, row: dict[str, Any]) -> bool:
        """Write a checkpoint, with the metrics of the epoch, if it is the best so far.

        That is the one with the lowest CER on the dev fold, then the lowest loss.
        """
        self.stale += 1
        rank = (score.cer.rate, score.loss)
        if not math.isfinite(score.loss) or (self.best and rank >= self.best):
            return False
        self.best, self.stale = rank, 0
        if self._folder:
            args = self._args
            alphabet = cast(Any, self._model).charmap.idx2char
            content = checkpoint_content(args, alphabet, args.normalization)
            content["metrics"] = row
            save_checkpoint(self.best_model, self._model, content)
        return True

    def write_epoch(
        self,
        epoch: int,
        train: FoldScore,
        dev: FoldScore,
        seconds: float,
        learning_rate: float,
        dev_loader: DataLoader,
    ) -> None:
        """Write the metrics and pictures of an epoch, keep the best network.

        ``dev`` has no utterances if the fold was not decoded; one utterance of
        ``dev_loader`` is drawn.

        Raises:
            LabError: The dev loss is not finite, and no network has been kept.
        """
        debug, scored = self._args.debug, dev.n_utterances > 0
        row = {"epoch": epoch, **train.row("train"), **dev.row("dev")}
        if not scored:
            row.update(dict.fromkeys(dev.row("dev"), ""))
        row.update(train_penalty=round(train.penalty, 6), seconds=round(seconds, 2))
        # Otherwise it draws after epochs 1, 2, 4, 8, ...
        drawn = dev.perfect if debug else epoch & (epoch - 1) == 0
        folder, device = self._folder, self._args.device
        with uninterrupted():
            best = scored and self.keep_if_best(dev, row)
            if folder:
                folder.log(
                    row,
                    learning_rate=learning_rate,
                    gradient_norm=train.gradient_norm,
                    share_of_blanks=train.share_of_blanks,
                )
                if scored:
                    folder.log_decodings(epoch, dev.shown)
            if folder and epoch == 1:
                for name, waveform, rate in first_clips(dev_loader, _CLIPS):
                    folder.log_audio(name, waveform, rate)
            if folder and (drawn or epoch == self._args.num_epochs):
                figures = plot_first(self._model, dev_loader, device, self._win_step)
                for name, figure in figures.items():
                    folder.log_figure(name, figure, epoch)
        line = f"{epoch:5d} {train.loss:11.2f} {train.cer!s:>7} {train.wer!s:>7} "
        if debug:
            # The statistics of batch normalisation follow the weights with a delay.
            wrong = f"  in evaluation mode, {dev.n_wrong} of {dev.n_compared} clips err"
            if scored or epoch % _DEBUG_LINES_EVERY == 0:
                print(f"{line}{seconds:6.1f}s{wrong if dev.n_wrong else ''}")
            return
        line += f"{dev.loss:10.2f} {dev.cer!s:>7} {dev.wer!s:>7} {seconds:6.1f}s"
        print(f"{line}{'  best' if best else ''}")
        if self.best is None:
            raise LabError(
                f"the dev loss is not finite in epoch {epoch}; no network is kept",
                "lower --base_lr or --grad_clip",
            )
        if epoch == 1 and not any(hypothesis for _, hypothesis in dev.shown):
            print("       only blanks so far: every CTC network starts like this")

    def write_state(self, state: State) -> None:
        """Write the state that is needed to continue the run."""
        if not self._folder:
            return
        with uninterrupted():
            if self.average and state["batch"] == 0 and state["epoch"] > 1:
                self.average.keep(state["epoch"] - 1, self._model)
            write_state(self.path, {"options": self._options, **state})

    def end(self, score: FoldScore) -> None:
        """Write the result of the run, and mark the run as finished."""
        if not self._folder:
            return
        with uninterrupted():
            best = {"best_dev_cer": self.best[0]} if self.best else {}
            self._folder.write_result(
                f"test fold, best network: {score}",
                self._options,
                {**score.row("test"), **best},
            )
            if self.average:
                self.average.remove()
            remove_states(self.path)

    def close(self) -> None:
        """Close the folder of the run."""
        if self._folder:
            self._folder.close()

    def state_dict(self) -> dict[str, Any]:
        """Return the state of the record, for a resumed run."""
        return {"best": self.best, "stale": self.stale}

    def load_state_dict(self, state: dict[str, Any]) -> None:
        """Restore what ``state_dict`` returned."""
        self.best, self.stale = None, int(state["stale"])
        if state["best"] is not None:
            error_rate, loss = map(float, state["best"])
            self.best = error_rate, loss
