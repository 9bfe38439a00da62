"""Text: the alphabet, and the normalisation of a text to its letters."""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property

MARKS = ",."  # the punctuation of a normalised text

# Letters that no Unicode decomposition takes apart.
_LETTERS = {
    **{"œ": "oe", "æ": "ae", "ß": "ss", "ø": "o", "đ": "d", "ð": "d", "þ": "th"},
    **{"ł": "l", "ı": "i", "ħ": "h", "ŋ": "ng", "ə": "e", "ſ": "s", "ĸ": "k"},
}
_STOPS = dict.fromkeys("!?;¡¿‽", ".")
_SPACES = dict.fromkeys(":…‥-‐‑‒–—―−_/⁄·•~=+", " ")
_APOSTROPHES = dict.fromkeys("’‘ʼʹ`´′＇ˈ", "'")
_DROPPED = dict.fromkeys('"«»“”„‟‹›()[]{}*ʿʾ', "")
_HIDDEN = ("Cf", "Cc")  # zero-width spaces, soft hyphens, marks of byte order
_FOLDED = str.maketrans({**_LETTERS, **_STOPS, **_SPACES, **_APOSTROPHES, **_DROPPED})


def _is_invisible(char: str) -> bool:
    """Whether a character is an accent, or a mark of format or control (Cf, Cc)."""
    return bool(unicodedata.combining(char)) or unicodedata.category(char) in _HIDDEN


def normalise(text: str) -> str:
    """Lower-case ``text`` and normalise accents, ligatures, quotes and punctuation.

    ``! ? ;`` become a full stop; dashes, ellipses and colons a space; quotation
    marks, brackets and invisible characters vanish; apostrophes and spaces become the
    plain ones. Text in NFC and in NFD gives the same.

    Args:
        text: Any text.

    Returns:
        Text in which every French letter is one of a-z; a character that is not in
        the alphabet (``α``, ``€``) is left as it is.
    """
    # Before NFKD, which would turn the spacing acute accent into a combining mark ...
    text = text.lower().translate(_FOLDED)
    # ... and after it, for the signs that it decomposes: a numero sign, a fraction.
    text = unicodedata.normalize("NFKD", text).lower().translate(_FOLDED)
    text = "".join(c for c in text if c.isspace() or not _is_invisible(c))
    return re.sub(r"\s+", " ", text).strip()


@dataclass(frozen=True)
class Alphabet:
    """The symbols of a network, in the order of its outputs.

    Attributes:
        symbols: The V symbols. Of those that follow, only the blank must be one.
        blank: The CTC blank, which no transcript holds.
        start: Starts a transcript.
        end: Ends a transcript.
        unknown: Stands for a character that is no symbol.
        space: Stands between words.
    """

    # Those of every network of the lab; checkpoints rely on their order.
    symbols: tuple[str, ...] = (*"¬ ¦',.0123456789¶❌abcdefghijklmnopqrstuvwxyz",)
    blank: str = "¬"
    start: str = "¶"
    end: str = "¦"
    unknown: str = "❌"
    space: str = " "

    @cached_property
    def index(self) -> dict[str, int]:
        """The index of each symbol."""
        return {symbol: i for i, symbol in enumerate(self.symbols)}

    @property
    def blank_id(self) -> int:
        """The index of the blank."""
        return self.index[self.blank]

    def encode(self, text: str) -> list[int]:
        """Turn a sentence into indices, between those of the start and the end."""
        # No text may hold the markers and the blank.
        reserved = {self.blank, self.start, self.end}
        unknown = self.index[self.unknown]
        inside = [
            unknown if char in reserved else self.index.get(char, unknown)
            for char in normalise(text)
        ]
        return [self.index[self.start], *inside, self.index[self.end]]

    def decode(self, indices: Sequence[int]) -> str:
        """Map indices to their symbols, one by one."""
        return "".join(self.symbols[index] for index in indices)

    def plain(self, text: str) -> str:
        """Remove the start and end markers from a decoded text."""
        return text.replace(self.start, "").replace(self.end, "").strip()


ALPHABET = Alphabet()


class Characters(Alphabet):
    """The alphabet with the names that the lab's scripts know; ``CharMap`` is one."""

    alphabet = ALPHABET
    eoschar = ALPHABET.end
    soschar = ALPHABET.start

    @cached_property
    def idx2char(self) -> list[str]:
        """The symbols, by their index."""
        return list(self.symbols)

    @property
    def char2idx(self) -> dict[str, int]:
        """The index of each symbol."""
        return self.index

    @property
    def vocab_size(self) -> int:
        """The number of symbols V, the blank among them."""
        return len(self.symbols)

    @property
    def blankid(self) -> int:
        """The index of the blank."""
        return self.blank_id

    @property
    def eos(self) -> int:
        """The index of the end of a transcript."""
        return self.index[self.end]
