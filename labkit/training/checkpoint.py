"""Checkpoints: everything that testing needs, as plain types, in one file."""

from __future__ import annotations

import argparse
import io
import os
import shlex
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn

from labkit.base import DEBUG_PREFIX, KIT_VERSION, USAGE, LabError, atomic
from labkit.options import CTC, PARTS, Part
from labkit.text import Characters

STAMP = {"format": 1, "kit": KIT_VERSION}
_ENCODER = "encoder."  # what the weights of part one are called in part two
_CONTENT = {"weights", "architecture", "alphabet", "normalization", "metrics"}
_COMPILED, _PARALLEL = "_orig_mod.", "module."  # before the names of wrapped networks
_GATES = {3: "GRU", 4: "LSTM"}  # number of gates, from the height of the weights

Weights = dict[str, Tensor]


def save_tensors(
    path: Path, content: Mapping[str, Any], previous: Path | None = None
) -> None:
    """Write tensors and plain types, or raise OSError and harm nothing.

    What was there is kept as ``previous``, if that is named.
    """
    buffer = io.BytesIO()  # unlike torch.save, Python reports a full disk
    torch.save(content, buffer)
    with atomic(path) as temporary:
        temporary.write_bytes(buffer.getbuffer())
        if previous and path.exists():
            os.replace(path, previous)


def check_stamp(content: Mapping[str, Any], path: Path, todo: str) -> None:
    """Refuse a file of another version of the kit; ``todo`` begins the remedy."""
    if content.get("format") != STAMP["format"]:
        raise LabError(
            f"{path}: written by another version of the kit ({content.get('kit')})",
            f"{todo} that version, or train again",
        )


def newest_of(part: Part, paths: Iterable[Path]) -> Path | None:
    """Find the newest checkpoint or state that a part wrote, not reading weights."""
    for path in sorted(paths, key=lambda path: path.stat().st_mtime, reverse=True):
        try:
            content = torch.load(path, map_location="cpu", mmap=True, weights_only=True)
            if part_of(content) == part.name:
                return path
        except Exception:  # damaged bytes may raise anything
            return path  # loading it will report the damage
    return None


def part_of(content: Mapping[str, Any]) -> str:
    """Return the name of the part that wrote a checkpoint or a state."""
    options = content.get("options", content)  # a state keeps it among these
    return options.get("part", CTC.name)  # old ones name no part


def checkpoint_content(
    args: argparse.Namespace,
    alphabet: list[str],
    normalization: tuple[float, float] | str,
) -> dict[str, Any]:
    """Collect what a checkpoint holds besides weights and metrics.

    ``normalization`` is the mean and standard deviation of the log-mels, in dB; or
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
    """Write the weights, with ``checkpoint_content`` and "metrics" as ``content``."""
    weights = {name: value.cpu() for name, value in model.state_dict().items()}
    save_tensors(path, {**STAMP, **content, "weights": weights})


def load_checkpoint(path: Path, part: Part = CTC) -> dict[str, Any]:
    """Read a checkpoint for a part of the lab.

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
        check_stamp(found, path, "test it with")
        return found
    named = found.items() if isinstance(found, dict) else ()
    if named and all(isinstance(n, str) and isinstance(v, Tensor) for n, v in named):
        return {"weights": _unwrapped(found)}
    raise LabError(f"{path}: it holds no network", remedy)


def _unwrapped(weights: Weights) -> Weights:
    """Take off what torch.compile, DataParallel and the like put before names."""
    weights = {name.replace(_COMPILED, ""): w for name, w in weights.items()}
    while all(name.startswith(_PARALLEL) for name in weights):
        weights = {name[len(_PARALLEL) :]: w for name, w in weights.items()}
    return weights


