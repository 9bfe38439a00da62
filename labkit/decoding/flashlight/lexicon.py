"""Words, how a network's tokens spell them, and which of them to search for.

A lexicon file holds one word a line: followed by its spelling, tokens apart and the
space written ``|`` (``pour p o u r |``); or alone, and then it is spelled letter by
letter. A word may have several lines.

*Word pieces* are parts of words, as a model may have them: ``▁demain``, ``s``. One that
starts a word begins with ``▁``. Networks of letters spell them too, with the space in
place of ``▁``.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from mmap import ACCESS_READ, mmap
from pathlib import Path

from labkit.base import LabError
from labkit.decoding.check import other_alphabet
from labkit.lm import END, PIECE, SPACE, START, UNKNOWN
from labkit.text import MARKS, Alphabet, normalise

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
    written: dict[str, str] = field(default_factory=dict)  # words as they are shown

    def label(self, word: str) -> str:
        """Return a word as it was written."""
        return self.written.get(word, word)

    @property
    def is_of_pieces(self) -> bool:
        """Whether no space ends the words, which may follow one another at once."""
        return any(own[0][-1] != SPACE for own in self.spellings.values())

    def letters_of(self, word: str) -> set[Spelling]:
        """Return the spellings of a word without spaces."""
        every = self.spellings[word]
        return {tuple(x for x in spelling if x != SPACE) for spelling in every}

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


def spell(words: Iterable[str], alphabet: Alphabet, pieces: bool = False) -> Lexicon:
    """Spell the vocabulary of a model in letters; leave out what has other letters.

    Args:
        words: Words, or word pieces.
        alphabet: The alphabet.
        pieces: They are word pieces.

    Raises:
        LabError: The alphabet spells not one of them, or has no space.
    """
    names, lexicon, left_out = _spellable(alphabet), Lexicon(), []
    for word in words:
        spelling = tuple(word.replace(PIECE, SPACE)) if pieces else (*word, SPACE)
        letters = spelling[1:] if pieces else spelling[:-1]
        if word in _SPECIAL:
            continue
        if names.issuperset(letters) and SPACE not in letters:
            lexicon.add(word, spelling)
        else:
            left_out.append(word)
    if pieces and not any(word.startswith(PIECE) for word in lexicon.spellings):
        raise LabError(
            f"not one word piece that starts a word ({PIECE}) can be spelled",
            "build a model of pieces (--units piece): python -m labkit.lm build --help",
        )
    if SPACE not in names:
        raise LabError(
            "these tokens have no space, so that no word can be spelled with them",
            "give a lexicon whose words are spelled in word pieces",
        )
    if not lexicon.spellings:
        example = f", for example {left_out[0]!r}" if left_out else ""
        raise LabError(
            f"the alphabet spells not one of the model's words{example}",
            "build the model from normalised text: python -m labkit.lm build --help",
        )
    return lexicon


def read_lexicon(path: Path, alphabet: Alphabet, pieces: bool = False) -> Lexicon:
    """Read a lexicon file.

    A word alone on its line is normalised, as the transcripts are, and spelled. The
    ``|`` that ends a spelling may be left out where the tokens have a space. Of
    ``pieces``, only the first of each line is read, and spelled in letters.

    Raises:
        LabError: It holds no word, a word has a token that the alphabet lacks, or it
            is not UTF-8.
    """
    names = _spellable(alphabet)
    try:
        lines = path.read_text(encoding="utf-8-sig").split("\n")
    except UnicodeDecodeError as error:
        raise LabError(f"{path}: not UTF-8", "save the lexicon as UTF-8") from error
    if pieces:
        first = [line.split()[0] for line in lines if line.split()]
        return spell(first, alphabet, pieces)
    lexicon = Lexicon()
    for number, line in enumerate(lines, start=1):
        where = f"{path}:{number}"
        for word, spelling, written in _entries(line, SPACE in names, where):
            for token in spelling:
                if token not in names:
                    raise LabError(
                        f"{where}: {word!r} is spelled with {token!r}, which is no "
                        "letter of the alphabet",
                        "correct the line or leave it out",
                    )
            lexicon.add(word, spelling)
            lexicon.written.setdefault(word, written)
    if not lexicon.spellings:
        raise LabError(f"{path}: no word in it", "write one word a line")
    return lexicon


def _entries(line: str, spaced: bool, where: str) -> list[tuple[str, Spelling, str]]:
    """Read a line: a word and its spelling, or a word alone.

    The tokens are letters if they are ``spaced``, that is, have a space. Returns the
    words for the language model, their spellings, and how they are written.
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
        return [(word, tuple(spelling), word)]
    if not spaced:
        raise LabError(
            f"{where}: {word!r} has no spelling",
            "write its word pieces after it: only letters are spelled automatically",
        )
    parts = _words_in(word)
    written = [word.rstrip(MARKS)] if len(parts) == 1 else parts
    return [(part, (*part, SPACE), own) for part, own in zip(parts, written)]


def _words_in(text: str) -> list[str]:
    return normalise(text).translate(dict.fromkeys(map(ord, MARKS), " ")).split()


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
    given: Lexicon | None,
    alphabet: Alphabet,
    vocabulary: Sequence[str] | None,
    model: str = "",
    pieces: bool = False,
) -> Lexicon | None:
    """Choose the words to search for; check that the model scores them.

    They are those of the lexicon ``given``, else those of a word model; None, where
    there is neither, stands for any characters.

    Args:
        given: A lexicon.
        alphabet: The alphabet.
        vocabulary: The symbols of the language model; None if there is none, or they
            are not known.
        model: Its name, for messages.
        pieces: They are word pieces, to be spelled in letters.

    Raises:
        LabError: The model is not one of the lexicon's words, or without lexicon not
            one of these tokens.
    """
    if vocabulary is None:
        return given
    symbols = {*vocabulary}.difference(_SPECIAL)
    unknown = symbols.difference(name_tokens(alphabet))
    of_characters = all(len(symbol) == 1 for symbol in symbols)
    if given is not None:
        _name_as_the_model_does(given, symbols)
        if of_characters or symbols.isdisjoint(given.spellings):
            what = "is one of characters" if of_characters else "knows none of them"
            raise LabError(
                f"{model}: a lexicon needs a model of its words, and this {what}",
                "give a word model, or no lexicon",
            )
        return given
    if of_characters and unknown and not pieces:
        error = other_alphabet(unknown)
        raise LabError(f"{model}: {error.cause}", error.remedy)
    if unknown and not pieces and any(symbol.startswith(PIECE) for symbol in symbols):
        raise LabError(f"{model}: a language model of word pieces", "give --pieces too")
    return spell(vocabulary, alphabet, pieces) if unknown or pieces else None


def _name_as_the_model_does(lexicon: Lexicon, symbols: set[str]) -> None:
    """Let a word that the model knows in its normalised form alone have that name."""
    for word in [*lexicon.spellings]:
        parts = _words_in(word)
        if word not in symbols and len(parts) == 1 and parts[0] in symbols:
            written = lexicon.label(word)
            for spelling in lexicon.spellings.pop(word):
                lexicon.add(parts[0], spelling)
            lexicon.written.setdefault(parts[0], written)


def read_binary_vocabulary(path: Path) -> list[str] | None:
    """Read the symbols of a binary file of KenLM; it may be without: None."""
    with path.open("rb") as raw:
        content = mmap(raw.fileno(), 0, access=ACCESS_READ)
    first = content.rfind(b"<unk>\0")  # they are at its end
    symbols = content[first:] if first >= 0 else b""
    return symbols.decode("utf-8", errors="replace").split("\0")[:-1] or None
