"""Folding written French to the letters of the alphabet."""

from __future__ import annotations

import re
import unicodedata

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
