"""Leads to the kit's own ``labkit`` package, two folders up, from this folder."""

from pathlib import Path

__path__ = [str(Path(__file__).resolve().parents[2] / "labkit")]
