"""Written language: its normal form, and the alphabet that a network writes."""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Sequence

# Letters that no Unicode decomposition takes apart.
_LETTERS = {
    **{"œ": "oe", "æ": "ae", "ß": "ss", "ø": "o", "đ": "d", "ð": "d", "þ": "th"},
    **{"ł": "l", "ı": "i", "ħ": "h", "ŋ": "ng", "ə": "e", "ſ": "s", "ĸ": "k"},
}
_STOPS = dict.fromkeys("!?;¡¿‽", ".")
_SPACES = dict.fromkeys(":…‥-‐‑‒–—―−_/⁄·•~=+", " ")
_APOSTROPHES = dict.fromkeys("’‘ʼʹ`´′＇ˈ", "'")
_DROPPED = dict.fromkeys('"«»“”„‟‹›()[]{}*ʿʾ', "")
_FOLDED = str.maketrans({**_LETTERS, **_STOPS, **_SPACES, **_APOSTROPHES, **_DROPPED})


def normalise(text: str) -> str:
    """Lower-case ``text`` and fold accents, ligatures, quotes and punctuation.

    ``! ? ;`` become a full stop; dashes, ellipses and colons a space; quotation
    marks and brackets vanish; apostrophes and spaces become the plain ones. Text
    in NFC and in NFD gives the same.

    Args:
        text: Any text.

    Returns:
        Text whose every ordinary French letter is one of a-z; what has no place in
        the alphabet (``α``, ``€``) is left as it is.
    """
    # Before NFKD, which would make a combining mark of the spacing acute accent ...
    text = text.lower().translate(_FOLDED)
    # ... and after it, for what it takes apart: a numero sign, a fraction.
    text = unicodedata.normalize("NFKD", text).lower().translate(_FOLDED)
    text = "".join(c for c in text if not unicodedata.combining(c))
    return re.sub(r"\s+", " ", text).strip()


class Alphabet:
    """The 44 symbols, whose order is that of the output of every trained network.

    Index 0 is the CTC blank; it never occurs in a transcript. A transcript starts
    with ``¶`` and ends with ``¦``; a character outside the alphabet becomes ``❌``.

    Attributes:
        idx2char: The symbols by their index.
        char2idx: The index of each symbol.
    """

    blank = "¬"
    space = " "
    eoschar = "¦"
    soschar = "¶"
    unknown = "❌"

    def __init__(self) -> None:
        self.idx2char = [
            *(self.blank, self.space, self.eoschar, "'", ",", "."),
            *"0123456789",
            *(self.soschar, self.unknown),
            *"abcdefghijklmnopqrstuvwxyz",
        ]
        self.char2idx = {char: index for index, char in enumerate(self.idx2char)}

    @property
    def vocab_size(self) -> int:
        """The number of symbols V, the blank among them."""
        return len(self.idx2char)

    @property
    def blankid(self) -> int:
        """The index of the blank."""
        return self.char2idx[self.blank]

    @property
    def eos(self) -> int:
        """The index of the end of a transcript."""
        return self.char2idx[self.eoschar]

    def encode(self, text: str) -> list[int]:
        """Turn a sentence into indices, between those of ``¶`` and ``¦``."""
        # The markers and the blank are the kit's own: no text may hold them.
        reserved = {self.blank, self.soschar, self.eoschar}
        unknown = self.char2idx[self.unknown]
        inside = [
            unknown if char in reserved else self.char2idx.get(char, unknown)
            for char in normalise(text)
        ]
        return [self.char2idx[self.soschar], *inside, self.eos]

    def decode(self, indices: Sequence[int]) -> str:
        """Map indices to their symbols, one by one."""
        return "".join(self.idx2char[index] for index in indices)

    def plain(self, text: str) -> str:
        """Leave ``¶`` and ``¦`` out of a decoded text, as error rates need it."""
        return text.replace(self.soschar, "").replace(self.eoschar, "").strip()
