"""The command lines of the scripts, as tables of options. No torch at import.

An option is one row: ``common`` holds those of data, training and the run,
``searching`` those of testing, ``ctc`` those of part one, ``seq2seq`` those of part
two. Help, defaults, refusals and
``docs/options.md`` follow from it. Another part of the lab is a file like ``ctc`` and a
row in ``part``.
"""

from labkit.options.common import normalizes
from labkit.options.ctc import CTC_OPTIONS
from labkit.options.document import list_decoders, list_options
from labkit.options.option import Decoder, Option, OptionTable, changed, group
from labkit.options.parse import read_command_line
from labkit.options.part import CTC, PARTS, SEQ2SEQ, Part, describe, parse
from labkit.options.seq2seq import SEQ2SEQ_OPTIONS

__all__ = [
    "CTC",
    "CTC_OPTIONS",
    "PARTS",
    "SEQ2SEQ",
    "SEQ2SEQ_OPTIONS",
    "Decoder",
    "Option",
    "OptionTable",
    "Part",
    "changed",
    "describe",
    "group",
    "list_decoders",
    "list_options",
    "normalizes",
    "parse",
    "read_command_line",
]
