"""Language models: n-grams, word pieces, models in Python; those of the kit."""

from labkit.lm.arpa import is_kenlm_binary, read_arpa, write_arpa
from labkit.lm.ngram import (
    END,
    KENLM_ORDERS,
    PIECE,
    SPACE,
    START,
    UNKNOWN,
    ZERO_LOG_PROB,
    NGram,
)
from labkit.lm.script import ScriptModel, is_script
from labkit.lm.shipped import SHIPPED, load_language_model, shipped

__all__ = [
    "END",
    "KENLM_ORDERS",
    "PIECE",
    "SHIPPED",
    "SPACE",
    "START",
    "UNKNOWN",
    "ZERO_LOG_PROB",
    "NGram",
    "ScriptModel",
    "is_kenlm_binary",
    "is_script",
    "load_language_model",
    "read_arpa",
    "shipped",
    "write_arpa",
]
