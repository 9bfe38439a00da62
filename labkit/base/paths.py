"""The paths of the kit's own files."""

from __future__ import annotations

from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
PRETRAINED = ROOT / "pretrained" / "fr.pt"
LANGUAGE_MODELS = ROOT / "corpora" / "lm"
EMBEDDED_CORPORA = ROOT / "corpora"
DEBUG_PREFIX = "debug_"  # how the names of the folders of --debug runs begin
