"""Texts for language models: their sentences, normalised like transcripts."""

from __future__ import annotations

import sys
from collections.abc import Callable, Sequence
from pathlib import Path

from labkit.base import LabError, read_table
from labkit.text import ALPHABET


def read_sentences(names: Sequence[str]) -> list[str]:
    """Read sentences, as transcripts are written.

    ``names`` are text files with one sentence a line, tsv files of Common Voice, or
    "-" for the standard input.

    Raises:
        LabError: A text is not UTF-8, a tsv has no column ``sentence``, or there is
            not one sentence.
    """
    sentences: list[str] = []
    for name in names:
        if name.endswith(".tsv"):
            sentences += read_table(Path(name), ("sentence",)).column("sentence")
        else:
            # Not splitlines(): a sentence may hold U+2028, which ends no line here.
            sentences += _read_text(name).replace("\r\n", "\n").split("\n")
    if not any(map(str.strip, sentences)):
        cause = f"{', '.join(names)}: not one sentence"
        raise LabError(cause, "give one sentence a line")
    encoded = map(ALPHABET.encode, sentences)
    return [ALPHABET.plain(ALPHABET.decode(indices)) for indices in encoded]


def _read_text(name: str) -> str:
    if name == "-" and sys.stdin is None:
        raise LabError("the standard input is closed", "pipe a text in, or name a file")
    content = sys.stdin.buffer.read() if name == "-" else Path(name).read_bytes()
    try:
        return content.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        raise LabError(
            f"{name}: not UTF-8 (byte {error.start})",
            "give a text file, one sentence a line, saved as UTF-8",
        ) from error


def cut_sentences(
    sentences: Sequence[str], cut: Callable[[str], list[str]]
) -> list[list[str]]:
    """Cut sentences into symbols; drop those that have none.

    Raises:
        LabError: No sentence has any.
    """
    symbols = [own for own in map(cut, sentences) if own]
    if not symbols:
        cause = "nothing but punctuation in the text"
        raise LabError(cause, "give one sentence a line")
    return symbols
