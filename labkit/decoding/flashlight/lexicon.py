"""Words, how a network's tokens spell them, and which of them to search for.

A lexicon file holds one word a line: followed by its spelling, tokens apart and the
space written ``|`` (``pour p o u r |``); or alone, and then it is spelled letter by
letter. A word may have several lines.
"""

from __future__ import annotations

import gzip
import re
import zlib
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from mmap import ACCESS_READ, mmap
from pathlib import Path

from labkit.base import LabError
from labkit.lm import (
    END,
    MAX_ORDER,
    SPACE,
    START,
    UNKNOWN,
    is_kenlm_binary,
    open_arpa,
)
from labkit.text import MARKS, Alphabet, normalise

_BUILD = "build one: python -m labkit.lm build"
_SHOWN = 5  # characters that an error shows
_SPECIAL = {START, END, UNKNOWN, "<UNK>"}

Spelling = tuple[str, ...]


def name_tokens(alphabet: Alphabet) -> list[str]:
    """Name each token so that it can stand in a lexicon and in an ARPA file.

    The space becomes ``|``.

    Raises:
        LabError: Two tokens would have one name, or a token holds a space.
    """
    names = [SPACE if token == alphabet.space else token for token in alphabet.symbols]
    for token, name in zip(alphabet.symbols, names):
        if name.split() != [name] or names.count(name) > 1:
            raise LabError(
                f"the token {token!r} has the name of another or holds a space",
                "give every token a name of its own, without spaces",
            )
    return names


def _spellable(alphabet: Alphabet) -> set[str]:
    silent = {alphabet.blank, alphabet.start, alphabet.end, alphabet.unknown}
    return {*name_tokens(alphabet)} - silent


@dataclass
class Lexicon:
    """Words with their spellings, in names of tokens.

    A word's place is its index for a language model written in Python; that of
    ``<unk>`` is the number of words.
    """

    spellings: dict[str, list[Spelling]] = field(default_factory=dict)
    left_out: list[str] = field(default_factory=list)  # the alphabet cannot spell them

    def add(self, word: str, spelling: Spelling) -> None:
        """Give a word one more spelling."""
        known = self.spellings.setdefault(word, [])
        if spelling not in known:
            known.append(spelling)

    @property
    def words(self) -> list[str]:
        """The words in the order of their indices, ``<unk>`` last."""
        return [*self.spellings, UNKNOWN]

    def text(self, marks: Sequence[str]) -> str:
        """Write the lexicon as Flashlight reads it; a mark may follow each word."""
        return "".join(
            f"{word}\t{' '.join(variant)}\n"
            for word, spellings in self.spellings.items()
            for spelling in spellings
            for variant in _variants(spelling, marks)
        )


def spell_words(words: Iterable[str], alphabet: Alphabet) -> Lexicon:
    """Spell the vocabulary of a word model; leave out words with other letters.

    Raises:
        LabError: The alphabet spells not one of them, or it is one of word pieces.
    """
    names = _spellable(alphabet)
    if SPACE not in names:
        raise LabError(
            "these tokens have no space, so that no word can be spelled with them",
            "give a lexicon whose words are spelled in word pieces",
        )
    lexicon = Lexicon()
    for word in words:
        if word in _SPECIAL:
            continue
        if names.issuperset(word) and SPACE not in word:
            lexicon.add(word, (*word, SPACE))
        else:
            lexicon.left_out.append(word)
    if not lexicon.spellings:
        example = f", for example {lexicon.left_out[0]!r}" if lexicon.left_out else ""
        raise LabError(
            f"the alphabet spells not one of the model's words{example}",
            "build the model from normalised text: python -m labkit.lm build",
        )
    return lexicon


def read_lexicon(path: Path, alphabet: Alphabet) -> Lexicon:
    """Read a lexicon file.

    A word alone on its line is normalised, as the transcripts are, and spelled. The
    ``|`` that ends a spelling may be left out where the tokens have a space.

    Raises:
        LabError: It holds no word, a word has a token that the alphabet lacks, or it
            is not UTF-8.
    """
    names = _spellable(alphabet)
    try:
        lines = path.read_text(encoding="utf-8-sig").split("\n")
    except UnicodeDecodeError as error:
        raise LabError(f"{path}: not UTF-8", "save the lexicon as UTF-8") from error
    lexicon = Lexicon()
    for number, line in enumerate(lines, start=1):
        where = f"{path}:{number}"
        for word, spelling in _entries(line, SPACE in names, where):
            for token in spelling:
                if token not in names:
                    raise LabError(
                        f"{where}: {word!r} is spelled with {token!r}, which is no "
                        "letter of the alphabet",
                        "correct the line or leave it out",
                    )
            lexicon.add(word, spelling)
    if not lexicon.spellings:
        raise LabError(f"{path}: no word in it", "write one word a line")
    return lexicon


