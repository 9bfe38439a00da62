"""n-gram language models: estimating, reading and writing them; those of the kit."""

from labkit.lm.arpa import is_kenlm_binary, open_arpa, read_arpa, write_arpa
from labkit.lm.ngram import END, MAX_ORDER, SPACE, START, UNKNOWN, NGram
from labkit.lm.shipped import SHIPPED, load_language_model, shipped

__all__ = [
    "END",
    "MAX_ORDER",
    "SHIPPED",
    "SPACE",
    "START",
    "UNKNOWN",
    "NGram",
    "is_kenlm_binary",
    "load_language_model",
    "open_arpa",
    "read_arpa",
    "shipped",
    "write_arpa",
]
