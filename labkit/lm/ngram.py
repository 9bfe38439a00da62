"""N-gram language models: interpolated Kneser-Ney from counts, in plain Python.

A model predicts a symbol, a character or a word, from the few symbols before it.
A sentence is read between ``<s>``, which is never predicted, and ``</s>``, which is.
All scores are natural logarithms (nats).

Sources: R. Kneser and H. Ney, "Improved backing-off for m-gram language modeling",
ICASSP 1995; S. F. Chen and J. Goodman, "An empirical study of smoothing techniques
for language modeling", TR-10-98, Harvard 1998 (interpolation, three discounts).
"""

from __future__ import annotations

import math
from collections import Counter, defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

from labkit.base import USAGE, LabError
from labkit.text import ALPHABET

START = "<s>"
END = "</s>"
UNKNOWN = "<unk>"
SPACE = "|"  # how a model of characters writes the space
PIECE = "▁"  # how a word piece begins that starts a word
MAX_ORDER = 20  # of a model to build; longer contexts hardly occur twice
KENLM_ORDERS = (2, 6)  # what the KenLM that comes with Flashlight reads

# How a file writes ln 0, for example that of <s>, which is never predicted.
ZERO_LOG_PROB = -99 * math.log(10)
# What KenLM gives to a missing <unk>.
NO_UNKNOWN_LOG_PROB = -100 * math.log(10)

_PLAIN_DISCOUNT = 0.5  # for a text that is too small to estimate one

Ngram = tuple[str, ...]
Counts = Mapping[Ngram, int]


def symbols_of(text: str, units: str) -> list[str]:
    """Cut a normalised text, without start and end markers, into a model's symbols.

    With the units "char" the space becomes ``|``; with "word", full stops and commas
    count as spaces. A character outside the alphabet, or the word that holds one,
    becomes ``<unk>``.
    """
    unknown = ALPHABET.unknown
    if units == "char":
        special = {" ": SPACE, unknown: UNKNOWN}
        return [special.get(char, char) for char in text]
    words = text.replace(",", " ").replace(".", " ").split()
    return [UNKNOWN if unknown in word else word for word in words]


@dataclass
class NGram:
    """A back-off language model: p(w | h) = p(h w) if listed, else b(h) p(w | h').

    ``h'`` is the context ``h`` without its first symbol.

    Attributes:
        order: The longest n-gram; a symbol is predicted from ``order - 1`` others.
        log_probs: ln p of the last symbol of an n-gram given those before it.
        backoffs: ln b of a context; 0 for one that is not listed.
    """

    order: int
    log_probs: dict[Ngram, float]
    backoffs: dict[Ngram, float]

    @property
    def vocabulary(self) -> list[str]:
        """The symbols that can be predicted, sorted: with ``</s>`` and ``<unk>``."""
        return sorted(g[0] for g in self.log_probs if len(g) == 1 and g[0] != START)

    @property
    def is_character_model(self) -> bool:
        """Whether every symbol is one character."""
        return all(len(w) == 1 for w in self.vocabulary if w not in (END, UNKNOWN))

    def log_prob(self, context: Sequence[str], symbol: str) -> float:
        """Return ln p(symbol | context); unknown symbols count as ``<unk>``.

        The context starts with ``<s>`` where the sentence does; more than
        ``order - 1`` symbols may be given.
        """
        symbols = (*context[max(0, len(context) - self.order + 1) :], symbol)
        ngram = tuple(w if (w,) in self.log_probs else UNKNOWN for w in symbols)
        backoff = 0.0
        while ngram not in self.log_probs:
            if len(ngram) == 1:
                return backoff + NO_UNKNOWN_LOG_PROB
            backoff += self.backoffs.get(ngram[:-1], 0.0)
            ngram = ngram[1:]
        return backoff + self.log_probs[ngram]

    def completed(self) -> NGram:
        """Return the same model, with each part of an n-gram that it lacks.

        Tools prune n-grams that are parts of longer ones; the model says the same of
        them through its back-off weights. KenLM has room for few that are missing.
        """
        whole = NGram(self.order, dict(self.log_probs), dict(self.backoffs))
        for n in range(self.order, 2, -1):
            longer = [gram for gram in whole.log_probs if len(gram) == n]
            for part in (p for gram in longer for p in (gram[:-1], gram[1:])):
                if part not in whole.log_probs:
                    whole.log_probs[part] = self.log_prob(part[:-1], part[-1])
        return whole


def estimate(
    sentences: Iterable[Sequence[str]], order: int, min_counts: Sequence[int] = (1,)
) -> NGram:
    """Estimate a model by interpolated, modified Kneser-Ney smoothing.

    With a(g) the count of an n-gram g = h w (see ``_adjusted_counts``) and D its
    discount, p(w | h) = (a(h w) - D) / a(h .) + b(h) p(w | h'), where the back-off
    weight b(h) is the share of a(h .) that discounts and pruning have set free; the
    last fallback is the uniform distribution over the vocabulary and ``<unk>``.

    Args:
        sentences: The symbols of each sentence, without ``<s>`` and ``</s>``.
        order: The longest n-gram, 1 to 20.
        min_counts: For each order, how often an n-gram must occur to be kept; the
            last number stands for the orders that follow. Symbols rarer than the
            first number are read as ``<unk>``. From order 2 on, the numbers must
            not fall: an n-gram needs its context.

    Raises:
        LabError: An argument is out of its range, there is no sentence, or a symbol
            cannot stand in a model.
    """
    min_counts = _checked(order, min_counts)
    text = _limit_vocabulary([tuple(s) for s in sentences], min_counts[0])
    _check_symbols(text)
    raw = _raw_counts(text, order)
    adjusted = _adjusted_counts(raw)
    del adjusted[0][(START,)]  # never predicted

    shares, weights = _discount(adjusted[0], set(adjusted[0]))
    vocabulary = {*adjusted[0], (UNKNOWN,)}
    uniform = weights.pop(()) / len(vocabulary)
    probs = {gram: shares.get(gram, 0.0) + uniform for gram in vocabulary}
    backoffs: dict[Ngram, float] = {}
    for counts, occurrences, least in zip(adjusted[1:], raw[1:], min_counts[1:]):
        kept = {gram for gram in counts if occurrences[gram] >= least}
        shares, weights = _discount(counts, kept)
        for gram, share in shares.items():
            probs[gram] = share + weights[gram[:-1]] * probs[gram[1:]]
        backoffs.update((h, math.log(b)) for h, b in weights.items())
    log_probs = {gram: math.log(p) for gram, p in probs.items()}
    log_probs[(START,)] = ZERO_LOG_PROB
    return NGram(order, log_probs, backoffs)


