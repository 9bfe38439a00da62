"""Starting a program: processes, device, network."""

from __future__ import annotations

import argparse
from collections.abc import Callable
from pathlib import Path
from shutil import which
from typing import Any, TypeVar, cast

import torch
from torch import nn

from labkit.base import USAGE, LabError, cores_of_process
from labkit.text import Characters
from labkit.training.checkpoint import (
    adopt_checkpoint,
    check_sizes,
    load_checkpoint,
    load_weights,
    newest_checkpoint,
    take_encoder,
)
from labkit.training.device import choose_device, seed_everything
from labkit.training.distributed import ALONE, join_world
from labkit.training.precision import use_bfloat16
from labkit.training.recurrent import run_densely
from labkit.training.runfolder import lock_folder
from labkit.training.state import (
    adopt_options,
    check_state,
    find_run,
    read_state,
    repair_states,
)

Model = TypeVar("Model", bound=nn.Module)
# Maps options and alphabet to a new network.
MakeModel = Callable[[argparse.Namespace, Any], Model]


def begin(args: argparse.Namespace) -> None:
    """Prepare processes, device and options before anything is built.

    ``args`` gets ``world``, ``run`` and ``state`` (of the run to resume, or None), the
    options of that run, the lock on its folder, and its device as a ``torch.device``.
    """
    args.world = join_world() if args.command == "train" else ALONE
    args.state = args.run = args.lock = None
    if args.resume is not None:
        if args.world.first:
            args.run = find_run(args.resume, Path(args.baselogdir), args.part)
            args.lock = lock_folder(args.run)
            repair_states(args.run)
        args.run = args.world.from_first(args.run)
        args.state = read_state(args.run)
        check_state(args.state, args.run)
        adopt_options(args, args.state, args.run)
    args.nthreads = args.nthreads or cores_of_process()
    args.device = choose_device(args.device, args.nthreads)
    seed_everything(args.seed)


def load_network(
    args: argparse.Namespace,
    make_model: MakeModel[Model],
    charmap: Characters,
    name: str | None = None,
) -> Model:
    """Load a network to its device, in evaluation mode.

    It is that of the checkpoint ``name``, else the one to test; ``args`` takes its
    architecture and normalisation.

    Raises:
        LabError: There is no checkpoint, or it contradicts the options given.
    """
    name = name or args.modelpath
    logs, fold = Path(args.baselogdir), args.audiofile is None
    path = Path(name or newest_checkpoint(logs, args.part, fold))
    checkpoint = load_checkpoint(path, args.part)
    encoder_alone = take_encoder(checkpoint, args, path)
    adopt_checkpoint(checkpoint, args, charmap, path)
    check_sizes(checkpoint["weights"], args, path)
    model = make_model(args, charmap)
    filled = acoustic(model) if encoder_alone else model
    load_weights(filled, checkpoint["weights"], path)
    return model.to(args.device).eval()


def open_network(
    args: argparse.Namespace, make_model: MakeModel[Model], charmap: Characters
) -> Model:
    """Begin a program, and make its network on its device: to be tested, or trained.

    A training starts from a new network, or from that of ``--init_from``. A part with
    an encoder of another part starts, unless told otherwise, from a network of that.
    """
    begin(args)
    if args.command == "test" or (args.init_from and args.state is None):
        return load_network(args, make_model, charmap, args.init_from)
    before = args.part.encoder
    if before and args.state is None and not args.from_scratch:
        try:
            newest = newest_checkpoint(Path(args.baselogdir), before, fold=False)
        except LabError as error:
            raise LabError(
                error.cause,
                f"train one (python {before.script} train), or pass --from_scratch",
                USAGE,
            ) from error
        return load_network(args, make_model, charmap, str(newest))
    return make_model(args, charmap).to(args.device)


def acoustic(model: nn.Module) -> nn.Module:
    """Return the part of a network that reads spectrograms: its encoder, or itself."""
    return getattr(model, "encoder", model)


def prepare(model: nn.Module, args: argparse.Namespace) -> nn.Module:
    """Prepare a network, which is on its device, for training.

    Returns:
        The network itself, or a module that contains it; the network keeps the weights.
    """
    if args.world.size > 1 and vars(args).get("ctc_weight") in (0, 1):
        raise LabError(
            f"--ctc_weight {args.ctc_weight:g} with several processes: one head would "
            "get no gradient, and they would wait for it",
            "train with one process, or with a weight between 0 and 1, such as 0.001",
            USAGE,
        )
    if args.device.type == "cpu":
        run_densely(model)
    if args.amp:
        use_bfloat16(acoustic(model), args.device)
    if args.compile:
        _compile(acoustic(model), args.device)
    return args.world.wrap(model, args.device)


def _compile(model: nn.Module, device: torch.device) -> None:
    """Compile the convolutions; packed sequences have no form with symbolic sizes."""
    convolve = getattr(model, "convolve", None)
    if convolve is None:
        raise LabError("--compile: this network has no convolutions", "leave it out")
    if device.type == "cpu" and not any(map(which, ("c++", "g++", "clang++", "cl"))):
        raise LabError(
            "--compile: no C++ compiler found", "install one, or leave it out"
        )
    # A cast, since the types of nn.Module foresee no function among its attributes.
    model.convolve = cast(Any, torch.compile(convolve, dynamic=True))
