"""Properties of a search with language models and hot words, against plain oracles."""

from __future__ import annotations

import math
import random
from collections import defaultdict
from collections.abc import Callable
from itertools import chain, groupby, product

import pytest
import torch
from data import CharMap
from helpers import language
from torch import Tensor

from labkit.base.errors import LabError
from labkit.decoding.beam import prefix_beam_search
from labkit.decoding.fusion.automaton import Automaton
from labkit.decoding.fusion.hotwords import compile_hotwords
from labkit.decoding.fusion.ngram import Fusion, compile_ngram
from labkit.decoding.hypothesis import Hypothesis
from labkit.decoding.stream import BeamStream
from labkit.lm.ngram import estimate
from labkit.text import Alphabet

CHARMAP = CharMap()
HOTWORDS = ("Saint-Pierre", "Miquelon")
WEIGHT = 4.0
UNBOUNDED = 2000  # more prefixes than any case here has

Transcript = tuple[int, ...]
# What a transcript gains, and whether it ends there.
Gain = Callable[[Transcript, bool], float]


def sentences(seed: int, letters: str, n: int = 30) -> list[list[str]]:
    """Draw sentences, in the symbols of a model, in which some letters are rare."""
    draw = random.Random(seed)
    weights = [1 / (1 + i) for i in range(len(letters))]
    return [draw.choices(letters, weights, k=draw.randint(1, 12)) for _ in range(n)]


def french() -> Automaton:
    """Compile a model of a little French."""
    model = estimate([[*"il|y|a|de|l'eau"], [*"la|mer,|l'ete."]], 3)
    return compile_ngram(model, CHARMAP.alphabet)


def encode(text: str) -> list[int]:
    return [CHARMAP.char2idx[char] for char in text]


def random_log_probs(seed: int, *shape: int, spread: float = 1.0) -> Tensor:
    """Draw log-probabilities (T, B, V)."""
    generator = torch.Generator().manual_seed(seed)
    scores = torch.randn(*shape, generator=generator, dtype=torch.float64)
    return (spread * scores).log_softmax(2)


def whole(log_probs: Tensor) -> Tensor:
    return torch.full((log_probs.shape[1],), len(log_probs))


class Case:
    """A tiny alphabet, what a search of it is given, and an oracle of that."""

    def __init__(self, alphabet: str, order: int, hot: bool, seed: int = 0) -> None:
        self.alphabet, self.blank = alphabet, alphabet.index("¬")
        letters = alphabet.replace("¬", "").replace(" ", "|")
        self.model = estimate(sentences(seed, letters), order)
        words = ["ab", "a", "ab b"] if hot else []
        hotwords = compile_hotwords(words, Alphabet((*alphabet,)), WEIGHT)
        self.fusion = Fusion(
            compile_ngram(self.model, Alphabet((*alphabet,))),
            *(0.7, 0.9, alphabet.index(" ")),
            hotwords if hot else None,
        )

    def language(self, transcript: Transcript) -> float:
        """Return ln p of a transcript that ends."""
        return language.score(
            self.model, [self.alphabet[k].replace(" ", "|") for k in transcript]
        )

    def gain(self, transcript: Transcript) -> float:
        """Return what a search must add to a transcript that ends."""
        spaces = transcript.count(self.fusion.space)
        words = "".join(self.alphabet[k] for k in transcript).split(" ")
        pairs = zip(["", *words], words)
        language = self.fusion.lm_weight * self.language(transcript)
        hot = sum(w in ("a", "ab") or (v, w) == ("ab", "b") for v, w in pairs)
        bonus = self.fusion.word_bonus * spaces
        return language + bonus + (WEIGHT * hot if self.fusion.hotwords else 0.0)

    def search(self, log_probs: Tensor, beam: int) -> list[list[Hypothesis]]:
        """Search whole utterances."""
        return prefix_beam_search(
            log_probs, whole(log_probs), beam, self.blank, self.fusion
        )


def all_paths(log_probs: Tensor, blank: int) -> dict[Transcript, float]:
    """Sum the probability of every path (T, V), transcript by transcript."""
    T, V = log_probs.shape
    table = log_probs.tolist()
    total: dict[Transcript, float] = defaultdict(float)
    for path in product(range(V), repeat=T):
        transcript = tuple(k for k, _ in groupby(path) if k != blank)
        total[transcript] += math.exp(sum(table[t][k] for t, k in enumerate(path)))
    return {transcript: math.log(p) for transcript, p in total.items()}