def _checked(order: int, min_counts: Sequence[int]) -> list[int]:
    """Return one minimal count for each order."""
    if not 1 <= order <= MAX_ORDER:
        remedy = f"choose an order from 1 to {MAX_ORDER}"
        raise LabError(f"no model of order {order}", remedy, USAGE)
    counts = [*min_counts, *[min_counts[-1]] * (order - len(min_counts))]
    falls = any(low > high for low, high in zip(counts[1:], counts[2:]))
    if len(min_counts) > order or min(counts) < 1 or falls:
        shown = " ".join(map(str, min_counts))
        raise LabError(
            f"minimal counts {shown}: not usable with order {order}",
            f"give at most {order}, each 1 or more, not falling from order 2 on",
            USAGE,
        )
    return counts


def _limit_vocabulary(text: list[Ngram], min_count: int) -> list[Ngram]:
    """Read the symbols that occur less than ``min_count`` times as ``<unk>``."""
    counts = Counter(w for sentence in text for w in sentence)
    return [
        tuple(w if counts[w] >= min_count else UNKNOWN for w in sentence)
        for sentence in text
    ]


def _raw_counts(text: list[Ngram], order: int) -> list[Counter[Ngram]]:
    counts: list[Counter[Ngram]] = [Counter() for _ in range(order)]
    for sentence in text:
        padded = (START, *sentence, END)
        counts[-1].update(zip(*(padded[i:] for i in range(order))))
        for n in range(1, min(order, len(padded) + 1)):
            counts[n - 1][padded[:n]] += 1
    # Every shorter n-gram but those at the start ends a longer one.
    for longer, shorter in zip(counts[:0:-1], counts[-2::-1]):
        for gram, count in longer.items():
            shorter[gram[1:]] += count
    return counts


def _check_symbols(text: list[Ngram]) -> None:
    """Refuse a symbol that an ARPA file cannot hold, or uses for itself."""
    if not text:
        raise LabError("no sentence to learn from", "give a text that is not empty")
    for symbol in {w for sentence in text for w in sentence}:
        if symbol in (START, END) or symbol.split() != [symbol]:
            raise LabError(
                f"{symbol!r} cannot be a symbol of a language model",
                f"leave {START} and {END} out, and write a space as {SPACE}",
            )


def _adjusted_counts(raw: Sequence[Counts]) -> list[Counter[Ngram]]:
    """Count for each n-gram the different symbols that come before it.

    "Francisco" is frequent, but after "San" alone: where the context is unknown, it
    is less likely than its count says (Kneser & Ney 1995). N-grams of the
    highest order, and those that start with ``<s>`` and so have nothing before them,
    keep the counts of the text.
    """
    adjusted = [Counter(gram[1:] for gram in longer) for longer in raw[1:]]
    for counts, shorter in zip(adjusted, raw):
        counts.update({g: c for g, c in shorter.items() if g[0] == START})
    return [*adjusted, Counter(raw[-1])]


def _discounts(counts: Iterable[int]) -> tuple[float, ...]:
    """Estimate the discounts of a count of 1, of 2, and of 3 or more.

    From the numbers of n-grams counted once to four times (Chen & Goodman 1998).
    Where one of these is missing or a discount would not be positive, one discount
    for all (Ney, Essen and Kneser 1994); in the smallest texts a constant.
    """
    of = Counter(c for c in counts if c <= 4)
    if not (of[1] and of[2]):
        return (_PLAIN_DISCOUNT,) * 3
    single = of[1] / (of[1] + 2 * of[2])
    if of[3] and of[4]:
        three = tuple(k - (k + 1) * single * of[k + 1] / of[k] for k in (1, 2, 3))
        if min(three) > 0:
            return three
    return (single,) * 3


def _discount(
    counts: Counts, kept: set[Ngram]
) -> tuple[dict[Ngram, float], dict[Ngram, float]]:
    """Discount the n-grams of one order.

    Returns the discounted share of its context's count that each kept n-gram has, and
    the share that is left to each context.
    """
    discounts = (0.0, *_discounts(counts.values()))
    totals: dict[Ngram, int] = defaultdict(int)
    free: dict[Ngram, float] = defaultdict(float)
    for gram, count in counts.items():
        totals[gram[:-1]] += count
        free[gram[:-1]] += discounts[min(count, 3)] if gram in kept else count
    shares = {
        gram: (counts[gram] - discounts[min(counts[gram], 3)]) / totals[gram[:-1]]
        for gram in kept
    }
    # A context without any kept n-gram has a weight of 1, so it is not listed.
    contexts = {gram[:-1] for gram in kept}
    return shares, {context: free[context] / totals[context] for context in contexts}
