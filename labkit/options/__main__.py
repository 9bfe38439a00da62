"""``python -m labkit.options``: the page of the options of every part."""

from labkit.options.part import PARTS, describe

print("\n".join(map(describe, PARTS.values())), end="")