def dictionary_search(
    log_probs: Tensor, beam: int, blank: int, grow: Gain
) -> list[tuple[float, float, Transcript]]:
    """Search one utterance (T, V) with a plain dictionary of prefixes.

    Args:
        log_probs: (T, V).
        beam: Prefixes kept at each frame.
        blank: The index of the blank.
        grow: Returns what a prefix has gained, and with its end.

    Returns:
        ``(score, acoustic, transcript)``, best first.
    """
    kept = {(): (1.0, 0.0)}  # probability of paths that end with a blank, and not
    for frame in log_probs.exp().tolist():
        ends_blank: dict[Transcript, float] = defaultdict(float)
        ends_symbol: dict[Transcript, float] = defaultdict(float)
        for prefix, (blanks, symbols) in kept.items():
            for k, p in enumerate(frame):
                if k == blank:
                    ends_blank[prefix] += p * (blanks + symbols)
                elif prefix and k == prefix[-1]:
                    ends_symbol[prefix] += p * symbols
                    ends_symbol[(*prefix, k)] += p * blanks
                else:
                    ends_symbol[(*prefix, k)] += p * (blanks + symbols)
        total = {
            prefix: math.log(p) + grow(prefix, False)
            for prefix in {**ends_blank, **ends_symbol}
            if (p := ends_blank[prefix] + ends_symbol[prefix]) > 0
        }
        best = sorted(total, key=total.get, reverse=True)[:beam]
        kept = {prefix: (ends_blank[prefix], ends_symbol[prefix]) for prefix in best}
    acoustic = {prefix: math.log(sum(p)) for prefix, p in kept.items()}
    found = [(a + grow(prefix, True), a, prefix) for prefix, a in acoustic.items()]
    return sorted(found, reverse=True)


def remembered(fusion: Fusion) -> Gain:
    """Make an oracle of the gains of prefixes, symbol by symbol."""
    zeros = torch.zeros(1, CHARMAP.vocab_size)
    nothing = Automaton(0, zeros.int(), zeros, zeros[:, 0])
    lm, hotwords = fusion.lm or nothing, fusion.hotwords or nothing
    known = {(): (0.0, (lm.start, hotwords.start))}

    def grow(prefix: Transcript, finish: bool) -> float:
        if prefix not in known:
            grow(prefix[:-1], False)
            total, (said, hot) = known[prefix[:-1]]
            log_prob, said = lm.step(said, prefix[-1])
            gain, hot = hotwords.step(hot, prefix[-1])
            bonus = fusion.word_bonus if prefix[-1] == fusion.space else 0.0
            total += fusion.lm_weight * log_prob + bonus + gain
            known[prefix] = total, (said, hot)
        total, (said, hot) = known[prefix]
        end = fusion.lm_weight * lm.end(said) + hotwords.end(hot)
        return total + end if finish else total

    return grow


def assert_close(one: float, other: float, tolerance: float = 1e-4) -> None:
    assert math.isclose(one, other, rel_tol=1e-6, abs_tol=tolerance)


CASES = [("¬ ab", 3, False), (" a¬b", 2, True), ("ab ¬", 4, True), ("¬ a", 1, False)]


@pytest.mark.parametrize("alphabet, order, hot", CASES)
@pytest.mark.parametrize("n_frames", [1, 3, 5])
def test_an_unbounded_beam_ranks_all_transcripts_as_brute_force_does(
    alphabet: str, order: int, hot: bool, n_frames: int
) -> None:
    case = Case(alphabet, order, hot)
    log_probs = random_log_probs(n_frames, n_frames, 2, len(alphabet))
    for b, nbest in enumerate(case.search(log_probs, UNBOUNDED)):
        acoustic = all_paths(log_probs[:, b], case.blank)
        total = {one: p + case.gain(one) for one, p in acoustic.items()}
        order_of_all = sorted(total, key=total.get, reverse=True)
        assert [tuple(one.indices) for one in nbest] == order_of_all
        for one in nbest:
            transcript = tuple(one.indices)
            assert_close(one.score, total[transcript])
            assert_close(one.parts["ctc"], acoustic[transcript], 1e-9)
            assert_close(one.parts["lm"], case.language(transcript))


