"""The commands that train the networks of the figures."""

from __future__ import annotations

import re
import shlex
import subprocess
import sys
from pathlib import Path

from labkit.base import DEBUG_PREFIX, ROOT

REFERENCE = "LabsSolutions/02-pytorch-asr"
_STRIDE2 = "docs/figures/drawing/stride2.py"
_DEMO = "train --scheduler --nhidden_rnn 256 --dropout 0.2 --num_epochs 14"
_SCRATCH = "train --from_scratch --scheduler --train_augment --num_epochs 28"

# The name of each run, and its command.
RUNS = {
    "minibatch": f"{REFERENCE}/main_ctc.py train --debug",
    "overfit": f"{REFERENCE}/main_ctc.py train --scheduler --dropout 0 "
    "--weight_decay 0",
    "generalise": f"{REFERENCE}/main_ctc.py train --scheduler --train_augment",
    "stride4": f"{REFERENCE}/main_ctc.py {_DEMO}",
    "stride2": f"{_STRIDE2} train --scheduler --nhidden_rnn 256 --dropout 0.2 "
    "--num_epochs 5 --init_from RUNS/stride4_0/best_model.pt",
    "encoder": f"{REFERENCE}/main_ctc.py train --scheduler --train_augment "
    "--num_epochs 16 --batch_size 8 --base_lr 4e-3",
    "both": f"{REFERENCE}/main_seq2seq.py train --scheduler --train_augment "
    "--init_from RUNS/encoder_0/best_model.pt",
    "scratch_alone": f"{REFERENCE}/main_seq2seq.py {_SCRATCH} --ctc_weight 0",
    "scratch_both": f"{REFERENCE}/main_seq2seq.py {_SCRATCH} --ctc_weight 0.3",
}


def folder_of(name: str, runs: Path) -> Path:
    """Return the folder of a run under ``runs``."""
    prefix = DEBUG_PREFIX if "--debug" in RUNS[name] else ""
    return runs / f"{prefix}{name}_0"


def train(name: str, runs: Path) -> Path:
    """Train a network, unless that is done; the folder of its run comes back.

    The run that it starts from, if any, is trained before it.
    """
    for start in re.findall(r"RUNS/(\w+)_0/", RUNS[name]):
        train(start, runs)
    folder = folder_of(name, runs)
    if not (folder / "best_model.pt").is_file():
        words = shlex.split(RUNS[name].replace("RUNS", str(runs)))
        where = ["--logname", name, "--baselogdir", str(runs), "--nthreads", "1"]
        subprocess.run([sys.executable, *words, *where], cwd=ROOT, check=True)
    return folder
