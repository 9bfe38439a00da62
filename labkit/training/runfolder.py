"""The folder of a run: its summary, metrics, scalars, decodings and best network."""

from __future__ import annotations

import csv
import errno
import shlex
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, BinaryIO, cast

import numpy
import torch
import torchaudio
from matplotlib.figure import Figure
from torch import Tensor, nn

from labkit.base import (
    KIT_VERSION,
    USAGE,
    LabError,
    deepcs_module,
    uninterrupted,
    write_atomically,
)

try:
    import fcntl
except ImportError:  # on Windows
    fcntl = None

_SUMMARY = "summary.txt"
_RESULT = "\n## Result\n"


def lock_folder(folder: Path) -> BinaryIO | None:
    """Keep every other process from training the run of a folder.

    The lock ends with the process, however that ends; data workers do not inherit it.
    The file that is returned must stay open. A system without such locks does without.

    Raises:
        LabError: Another process trains the run.
    """
    path = folder / _SUMMARY  # the one file that is not replaced before the end
    if fcntl is None or not path.is_file():
        return None
    file = path.open("r+b")
    try:
        fcntl.lockf(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except OSError as error:
        if error.errno in (errno.EACCES, errno.EAGAIN):
            raise LabError(
                f"{folder}: another process is training this run",
                "stop that one first, or go on with another: --resume RUN",
                USAGE,
            ) from error
    return file


class RunFolder:
    """The folder ``logdir/name_N`` of a run, written during the run.

    Every file is complete after every epoch, so that an interrupted run is usable.

    Args:
        logdir: The folder of all runs.
        name: The first part of the folder's name, or its whole name to resume it.
        resumed_in: The epoch in which a run is resumed: entries of that epoch and
            later ones are removed from its files. None makes a new folder.
    """

    def __init__(self, logdir: Path, name: str, resumed_in: int | None = None) -> None:
        logdir.mkdir(parents=True, exist_ok=True)
        new = resumed_in is None
        self.path = _new_folder(logdir, name) if new else logdir / name
        self._metrics = self.path / "metrics.csv"
        self._decodings = self.path / "decodings.txt"
        if resumed_in is not None:
            _forget(self._metrics, self._decodings, resumed_in)
        from torch.utils.tensorboard import SummaryWriter  # here: testing does without

        # TensorBoard ignores earlier entries of this epoch and later ones.
        self._board = SummaryWriter(str(self.path), purge_step=resumed_in)

    def write_summary(self, model: nn.Module, args: Mapping[str, Any]) -> None:
        """Write ``summary.txt``: the architecture, the command, the arguments."""
        layers = deepcs_module("display").torch_summarize(model)
        arguments = "\n".join(f"{name}: {value}" for name, value in args.items())
        packages = (torch, torchaudio, numpy)
        named = (f"{package.__name__} {package.__version__}" for package in packages)
        versions = f"{', '.join(named)}, Python {sys.version.split()[0]}"
        text = (
            f"## Summary of the model architecture\n{layers}\n\n"
            f"## Executed command\n{shlex.join(sys.argv)}\n\n"
            f"## Arguments\n{arguments}\n\n"
            f"## Versions\nkit {KIT_VERSION}, {versions}\n"
        )
        (self.path / _SUMMARY).write_text(text, encoding="utf-8")
        self._board.add_text("summary", deepcs_module("display").htmlize(text))

    def log(self, row: Mapping[str, float | int | str], **curves: float) -> None:
        """Add the metrics of one epoch; the first row names the columns.

        TensorBoard alone has the ``curves``, which are figures of the training.
        """
        with self._metrics.open("a", encoding="utf-8", newline="") as file:
            writer = csv.DictWriter(file, list(row))
            if not file.tell():
                writer.writeheader()
            writer.writerow(row)
        curves = {f"train_{name}": value for name, value in curves.items()}
        for name, value in {**row, **curves}.items():
            if name != "epoch" and not isinstance(value, str):
                # "train_loss" goes into the group "train" of TensorBoard.
                self._board.add_scalar(name.replace("_", "/", 1), value, row["epoch"])

    def log_audio(self, name: str, waveform: Tensor, rate: int) -> None:
        """Add a clip (1, samples) at ``rate`` Hz to listen to."""
        self._board.add_audio(name, waveform, sample_rate=rate)

    def log_decodings(self, epoch: int, pairs: Sequence[tuple[str, str]]) -> None:
        """Add a few decodings: a reference and a hypothesis each."""
        lines = [f"epoch {epoch}"]
        for reference, hypothesis in pairs:
            lines += [f"  reference   {reference}", f"  hypothesis  {hypothesis}"]
        with self._decodings.open("a", encoding="utf-8", newline="\n") as file:
            file.write("\n".join(lines) + "\n")
        cells = [" | ".join(t.replace("|", "\\|") for t in pair) for pair in pairs]
        rows = ["reference | hypothesis", "--- | ---", *cells]
        table = "\n".join(f"| {row} |" for row in rows)
        self._board.add_text("decodings", table, epoch)

    def log_figure(self, name: str, figure: Figure, epoch: int) -> None:
        """Write a figure as ``name.png``, and to TensorBoard."""
        figure.savefig(self.path / f"{name}.png", dpi=120)
        self._board.add_figure(name, figure, epoch)  # closes it

    def write_result(
        self, text: str, options: Mapping[str, Any], metrics: Mapping[str, float]
    ) -> None:
        """Print the result of the run, and put it at the end of ``summary.txt``.

        TensorBoard compares runs by their options and metrics (HParams).
        """
        print(text)
        path = self.path / _SUMMARY
        before = path.read_text(encoding="utf-8").partition(_RESULT)[0]
        content = f"{before}{_RESULT}{text}\n".encode()
        write_atomically(path, lambda new: new.write_bytes(content))
        plain = {k: v for k, v in options.items() if isinstance(v, (int, float, str))}
        results = {f"result/{name}": value for name, value in metrics.items()}
        # add_hparams of the board would write a file of its own.
        from torch.utils.tensorboard.summary import hparams

        writer = cast(Any, self._board.file_writer)  # None only once it is closed
        for summary in hparams(plain, results):
            writer.add_summary(summary)
        for name, value in results.items():
            self._board.add_scalar(name, value)

    def close(self) -> None:
        """Close the entries of TensorBoard."""
        with uninterrupted():
            self._board.close()


def _forget(metrics: Path, decodings: Path, epoch: int) -> None:
    """Cut what the files of a run say of an epoch and later ones."""
    if metrics.exists():
        rows = metrics.read_bytes().splitlines(keepends=True)
        # The columns, then a row for each epoch before; the last one may be half.
        kept = b"".join(row for row in rows[:epoch] if row.endswith(b"\n"))
        write_atomically(metrics, lambda new: new.write_bytes(kept))
    if decodings.exists():
        text = b"\n" + decodings.read_bytes()
        end = text.find(f"\nepoch {epoch}\n".encode())
        before = text[1 : end + 1] if end >= 0 else text[1:]
        write_atomically(decodings, lambda new: new.write_bytes(before))


def _new_folder(logdir: Path, name: str) -> Path:
    unique = deepcs_module("fileutils").generate_unique_logpath
    while True:
        path = Path(unique(str(logdir), name))
        try:
            path.mkdir()
            return path
        except FileExistsError:
            if not path.is_dir():  # else another run has just taken the name
                raise
