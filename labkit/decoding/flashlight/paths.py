"""From a path of Flashlight to its symbols, their frames, and its words."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import NamedTuple

from labkit.decoding.flashlight.lexicon import Lexicon
from labkit.decoding.hypothesis import Label
from labkit.lm import SPACE
from labkit.text import MARKS


class Spelled(NamedTuple):
    """A path, read."""

    indices: list[int]  # its symbols
    frames: list[int]  # the frame at which each starts
    labels: list[Label]  # the words of the lexicon


@dataclass(frozen=True)
class PathReader:
    """Reads the paths of one decoder.

    Attributes:
        names: The names of the symbols.
        blank: The index of the blank.
        lexicon: The words that were searched for; None for any symbols.
        labelled: Whether these words are to be found in the text.
    """

    names: Sequence[str]
    blank: int
    lexicon: Lexicon | None
    labelled: bool

    @cached_property
    def _space(self) -> int:
        return self.names.index(SPACE) if SPACE in self.names else -1

    @cached_property
    def _words(self) -> list[str]:
        return [*self.lexicon.spellings] if self.lexicon else []

    def read(self, path: Sequence[int], words: Sequence[int], n_frames: int) -> Spelled:
        """Read the token and the word of each frame; -1 for no word.

        One more frame, which ends the last word, may follow ``n_frames``.
        """
        spelled, before, begun = Spelled([], [], []), self.blank, 0
        indices, worded = spelled.indices, self.lexicon is not None
        for frame, (symbol, word) in enumerate(zip(path[: n_frames + 1], words)):
            is_new = symbol not in (before, self.blank)
            before = symbol
            # Flashlight allows any number of spaces between two words.
            is_space = worded and symbol == self._space
            again = is_space and indices[-1:] in ([], [symbol])
            known = symbol < len(self.names) and frame < n_frames
            if is_new and known and not again:
                indices.append(symbol)
                spelled.frames.append(frame)
            if word >= 0:
                if word < len(self._words):
                    self._end_word(spelled, self._words[word], begun)
                begun = len(indices)
        if worded and indices and indices[-1] == self._space:
            del indices[-1], spelled.frames[-1]
        return spelled

    def _end_word(self, spelled: Spelled, word: str, begun: int) -> None:
        """End a word; its symbols, and spaces around them, are those from ``begun``."""
        indices, lexicon = spelled.indices, self.lexicon
        assert lexicon is not None  # there are words
        inside = [i for i in range(begun, len(indices)) if indices[i] != self._space]
        letters = tuple(self.names[indices[i]] for i in inside)
        text = lexicon.label(word)
        if letters not in lexicon.letters_of(word):
            if letters[-1:] == letters[-2:-1]:
                # A piece that lasts may end in a doubled token, see ``Lexicon.text``.
                del indices[inside[-1]], spelled.frames[inside[-1]]
                inside.pop()
            elif letters[-1] in MARKS and not text.endswith(letters[-1]):
                text += letters[-1]
        if self.labelled and inside:
            spelled.labels.append(Label(text, inside[0], inside[-1] + 1))
