"""Loaders for the tests, whose options are all given by name."""

from __future__ import annotations

from dataclasses import fields
from pathlib import Path

from data import get_dataloaders

from labkit.loading.loaders import Loaders, Loading


def loaders_of(root: str | Path, version: str = "v", **options: object) -> Loaders:
    """Make the loaders of a corpus; what ``Loading`` holds is given like the rest."""
    names = {field.name for field in fields(Loading)} & set(options)
    loading = Loading(**{name: options.pop(name) for name in names})
    options.setdefault("cuda", False)
    return get_dataloaders(str(root), version, loading=loading, **options)
