"""Properties of the automata of language models and hot words, against oracles."""

from __future__ import annotations

import math
import random
from collections.abc import Sequence
from dataclasses import replace
from itertools import product

import pytest
import torch
from data import CharMap
from helpers.language import gain_so_far, score

from labkit.base.errors import LabError
from labkit.decoding.fusion.hotwords import compile_hotwords
from labkit.decoding.fusion.ngram import compile_ngram
from labkit.lm.ngram import END, START, UNKNOWN, NGram, estimate
from labkit.text import Alphabet

CHARMAP = CharMap()
FRENCH = "il y a de l'eau|a saint pierre|les iles de l'ouest,|il a lu, elle rit.|a la"
LETTERS = "abeilnorst' ,."
HOTWORDS = ("Saint-Pierre", "Saint-Pierre-et-Miquelon", "pierrot", "Île")
WEIGHT = 4.0


def french_model(order: int = 4, min_counts: Sequence[int] = (1,)) -> NGram:
    """Estimate a model from a little French."""
    text = [[*line.replace(" ", "|")] for line in FRENCH.split("|") * 2]
    return estimate(text, order, min_counts)


def encode(text: str) -> list[int]:
    return [CHARMAP.char2idx[char] for char in text]


def ends_word(text: str, place: int) -> bool:
    """Check whether no word reaches from before ``place`` to behind it."""
    return place in (0, len(text)) or text[place] in " ',.¶¦"


def hot_gain(text: str, hotwords: Sequence[str], weight: float) -> float:
    """Count the words of the hot words of ``text``: the first, of these the longest."""
    place, total = 0, 0.0
    while place < len(text):
        starts = place == 0 or text[place - 1] in " ',.¶¦"
        here = [
            hot
            for hot in hotwords
            if starts
            and text.startswith(hot, place)
            and ends_word(text, place + len(hot))
        ]
        longest = max(here, key=len, default=None)
        if longest:
            total += weight * len(longest.split())
        place += len(longest) if longest else 1
    return total


def assert_close(one: float, other: float, tolerance: float = 1e-4) -> None:
    assert math.isclose(one, other, rel_tol=1e-6, abs_tol=tolerance)


def as_symbols(text: str) -> list[str]:
    """Write what ``text`` means to a model: only its first ¶ is a start."""
    inside = text[1:] if text.startswith("¶") else text
    return [{" ": "|", "¶": UNKNOWN, "❌": UNKNOWN}.get(c, c) for c in inside]


@pytest.mark.parametrize(
    "order, min_counts", [(1, [1]), (2, [1]), (4, [2, 3]), (6, [1])]
)
def test_an_automaton_gives_a_text_what_its_model_gives(
    order: int, min_counts: list[int]
) -> None:
    model = french_model(order, min_counts)
    automaton = compile_ngram(model, CHARMAP.alphabet)
    draw = random.Random(order)
    lines = [*FRENCH.split("|"), "", "¶", "¶a", "a¶b", "❌", "l'❌eau", "z3,k"]
    for _ in range(300):
        noise = draw.choices(LETTERS + "zk7❌", k=draw.randint(0, 4))
        line = draw.choice(lines)
        lines.append(line[: draw.randint(0, len(line))] + "".join(noise))
    for text in lines:
        wanted = score(model, as_symbols(text))
        assert_close(automaton.total(encode(text)), wanted)
        # The end of a transcript costs the same, whether it is written or not.
        assert_close(automaton.total(encode(text + "¦")), wanted)
        assert_close(gain_so_far(automaton, encode(text + "¦")), wanted)
        open_end = sum(
            model.log_prob([START, *as_symbols(text)[:i]], symbol)
            for i, symbol in enumerate(as_symbols(text))
        )
        assert_close(gain_so_far(automaton, encode(text)), open_end)


