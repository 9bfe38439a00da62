"""Language models: n-grams, word pieces, models in Python; those of the kit."""

from labkit.lm.arpa import (
    is_kenlm_binary,
    load_language_model,
    model_path,
    read_arpa,
    write_arpa,
)
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
