"""Checkpoints: everything that testing needs, as plain types, in one file."""

from __future__ import annotations

import argparse
import math
import shlex
import sys
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn

from labkit.base import DEBUG_PREFIX, KIT_VERSION, USAGE, LabError
from labkit.options import CTC, PARTS, Part, normalizes
from labkit.text import Characters
from labkit.training.tensors import are_weights, load_tensors, save_tensors

STAMP = {"format": 1, "kit": KIT_VERSION}
_ENCODER = "encoder."  # what the weights of part one are called in part two
_CONTENT = {"weights", "architecture", "alphabet", "normalization", "metrics"}
_COMPILED, _PARALLEL = "_orig_mod.", "module."  # before the names of wrapped networks
_GATES = {3: "GRU", 4: "LSTM"}  # number of gates, from the height of the weights

Weights = dict[str, Tensor]


def check_stamp(content: Mapping[str, Any], path: Path, todo: str) -> None:
    """Refuse a file of another version of the kit; ``todo`` begins the remedy."""
    found = content.get("format")
    if not isinstance(found, int) or found != STAMP["format"]:
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
            f"train first (python {part.script} train), or check the path",
            USAGE,
        )
    remedy = "give the best_model.pt of a run's folder"
    found = load_tensors(path, remedy)
    if isinstance(found, dict) and set(found) >= _CONTENT:
        check_stamp(found, path, "test it with")
        wrong = _find_wrong(found)
        if wrong:
            cause = f"{path}: damaged: its {wrong} is not what the kit writes"
            raise LabError(cause, "train again, or take another")
        return found
    if are_weights(found) and found:
        return {"weights": _unwrapped(found)}
    raise LabError(f"{path}: it holds no network", remedy)


def _find_wrong(found: dict[str, Any]) -> str | None:
    """Name an entry of a checkpoint that the kit cannot have written, if any."""
    part, architecture = found.get("part", CTC.name), found["architecture"]
    metrics = found["metrics"]
    known = PARTS.get(part) if isinstance(part, str) else None
    rows = {n: known.rows[n] for n in known.architecture} if known else {}
    sound = {
        "part": isinstance(part, str),
        "weights": are_weights(found["weights"]),
        "architecture": isinstance(architecture, dict)
        and all(rows[n].allows(v) for n, v in architecture.items() if n in rows),
        "normalization": normalizes(found["normalization"]),
        "metrics": isinstance(metrics, dict)
        and isinstance(metrics.get("dev_cer", 0.0), (int, float)),
    }
    return next((name for name, good in sound.items() if not good), None)


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
        rate = 100 * checkpoint["metrics"].get("dev_cer", math.nan)
        print(f"network: {path}, {measured} {rate:.1f} %")
        found = checkpoint["architecture"]
        names = {n for n in args.part.architecture if n in found} - args.given
        vars(args).update({name: found[name] for name in names})
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


def check_sizes(weights: Weights, args: argparse.Namespace, path: Path) -> None:
    """Refuse weights of other sizes than the options, before a network is built.

    A file may ask for one that is larger than the memory.
    """
    asked = f"--cell_type {args.cell_type} --nlayers_rnn {args.nlayers_rnn}"
    asked += f" --nhidden_rnn {args.nhidden_rnn}"
    weights = {name.replace(_ENCODER, "", 1): w for name, w in weights.items()}
    if "rnn.weight_hh_l0" in weights and _describe_weights(weights) != asked:
        raise _of_another_network(weights, path)


def _of_another_network(weights: Weights, path: Path) -> LabError:
    return LabError(
        f"{path}: its weights are not those of the network asked for",
        f"the checkpoint holds {_describe_weights(weights)}; check --nmels too",
        USAGE,
    )


def load_weights(model: nn.Module, weights: Weights, path: Path) -> None:
    """Put ``weights`` into ``model``.

    Raises:
        LabError: They belong to another network; the message says to which.
    """
    try:
        model.load_state_dict(weights)
    except RuntimeError as error:
        raise _of_another_network(weights, path) from error
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


def newest_checkpoint(logdir: Path, part: Part = CTC, fold: bool = True) -> Path:
    """Find the checkpoint to use if none is named.

    It is that of the part's newest run under ``logdir``; else the network of the kit.
    A run of ``--debug`` knows one minibatch by heart and nothing else: it comes before
    the network of the kit only to score a ``fold``, and then with a warning.

    Raises:
        LabError: There is none at all.
    """
    paths = {*logdir.glob("*/best_model.pt")}
    debug = {path for path in paths if path.parent.name.startswith(DEBUG_PREFIX)}
    path = newest_of(part, paths - debug)
    if path:
        return path
    path, kit = newest_of(part, debug), part.pretrained
    if kit and kit.is_file() and not (path and fold):
        what = "no run but those of --debug" if path else "no run"
        print(f"{what} under {logdir}: the network of the kit (pretrained/README.md)")
        return kit
    if path:
        todo = f"train one on the whole fold: python {part.script} train"
        print(
            f"warning: {path}: it knows one minibatch by heart (--debug) and no other "
            f"clip; {todo}",
            file=sys.stderr,
        )
        return path
    raise LabError(
        f"no trained network under {logdir}",
        f"train one (python {part.script} train), or pass --modelpath",
        USAGE,
    )
