"""Properties of the language models, against Kneser-Ney in exact fractions."""

from __future__ import annotations

import math
import random
from collections import Counter
from fractions import Fraction
from functools import lru_cache
from itertools import product

import pytest
from helpers.language import perplexity, score

from labkit.base.errors import LabError
from labkit.lm.ngram import END, START, UNKNOWN, NGram, estimate, symbols_of

SENTENCES = (
    "le chat dort sur le lit",
    "le chien dort sous la table",
    "la table est dans la cuisine",
    "l'eau est froide, dit le chat.",
    "le chat et le chien",
    "est ce que la cuisine est froide.",
    "dort",
)
CHARACTERS = [symbols_of(s, "char") for s in SENTENCES]
WORDS = [symbols_of(s, "word") for s in SENTENCES]


def total(model: NGram, context: tuple[str, ...]) -> float:
    """Sum the probabilities of all that may follow."""
    return sum(math.exp(model.log_prob(context, w)) for w in model.vocabulary)


def drawn_text(seed: int, n_sentences: int = 40) -> list[list[str]]:
    """Draw sentences of a few frequent and many rare symbols."""
    draw = random.Random(seed)
    symbols = [f"w{i}" for i in range(25)]
    weights = [1 / (i + 1) for i in range(25)]
    lengths = (draw.randrange(7) for _ in range(n_sentences))
    return [draw.choices(symbols, weights, k=k) for k in lengths]


class KneserNey:
    """Interpolated Kneser-Ney in exact fractions, by looking through the text."""

    def __init__(self, text: list[list[str]], order: int) -> None:
        self.order = order
        self.seen: Counter[tuple[str, ...]] = Counter()
        for sentence in ((START, *s, END) for s in text):
            for i, j in product(range(len(sentence) + 1), repeat=2):
                if i < j <= i + order:
                    self.seen[sentence[i:j]] += 1
        self.symbols = sorted({g[0] for g in self.seen if len(g) == 1})
        self.predicted = [w for w in self.symbols if w != START]
        self.p = lru_cache(None)(self.p)
        self.discounts = lru_cache(None)(self.discounts)

    def count(self, gram: tuple[str, ...]) -> int:
        """Count occurrences, or where a lower order asks, symbols before it."""
        if len(gram) == self.order or gram[0] == START:
            return self.seen[gram]
        return sum((x, *gram) in self.seen for x in self.symbols)

    def discounts(self, n: int) -> dict[int, Fraction]:
        """Estimate the discount of a count of 0, 1, 2 and 3 or more."""
        grams = [g for g in self.seen if len(g) == n and g != (START,)]
        n1, n2, n3, n4 = (sum(self.count(g) == k for g in grams) for k in (1, 2, 3, 4))
        y = Fraction(n1, n1 + 2 * n2) if n1 and n2 else Fraction(1, 2)
        if n3 and n4:
            three = {
                0: Fraction(0),
                1: 1 - 2 * y * Fraction(n2, n1),
                2: 2 - 3 * y * Fraction(n3, n2),
                3: 3 - 4 * y * Fraction(n4, n3),
            }
            if 0 < three[1] < 1 and 0 < three[2] < 2 and 0 < three[3] < 3:
                return three
        return {0: Fraction(0), 1: y, 2: y, 3: y}

    def p(self, context: tuple[str, ...], symbol: str) -> Fraction:
        """Return the probability of a symbol; one never seen is the unknown."""
        if context:
            lower = self.p(context[1:], symbol)
        else:
            lower = Fraction(1, len(self.predicted) + 1)
        counts = {w: self.count((*context, w)) for w in self.predicted}
        if not any(counts.values()):
            return lower
        taken = self.discounts(len(context) + 1)
        off = {w: taken[min(c, 3)] for w, c in counts.items()}
        own = counts.get(symbol, 0) - off.get(symbol, 0)
        return (own + sum(off.values()) * lower) / sum(counts.values())


@pytest.mark.parametrize("seed, order", [(0, 1), (1, 1), (4, 2), (4, 3), (4, 4)])
def test_every_probability_is_that_of_kneser_ney_in_exact_fractions(
    seed: int, order: int
) -> None:
    text = drawn_text(seed)
    model, oracle = estimate(text, order), KneserNey(text, order)
    # Both ways of discounting, or a mistake in one would pass.
    plain = [len({*oracle.discounts(n).values()}) == 2 for n in range(1, order + 1)]
    assert plain == ([seed == 0] if order == 1 else [True, False, True, True][:order])
    assert model.vocabulary == sorted([*oracle.predicted, UNKNOWN])
    seen = [g[1:] for g in oracle.seen if len(g) <= order]
    for context in [*seen, *model.backoffs, ("w0",) * (order - 1)]:
        for symbol in model.vocabulary:
            wanted = float(oracle.p(context, symbol))
            found = math.exp(model.log_prob(context, symbol))
            assert math.isclose(found, wanted, rel_tol=1e-9), (context, symbol)


