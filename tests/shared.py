"""Places and types that the maintainers' tests share."""

from __future__ import annotations

import subprocess
from collections.abc import Callable
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
REFERENCE = ROOT / "LabsSolutions" / "02-pytorch-asr"

Run = Callable[..., subprocess.CompletedProcess]