@pytest.mark.parametrize("beam", [1, 3, 10, 25])
def test_a_bounded_beam_is_that_of_a_plain_dictionary(beam: int) -> None:
    # Flat scores: the automata decide what the beam keeps.
    alphabets = ("¬ ab", " abc¬rst", "¬abcdefghijklmnopqrst ")
    for alphabet, hot in zip(alphabets, (True, False, True)):
        case = Case(alphabet, 3, hot, seed=beam)
        log_probs = random_log_probs(beam, 12, 3, len(alphabet), spread=0.5)
        grow = remembered(case.fusion)
        for b, nbest in enumerate(case.search(log_probs, beam)):
            wanted = dictionary_search(log_probs[:, b], beam, case.blank, grow)
            assert [tuple(one.indices) for one in nbest] == [w[2] for w in wanted]
            for one, (score, acoustic, transcript) in zip(nbest, wanted):
                assert_close(one.score, score)
                assert_close(one.parts["ctc"], acoustic, 1e-8)
                assert_close(one.parts["lm"], case.language(transcript))


@pytest.mark.parametrize("n_symbols", [2, 16, 43, 44])
def test_the_best_of_an_alphabet_of_any_size_are_kept(n_symbols: int) -> None:
    log_probs = random_log_probs(n_symbols, 6, 2, n_symbols, spread=0.3)
    for beam in (1, 4, 9):
        found = prefix_beam_search(log_probs, whole(log_probs), beam)
        for b, nbest in enumerate(found):
            wanted = dictionary_search(log_probs[:, b], beam, 0, lambda *_: 0.0)
            assert [tuple(one.indices) for one in nbest] == [w[2] for w in wanted]
            for one, (score, _, _) in zip(nbest, wanted):
                assert_close(one.score, score, 1e-9)
                assert one.parts == {"ctc": one.score}


def test_an_utterance_is_found_alone_as_in_a_batch() -> None:
    case = Case("¬ ab", 3, hot=True)
    log_probs = random_log_probs(5, 9, 6, 4).float()
    lengths = [2, 9, 0, 5, 9, 1]
    together = prefix_beam_search(log_probs, torch.tensor(lengths), 6, 0, case.fusion)
    for b, n in enumerate(lengths):
        (alone,) = case.search(log_probs[:n, b : b + 1], 6)
        assert [one.indices for one in together[b]] == [one.indices for one in alone]
        for one, other in zip(together[b], alone):
            assert_close(one.score, other.score, 1e-5)
            for part, score in one.parts.items():
                assert_close(score, other.parts[part], 1e-5)


def test_no_frame_is_the_empty_transcript_and_its_end() -> None:
    case = Case("¬ ab", 3, hot=True)
    ended = language.score(case.model, [])
    for log_probs in (torch.zeros(0, 2, 4), torch.zeros(3, 2, 4)):
        lengths = torch.zeros(2, dtype=torch.long)
        for fusion, lm in ((case.fusion, ended), (None, 0.0)):
            for nbest in prefix_beam_search(log_probs, lengths, 5, 0, fusion):
                (one,) = nbest
                assert (one.parts["ctc"], one.indices) == (0.0, [])
                assert_close(one.parts.get("lm", 0.0), lm)
                assert_close(one.score, 0.7 * lm)
    assert prefix_beam_search(torch.zeros(4, 0, 4), lengths[:0], 5) == []


@pytest.mark.parametrize("hot", [False, True])
def test_weights_of_zero_change_nothing(hot: bool) -> None:
    case = Case("¬ ab", 3, hot=False)
    log_probs = random_log_probs(3, 12, 3, 4, spread=0.5)
    plain = prefix_beam_search(log_probs, whole(log_probs), 7)
    silent = compile_hotwords(["ab"], Alphabet((*case.alphabet,)), 0.0) if hot else None
    case.fusion = Fusion(case.fusion.lm, 0.0, 0.0, 1, silent)
    for nbest, wanted in zip(case.search(log_probs, 7), plain):
        for one, other in zip(nbest, wanted):
            assert (one.score, one.indices) == (other.score, other.indices)
            assert one.parts["ctc"] == other.parts["ctc"]
            assert_close(one.parts["lm"], case.language(one.indices))


def test_every_score_is_the_sum_of_its_steps() -> None:
    hotwords = compile_hotwords(HOTWORDS, CHARMAP.alphabet, 3.0)
    lm = french()
    fusion = Fusion(lm, 0.4, 0.8, CHARMAP.char2idx[" "], hotwords)
    log_probs = random_log_probs(9, 30, 2, CHARMAP.vocab_size, spread=2.0).float()
    grow = remembered(fusion)
    for nbest in prefix_beam_search(log_probs, whole(log_probs), 8, 0, fusion):
        for one in nbest:
            gain = grow(tuple(one.indices), True)
            assert_close(one.score, one.parts["ctc"] + gain, 1e-3)
            assert_close(one.parts["lm"], lm.total(one.indices))
            parts = 0.4 * lm.total(one.indices) + hotwords.total(one.indices)
            spaces = one.indices.count(CHARMAP.char2idx[" "])
            assert_close(gain, parts + 0.8 * spaces)


