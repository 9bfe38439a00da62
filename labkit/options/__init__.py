"""The command lines of the scripts. No torch at import."""

from labkit.options.table import MODEL_OPTIONS, PROCESS_OPTIONS, RESUME_OPTIONS, parse

__all__ = [
    "MODEL_OPTIONS",
    "PROCESS_OPTIONS",
    "RESUME_OPTIONS",
    "parse",
]
