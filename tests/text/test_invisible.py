"""Characters that nobody sees do not change a text."""

from __future__ import annotations

import pytest

from labkit.text import ALPHABET, normalise


@pytest.mark.parametrize("char", "\u200b\u00ad\ufeff\u200e\u202a\u2060\x00\x7f\x9f")
def test_invisible_characters_vanish(char: str) -> None:
    assert normalise(f"{char}bon{char}jour le{char} monde{char}") == "bonjour le monde"
    unknown = ALPHABET.index[ALPHABET.unknown]
    assert unknown not in ALPHABET.encode(f"bon{char}jour")


@pytest.mark.parametrize("space", "\t\n\r\x0b\x1c\x85\u00a0\u2003\u2028")
def test_spaces_stay(space: str) -> None:
    assert normalise(f"le{space}monde") == "le monde"
