"""Texts for language models: their sentences, normalised like transcripts."""

from __future__ import annotations

import sys
from collections.abc import Iterable, Sequence
from pathlib import Path

from labkit.base import LabError
from labkit.lm.ngram import symbols_of
from labkit.text import ALPHABET


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


def read_sentences(names: Sequence[str]) -> list[str]:
    """Read sentences, not normalised.

    ``names`` are text files with one sentence a line, tsv files of Common Voice, or
    "-" for the standard input.

    Raises:
        LabError: A text is not UTF-8, a tsv has no column ``sentence``, or there is
            not one sentence.
        OSError: A file cannot be read.
    """
    sentences: list[str] = []
    for name in names:
        # Not splitlines(): a sentence may hold U+2028, which ends no line here.
        lines = _read_text(name).replace("\r\n", "\n").split("\n")
        if name.endswith(".tsv"):
            lines = _sentence_column(name, lines)
        sentences += filter(str.strip, lines)
    if not sentences:
        cause = f"{', '.join(names)}: not one sentence"
        raise LabError(cause, "give one sentence a line")
    return sentences


def _sentence_column(name: str, lines: list[str]) -> list[str]:
    columns = lines[0].split("\t")
    if "sentence" not in columns:
        raise LabError(
            f"{name}: no column named sentence",
            "its first line must name the columns as Common Voice does",
        )
    place = columns.index("sentence")
    rows = [(n, line.split("\t")) for n, line in enumerate(lines[1:], 2) if line]
    for number, cells in rows:
        if len(cells) != len(columns):
            raise LabError(
                f"{name}:{number}: {len(cells)} cells, not {len(columns)}",
                "unpack the corpus again: the file is damaged or was edited",
            )
    return [cells[place] for _, cells in rows]


def cut_sentences(sentences: Iterable[str], units: str) -> list[list[str]]:
    """Normalise sentences and cut them into symbols; drop those that become empty.

    Raises:
        LabError: All of them do.
    """
    texts = (ALPHABET.plain(ALPHABET.decode(ALPHABET.encode(s))) for s in sentences)
    cut = [symbols_of(text, units) for text in texts]
    if not any(cut):
        cause = "nothing but punctuation in the text"
        raise LabError(cause, "give one sentence a line")
    return [symbols for symbols in cut if symbols]