def test_what_is_searched_in_half_precision_is_summed_in_single() -> None:
    log_probs = random_log_probs(2, 40, 2, 44, spread=3.0).half()
    half = prefix_beam_search(log_probs, whole(log_probs), 5)
    assert half == prefix_beam_search(log_probs.float(), whole(log_probs), 5)


def spoken(*texts: str) -> Tensor:
    """Make log-probabilities (T, 1, V) of a text; the first is a little likelier."""
    scores = torch.zeros(2 * len(texts[0]), 1, CHARMAP.vocab_size)
    scores[1::2, 0, CHARMAP.blankid] = 12
    for n, text in enumerate(texts):
        for i, symbol in enumerate(encode(text)):
            scores[2 * i, 0, symbol] = 12 - n
    return scores.log_softmax(2)


def test_a_hot_word_wins_and_leaves_others_as_they_are() -> None:
    close = spoken("il voit miquelan", "il voit miquelon")
    other = spoken("il voit un ami..", "il voit un amie.")
    log_probs = torch.cat([close, other], dim=1)

    def best_two(fusion: Fusion | None) -> list[list[tuple[str, float]]]:
        found = prefix_beam_search(log_probs, whole(log_probs), 10, 0, fusion)
        return [[(CHARMAP.decode(f.indices), f.score) for f in n[:2]] for n in found]

    plain = best_two(None)
    assert [text for text, _ in plain[0]] == ["il voit miquelan", "il voit miquelon"]
    hotwords = compile_hotwords(["Saint-Pierre", "Miquelon"], CHARMAP.alphabet, WEIGHT)
    hot = best_two(Fusion(None, 0.0, hotwords=hotwords))
    assert [text for text, _ in hot[0]] == ["il voit miquelon", "il voit miquelan"]
    assert_close(hot[0][0][1], plain[0][1][1] + WEIGHT)
    assert hot[1] == plain[1]


def test_a_beam_of_one_keeps_what_may_become_a_hot_word() -> None:
    # Were the weight given at the end alone, the beam would have lost the word.
    log_probs = spoken("mikuelon", "miquelon")
    hotwords = compile_hotwords(["miquelon"], CHARMAP.alphabet, 16.0)
    for fusion, text in (
        (None, "mikuelon"),
        (Fusion(None, 0.0, hotwords=hotwords), "miquelon"),
    ):
        ((best,),) = prefix_beam_search(log_probs, whole(log_probs), 1, 0, fusion)
        assert CHARMAP.decode(best.indices) == text


def test_a_language_model_decides_between_what_sounds_alike() -> None:
    lm = french()
    log_probs = spoken("de l'oau", "de l'eau")
    for weight, text in ((0.0, "de l'oau"), (1.0, "de l'eau")):
        fusion = Fusion(lm, weight)
        (nbest,) = prefix_beam_search(log_probs, whole(log_probs), 10, 0, fusion)
        assert CHARMAP.decode(nbest[0].indices) == text


@pytest.mark.skipif(not torch.cuda.is_available(), reason="no GPU")
def test_a_gpu_finds_what_the_processor_finds() -> None:
    hotwords = compile_hotwords(HOTWORDS, CHARMAP.alphabet, 3.0)
    lm = french()
    log_probs = random_log_probs(9, 30, 4, CHARMAP.vocab_size, spread=2.0)
    lengths = torch.tensor([12, 30, 0, 29])
    for fusion in (None, Fusion(lm, 0.4, 0.8, 1, hotwords)):
        there = prefix_beam_search(log_probs.cuda(), lengths, 8, 0, fusion)
        here = prefix_beam_search(log_probs, lengths, 8, 0, fusion)
        for one, other in zip(chain(*there), chain(*here)):
            assert one.indices == other.indices
            assert_close(one.score, other.score)


