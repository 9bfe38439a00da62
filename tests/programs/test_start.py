"""How soon the programs start: they import nothing slow that they do not need."""

from __future__ import annotations

import os
import re
import subprocess
import sys
from pathlib import Path

from shared import REFERENCE, ROOT

CLIP = ROOT / "corpora/mini/fr/clips/mini_fr_00452.mp3"
# Training writes the files of TensorBoard; jiwer counts errors.
NOT_NEEDED = {"tensorboard", "jiwer", "rapidfuzz", "scipy", "flashlight"}


def test_transcribing_a_clip_imports_only_what_it_needs(tmp_path: Path) -> None:
    script = REFERENCE / "main_ctc.py"
    done = subprocess.run(
        [sys.executable, "-X", "importtime", script, "test", "--audiofile", CLIP],
        cwd=tmp_path,
        capture_output=True,
        encoding="utf-8",
        check=True,
        env={**os.environ, "OMP_NUM_THREADS": "1"},
    )
    imported = set(re.findall(r"\| +([\w.]+)$", done.stderr, re.M))
    assert "matplotlib" in imported and "torch" in imported  # they are listed
    assert not {name.split(".")[0] for name in imported} & NOT_NEEDED
