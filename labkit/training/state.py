"""Resuming runs: their state in a file, and signals that stop them."""

from __future__ import annotations

import argparse
import io
import os
import shlex
import signal
import sys
import threading
import zipfile
from pathlib import Path
from typing import Any

import torch

from labkit.base import INTERRUPTED, KIT_VERSION, USAGE, LabError, write_atomically
from labkit.options import CTC, Part
from labkit.training.checkpoint import belongs_to, part_of

_FORMAT = 1
_NAMES = ("last.pt", "last.previous.pt")  # the newest first
# Attributes of the options that are no options.
NO_OPTIONS = ("part", "given", "world", "run", "state")
_TERMINATED = 143  # what a shell reports after SIGTERM

State = dict[str, Any]


def write_state(folder: Path, state: State) -> None:
    """Write the state of a run; the state before it is kept too.

    Args:
        folder: The folder of the run.
        state: Tensors and plain types.

    Raises:
        OSError: It cannot be written; the states that were there are unharmed.
    """
    buffer = io.BytesIO()  # unlike torch.save, Python reports a full disk
    torch.save({"format": _FORMAT, "kit": KIT_VERSION, **state}, buffer)
    last, previous = (folder / name for name in _NAMES)

    def write(temporary: Path) -> None:
        temporary.write_bytes(buffer.getbuffer())
        if last.exists():
            os.replace(last, previous)

    write_atomically(last, write)


def read_state(folder: Path) -> State:
    """Read the newest undamaged state of a run.

    Raises:
        LabError: There is none.
    """
    for name in _NAMES:
        path = folder / name
        if not path.is_file():
            continue
        try:
            with zipfile.ZipFile(path) as archive:
                # torch.load itself ignores the checksums.
                if archive.testzip() is not None:
                    raise zipfile.BadZipFile
            found = torch.load(path, map_location="cpu", weights_only=True)
        except OSError:
            raise  # another problem, such as missing permission
        except Exception:  # damaged bytes may raise anything
            print(f"{path}: damaged, not used", file=sys.stderr)
            continue
        if found.get("format") != _FORMAT:
            raise LabError(
                f"{path}: written by another version of the kit ({found.get('kit')})",
                "go on with that version, or train again",
            )
        return found
    if any((folder / name).exists() for name in _NAMES):
        raise LabError(f"{folder}: every state of the run is damaged", "train again")
    if (folder / "best_model.pt").exists():
        raise LabError(
            f"{folder}: this run is finished",
            f"start another from its network: --init_from {folder / 'best_model.pt'}",
            USAGE,
        )
    raise LabError(f"{folder}: no run that can be resumed", "train again", USAGE)


def repair_states(folder: Path) -> None:
    """Remove what a killed process left, and a damaged state if there is a good one."""
    for temporary in folder.glob(".*.tmp"):
        temporary.unlink()
    last, previous = (folder / name for name in _NAMES)
    if last.exists() and previous.exists():
        try:
            with zipfile.ZipFile(last) as archive:
                sound = archive.testzip() is None
        except (zipfile.BadZipFile, OSError):
            sound = False
        if not sound:
            os.replace(previous, last)


def remove_states(folder: Path) -> None:
    """Mark a run as finished: its state is no longer needed."""
    for name in _NAMES:
        (folder / name).unlink(missing_ok=True)


def find_run(name: str, logdir: Path, part: Part = CTC) -> Path:
    """Find the folder of the run to resume.

    Args:
        name: A folder, or its name within ``logdir``; empty for the newest run there
            that is unfinished.
        logdir: The folder of the runs.
        part: The part of the lab whose runs count.

    Raises:
        LabError: There is none.
    """
    if name:
        for folder in (Path(name), logdir / name):
            if folder.is_dir():
                return folder
        raise LabError(f"{name}: no such run", f"look into {logdir}", USAGE)
    states = [path for name in _NAMES for path in logdir.glob(f"*/{name}")]
    states.sort(key=lambda path: path.stat().st_mtime, reverse=True)
    for path in states:
        if belongs_to(part, path):
            return path.parent
    raise LabError(
        f"no unfinished run under {logdir}",
        f"start one (python {part.script} train), or pass --resume RUN",
        USAGE,
    )


def options_of(args: argparse.Namespace) -> dict[str, Any]:
    """Return the options to keep in the state of a run, as plain types."""
    apart = {"command", *NO_OPTIONS, *args.part.options.names(process=True)}
    options = {n: value for n, value in vars(args).items() if n not in apart}
    return {"part": args.part.name, **options}


def adopt_options(args: argparse.Namespace, state: State, folder: Path) -> None:
    """Give ``args`` the options of the run that is resumed.

    Raises:
        LabError: An option of the command line contradicts them, or the run is of
            another part of the lab.
    """
    found = part_of(state)
    if found != args.part.name:
        raise LabError(
            f"{folder}: a run of the part {found}, not of {args.part.name}",
            f"go on with: python main_{found}.py train --resume {folder}",
            USAGE,
        )
    options = {name: v for name, v in state["options"].items() if name != "part"}
    free = set(args.part.options.names(anew=True))
    if options["scheduler"] is True:
        free.remove("num_epochs")  # the cosine was planned for that many
    for name in sorted(args.given & set(options) - free):
        asked = getattr(args, name)
        if asked != options[name]:
            raise LabError(
                f"{folder}: --{name} {asked} contradicts the run, whose {name} is "
                f"{options[name]}",
                "leave out the options: a run that is resumed knows them",
                USAGE,
            )
    given = {name: getattr(args, name) for name in args.given & free}
    vars(args).update({**options, **given})


class StopRequest:
    """Records Ctrl-C and SIGTERM in a ``with`` block, so that the loop can stop.

    A second Ctrl-C interrupts at once.
    """

    def __init__(self) -> None:
        self.signal = 0
        self._before: dict[int, Any] = {}

    def _note(self, number: int, _frame: object) -> None:
        if self.signal == number == signal.SIGINT:
            raise KeyboardInterrupt
        self.signal = number

    def __enter__(self) -> StopRequest:
        """Replace the signal handlers."""
        if threading.current_thread() is threading.main_thread():
            for number in (signal.SIGINT, signal.SIGTERM):
                # A background job of a shell ignores Ctrl-C, and continues to.
                if signal.getsignal(number) is not signal.SIG_IGN:
                    self._before[number] = signal.signal(number, self._note)
        return self

    def __exit__(self, *_: object) -> None:
        """Restore them."""
        for number, handler in self._before.items():
            signal.signal(number, handler)
        self._before.clear()


def leave_stops_to_the_parent(_worker: int) -> None:
    """Keep a data-loading worker alive until the training process ends it."""
    for number in (signal.SIGINT, signal.SIGTERM):
        signal.signal(number, signal.SIG_IGN)


def stopped(number: int, epoch: int, folder: Path) -> LabError:
    """Make the error that ends a run on request, once its state is written."""
    name = signal.Signals(number).name if number else "another process"
    name = "Ctrl-C" if number == signal.SIGINT else name
    best = folder / "best_model.pt"
    kept = f"; best network so far: {best}" if best.exists() else ""
    code = INTERRUPTED if number == signal.SIGINT else _TERMINATED
    command = shlex.join(["python", Path(sys.argv[0]).name, "train", "--resume"])
    return LabError(
        f"stopped by {name} in epoch {epoch}{kept}",
        f"go on with: {command} {shlex.quote(str(folder))}",
        code,
    )
