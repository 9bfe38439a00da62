"""The command lines of the scripts, as tables of options. No torch at import.

An option is one row: ``common`` holds those of data, training and the run,
``searching`` those of testing, ``ctc`` those of part one, ``seq2seq`` those of part
two. Help, defaults, refusals and ``docs/options.md`` follow from it. Another part of
the lab is a file like ``ctc``, and an entry of ``PARTS``.
"""

from labkit.options.common import normalizes
from labkit.options.ctc import CTC
from labkit.options.option import Part
from labkit.options.parse import parse
from labkit.options.seq2seq import SEQ2SEQ

PARTS = {part.name: part for part in (CTC, SEQ2SEQ)}
