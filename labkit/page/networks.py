"""The networks that the page can use: those of the runs, and that of the kit."""

from __future__ import annotations

import argparse
from collections.abc import Callable
from pathlib import Path
from typing import Any, NamedTuple

import torch

from labkit.base import DEBUG_PREFIX, LabError
from labkit.evaluation import Setup
from labkit.options import CTC, PARTS, Part, parse
from labkit.training import load_checkpoint, open_network

# Gives main_ctc or main_seq2seq: of these, make_model, CharMap, BatchCollate and
# DECODERS are used.
Desk = Callable[[str], Any]


class Network(NamedTuple):
    """A network on disk."""

    name: str  # the folder of its run; no path
    part: Part  # the part of the lab that it belongs to
    path: Path  # of its checkpoint
    dev_cer: float | None  # on the fold ``dev``, 0 to 1; None if it is not known

    def as_dict(self) -> dict[str, Any]:
        """Give plain types for JSON."""
        return {"name": self.name, "part": self.part.name, "dev_cer": self.dev_cer}


def _look(path: Path, name: str) -> Network | None:
    """Read what a checkpoint says about itself; None if it cannot be used."""
    try:
        content = torch.load(path, map_location="cpu", mmap=True, weights_only=True)
        part = PARTS[content.get("part", CTC.name)]
        rate = content["metrics"].get("dev_cer")
        return Network(name, part, path, None if rate is None else float(rate))
    except Exception:  # damaged bytes may raise anything
        return None


def find_networks(logdir: Path, named: str | None = None) -> list[Network]:
    """List the networks; the first one is that to begin with.

    Args:
        logdir: The folder of the runs.
        named: A checkpoint that was named on the command line.

    Raises:
        LabError: There is none, or the named one is no checkpoint.
    """
    paths = sorted(
        logdir.glob("*/best_model.pt"), key=lambda p: p.stat().st_mtime, reverse=True
    )
    looked = [_look(path, path.parent.name) for path in paths]
    kit = [part.pretrained for part in PARTS.values() if part.pretrained]
    looked += [_look(path, f"pretrained/{path.name}") for path in kit]
    found = [one for one in looked if one]
    # A run of --debug knows one minibatch by heart, and nothing else.
    found.sort(key=lambda one: one.path.parent.name.startswith(DEBUG_PREFIX))
    if named:
        path = Path(named)
        load_checkpoint(path)  # which says why it cannot be read
        first = _look(path, f"{path.resolve().parent.name}/{path.name}")
        if first is None:
            raise LabError(
                f"{path}: bare weights, or those of another part of the lab",
                "train again, or test it with main_ctc.py test --modelpath",
            )
        found.insert(0, first)
    if not found:
        raise LabError(
            f"no trained network under {logdir}",
            "train one (python main_ctc.py train), or pass --modelpath",
        )
    return found


def make_setup(network: Network, page: argparse.Namespace, desk: Desk) -> Setup:
    """Load a network as ``test`` does.

    Args:
        network: The network.
        page: The options of the page.
        desk: Gives the scripts.

    Raises:
        LabError: It cannot be loaded, or its script is not there.
    """
    # test wants to be told what to test; here the clips come later.
    words = ["test", "--audiofile", "-", "--modelpath", str(network.path)]
    words += ["--device", page.device, "--baselogdir", page.baselogdir]
    words += ["--nthreads", str(page.nthreads)] if page.nthreads else []
    args = parse(network.part, None, words)
    scripts = desk(network.part.script.removesuffix(".py"))
    model = open_network(args, scripts.make_model, scripts.CharMap())
    collate = scripts.BatchCollate(args.nmels, False, args.normalization)
    return Setup(args, model, scripts.DECODERS, collate.processor)
