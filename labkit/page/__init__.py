"""The page of ``demo.py``: speak, and watch a decoder at work in the browser."""

from __future__ import annotations

import importlib
from typing import TYPE_CHECKING, Any

from labkit.page.command import parse_page

if TYPE_CHECKING:
    from labkit.page.server import PageServer, serve
    from labkit.page.studio import Studio

__all__ = ["PageServer", "Studio", "parse_page", "serve"]

_MODULES = {"PageServer": "server", "Studio": "studio", "serve": "server"}


def __getattr__(name: str) -> Any:  # noqa: ANN401
    """Import a name when it is asked for: ``--help`` answers without torch."""
    if name not in _MODULES:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return getattr(importlib.import_module(f"labkit.page.{_MODULES[name]}"), name)
