"""``python -m labkit.options``: the page of the options of part one."""

from labkit.options.part import CTC, describe

print(describe(CTC), end="")