def _entries(line: str, spaced: bool, where: str) -> list[tuple[str, Spelling]]:
    """Read a line: a word and its spelling, or a word alone.

    The tokens are letters if they are ``spaced``, that is, have a space.
    """
    word, *spelling = line.split() or [""]
    if word in ("", *_SPECIAL):
        return []
    if spelling:
        if spaced:
            letters = spelling[:-1] if spelling[-1] == SPACE else spelling
            if not letters or SPACE in letters:
                raise LabError(
                    f"{where}: {word!r} is spelled with {SPACE} elsewhere than at its "
                    "end",
                    "give the spelling of one word a line",
                )
            spelling = [*letters, SPACE]
        return [(word, tuple(spelling))]
    if not spaced:
        raise LabError(
            f"{where}: {word!r} has no spelling",
            "write its word pieces after it: only letters are spelled automatically",
        )
    text = normalise(word).translate(dict.fromkeys(map(ord, MARKS), " "))
    return [(part, (*part, SPACE)) for part in text.split()]


def _variants(spelling: Spelling, marks: Sequence[str]) -> list[Spelling]:
    """List the ways in which a network may write a spelling.

    *Letters.* With a mark behind the last letter: ``i c i . |``. Marks that stand
    apart, as in "ici ?", are left out: they are rare, and cost more words than they
    save.

    *Word pieces.* Flashlight leaves a word at the first frame of its last token. A
    piece that lasts for two frames would be taken for two words; so it may occur
    twice. The space, which ends a word in letters, may be repeated between words.
    """
    if spelling[-1] != SPACE:
        return [spelling, (*spelling, spelling[-1])]
    letters = spelling[:-1]
    if not letters or letters[-1] in marks:
        return [spelling]
    return [spelling, *((*letters, mark, SPACE) for mark in marks)]


def choose_lexicon(
    given: str | Path | Lexicon | None, model: Path | None, alphabet: Alphabet
) -> Lexicon | None:
    """Find the words to search for; check that the model scores them.

    They are those of the lexicon ``given``, else those of a word model; None, where
    there is neither, stands for any characters.

    Raises:
        LabError: The file of the lexicon cannot be used, or the model is not one of
            its words, or without lexicon not one of these tokens.
    """
    if isinstance(given, (str, Path)):
        given = read_lexicon(Path(given), alphabet)
    vocabulary = _read_vocabulary(model) if model else None
    if vocabulary is None:
        return given
    symbols = {*vocabulary}.difference(_SPECIAL)
    unknown = symbols.difference(name_tokens(alphabet))
    of_characters = all(len(symbol) == 1 for symbol in symbols)
    if given is not None:
        if of_characters or symbols.isdisjoint(given.spellings):
            what = "is one of characters" if of_characters else "knows none of them"
            raise LabError(
                f"{model}: a lexicon needs a model of its words, and this {what}",
                "give a word model, or no lexicon",
            )
        return given
    if of_characters and unknown:
        raise LabError(
            f"{model}: the language model is of another alphabet: it scores "
            f"{' '.join(sorted(unknown)[:_SHOWN])}",
            "build one from normalised text: python -m labkit.lm build",
        )
    return spell_words(vocabulary, alphabet) if unknown else None


def _read_vocabulary(path: Path) -> list[str] | None:
    """Read the symbols of a model without reading its n-grams, which may be many.

    A binary file of KenLM may be without symbols: None.
    """
    if is_kenlm_binary(path):
        with path.open("rb") as raw:
            content = mmap(raw.fileno(), 0, access=ACCESS_READ)
        first = content.rfind(b"<unk>\0")  # the symbols are at its end
        symbols = content[first:] if first >= 0 else b""
        return symbols.decode("utf-8", errors="replace").split("\0")[:-1] or None
    try:
        with open_arpa(path) as lines:
            header = _lines_until(b"\\1-grams:", lines)
            unigrams = _lines_until(b"\\", lines)
    except (EOFError, zlib.error, gzip.BadGzipFile, UnicodeDecodeError) as error:
        raise LabError(f"{path}: damaged, or no text", _BUILD) from error
    order = sum(bool(re.match(r"ngram +\d+ *=", line)) for line in header)
    symbols = [fields[1] for fields in map(str.split, unigrams) if len(fields) > 1]
    if header[:1] != ["\\data\\"] or not order or not symbols:
        raise LabError(f"{path}: no language model in ARPA format", _BUILD)
    if not 2 <= order <= MAX_ORDER:
        raise LabError(
            f"{path}: the order is {order}, and KenLM as it comes with Flashlight "
            f"reads 2 to {MAX_ORDER}",
            "build one of such an order: python -m labkit.lm build",
        )
    return symbols


def _lines_until(start: bytes, lines: Iterable[bytes]) -> list[str]:
    """Read the lines before one that starts with ``start``, those empty left out."""
    before = []
    for line in lines:
        if line.startswith(start):
            break
        before.append(line.decode("utf-8").strip())
    return [line for line in before if line]
