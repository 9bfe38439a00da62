"""Checkpoints: everything that testing needs, as plain types, in one file."""

from __future__ import annotations

import argparse
import io
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn

from labkit.cli import MODEL_OPTIONS
from labkit.errors import USAGE, LabError
from labkit.files import write_atomically
from labkit.version import KIT_VERSION

_FORMAT = 1
_CONTENT = {"weights", "architecture", "alphabet", "normalization", "metrics"}
DEBUG_PREFIX = "debug_"  # of the name of a --debug run's folder
_GATES = {3: "GRU", 4: "LSTM"}  # gates of a cell, from the height of its weights

Weights = dict[str, Tensor]


def save_checkpoint(path: Path, model: nn.Module, content: dict[str, Any]) -> None:
    """Write a checkpoint, whole or not at all.

    Args:
        path: The file.
        model: The network, whose weights are kept on the CPU.
        content: Plain types: the network's arguments, the alphabet, ...
    """
    weights = {name: value.cpu() for name, value in model.state_dict().items()}
    whole = {"format": _FORMAT, "kit": KIT_VERSION, **content, "weights": weights}
    buffer = io.BytesIO()  # torch.save has no name for a full disk; Python has
    torch.save(whole, buffer)
    write_atomically(path, lambda temporary: temporary.write_bytes(buffer.getbuffer()))


def load_checkpoint(path: Path) -> dict[str, Any]:
    """Read a checkpoint.

    Args:
        path: The file.

    Returns:
        What ``save_checkpoint`` was given, and "weights". A bare ``state_dict``
        from elsewhere comes back as ``{"weights": ...}`` alone.

    Raises:
        LabError: There is no such file, or it holds no network.
    """
    if not path.is_file():
        raise LabError(
            f"{path}: no such checkpoint",
            "train first (python main_ctc.py train), or check --modelpath",
            USAGE,
        )
    remedy = "--modelpath takes the best_model.pt of a run's folder"
    try:
        found = torch.load(path, map_location="cpu", weights_only=True)
    except OSError:
        raise  # no right to read it, say: that is another trouble
    except Exception as error:  # of any kind, from bytes that were never a checkpoint
        raise LabError(f"{path}: not a checkpoint, or a damaged one", remedy) from error
    if isinstance(found, dict) and set(found) >= _CONTENT:
        if found.get("format") != _FORMAT:
            raise LabError(
                f"{path}: written by another version of the kit ({found.get('kit')})",
                "test it with that version, or train again",
            )
        return found
    if isinstance(found, dict) and found:
        if all(isinstance(v, Tensor) and isinstance(n, str) for n, v in found.items()):
            return {"weights": found}
    raise LabError(f"{path}: it holds no network", remedy)


def check_options(
    checkpoint: dict[str, Any],
    args: argparse.Namespace,
    charmap: Any,  # noqa: ANN401
    path: Path,
) -> None:
    """See that a checkpoint agrees with the options given and with the alphabet.

    Args:
        checkpoint: What ``load_checkpoint`` returned.
        args: The options; ``args.given`` names those of the command line.
        charmap: The alphabet of the scripts.
        path: The file, for the message.

    Raises:
        LabError: They disagree.
    """
    architecture = checkpoint["architecture"]
    for name in args.given & set(MODEL_OPTIONS):
        if getattr(args, name) != architecture[name]:
            raise LabError(
                f"{path}: --{name} {getattr(args, name)} contradicts the checkpoint, "
                f"whose {name} is {architecture[name]}",
                "leave out the network's options: the checkpoint knows them",
                USAGE,
            )
    if checkpoint["alphabet"] != charmap.idx2char:
        raise LabError(
            f"{path}: trained with another alphabet",
            "use the CharMap that it was trained with, or train again",
        )


def load_weights(model: nn.Module, weights: Weights, path: Path) -> None:
    """Put ``weights`` into ``model``.

    Raises:
        LabError: They are those of another network; the message says of which.
    """
    try:
        model.load_state_dict(weights)
    except RuntimeError as error:
        raise LabError(
            f"{path}: its weights are not those of the network asked for",
            f"the checkpoint holds {describe_weights(weights)}; check --nmels too",
            USAGE,
        ) from error
    if not all(value.isfinite().all() for value in model.state_dict().values()):
        raise LabError(
            f"{path}: its weights hold NaN", "the network has diverged: train it again"
        )


def describe_weights(weights: Weights) -> str:
    """Tell from its weights what network a bare ``state_dict`` belongs to."""
    recurrent = weights.get("rnn.weight_hh_l0")
    if recurrent is None or recurrent.dim() != 2 or not recurrent.numel():
        return "no recurrent layers: it is no CTCModel"
    height, nhidden = recurrent.shape
    forward = [n for n in weights if n.startswith("rnn.weight_hh_l")]
    nlayers = sum(not name.endswith("_reverse") for name in forward)
    cell = _GATES.get(height // nhidden, "an unknown cell")
    return f"--cell_type {cell} --nlayers_rnn {nlayers} --nhidden_rnn {nhidden}"


def newest_checkpoint(logdir: Path) -> Path:
    """Find the checkpoint to test when none is named.

    Args:
        logdir: The folder of the runs.

    Returns:
        That of the newest run; of a ``--debug`` run only where there is no other.

    Raises:
        LabError: There is none.
    """
    paths = sorted(
        logdir.glob("*/best_model.pt"), key=lambda path: path.stat().st_mtime
    )
    # The name tells, so that a large checkpoint need not be read to be passed over.
    real = [path for path in paths if not path.parent.name.startswith(DEBUG_PREFIX)]
    for candidates in (real, paths):
        if candidates:
            return candidates[-1]
    raise LabError(
        f"no trained network under {logdir}",
        "train one (python main_ctc.py train), or pass --modelpath",
        USAGE,
    )
