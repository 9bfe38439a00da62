"""Checkpoints: everything that testing needs, as plain types, in one file."""

from __future__ import annotations

import argparse
import io
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn

from labkit.base import DEBUG_PREFIX, KIT_VERSION, USAGE, LabError, write_atomically
from labkit.options import CTC, Part

_FORMAT = 1
_CONTENT = {"weights", "architecture", "alphabet", "normalization", "metrics"}
_GATES = {3: "GRU", 4: "LSTM"}  # number of gates, from the height of the weights

Weights = dict[str, Tensor]


def checkpoint_content(
    args: argparse.Namespace,
    alphabet: list[str],
    normalization: tuple[float, float] | str,
) -> dict[str, Any]:
    """Collect the content of a checkpoint besides the weights.

    Args:
        args: The options of the training.
        alphabet: The symbols.
        normalization: Mean and standard deviation of the log-mels, in dB; or
            "utterance".
    """
    part: Part = args.part
    return {
        "part": part.name,
        "architecture": {name: getattr(args, name) for name in part.architecture},
        "alphabet": alphabet,
        "normalization": normalization,
    }


def save_checkpoint(path: Path, model: nn.Module, content: dict[str, Any]) -> None:
    """Write a checkpoint, whole or not at all.

    Args:
        path: The file.
        model: The network, whose weights are kept on the CPU.
        content: What ``checkpoint_content`` returns, and "metrics".
    """
    weights = {name: value.cpu() for name, value in model.state_dict().items()}
    whole = {"format": _FORMAT, "kit": KIT_VERSION, **content, "weights": weights}
    save_tensors(path, whole)


def save_tensors(path: Path, content: dict[str, Any]) -> None:
    """Write tensors and plain types, whole or not at all.

    Raises:
        OSError: They cannot be written; what was there is unharmed.
    """
    buffer = io.BytesIO()  # unlike torch.save, Python reports a full disk
    torch.save(content, buffer)
    write_atomically(path, lambda temporary: temporary.write_bytes(buffer.getbuffer()))


def load_checkpoint(path: Path, part: Part = CTC) -> dict[str, Any]:
    """Read a checkpoint.

    Args:
        path: The file.
        part: The part of the lab that asks, for the message.

    Returns:
        What ``save_checkpoint`` was given, and "weights". A bare ``state_dict``
        from elsewhere comes back as ``{"weights": ...}`` alone.

    Raises:
        LabError: There is no such file, or it holds no network.
    """
    if not path.is_file():
        raise LabError(
            f"{path}: no such checkpoint",
            f"train first (python {part.script} train), or check --modelpath",
            USAGE,
        )
    remedy = "--modelpath takes the best_model.pt of a run's folder"
    try:
        found = torch.load(path, map_location="cpu", weights_only=True)
    except OSError:
        raise  # another problem, such as missing permission
    except Exception as error:  # any other file may raise anything
        raise LabError(f"{path}: not a checkpoint, or a damaged one", remedy) from error
    if isinstance(found, dict) and set(found) >= _CONTENT:
        if found.get("format") != _FORMAT:
            raise LabError(
                f"{path}: written by another version of the kit ({found.get('kit')})",
                "test it with that version, or train again",
            )
        return found
    named = found.items() if isinstance(found, dict) else ()
    if named and all(isinstance(n, str) and isinstance(v, Tensor) for n, v in named):
        return {"weights": found}
    raise LabError(f"{path}: it holds no network", remedy)


def check_options(
    checkpoint: dict[str, Any],
    args: argparse.Namespace,
    charmap: Any,  # noqa: ANN401
    path: Path,
) -> None:
    """Check that a checkpoint agrees with the options given and with the alphabet.

    Args:
        checkpoint: What ``load_checkpoint`` returned.
        args: The options; ``args.given`` names those of the command line.
        charmap: The alphabet of the scripts.
        path: The file, for the message.

    Raises:
        LabError: They disagree, or the checkpoint is of another part of the lab.
    """
    part, found = args.part, part_of(checkpoint)
    if found != part.name:
        raise LabError(
            f"{path}: a network of the part {found}, not of {part.name}",
            f"use main_{found}.py for it; {part.script} takes those of its own runs",
            USAGE,
        )
    architecture = checkpoint["architecture"]
    for name in args.given & set(part.shape):
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


