"""The language models that come with the lab."""

from __future__ import annotations

from pathlib import Path

from labkit.base import LANGUAGE_MODELS, LabError
from labkit.lm.arpa import read_arpa
from labkit.lm.ngram import NGram

SHIPPED = ("char", "word")


def shipped(name: str, lang: str = "fr") -> Path:
    """Find a language model that comes with the lab.

    Raises:
        LabError: There is no such model.
    """
    path = LANGUAGE_MODELS / lang / f"{name}.arpa.gz"
    if name not in SHIPPED or not path.is_file():
        raise LabError(
            f"no language model named {name} comes with the lab",
            f"choose {' or '.join(SHIPPED)}, or give an .arpa or .arpa.gz file",
        )
    return path


def load_language_model(name_or_path: str) -> NGram:
    """Load a model: "char" or "word" that come with the lab, or any ARPA file.

    Raises:
        LabError: There is no such model, or the file holds none.
    """
    named = name_or_path in SHIPPED
    return read_arpa(shipped(name_or_path) if named else Path(name_or_path))
