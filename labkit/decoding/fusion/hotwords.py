"""Contextual biasing: words and phrases to prefer (hot words), as an automaton.

Each word of a hot word ("saint pierre": two) gains a weight, letter by letter, so that
a beam keeps prefixes that may become one. A hot word starts and ends where a word
does; a prefix that does not become one loses all that it has gained. Hot
words do not overlap: of two, the one that starts first counts, and of those the
longest. Words lie between spaces, apostrophes, commas, full stops and the ends of a
transcript, so "ile" is found in "l'ile".

The construction is that of A. V. Aho and M. J. Corasick, "Efficient string matching",
CACM 1975, with a gain for each step.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping

import torch
from torch import Tensor

from labkit.base import USAGE, LabError
from labkit.decoding.fusion.automaton import Automaton
from labkit.text import MARKS, Alphabet, normalise

_BETWEEN_WORDS = frozenset(" '" + MARKS)  # and the ends of a transcript
_LONGEST = 100  # characters; the time to compile one grows with their square


def compile_hotwords(
    words: Iterable[str], alphabet: Alphabet, weight: float
) -> Automaton:
    """Normalise hot words and compile them to an automaton.

    A state is a text that may still become a hot word (empty, at the start of a
    word), or the inside of another word. Each word gains ``weight``, in nats.

    Raises:
        LabError: A hot word has no letter, is too long or not of the alphabet, or the
            weight is not finite.
    """
    if not math.isfinite(weight):
        cause = f"a weight of {weight} for hot words"
        raise LabError(cause, "give a finite number", USAGE)
    index = {char: i for char, i in alphabet.index.items() if char != alphabet.blank}
    worth = {}
    for word in words:
        phrase = _normalise_hotword(word, alphabet)
        worth[phrase] = weight * len(phrase.split(" "))
    credit = _credit(worth, weight)
    states = {prefix: i for i, prefix in enumerate(sorted(credit, key=len))}
    inside = len(states)  # in a word that is not hot
    between = {alphabet.start, alphabet.end, *_BETWEEN_WORDS}
    boundaries = [index[char] for char in between if char in index]

    next_ = torch.full((inside + 1, len(alphabet.symbols)), inside)
    gain = torch.zeros(next_.shape, dtype=torch.float64)
    final = gain.new_zeros(inside + 1)
    next_[inside, boundaries] = states[""]
    for prefix, state in states.items():
        held = credit[prefix]
        earned, fallback = _give_up(prefix, worth, index, next_, gain)
        next_[state] = next_[fallback]
        gain[state] = gain[fallback] + (earned - held)
        final[state] = final[fallback] + (earned - held)
        if prefix in worth:
            next_[state, boundaries] = next_[inside, boundaries]
            gain[state, boundaries] = final[state] = worth[prefix] - held
        for char, symbol in index.items():
            if prefix + char in states:
                next_[state, symbol] = states[prefix + char]
                gain[state, symbol] = credit[prefix + char] - held
    blank = alphabet.blank_id
    gain[:, blank], next_[:, blank] = 0.0, torch.arange(inside + 1)
    return Automaton(states[""], next_.int(), gain.float(), final.float())


def _give_up(
    prefix: str,
    worth: Mapping[str, float],
    index: Mapping[str, int],
    next_: Tensor,
    gain: Tensor,
) -> tuple[float, int]:
    """Find the state after a prefix of a hot word that continues differently.

    If it starts with a whole hot word, that counts, and the rest is read again; else
    its first word is not hot, and the rest is read again. The tables are ready for
    all shorter prefixes. Returns its gain in the end, and that state.
    """
    cuts = [n for n, char in enumerate(prefix) if char in _BETWEEN_WORDS]
    cut = max((n for n in cuts if prefix[:n] in worth), default=0)
    total, state = worth[prefix[:cut]] if cut else 0.0, len(next_) - 1
    for char in prefix[cut:]:
        total += gain[state, index[char]].item()
        state = int(next_[state, index[char]])
    return total, state


def _normalise_hotword(word: str, alphabet: Alphabet) -> str:
    phrase = normalise(word).strip(alphabet.space + MARKS)
    letters = {*alphabet.symbols} - {alphabet.blank, *MARKS}
    letters -= {alphabet.start, alphabet.end, alphabet.unknown}
    outside = {*phrase} - letters
    if outside:
        reason = f"holds {' '.join(sorted(outside))}"
    elif not any(map(str.isalnum, phrase)):
        reason = "has no letter"
    elif len(phrase) > _LONGEST:
        reason = f"has {len(phrase)} characters, more than {_LONGEST}"
    else:
        return phrase
    raise LabError(
        f"the hot word {word[:_LONGEST]!r} {reason}",
        "write a word or a short phrase with the letters of the alphabet",
        USAGE,
    )


def _credit(phrases: Iterable[str], weight: float) -> dict[str, float]:
    """Divide the gain of each word among its letters.

    A prefix of the phrases has gained ``weight`` for each whole word, and a part for
    the word that has begun; if it begins several words, the part of the shortest.
    """
    parts = {"": 0.0}
    for phrase in phrases:
        words = phrase.split(" ")
        for n in range(1, len(phrase) + 1):
            done = phrase.count(" ", 0, n)
            begun = n - (phrase.rfind(" ", 0, n) + 1)
            part = done + begun / len(words[done])
            parts[phrase[:n]] = max(part, parts.get(phrase[:n], 0.0))
    return {prefix: weight * part for prefix, part in parts.items()}