def test_what_follows_the_end_is_unknown() -> None:
    model = french_model()
    automaton = compile_ngram(model, CHARMAP.alphabet)
    unknown = model.log_prob([START], UNKNOWN)
    for symbol in "a ¶¦❌":
        longer = gain_so_far(automaton, encode(f"il¦{symbol}"))
        assert_close(longer - automaton.total(encode("il¦")), unknown)


def test_a_model_without_unknown_characters_is_compiled() -> None:
    model = french_model(3)
    log_probs = {g: p for g, p in model.log_probs.items() if UNKNOWN not in g}
    model = replace(model, log_probs=log_probs)
    automaton = compile_ngram(model, CHARMAP.alphabet)
    for text in ("il a", "zut", "l❌"):
        assert_close(automaton.total(encode(text)), score(model, as_symbols(text)))


def test_a_context_with_a_weight_and_nothing_listed_counts() -> None:
    model = NGram(
        3,
        {(START,): -99.0, (END,): -1.0, (UNKNOWN,): -6.0, ("a",): -1.0, ("b",): -2.0}
        # Listed although its own context ("a", "b") is not, nor is ("a",) one.
        | {("b", "b"): -0.5, ("a", "b", "b"): -0.25},
        {("b",): -0.125, ("b", "a"): -3.0, ("b", "b"): -0.75},
    )
    automaton = compile_ngram(model, Alphabet((*"¬ ab",)))
    for n in range(6):
        for text in product("ab", repeat=n):
            indices = ["¬ ab".index(char) for char in text]
            assert_close(automaton.total(indices), score(model, text), 1e-5)


def test_steps_and_tables_agree() -> None:
    automaton = compile_ngram(french_model(), CHARMAP.alphabet)
    hotwords = compile_hotwords(HOTWORDS, CHARMAP.alphabet, 3.0)
    draw = random.Random(1)
    for one in (automaton, hotwords):
        assert one.next.dtype == torch.int32 and one.gain.dtype == torch.float32
        for _ in range(200):
            state = draw.randrange(len(one.final))
            symbol = draw.randrange(1, CHARMAP.vocab_size)
            gain, next_ = one.step(state, symbol)
            assert gain == one.gain[state, symbol].item()
            assert next_ == one.next[state, symbol].item()


@pytest.mark.parametrize(
    "text, n_words",
    [
        ("saint pierre", 2),
        ("a saint pierre.", 2),
        ("¶saint pierre¦", 2),
        ("saint pierre et miquelon", 4),  # not 2 more for its first words
        ("saint pierre et saint pierre", 4),
        ("saint saint pierre", 2),
        ("saint pierrot", 1),
        ("l'ile,ile.ile", 3),
        ("ile'x", 1),
        ("saint", 0),
        ("pierres", 0),
        ("saint pierres", 0),
        ("saintpierre", 0),
        ("xile", 0),
        ("ilet", 0),
        ("il e", 0),
        ("", 0),
    ],
)
def test_each_word_of_a_hot_word_earns_its_weight(text: str, n_words: int) -> None:
    automaton = compile_hotwords(HOTWORDS, CHARMAP.alphabet, WEIGHT)
    assert_close(automaton.total(encode(text)), WEIGHT * n_words, 1e-5)


def test_hot_words_are_found_wherever_they_stand() -> None:
    # Of two letters, so that they share beginnings and hold one another.
    alphabet, words = "¬ ab'.", ("a", "b", "ab", "ba", "aab", "abb", "a'b", "b'a'b")
    draw = random.Random(0)
    for _ in range(80):
        phrases = [draw.choices(words, k=3) for _ in range(3)]
        starts = [" ".join(phrase[:n]) for phrase in phrases for n in (1, 2, 3)]
        hotwords = draw.sample(starts, 6)
        automaton = compile_hotwords(hotwords, Alphabet((*alphabet,)), WEIGHT)
        for _ in range(80):
            text = "".join(
                draw.choices("ab '.", (5, 5, 4, 1, 1), k=draw.randint(0, 14))
            )
            indices = [alphabet.index(char) for char in text]
            wanted = hot_gain(text, hotwords, WEIGHT)
            assert_close(automaton.total(indices), wanted)


