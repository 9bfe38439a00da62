"""Resuming runs: their state in a file, and signals that stop them."""

from __future__ import annotations

import argparse
import os
import shlex
import signal
import sys
import threading
from pathlib import Path
from typing import Any

from labkit.base import INTERRUPTED, USAGE, LabError
from labkit.options import CTC, Part, normalizes
from labkit.training.checkpoint import (
    STAMP,
    check_stamp,
    newest_of,
    part_of,
)
from labkit.training.tensors import load_tensors, save_tensors

_NAMES = ("last.pt", "last.previous.pt")  # the newest first
# Attributes of the options that are no options.
NO_OPTIONS = ("part", "given", "world", "run", "state", "lock")
# The entries of a state that are used before it is loaded, or only compared.
_ENTRIES = {
    **{"options": dict, "clips": dict},
    **{"epoch": int, "batch": int, "seconds": float},
}
_TERMINATED = 143  # what a shell reports after SIGTERM

State = dict[str, Any]


def write_state(folder: Path, state: State) -> None:
    """Write the state of a run, tensors and plain types; the one before is kept too.

    Raises:
        OSError: It cannot be written; the states that were there are unharmed.
    """
    last, previous = (folder / name for name in _NAMES)
    save_tensors(last, {**STAMP, **state}, previous)


def _load(path: Path) -> State | None:
    """Read a state; None if it is damaged."""
    try:
        found = load_tensors(path, "train again")
    except LabError:
        return None
    return found if isinstance(found, dict) else None


def read_state(folder: Path) -> State:
    """Read the newest undamaged state of a run.

    Raises:
        LabError: There is none.
    """
    there = [folder / name for name in _NAMES if (folder / name).is_file()]
    for path in there:
        found = _load(path)
        if found is not None:
            check_stamp(found, path, "go on with")
            return found
        print(f"{path}: damaged, not used", file=sys.stderr)
    if there:
        raise LabError(f"{folder}: every state of the run is damaged", "train again")
    if (folder / "best_model.pt").exists():
        raise LabError(
            f"{folder}: this run is finished",
            _start_another(folder),
            USAGE,
        )
    raise LabError(f"{folder}: no run that can be resumed", "train again", USAGE)


def repair_states(folder: Path) -> None:
    """Remove what a killed process left, and a damaged state if there is a good one."""
    for temporary in folder.glob(".*.tmp"):
        temporary.unlink()
    last, previous = (folder / name for name in _NAMES)
    if last.exists() and previous.exists() and _load(last) is None:
        os.replace(previous, last)


def remove_states(folder: Path) -> None:
    """Mark a run as finished: its state is no longer needed."""
    for name in _NAMES:
        (folder / name).unlink(missing_ok=True)


def find_run(name: str, logdir: Path, part: Part = CTC) -> Path:
    """Find the folder of the run to resume.

    ``name`` is a folder, or its name within ``logdir``; or empty for the newest run
    there that a part of the lab has not finished.

    Raises:
        LabError: There is none.
    """
    if name:
        for folder in (Path(name), logdir / name):
            if folder.is_dir():
                return folder
        raise LabError(f"{name}: no such run", f"look into {logdir}", USAGE)
    path = newest_of(part, (p for n in _NAMES for p in logdir.glob(f"*/{n}")))
    if path is None:
        raise LabError(
            f"no unfinished run under {logdir}",
            f"start one (python {part.script} train), or pass --resume RUN",
            USAGE,
        )
    return path.parent


def options_of(args: argparse.Namespace) -> dict[str, Any]:
    """Return the options to keep in the state of a run, as plain types."""
    apart = {"command", *NO_OPTIONS, *args.part.names(process=True)}
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
            f"go on with: python main_{found}.py train --resume "
            + shlex.quote(str(folder)),
            USAGE,
        )
    options = _checked_options(args, state, folder)
    free = set(args.part.names(anew=True))
    if options.get("scheduler") is True:
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


def _checked_options(
    args: argparse.Namespace, state: State, folder: Path
) -> dict[str, Any]:
    """Return the options of a state; refuse values that the kit does not write."""
    rows = args.part.rows
    kept = (n for n, row in rows.items() if row.taken_by("train") and not row.process)
    options = {n: state["options"][n] for n in kept if n in state["options"]}
    for name, value in options.items():
        special = name == "normalization"
        if not (normalizes(value) if special else rows[name].allows(value)):
            raise damaged_state(folder)
    return options


def check_state(state: State, folder: Path) -> None:
    """Refuse a state whose entries are not of the types that ``Run`` writes.

    Raises:
        LabError: It is damaged.
    """
    if not all(isinstance(state.get(name), kind) for name, kind in _ENTRIES.items()):
        raise damaged_state(folder)


def damaged_state(folder: Path) -> LabError:
    """Make the error for a state that does not hold what the kit writes."""
    return LabError(
        f"{folder}: the state of this run is damaged, or its scripts have changed",
        _start_another(folder),
    )


def check_clips(folder: Path, before: dict[str, str], now: dict[str, str]) -> None:
    """Refuse to go on with a run on other clips than those that it was begun with.

    Args:
        folder: The run.
        before: The fingerprint of each fold when it was begun.
        now: Those of today.

    Raises:
        LabError: The clips of a fold, or their sentences, have changed.
    """
    for fold, clips in now.items():
        if before.get(fold) != clips:
            raise LabError(
                f"{folder}: {fold} is not what the run was begun with (it was "
                f"{before.get(fold)}; it is {clips})",
                f"restore the corpus, or {_start_another(folder)}",
            )


def _start_another(folder: Path) -> str:
    best = shlex.quote(str(folder / "best_model.pt"))
    return f"start another run from its network: --init_from {best}"


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
    names = {0: "another process", signal.SIGINT: "Ctrl-C", signal.SIGTERM: "SIGTERM"}
    best = folder / "best_model.pt"
    kept = f"; best network so far: {best}" if best.exists() else ""
    script = Path(sys.argv[0]).name
    command = shlex.join(["python", script, "train", "--resume", str(folder)])
    return LabError(
        f"stopped by {names[number]} in epoch {epoch}{kept}",
        f"go on with: {command}",
        INTERRUPTED if number == signal.SIGINT else _TERMINATED,
    )


def unsolved(args: argparse.Namespace, n_clips: int) -> LabError:
    """Make the error that ends ``--debug`` where clips are still wrong."""
    todo = (
        "run pytest: a network that cannot overfit a minibatch has a mistake; with "
        "options of your own, try more --num_epochs or another --base_lr"
    )
    if vars(args).get("model") == "LinearModel":
        todo = (
            "nothing: a linear baseline sees one frame at a time and cannot learn them "
            "by heart; compare it with the CTCModel, or train it without --debug"
        )
    return LabError(
        f"not all {n_clips} clips are transcribed without a mistake after "
        f"{args.num_epochs} epochs",
        todo,
    )