def take_encoder(
    checkpoint: dict[str, Any], args: argparse.Namespace, path: Path
) -> bool:
    """Bring a checkpoint of another part, if it can be used, into that of ``args``.

    Part one uses the encoder of a network of part two; part two starts its training
    from a network of part one.

    Args:
        checkpoint: What ``load_checkpoint`` returned; changed in place.
        args: The options.
        path: The file, for messages.

    Returns:
        Whether the weights are those of the encoder of a network of this part.

    Raises:
        LabError: A network of part one has no attention decoder to test.
    """
    part, found = args.part, PARTS.get(part_of(checkpoint))
    if found and found.encoder is part:
        print(f"{path}: a network of {found.script}; its CTC head is used here")
        own = {n: w for n, w in checkpoint["weights"].items() if n.startswith(_ENCODER)}
        checkpoint["weights"] = {n[len(_ENCODER) :]: w for n, w in own.items()}
        checkpoint["part"] = part.name
        return False
    whole = any(name.startswith(_ENCODER) for name in checkpoint["weights"])
    if not found or part.encoder is not found or whole:
        return False
    if args.command == "test":
        raise LabError(
            f"{path}: a network of {found.script}, which has no attention decoder",
            f"train one from it: python {part.script} train --init_from "
            + shlex.quote(str(path)),
            USAGE,
        )
    if "rnn.weight_hh_l0" not in checkpoint["weights"]:
        raise LabError(
            f"{path}: a network without recurrent layers, whose frames are no memory",
            "start from a CTCModel (--init_from), or --from_scratch",
        )
    if not args.init_from:
        print("training starts from a network of part one (--from_scratch: from none)")
    checkpoint["part"] = part.name
    return True


def adopt_checkpoint(
    checkpoint: dict[str, Any],
    args: argparse.Namespace,
    charmap: Characters,
    path: Path,
) -> None:
    """Give ``args`` the architecture and the normalisation of a checkpoint.

    Options of training that are stored with the architecture, such as the dropout,
    are those of the command line where they were given.

    Raises:
        LabError: It is of another part of the lab, contradicts the options given or
            the alphabet, or holds bare weights and the options lack what they need.
    """
    if "architecture" in checkpoint:
        _check_checkpoint(checkpoint, args, charmap, path)
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
            f"({_describe_weights(checkpoint['weights'])})",
            USAGE,
        )
    else:
        print(f"network: {path}, bare weights")


def _check_checkpoint(
    checkpoint: dict[str, Any],
    args: argparse.Namespace,
    charmap: Characters,
    path: Path,
) -> None:
    part, found = args.part, part_of(checkpoint)
    if found != part.name:
        raise LabError(
            f"{path}: a network of the part {found}, not of {part.name}",
            f"use main_{found}.py for it; {part.script} takes those of its own runs",
            USAGE,
        )
    architecture = checkpoint["architecture"]
    for name in args.given & set(part.shape) & set(architecture):
        asked, known = getattr(args, name), architecture[name]
        if asked != known:
            raise LabError(
                f"{path}: --{name} {asked} contradicts the checkpoint, whose {name} is "
                f"{known}",
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
        LabError: They belong to another network; the message says to which.
    """
    try:
        model.load_state_dict(weights)
    except RuntimeError as error:
        raise LabError(
            f"{path}: its weights are not those of the network asked for",
            f"the checkpoint holds {_describe_weights(weights)}; check --nmels too",
            USAGE,
        ) from error
    if not all(value.isfinite().all() for value in model.state_dict().values()):
        raise LabError(
            f"{path}: its weights hold NaN", "the network has diverged: train it again"
        )


def _describe_weights(weights: Weights) -> str:
    """Infer from its weights which network a bare ``state_dict`` belongs to."""
    recurrent = weights.get("rnn.weight_hh_l0")
    if recurrent is None or recurrent.dim() != 2 or not recurrent.numel():
        return "no recurrent layers: it is no CTCModel"
    height, nhidden = recurrent.shape
    forward = [n for n in weights if n.startswith("rnn.weight_hh_l")]
    nlayers = sum(not name.endswith("_reverse") for name in forward)
    cell = _GATES.get(height // nhidden, "an unknown cell")
    return f"--cell_type {cell} --nlayers_rnn {nlayers} --nhidden_rnn {nhidden}"


def newest_checkpoint(logdir: Path, part: Part = CTC) -> Path:
    """Find the checkpoint to test if none is named.

    It is that of the part's newest run under ``logdir``, of a ``--debug`` run only if
    there is no other; else the network of the kit.

    Raises:
        LabError: There is none at all.
    """
    paths = {*logdir.glob("*/best_model.pt")}
    debug = {path for path in paths if path.parent.name.startswith(DEBUG_PREFIX)}
    path = newest_of(part, paths - debug) or newest_of(part, debug)
    if path:
        return path
    if part.pretrained and part.pretrained.is_file():
        print(f"no run under {logdir}: the network of the kit (pretrained/README.md)")
        return part.pretrained
    raise LabError(
        f"no trained network under {logdir}",
        f"train one (python {part.script} train), or pass --modelpath",
        USAGE,
    )
