"""Make the network of the kit from a run, in half precision.

python instructor/make_pretrained.py logs/fr_0/best_model.pt
"""

from __future__ import annotations

import argparse
import sys
from functools import partial
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

import torch

from labkit.base import PRETRAINED, LabError, LabParser, run_program, write_atomically
from labkit.training import load_checkpoint

MAX_BYTES = 12_000_000


def make(checkpoint: Path, output: Path) -> None:
    """Write the network of ``checkpoint`` in half precision.

    Raises:
        LabError: It is too large to come with the kit, or holds bare weights.
    """
    content = load_checkpoint(checkpoint)
    if "architecture" not in content:
        raise LabError(
            f"{checkpoint}: bare weights, without their architecture",
            "take the best_model.pt of a run",
        )
    content["weights"] = {
        name: value.half() if value.is_floating_point() else value
        for name, value in content["weights"].items()
    }
    write_atomically(output, partial(torch.save, content))
    size = output.stat().st_size
    if size > MAX_BYTES:
        output.unlink()
        raise LabError(
            f"{size / 1e6:.1f} MB are too large for the kit", "train a smaller network"
        )
    print(f"{output}: {size / 1e6:.1f} MB")


def parse() -> argparse.Namespace:
    """Read the command line."""
    parser = LabParser(description=__doc__)
    parser.add_argument("checkpoint", type=Path, help="best_model.pt of a run")
    parser.add_argument("-o", "--output", type=Path, default=PRETRAINED)
    parser.add_argument("--verbose", action="store_true")
    return parser.parse_args()


if __name__ == "__main__":
    ARGS = parse()
    raise SystemExit(
        run_program(partial(make, ARGS.checkpoint, ARGS.output), ARGS.verbose)
    )
