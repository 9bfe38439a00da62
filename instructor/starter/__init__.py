"""Making the students' scripts from the reference by cutting its exercises."""

from starter.regions import (
    REFERENCE,
    ROOT,
    Script,
    find_functions,
    generate,
    given,
    line_ending,
    load,
    read_source,
    split_lines,
)

__all__ = [
    "REFERENCE",
    "ROOT",
    "Script",
    "find_functions",
    "generate",
    "given",
    "line_ending",
    "load",
    "read_source",
    "split_lines",
]
