"""Trains as ``main_ctc.py`` does, but for the time stride of the second convolution.

    python docs/figures/drawing/stride2.py train --init_from CHECKPOINT

It is 1 instead of 2, so that the network gives a frame every 20 ms, not every 40. No
weight changes its shape, so a network of ``main_ctc.py`` may be the start.
"""

from __future__ import annotations

import argparse
import sys
from functools import partial
from pathlib import Path

ROOT = Path(__file__).resolve().parents[3]
sys.path[:0] = [str(ROOT / "LabsSolutions" / "02-pytorch-asr"), str(ROOT)]

import main_ctc
from data import CharMap
from models import CTCModel
from torch import nn

from labkit.base import run_program
from labkit.options import CTC, parse


def build_model(args: argparse.Namespace, charmap: CharMap) -> CTCModel:
    """Build the network of the options; its second convolution has no time stride."""
    model = _build_model(args, charmap)
    second = model.cnn[4]
    assert isinstance(second, nn.Conv2d)
    second.stride = (1, 1)  # its weights keep their shape
    return model


_build_model = main_ctc.build_model

if __name__ == "__main__":
    main_ctc.build_model = build_model
    args = parse(CTC, __doc__)
    raise SystemExit(run_program(partial(main_ctc.main, args), args.verbose))