def test_a_hot_word_earns_letter_by_letter_and_gives_all_back() -> None:
    automaton = compile_hotwords(HOTWORDS, CHARMAP.alphabet, WEIGHT)
    earned = [gain_so_far(automaton, encode("pierrot"[:n])) for n in range(8)]
    assert earned[0] == 0 and earned == sorted(set(earned))
    assert_close(earned[-1], WEIGHT, 1e-5)
    for n in range(1, 7):
        assert_close(gain_so_far(automaton, encode("pierrot"[:n] + "x")), 0, 1e-5)
        assert_close(automaton.total(encode("pierrot"[:n])), 0, 1e-5)
    # What is sure is kept when the longer hot word is not said.
    kept = gain_so_far(automaton, encode("saint pierre et moi"))
    assert_close(kept, 2 * WEIGHT, 1e-5)


def test_the_order_of_hot_words_does_not_matter() -> None:
    one, other = (
        compile_hotwords(words, CHARMAP.alphabet, WEIGHT)
        for words in (("pierre", "pierrot", "pier"), ("pier", "pierrot", "pierre"))
    )
    for n in range(8):
        start = encode("pierrot"[:n])
        assert gain_so_far(one, start) == gain_so_far(other, start)


def test_a_model_of_words_is_refused_with_what_can_use_it() -> None:
    model = estimate([["il", "y", "a"], ["la", "mer"]], 2)
    with pytest.raises(LabError, match="not one of words") as caught:
        compile_ngram(model, CHARMAP.alphabet)
    # Flashlight has no wheel for a newer Python, and sends who asks for it to beam.
    for way in ("--lm char", "--decoder flashlight", "Python 3.12"):
        assert way in caught.value.remedy


def test_a_model_of_another_alphabet_is_refused_by_what_is_strange() -> None:
    for strange in ("é", "¬"):
        model = estimate([[*f"d{strange}j|a"]], 2)
        with pytest.raises(LabError, match=f"alphabet: it scores {strange}$"):
            compile_ngram(model, CHARMAP.alphabet)
    model = estimate([[*"αβγδεζηθ"]], 2)
    with pytest.raises(LabError, match="α β γ δ ε and 3 more"):
        compile_ngram(model, CHARMAP.alphabet)


def test_a_model_too_large_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("labkit.decoding.fusion.ngram._MAX_BYTES", 10_000)
    with pytest.raises(LabError, match="too large") as caught:
        compile_ngram(french_model(), CHARMAP.alphabet)
    assert "prune" in caught.value.remedy


@pytest.mark.parametrize(
    "word",
    [
        "",
        " ",
        "«»",
        "α-ray",
        "a¶b",
        "❌",
        "50 €",
        "...",
        "!",
        "'",
        "paul;la",
        "a,b",
        "a" * 101,
    ],
)
def test_a_hot_word_that_cannot_be_said_is_named(word: str) -> None:
    with pytest.raises(LabError) as caught:
        compile_hotwords(["Miquelon", word], CHARMAP.alphabet, 1.0)
    assert f"hot word {word[:100]!r}" in caught.value.cause


def test_marks_around_a_hot_word_do_not_matter() -> None:
    for word in ("pierre!", " Pierre, ", "«Pierre».", "a" * 100):
        automaton = compile_hotwords([word], CHARMAP.alphabet, WEIGHT)
        text = word if word[0] == "a" else "pierre"
        assert_close(automaton.total(encode(text)), WEIGHT, 1e-5)
        assert_close(automaton.total(encode(text + ", a")), WEIGHT, 1e-5)


@pytest.mark.parametrize("number", [math.nan, math.inf, -math.inf])
def test_a_weight_of_hot_words_that_is_no_number_is_refused(number: float) -> None:
    with pytest.raises(LabError, match="weight"):
        compile_hotwords(["a"], CHARMAP.alphabet, number)
