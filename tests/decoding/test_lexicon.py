"""Lexicons: what is read, spelled, left out and refused."""

from __future__ import annotations

from pathlib import Path

import pytest

from labkit.base.errors import LabError
from labkit.decoding.flashlight.lexicon import (
    Lexicon,
    choose_lexicon,
    name_tokens,
    read_binary_vocabulary,
    read_lexicon,
    spell,
)
from labkit.text import ALPHABET, Alphabet

PIECES = Alphabet(("-", "▁po", "ur", "le"), blank="-")


def written(folder: Path, text: str) -> Path:
    path = folder / "lexicon.txt"
    path.write_text(text, encoding="utf-8")
    return path


def letters(word: str) -> tuple[str, ...]:
    return (*word, "|")


def test_a_word_has_the_spellings_of_all_its_lines(tmp_path: Path) -> None:
    path = written(
        tmp_path, "pour p o u r |\npour\tp o u |\n\n  \nle l e\r\nle l e |\n"
    )
    assert read_lexicon(path, ALPHABET).spellings == {
        "pour": [letters("pour"), letters("pou")],
        "le": [letters("le")],
    }


def test_a_word_alone_is_normalised_and_spelled(tmp_path: Path) -> None:
    path = written(tmp_path, "\ufeffÉlève\nl'eau\ngrand-mère\netc.\n<unk>\n22\n")
    words = ["eleve", "l'eau", "grand", "mere", "etc", "22"]
    assert read_lexicon(path, ALPHABET).spellings == {
        word: [letters(word)] for word in words
    }


def test_word_pieces_spell_as_they_stand(tmp_path: Path) -> None:
    lexicon = read_lexicon(written(tmp_path, "pour ▁po ur\nle le\n"), PIECES)
    assert lexicon.spellings == {"pour": [("▁po", "ur")], "le": [("le",)]}
    # A last piece that is held must not be a second word.
    assert set(lexicon.text(",.").splitlines()) == {
        *("pour\t▁po ur", "pour\t▁po ur ur", "le\tle", "le\tle le")
    }


@pytest.mark.parametrize(
    "text, complaint",
    [
        ("pour p o u r |\nété é t é |\n", "lexicon.txt:2: 'été' is spelled with 'é'"),
        ("pour p o ur |\n", ":1: 'pour' is spelled with 'ur'"),
        ("a¬b\n", "'¬'"),
        ("a a ¶ |\n", "'¶'"),
        ("a |\n", ":1: 'a' is spelled with |"),
        ("le l e\nla | l a |\n", ":2: 'la' is spelled with |"),
        ("lela l e | l a |\n", ":1: 'lela' is spelled with |"),
        ("a a | |\n", ":1: 'a' is spelled with |"),
        ("", "no word in it"),
        ("\n<s>\n", "no word in it"),
    ],
)
def test_what_the_alphabet_cannot_spell_is_named_with_its_line(
    tmp_path: Path, text: str, complaint: str
) -> None:
    with pytest.raises(LabError) as error:
        read_lexicon(written(tmp_path, text), ALPHABET)
    assert complaint in error.value.cause


def test_other_files_are_refused(tmp_path: Path) -> None:
    path = tmp_path / "latin.txt"
    path.write_bytes("été\n".encode("latin-1"))
    with pytest.raises(LabError, match="not UTF-8"):
        read_lexicon(path, ALPHABET)
    with pytest.raises(LabError, match=":1: 'pour' has no spelling"):
        read_lexicon(written(tmp_path, "pour\n"), PIECES)
    with pytest.raises(LabError, match="no space"):
        spell(["pour"], PIECES)


def test_the_vocabulary_of_a_model_is_spelled_but_for_what_is_foreign() -> None:
    words = ["<s>", "</s>", "<unk>", "pour", "l'eau", "été", "a|b", "¶", "❌"]
    lexicon = spell(words, ALPHABET)
    assert lexicon.words == ["pour", "l'eau", "<unk>"]
    with pytest.raises(LabError, match=r"not one of the model's words.*'été'"):
        spell(["été", "<s>"], ALPHABET)


def test_a_mark_may_follow_a_word_that_has_none() -> None:
    lexicon = Lexicon({"ici": [letters("ici")], "etc.": [letters("etc.")]})
    plain = {"ici\ti c i |", "etc.\te t c . |"}
    assert set(lexicon.text("").splitlines()) == plain
    assert set(lexicon.text(",.").splitlines()) == {
        *plain,
        *("ici\ti c i . |", "ici\ti c i , |"),
    }


@pytest.mark.parametrize("alphabet", ["-a |", "-aba", ["-", "a b"], ["-", ""]])
def test_tokens_that_cannot_be_told_apart_are_refused(alphabet: list[str]) -> None:
    with pytest.raises(LabError, match="has the name of another"):
        name_tokens(Alphabet((*alphabet,), blank="-"))
    assert name_tokens(Alphabet((*"- a",), blank="-")) == ["-", "|", "a"]


def test_a_model_chooses_what_is_searched() -> None:
    def choose(given: Lexicon | None, *symbols: str) -> Lexicon | None:
        return choose_lexicon(given, ALPHABET, symbols)

    le = Lexicon({"le": [letters("le")]})
    assert choose_lexicon(None, ALPHABET, None) is None
    assert choose_lexicon(le, ALPHABET, None) is le
    assert choose(None, *"le|la") is None
    assert choose(le, "pour", "le") is le
    assert choose(None, "pour", "le", "été").spellings.keys() == {"pour", "le"}
    assert choose_lexicon(None, PIECES, ["▁po", "ur"]) is None
    for given, symbols, complaint in (
        (le, "le|la", "is one of characters"),
        (Lexicon({"l": [letters("l")]}), "le|la", "is one of characters"),
        (le, ("la", "pour"), "knows none of them"),
        (None, "lé|là", "another alphabet: it scores à é"),
    ):
        with pytest.raises(LabError, match=complaint):
            choose(given, *symbols)


def test_a_binary_model_names_its_words_at_its_end(tmp_path: Path) -> None:
    path = tmp_path / "model.bin"
    header = b"mmap lm http://kheafield.com/code format version 5\n\0\1\2"
    for tables, words in ((b"\0<unk>\0", b"<unk>\0pour\0le\0"), (b"\xff\0", b"")):
        path.write_bytes(header + tables + words)
        known = ["<unk>", "pour", "le"] if words else None
        assert read_binary_vocabulary(path) == known
