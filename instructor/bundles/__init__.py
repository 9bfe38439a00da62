"""Packing the lab for students and for other systems."""

from bundles.handout import collect, walk

__all__ = ["collect", "walk"]
