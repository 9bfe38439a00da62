"""What is packed for students and for other systems, and how it is packed."""

from bundles.handout import collect, pack, walk

__all__ = ["collect", "pack", "walk"]
