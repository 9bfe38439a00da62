"""Packing the lab for students and for other systems."""

from bundles.handout import collect, of_later_parts, walk

__all__ = ["collect", "of_later_parts", "walk"]
