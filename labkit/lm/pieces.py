"""Word pieces: frequent parts of words, as symbols of a language model.

A piece that starts a word begins with ``▁``, as SentencePiece writes it. A comma, a
full stop and what is unknown are never part of a longer piece.

Source: R. Sennrich, B. Haddow and A. Birch, "Neural machine translation of rare words
with subword units", ACL 2016 (byte-pair encoding).
"""

from __future__ import annotations

import re
from collections import Counter, defaultdict
from collections.abc import Collection, Iterable, Iterator

from labkit.lm.ngram import PIECE, UNKNOWN
from labkit.text import ALPHABET, MARKS

_ALONE = re.escape(MARKS + ALPHABET.unknown)
_CHUNK = re.compile(rf"[^{_ALONE}]+|[{_ALONE}]")


def _chunks(text: str) -> Iterator[list[str]]:
    """Yield the parts of a normalised text that pieces may lie in, in characters."""
    for word in text.split():
        for number, chunk in enumerate(_CHUNK.findall(word)):
            start = "" if number else PIECE
            yield [start + chunk[0], *chunk[1:]]


def learn_pieces(texts: Iterable[str], n_pieces: int) -> set[str]:
    """Learn pieces by byte-pair encoding.

    Starting from characters, the pair of pieces that stand side by side most often
    becomes a piece; of equally frequent pairs, the first in the order of the alphabet.

    Args:
        texts: Normalised texts.
        n_pieces: How many pieces there should be; fewer, if no pair occurs twice. All
            characters are among them.
    """
    counts = Counter(tuple(chunk) for text in texts for chunk in _chunks(text))
    chunks, pieces = [list(chunk) for chunk in counts], {c for x in counts for c in x}
    often, pairs = [*counts.values()], Counter()
    where: dict[tuple[str, str], set[int]] = defaultdict(set)
    for i, chunk in enumerate(chunks):
        for pair in zip(chunk, chunk[1:]):
            pairs[pair] += often[i]
            where[pair].add(i)
    while len(pieces) < n_pieces and pairs:
        best, count = min(pairs.items(), key=lambda item: (-item[1], item[0]))
        if count < 2:
            break
        pieces.add("".join(best))
        for i in sorted(where.pop(best)):
            for pair in zip(chunks[i], chunks[i][1:]):
                pairs[pair] -= often[i]
            chunks[i] = _merged(chunks[i], best)
            for pair in zip(chunks[i], chunks[i][1:]):
                pairs[pair] += often[i]
                where[pair].add(i)
        del pairs[best]
    return pieces


def _merged(chunk: list[str], pair: tuple[str, str]) -> list[str]:
    """Join every occurrence of a pair."""
    merged: list[str] = []
    for piece in chunk:
        if merged and (merged[-1], piece) == pair:
            merged[-1] += piece
        else:
            merged.append(piece)
    return merged


def cut_into_pieces(text: str, pieces: Collection[str]) -> list[str]:
    """Cut a normalised text into pieces, from left to right the longest that fits.

    A character that is no piece becomes ``<unk>``.
    """
    longest = max(map(len, pieces), default=1)
    found = []
    for chunk in _chunks(text):
        while chunk:
            ends = range(min(longest, len(chunk)), 0, -1)
            fits = (n for n in ends if "".join(chunk[:n]) in pieces)
            n = next(fits, 0)
            found.append("".join(chunk[:n]) if n else UNKNOWN)
            chunk = chunk[max(n, 1) :]
    return found