@pytest.mark.parametrize("text", [CHARACTERS, WORDS, [["a"]], [[]], [list("aaaa")]])
@pytest.mark.parametrize(
    "order, min_counts",
    [(1, [1]), (2, [1]), (3, [1, 1, 2]), (3, [2]), (4, [1, 2, 3]), (6, [1]), (6, [9])],
)
def test_what_may_follow_a_context_sums_to_one_pruned_or_not(
    text: list[list[str]], order: int, min_counts: list[int]
) -> None:
    model = estimate(text, order, min_counts)
    unseen = [(), (START,), ("q", "z"), (UNKNOWN,), ("chat", "q"), ("t", "|") * 4]
    for context in [*model.backoffs, *unseen]:
        assert math.isclose(total(model, context), 1, abs_tol=1e-9), context
    assert START not in model.vocabulary and {END, UNKNOWN} <= {*model.vocabulary}


def test_pruning_keeps_what_occurs_often_enough_and_nothing_else() -> None:
    text, least = drawn_text(5), [1, 3, 4]
    everything = KneserNey(text, 3).seen
    kept = {g for g, c in everything.items() if c >= least[len(g) - 1]}
    assert {*estimate(text, 3, least).log_probs} == kept | {(UNKNOWN,)}
    assert len(kept) < len(everything) - 50


def test_rare_symbols_become_the_unknown() -> None:
    text = [list("aab"), list("aba"), list("ca")]
    model = estimate(text, 2, [2, 1])
    assert model == estimate([list("aab"), list("aba"), [UNKNOWN, "a"]], 2)
    assert model.vocabulary == [END, UNKNOWN, "a", "b"]
    assert model.log_prob("c", "a") == model.log_prob([UNKNOWN], "a")
    assert model.log_prob("a", "c") == model.log_prob("a", UNKNOWN)


@pytest.mark.parametrize("text", [CHARACTERS, WORDS, drawn_text(1)])
def test_what_was_seen_is_likelier_than_by_backing_off(text: list[list[str]]) -> None:
    model = estimate(text, 4)
    for gram, log_prob in model.log_probs.items():
        if len(gram) > 1:
            unseen = model.backoffs[gram[:-1]] + model.log_prob(gram[1:-1], gram[-1])
            assert log_prob > unseen + 1e-12


def test_a_symbol_seen_in_many_contexts_is_likelier_where_the_context_is_new() -> None:
    # "san francisco" five times; "tea" three times, after three different words.
    text = [["san", "francisco"]] * 5 + [[w, "tea"] for w in ("hot", "cold", "my")]
    model = estimate(text, 2)
    assert model.log_prob(["new"], "tea") > model.log_prob(["new"], "francisco")


def test_the_perplexity_of_its_own_text_falls_with_the_order() -> None:
    found = [perplexity(estimate(CHARACTERS, n), CHARACTERS) for n in range(1, 7)]
    assert found == sorted(found, reverse=True) and found[-1] < found[0] / 3
    assert 1 < found[-1] < found[0] < len(estimate(CHARACTERS, 1).vocabulary)


def test_score_and_perplexity_are_sums_over_the_symbols_and_the_end() -> None:
    model, sentence = estimate(WORDS, 3), ["le", "zèbre", "dort"]
    by_hand = (
        model.log_prob([START], "le")
        + model.log_prob([START, "le"], "zèbre")
        + model.log_prob(["le", "zèbre"], "dort")
        + model.log_prob(["zèbre", "dort"], END)
    )
    assert math.isclose(score(model, sentence), by_hand)
    assert math.isclose(perplexity(model, [sentence] * 2), math.exp(-by_hand / 4))
    longer = [START, "x", *sentence[:2]]
    assert model.log_prob(longer, "dort") == model.log_prob(sentence[:2], "dort")


@pytest.mark.parametrize(
    "order, min_counts, text, cause",
    [
        (0, [1], WORDS, "order 0"),
        (21, [1], WORDS, "order 21"),
        (3, [0], WORDS, "minimal counts 0"),
        (3, [1, 3, 2], WORDS, "minimal counts 1 3 2"),
        (2, [1, 1, 1], WORDS, "minimal counts 1 1 1"),
        (2, [1], [], "no sentence"),
        (2, [1], [["a b"]], "'a b' cannot be a symbol"),
        (2, [1], [[""]], "'' cannot be a symbol"),
        (2, [1], [["a", START]], "'<s>' cannot be a symbol"),
    ],
)
def test_a_model_that_cannot_be_is_refused(
    order: int, min_counts: list[int], text: list[list[str]], cause: str
) -> None:
    with pytest.raises(LabError, match=cause):
        estimate(text, order, min_counts)


def test_symbols_are_cut_as_the_models_write_them() -> None:
    assert symbols_of("l'eau, ❌ a.", "char") == [*"l'eau,|", UNKNOWN, *"|a."]
    assert symbols_of("l'eau, a❌ a,dit.", "word") == ["l'eau", UNKNOWN, "a", "dit"]
    assert estimate(CHARACTERS, 2).is_character_model
    assert not estimate(WORDS, 2).is_character_model
