"""Packing the lab for students and for other systems."""

from bundles.handout import collect, pack, walk

__all__ = ["collect", "pack", "walk"]
