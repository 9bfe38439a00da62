"""Loads the pytest plugin of the exercises (``labkit`` is in this folder)."""

import sys
from pathlib import Path

# With a --lab elsewhere, pytest takes another folder for its root.
sys.path.insert(0, str(Path(__file__).resolve().parent))

from labkit.exercises.pytest_plugin import *  # noqa: F403 (the hooks of pytest)