def test_scores_and_lengths_that_cannot_be_are_refused() -> None:
    log_probs = torch.zeros(3, 2, 4)
    for lengths in ([3], [4, 3], [-1, 3], [3, 3, 3]):
        with pytest.raises(LabError, match="2 utterances of 3 frames"):
            prefix_beam_search(log_probs, torch.tensor(lengths), 4)
    for value in (torch.inf, torch.nan):
        log_probs[1, 1, 2] = value
        with pytest.raises(LabError, match=r"NaN or \+inf"):
            prefix_beam_search(log_probs, torch.tensor([3, 3]), 4)
        # Past the end of an utterance there may be anything.
        _, nothing = prefix_beam_search(log_probs, torch.tensor([3, 0]), 4)
        assert [one.indices for one in nothing] == [[]]


def test_a_wide_beam_is_searched_in_parts_or_refused(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    log_probs, lengths = random_log_probs(1, 7, 3, 4), torch.tensor([7, 2, 5])
    together = prefix_beam_search(log_probs, lengths, 6)
    monkeypatch.setattr(
        "labkit.decoding.beam._MOST_BYTES", 2 * 6 * (16 * 7 + 32 * 4)
    )  # of two
    assert prefix_beam_search(log_probs, lengths, 6) == together
    with pytest.raises(LabError, match="a beam of 13 over 7 frames needs") as refused:
        prefix_beam_search(log_probs, lengths, 13)
    assert "at most 12" in refused.value.remedy


@pytest.mark.parametrize("lm", [False, True])
def test_sorting_finds_the_same_parents_as_comparing_all_pairs(
    monkeypatch: pytest.MonkeyPatch, lm: bool
) -> None:
    fusion = Case("¬ ab", 3, hot=False).fusion if lm else None
    log_probs = random_log_probs(2, 9, 2, 4)
    compared = prefix_beam_search(log_probs, whole(log_probs), 60, 0, fusion)
    monkeypatch.setattr("labkit.decoding.prefixes._MANY", 1)
    assert prefix_beam_search(log_probs, whole(log_probs), 60, 0, fusion) == compared


@pytest.mark.parametrize("hot", [False, True])
def test_a_stream_ends_as_the_whole_utterance_does(hot: bool) -> None:
    case = Case("¬ ab", 3, hot)
    log_probs = random_log_probs(3, 12, 1, 4)
    (wanted,) = case.search(log_probs, 8)
    for sizes in ([12], [1] * 12, [0, 5, 0, 7]):
        stream = BeamStream(4, log_probs.device, 8, case.blank, case.fusion)
        assert stream.best() == Hypothesis(0.0, [], {"ctc": 0.0})
        for part in log_probs[:, 0].split(sizes):
            stream.step(part)
        found = stream.end()
        assert [one.indices for one in found] == [one.indices for one in wanted]
        for one, other in zip(found, wanted):
            assert_close(one.score, other.score)
            assert_close(one.parts["lm"], other.parts["lm"])
    with pytest.raises(LabError, match="NaN"):
        stream.step(torch.full((1, 4), torch.nan))


def test_a_stream_shows_what_a_search_of_its_first_frames_finds() -> None:
    log_probs = random_log_probs(4, 10, 1, 4, spread=3)
    stream = BeamStream(4, log_probs.device, 8)
    for t in range(10):
        stream.step(log_probs[t])
        ((wanted, *_),) = prefix_beam_search(log_probs, torch.tensor([t + 1]), 8)
        assert stream.best().indices == wanted.indices


def test_a_word_bonus_needs_no_language_model() -> None:
    fusion = Fusion(None, 0.0, word_bonus=1.5, space=2)
    log_probs = random_log_probs(4, 5, 1, 4)
    (nbest,) = prefix_beam_search(log_probs, whole(log_probs), UNBOUNDED, 0, fusion)
    for one in nbest:
        assert_close(one.score - one.parts["ctc"], 1.5 * one.indices.count(2), 1e-9)


def test_automata_of_another_alphabet_are_refused_by_the_search() -> None:
    lm, hotwords = (
        Case("¬ ab", 2, hot=True).fusion.lm,
        compile_hotwords(["a"], Alphabet((*"¬a",)), 1),
    )
    for fusion in (Fusion(lm, 1.0), Fusion(None, 0.0, hotwords=hotwords)):
        with pytest.raises(LabError, match="symbols for scores of 5"):
            prefix_beam_search(torch.zeros(2, 1, 5), torch.tensor([2]), 3, 0, fusion)


@pytest.mark.parametrize("number", [math.nan, math.inf, -math.inf])
def test_weights_that_are_no_numbers_are_refused(number: float) -> None:
    for name in ("lm_weight", "word_bonus"):
        with pytest.raises(LabError, match="must be finite"):
            Fusion(None, **{"lm_weight": 1.0, name: number})