def adopt_checkpoint(
    checkpoint: dict[str, Any],
    args: argparse.Namespace,
    charmap: Any,  # noqa: ANN401
    path: Path,
) -> None:
    """Give ``args`` the architecture and the normalisation of a checkpoint.

    Options of training that are stored with the architecture, such as the dropout,
    are those of the command line where they were given.

    Raises:
        LabError: They contradict the options given, or bare weights lack them.
    """
    if "architecture" in checkpoint:
        check_options(checkpoint, args, charmap, path)
        debug = path.parent.name.startswith(DEBUG_PREFIX)
        measured = "CER of its one minibatch" if debug else "dev CER"
        rate = 100 * checkpoint["metrics"]["dev_cer"]
        print(f"network: {path}, {measured} {rate:.1f} %")
        found = checkpoint["architecture"].items()
        vars(args).update({n: value for n, value in found if n not in args.given})
        if args.command == "test" or args.normalization is None:
            args.normalization = checkpoint["normalization"]
    elif args.normalization is None:
        raise LabError(
            f"{path}: bare weights, without their normalisation",
            "pass --normalization MEAN STD and the options of its training "
            f"({describe_weights(checkpoint['weights'])})",
            USAGE,
        )
    else:
        print(f"network: {path}, bare weights")


def load_weights(model: nn.Module, weights: Weights, path: Path) -> None:
    """Put ``weights`` into ``model``.

    Raises:
        LabError: They belong to another network; the message says to which.
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
    """Infer from its weights which network a bare ``state_dict`` belongs to."""
    recurrent = weights.get("rnn.weight_hh_l0")
    if recurrent is None or recurrent.dim() != 2 or not recurrent.numel():
        return "no recurrent layers: it is no CTCModel"
    height, nhidden = recurrent.shape
    forward = [n for n in weights if n.startswith("rnn.weight_hh_l")]
    nlayers = sum(not name.endswith("_reverse") for name in forward)
    cell = _GATES.get(height // nhidden, "an unknown cell")
    return f"--cell_type {cell} --nlayers_rnn {nlayers} --nhidden_rnn {nhidden}"


def part_of(content: dict[str, Any]) -> str:
    """Return the name of the part that wrote a checkpoint or a state."""
    options = content.get("options", content)  # a state keeps it among these
    return options.get("part", CTC.name)  # old ones name no part


def belongs_to(part: Part, path: Path) -> bool:
    """Check whether a part wrote a checkpoint or a state, without reading weights."""
    try:
        content = torch.load(path, map_location="cpu", mmap=True, weights_only=True)
        return part_of(content) == part.name
    except Exception:  # damaged bytes may raise anything
        return True  # loading it will report the damage


def newest_checkpoint(logdir: Path, part: Part = CTC) -> Path:
    """Find the checkpoint to test if none is named.

    Args:
        logdir: The folder of the runs.
        part: The part of the lab whose runs count.

    Returns:
        That of the newest run, of a ``--debug`` run only if there is no other; else
        the network of the kit.

    Raises:
        LabError: There is none at all.
    """
    paths = sorted(
        logdir.glob("*/best_model.pt"),
        key=lambda path: (
            not path.parent.name.startswith(DEBUG_PREFIX),
            path.stat().st_mtime,
        ),
        reverse=True,
    )
    for path in paths:
        if belongs_to(part, path):
            return path
    if part.pretrained and part.pretrained.is_file():
        print(f"no run under {logdir}: the network of the kit (pretrained/README.md)")
        return part.pretrained
    raise LabError(
        f"no trained network under {logdir}",
        f"train one (python {part.script} train), or pass --modelpath",
        USAGE,
    )
