"""The version of the kit, written into every checkpoint and summary."""

from __future__ import annotations

KIT_VERSION = "1.0.0"
