"""Flashlight's search: against all paths, KenLM against Python, and what it loses."""

from __future__ import annotations

import gzip
import math
import os
import sys
from collections import defaultdict
from collections.abc import Callable, Sequence
from itertools import groupby, product
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import pytest
import torch
from data import CharMap
from helpers import language
from torch import Tensor

from labkit.base.errors import LabError
from labkit.decoding.beam import prefix_beam_search
from labkit.decoding.flashlight.decoder import FlashlightDecoder
from labkit.decoding.hypothesis import Hypothesis
from labkit.decoding.options import SearchOptions
from labkit.lm.arpa import read_arpa, write_arpa
from labkit.lm.ngram import estimate
from labkit.text import Alphabet

pytest.importorskip("flashlight")

LAB = CharMap().idx2char
SMALL = ["-", " ", "a", "b", "'"]
WIDE = 5000  # more hypotheses than any case here has
LETTERS = ["-", " ", *"abcdefghijklmnopqrstuvwxyz'."]

Table = dict[tuple[int, ...], float]


def random_log_probs(seed: int, n_frames: int, n_symbols: int) -> Tensor:
    """Draw log-probabilities (T, V)."""
    generator = torch.Generator().manual_seed(seed)
    return torch.randn(n_frames, n_symbols, generator=generator).log_softmax(1)


def frames_of(text: str, alphabet: Sequence[str], held: int = 2) -> Tensor:
    """Make log-probabilities (T, V) that spell a text and little else.

    Each symbol lasts ``held`` frames, and a blank follows it.
    """
    path = [alphabet.index(symbol) for symbol in text for _ in range(held)]
    for place in range(len(text), 0, -1):
        path.insert(place * held, 0)
    return certain([0, *path], len(alphabet))


def certain(path: Sequence[int], n_symbols: int, p: float = 0.99) -> Tensor:
    probabilities = torch.full((len(path), n_symbols), (1 - p) / (n_symbols - 1))
    probabilities[range(len(path)), path] = p
    return probabilities.log()


def doubt(log_probs: Tensor, alphabet: Sequence[str], likely: str, said: str) -> Tensor:
    """Let ``said`` be a third as likely as ``likely`` wherever that is likely."""
    probabilities = log_probs.exp()
    frames = probabilities[:, alphabet.index(likely)] > 0.5
    probabilities[frames, alphabet.index(likely)] = 0.74
    probabilities[frames, alphabet.index(said)] = 0.25
    return (probabilities / probabilities.sum(1, keepdim=True)).log()


def decode(decoder: FlashlightDecoder, log_probs: Tensor) -> list[Hypothesis]:
    (nbest,) = decoder.search(log_probs.unsqueeze(1), torch.tensor([len(log_probs)]))
    scores = [found.score for found in nbest]
    assert scores == sorted(scores, reverse=True)
    assert len({tuple(found.indices) for found in nbest}) == len(nbest)
    return nbest


def text_of(found: Hypothesis, alphabet: Sequence[str]) -> str:
    return "".join(alphabet[index] for index in found.indices)


def scored(nbest: Sequence[Hypothesis]) -> Table:
    return {tuple(found.indices): found.score for found in nbest}


def best_text(
    decoder: FlashlightDecoder, log_probs: Tensor, alphabet: list[str]
) -> str:
    return text_of(decode(decoder, log_probs)[0], alphabet)


def make(alphabet: Sequence[str] = LETTERS, **options: Any) -> FlashlightDecoder:
    symbols = Alphabet((*alphabet,), blank=alphabet[0])
    usual = {"lm_weight": 1.0, "beam_size": 50, "beam_threshold": 50.0}
    with TemporaryDirectory() as folder:
        if options.get("lexicon"):
            path = Path(folder, "lexicon.txt")
            path.write_text(options["lexicon"], encoding="utf-8")
            options["lexicon"] = str(path)
        return FlashlightDecoder(symbols, SearchOptions(**{**usual, **options}))


def letters_of(*words: str) -> str:
    """Write a lexicon of words that letters spell."""
    return "".join(f"{word} {' '.join(word)} |\n" for word in words)


def make_wide(alphabet: Sequence[str] = SMALL, **options: object) -> FlashlightDecoder:
    return make(alphabet, beam_size=WIDE, beam_threshold=1e9, **options)


def all_paths(log_probs: Tensor, blank: int = 0) -> Table:
    """Sum the probability of every path (T, V), transcript by transcript."""
    T, V = log_probs.shape
    table = log_probs.double().tolist()
    total: Table = defaultdict(float)
    for path in product(range(V), repeat=T):
        transcript = tuple(k for k, _ in groupby(path) if k != blank)
        total[transcript] += math.exp(sum(table[t][k] for t, k in enumerate(path)))
    return {transcript: math.log(p) for transcript, p in total.items()}


def assert_same(found: Table, wanted: Table, tolerance: float = 1e-4) -> None:
    assert set(found) == set(wanted)
    for key, score in wanted.items():
        assert math.isclose(found[key], score, abs_tol=tolerance), key


def names_of(indices: Sequence[int], alphabet: Sequence[str]) -> list[str]:
    return ["|" if alphabet[index] == " " else alphabet[index] for index in indices]


@pytest.fixture(scope="module")
def models(tmp_path_factory: pytest.TempPathFactory) -> Callable[..., str]:
    """Write language models of sentences: characters of a text, or words."""
    folder = tmp_path_factory.mktemp("models")

    def write(sentences: Sequence[Sequence[str]], order: int = 3) -> str:
        path = folder / f"{len(list(folder.iterdir()))}.arpa"
        write_arpa(estimate(sentences, order), path)
        return str(path)

    return write


CHARACTERS = ["ab|a", "a'b", "ba|ab", "ab"]
PHRASES = [("pour", "lui"), ("pour", "elle"), ("pour", "lui"), ("la", "peur")]


# --- without a language model --------------------------------------------------------


@pytest.mark.parametrize("blank", [0, 3])
@pytest.mark.parametrize("n_frames", [0, 1, 4])
def test_a_wide_beam_finds_all_paths_as_the_exact_search_does(
    n_frames: int, blank: int
) -> None:
    alphabet = [*SMALL[1 : blank + 1], "-", *SMALL[blank + 1 :]]
    log_probs = random_log_probs(n_frames, n_frames, 5)
    decoder = FlashlightDecoder(
        Alphabet((*alphabet,), blank="-"),
        SearchOptions(beam_size=WIDE, beam_threshold=math.inf),
    )
    found = decode(decoder, log_probs)
    # Texts that start or end with a space, or hold two, are texts as others are.
    assert_same(scored(found), all_paths(log_probs, blank))
    assert all(one.parts == {"ctc": one.score} for one in found)
    (exact,) = prefix_beam_search(
        log_probs.unsqueeze(1), torch.tensor([n_frames]), WIDE, blank
    )
    assert_same(scored(found), scored(exact))


def test_the_paths_of_a_text_are_added_unless_told_otherwise() -> None:
    # The best path is two blanks; the best text is "a", by three paths.
    log_probs = torch.tensor([[0.6, 0.4], [0.6, 0.4]]).log()
    (added, *_) = decode(make("-a"), log_probs)
    assert added.indices == [1] and math.isclose(
        added.score, math.log(0.64), abs_tol=1e-6
    )
    (single, *_) = decode(make("-a", viterbi=True), log_probs)
    assert single.indices == [] and math.isclose(
        single.score, math.log(0.36), abs_tol=1e-6
    )


def test_a_batch_is_decoded_clip_by_clip_whatever_its_type() -> None:
    log_probs = torch.stack([random_log_probs(b, 6, 5) for b in range(3)], dim=1)
    lengths = torch.tensor([6, 2, 4])
    log_probs[4:, 2], log_probs[2:, 1] = torch.nan, torch.inf  # padding
    decoder = make_wide()
    alone = [decode(decoder, log_probs[:n, b]) for b, n in enumerate(lengths.tolist())]
    strided = torch.zeros(6, 3, 10)[:, :, ::2].copy_(log_probs)
    for scores in (log_probs, log_probs.double(), strided.requires_grad_()):
        together = decoder.search(scores, lengths)
        for found, wanted in zip(together, alone):
            assert_same(scored(found), scored(wanted))


def test_the_symbols_start_at_the_frames_where_they_are_said() -> None:
    path = [0, 0, 2, 2, 0, 2, 3, 1, 1, 2, 0, 0]
    log_probs = certain(path, 5).unsqueeze(1)
    lexicon = letters_of("aab", "a")
    for decoder in (make(SMALL), make(SMALL, lexicon=lexicon)):
        best, *_ = decode(decoder, log_probs.squeeze(1))
        assert best.indices == [2, 2, 3, 1, 2]
        assert best.frames == [2, 5, 6, 7, 9]


def test_start_and_end_markers_are_symbols_until_a_model_reads_the_text() -> None:
    said = frames_of("¶le lit❌¦", LAB)
    assert best_text(make(LAB), said, LAB) == "¶le lit❌¦"
    characters = make(LAB, lm="char", lm_weight=0.1)
    assert best_text(characters, said, LAB) == "le lit❌"
    lexicon = letters_of("le", "lit", "les")
    assert best_text(make(LAB, lexicon=lexicon), said, LAB) == "le lit"


def test_what_stands_outside_a_sentence_counts_as_silence(
    models: Callable[..., str],
) -> None:
    alphabet = ["-", " ", "a", "¶", "¦", "❌"]
    lexicon = letters_of("a", "aa")
    log_probs = random_log_probs(0, 5, 6)
    merged = log_probs[:, :3].clone()
    merged[:, 0] = log_probs[:, [0, 3, 4, 5]].logsumexp(1)
    found, wanted = (
        scored(decode(make_wide(symbols, lexicon=lexicon), scores))
        for symbols, scores in ((alphabet, log_probs), (alphabet[:3], merged))
    )
    assert_same(found, wanted)
    lm = models([tuple("a|aa")])
    merged = log_probs[:, [0, 1, 2, 5]]
    merged[:, 0] = log_probs[:, [0, 3, 4]].logsumexp(1)
    found, wanted = (
        [one.score for one in decode(make_wide(symbols, lm=lm), scores)]
        for symbols, scores in ((alphabet, log_probs), ("- a❌", merged))
    )
    assert torch.allclose(torch.tensor(found), torch.tensor(wanted), atol=1e-4)


# --- language models -----------------------------------------------------------------


@pytest.mark.parametrize("weight", [0.0, 0.7, 2.0])
def test_every_score_is_that_of_all_paths_and_of_the_model(
    models: Callable[..., str], weight: float
) -> None:
    sentences = [tuple(text) for text in CHARACTERS]
    model = estimate(sentences, 3)
    log_probs = random_log_probs(3, 4, 5)
    decoder = make_wide(lm=models(sentences), lm_weight=weight)
    found = {tuple(one.indices): one for one in decode(decoder, log_probs)}
    acoustic = all_paths(log_probs)
    lm = {key: language.score(model, names_of(key, SMALL)) for key in acoustic}
    assert_same({key: one.parts["lm"] for key, one in found.items()}, lm)
    assert_same({key: one.parts["ctc"] for key, one in found.items()}, acoustic)
    scores = {key: acoustic[key] + weight * lm[key] for key in acoustic}
    assert_same({key: one.score for key, one in found.items()}, scores)


def test_the_words_said_are_found_through_either_kind_of_model(
    models: Callable[..., str],
) -> None:
    said = frames_of("peur lui", LETTERS, held=1)
    likely = doubt(said, LETTERS, "e", "o")
    characters = models([tuple("|".join(phrase)) for phrase in PHRASES], 5)
    words = models(PHRASES, 2)
    assert best_text(make(), likely, LETTERS) == "peur lui"
    assert best_text(make(lm=characters), likely, LETTERS) == "pour lui"
    # A word model brings its own words: no other letter can follow.
    decoder = make(lm=words)
    assert best_text(decoder, likely, LETTERS) == "pour lui"
    assert set(decoder.lexicon.words) == {"pour", "lui", "elle", "la", "peur", "<unk>"}


def test_the_unknown_symbol_is_the_models_unk(
    models: Callable[..., str], tmp_path: Path
) -> None:
    path = models([tuple("le|lit"), tuple("la")], 2)
    # A model may have no <unk>: what it lacks is then as good as forbidden.
    without = tmp_path / "without.arpa"
    lines = Path(path).read_text(encoding="utf-8").split("\n")
    lines[1] = f"ngram 1={int(lines[1].split('=')[1]) - 1}"
    kept = [line for line in lines if "<unk>" not in line]
    without.write_text("\n".join(kept), encoding="utf-8")
    for file in (path, str(without)):
        decoder = make(LAB, lm=file, lm_weight=1e-3)
        (found, *_) = decode(decoder, frames_of("l❌", LAB))
        assert text_of(found, LAB) == "l❌"
        wanted = language.score(read_arpa(Path(file)), ["l", "<unk>"])
        assert math.isclose(found.parts["lm"], wanted, rel_tol=1e-5)


# --- lexicons ------------------------------------------------------------------------


def words_of(indices: Sequence[int], alphabet: Sequence[str]) -> tuple[str, ...]:
    text = "".join(alphabet[index] for index in indices)
    return tuple(word[:-1] if word[-1] in ".," else word for word in text.split())


@pytest.mark.parametrize("with_model", [False, True])
def test_words_have_the_scores_of_all_paths_that_spell_them(
    models: Callable[..., str], with_model: bool
) -> None:
    alphabet = ["-", " ", "a", "b", "."]
    words = ("a", "b", "ab", "aa")
    sentences = [("ab", "a"), ("a", "b"), ("aa",)]
    lexicon = letters_of(*words)
    decoder = make_wide(
        alphabet,
        lexicon=lexicon,
        lm=models(sentences) if with_model else None,
        lm_weight=0.8,
        word_bonus=0.3,
    )
    log_probs = random_log_probs(5, 5, 5)
    acoustic: dict[tuple[str, ...], float] = defaultdict(float)
    for indices, score in all_paths(log_probs).items():
        text = "".join(alphabet[index] for index in indices)
        said = [w[:-1] if w[-1] == "." else w for w in text.split()]
        if set(said) <= set(words):
            acoustic[tuple(said)] += math.exp(score)
    model = estimate(sentences, 3)
    wanted = {}
    for said, p in acoustic.items():
        lm = language.score(model, said) if with_model else 0.0
        wanted[said] = (math.log(p) + 0.8 * lm + 0.3 * len(said), math.log(p), lm)
    nbest = decode(decoder, log_probs)
    for text in (text_of(one, alphabet) for one in nbest):
        assert text == " ".join(text.split())
    found = {words_of(one.indices, alphabet): one for one in nbest}
    assert set(found) == set(wanted)
    for said, (score, ac, lm) in wanted.items():
        assert math.isclose(found[said].score, score, abs_tol=1e-4)
        assert math.isclose(found[said].parts["ctc"], ac, abs_tol=1e-4)
        assert math.isclose(found[said].parts.get("lm", 0.0), lm, abs_tol=1e-4)


@pytest.mark.parametrize("ending", ["", " ", ".", ",", ". "])
def test_the_last_word_and_the_marks_are_kept(ending: str) -> None:
    alphabet = [*LETTERS, ","]
    lexicon = letters_of("on", "dort", "dors", "ici")
    said = frames_of("on dort, ici" + ending, alphabet)
    decoder = make(alphabet, lexicon=lexicon)
    found, *_ = decode(decoder, said)
    assert text_of(found, alphabet) == "on dort, ici" + ending.strip()
    assert -15 < found.score < 0


def test_a_word_that_is_cut_off_is_spelled_as_far_as_it_is_heard() -> None:
    decoder = make(lexicon=letters_of("bonjour"))
    path = [LETTERS.index(letter) for letter in "bonjo"]
    (found,) = decode(decoder, certain(path, len(LETTERS), p=1.0))
    assert text_of(found, LETTERS) == "bonjo"
    assert math.isclose(found.score, 0.0, abs_tol=1e-3)


def test_unknown_words_are_spelled_where_their_price_is_paid(
    models: Callable[..., str],
) -> None:
    options = {"lm": models(PHRASES, 2), "lm_weight": 0.5}
    said = frames_of("la zut", LETTERS, held=1)
    assert "zut" not in best_text(make(**options), said, LETTERS)
    lexicon = letters_of("la", "zulu", "tutu")
    dear, cheap = (
        decode(make(lexicon=lexicon, unknown_score=score, **options), said)[0]
        for score in (-3.0, -1.0)
    )
    for found in (dear, cheap):
        assert text_of(found, LETTERS) == "la zut"
        assert math.isclose(found.parts["ctc"], cheap.parts["ctc"], abs_tol=1e-3)
    # An unknown word is the start of a known one: "zu", "t".
    assert math.isclose(cheap.score - dear.score, 2 * 2.0, abs_tol=1e-3)


def test_word_pieces_are_joined_to_the_words_of_the_lexicon(
    models: Callable[..., str],
) -> None:
    pieces = ["-", "▁po", "▁pe", "ur", "▁l", "ui", "▁la"]
    path = models(PHRASES, 2)
    lexicon = "pour ▁po ur\npeur ▁pe ur\nlui ▁l ui\n"
    # No separator, no blank between two words, and pieces that last.
    log_probs = certain([2, 3, 3, 3, 4, 5, 5], 7)
    log_probs[0] = torch.tensor([0.01, 0.3, 0.66, 0.01, 0.01, 0.01, 0.01]).log()
    (found, *_) = decode(make(pieces, lexicon=lexicon), log_probs)
    assert found.indices == [2, 3, 4, 5]
    (found, *_) = decode(make(pieces, lexicon=lexicon, lm=path), log_probs)
    assert found.indices == [1, 3, 4, 5]
    model = estimate(PHRASES, 2)
    wanted = language.score(model, ("pour", "lui"))
    assert math.isclose(found.parts["lm"], wanted, abs_tol=1e-4)
    # Without lexicon the pieces themselves can be what a model scores.
    scored = models([("▁po", "ur", "▁l", "ui")], 2)
    (found, *_) = decode(make(pieces, lm=scored), log_probs)
    assert found.indices == [1, 3, 4, 5]


@pytest.mark.parametrize("score", [-1000.0, -2.0, 3.0])
def test_the_frame_that_closes_the_last_word_costs_nothing(score: float) -> None:
    # One frame, and no frame of it is a space.
    lexicon = letters_of("a")
    log_probs = torch.tensor([[0.3, 0.1, 0.6]]).log()
    nbest = decode(make_wide("- a", lexicon=lexicon, silence_score=score), log_probs)
    (found,) = (one for one in nbest if one.indices == [2])
    assert math.isclose(found.score, math.log(0.6), abs_tol=1e-4)
    assert math.isclose(found.parts["ctc"], math.log(0.6), abs_tol=1e-4)


@pytest.mark.parametrize("viterbi", [True, False])
@pytest.mark.parametrize("streamed", [False, True])
def test_word_pieces_have_the_scores_of_the_paths_that_spell_them(
    viterbi: bool, streamed: bool
) -> None:
    pieces = ["¬", "▁le", "s", "▁la"]
    spellings = {"le": ["▁le"], "les": ["▁le", "s"]}
    spellings |= {"la": ["▁la"], "las": ["▁la", "s"]}
    lexicon = "".join(f"{word} {' '.join(spellings[word])}\n" for word in spellings)
    every = {tuple(spelling) for spelling in spellings.values()}
    for seed in range(3):
        log_probs = random_log_probs(seed, 4, 4)
        exact = best_paths(log_probs) if viterbi else all_paths(log_probs)
        decoder = make_wide(pieces, lexicon=lexicon, viterbi=viterbi, word_bonus=0.5)
        if streamed:
            decoder.stream()
            for part in log_probs.split(2):
                decoder.step(part)
            nbest = decoder.end()
        else:
            nbest = decode(decoder, log_probs)
        assert len(nbest) > 5
        for one in nbest:
            said = [label.text for label in one.labels]
            # "les" is one word, "le" and "le" are two.
            spelled = [k for word in said for k in spellings[word]]
            assert [pieces[k] for k in one.indices] == spelled
            assert math.isclose(
                one.parts["ctc"], exact[tuple(one.indices)], abs_tol=1e-4
            )
            assert math.isclose(one.score, one.parts["ctc"] + 0.5 * len(said))
            assert one.text(Alphabet((*pieces,))) == " ".join(said)
        # Nothing is missing that is made of whole words.
        texts = [tuple(k) for k in exact if is_of_words([pieces[i] for i in k], every)]
        assert {tuple(one.indices) for one in nbest} >= {*texts}


def is_of_words(pieces: Sequence[str], words: set[tuple[str, ...]]) -> bool:
    """Check whether pieces are words one after another."""
    cuts = (pieces[:n] for n in range(1, len(pieces) + 1))
    return not pieces or any(
        tuple(first) in words and is_of_words(pieces[len(first) :], words)
        for first in cuts
    )


def best_paths(log_probs: Tensor, blank: int = 0) -> Table:
    """Find the best path (T, V) of every transcript."""
    table, best = log_probs.double().tolist(), {}
    for path in product(range(len(table[0])), repeat=len(table)):
        transcript = tuple(k for k, _ in groupby(path) if k != blank)
        score = sum(table[t][k] for t, k in enumerate(path))
        best[transcript] = max(score, best.get(transcript, -math.inf))
    return best


def test_words_come_back_as_the_lexicon_writes_them(
    models: Callable[..., str],
) -> None:
    words = "Élève\nParis p a r i s |\nà\nzut\n"
    alphabet = Alphabet((*LETTERS,), blank="-")
    said = frames_of("eleve. a paris", LETTERS)
    # The model knows them in their normalised form alone.
    lm = models([("eleve", "a", "paris")], 2)
    for options in ({}, {"lm": lm}, {"lm": lm, "unknown_score": -9.0}):
        found, *_ = decode(make(lexicon=words, **options), said)
        assert found.text(alphabet) == "Élève. à Paris"
        assert text_of(found, LETTERS) == "eleve. a paris"
        assert [label.text for label in found.labels] == ["Élève.", "à", "Paris"]
        spans = [text_of(found, LETTERS)[a:b] for _, a, b in found.labels]
        assert spans == ["eleve.", "a", "paris"]
    wanted = language.score(
        estimate([("eleve", "a", "paris")], 2), ("eleve", "a", "paris")
    )
    assert math.isclose(found.parts["lm"], wanted, abs_tol=1e-4)
    # What is no word of it stays as it is spelled.
    unknown = frames_of("a zu paris", LETTERS, held=1)
    found, *_ = decode(make(lexicon=words, unknown_score=-1.0), unknown)
    assert found.text(alphabet) == "à zu Paris"


# --- streams -------------------------------------------------------------------------


@pytest.mark.parametrize("kind", ["characters", "words"])
def test_a_stream_ends_as_the_whole_utterance_does(
    models: Callable[..., str], kind: str
) -> None:
    sentences = [tuple("|".join(phrase)) for phrase in PHRASES]
    path = models(sentences if kind == "characters" else PHRASES, 5)
    decoder = make(lm=path, beam_size=20)
    said = doubt(frames_of("peur elle", LETTERS), LETTERS, "e", "o")
    whole = decode(decoder, said)
    for sizes in ([len(said)], [1] * len(said), [0, 7, 0, len(said) - 7]):
        decoder.stream()
        assert decoder.best() == Hypothesis(0.0, [], {"ctc": 0.0})
        for part in said.split(sizes):
            decoder.step(part)
        assert text_of(decoder.best(), LETTERS).startswith("pour ell")
        ended = decoder.end()
        assert [one.indices for one in ended] == [one.indices for one in whole]
        scores = torch.tensor([[a.score, b.score] for a, b in zip(ended, whole)])
        assert torch.allclose(scores[:, 0], scores[:, 1], atol=1e-3)


def test_a_stream_shows_what_has_been_said_so_far() -> None:
    decoder = make()
    said = frames_of("on dort", LETTERS)
    decoder.stream()
    shown = []
    for part in said.split(3):
        decoder.step(part)
        shown.append(text_of(decoder.best(), LETTERS))
    assert shown == ["o", "on", "on ", "on d", "on do", "on dor", "on dort", "on dort"]


def test_only_an_open_stream_goes_on() -> None:
    decoder, said = make(), frames_of("on", LETTERS)
    for use in (decoder.best, decoder.end, lambda: decoder.step(said)):
        with pytest.raises(LabError, match="no stream is open"):
            use()
    decoder.stream()
    decoder.step(said)
    decode(decoder, said)  # there is one search at a time
    with pytest.raises(LabError, match="no stream is open"):
        decoder.end()


# --- options -------------------------------------------------------------------------


def test_options_narrow_the_search() -> None:
    log_probs = random_log_probs(1, 30, 5)
    path = log_probs.argmax(1).tolist()
    greedy = [k for k, _ in groupby(path) if k]
    one_token = decode(make(SMALL, symbols_per_frame=1), log_probs)
    assert [one.indices for one in one_token] == [greedy]
    assert math.isclose(
        one_token[0].score, log_probs.amax(1).sum().item(), rel_tol=1e-5
    )
    # Nothing is within a thousandth of a nat of the best.
    assert len(decode(make(SMALL, beam_threshold=1e-3), log_probs)) == 1
    narrow, wide = (decode(make(SMALL, beam_size=k), log_probs) for k in (2, 200))
    assert len(narrow) <= 2 < len(wide) and narrow[0].score < wide[0].score


def test_scores_of_words_and_of_spaces_are_added(models: Callable[..., str]) -> None:
    lexicon = letters_of("a", "b", "ab")
    probabilities = certain([2, 0, 3], 5).exp()
    probabilities[1] = torch.tensor([0.7, 0.3, 1e-3, 1e-3, 1e-3])
    log_probs = probabilities.log()
    for score, text in ((0.0, "ab"), (2.0, "a b")):
        words = make(SMALL, lexicon=lexicon, word_bonus=score)
        assert best_text(words, log_probs, SMALL) == text
        for words in (None, lexicon):
            spaces = make(SMALL, lexicon=words, silence_score=score)
            assert best_text(spaces, log_probs, SMALL) == text
    plain, paid = (
        scored(decode(decoder, log_probs))
        for decoder in (make_wide(), make_wide(silence_score=2.0))
    )
    assert math.isclose(paid[2, 3], plain[2, 3], abs_tol=1e-4)
    # One frame of space in every path of this text: no other has room.
    assert math.isclose(paid[2, 1, 3] - plain[2, 1, 3], 2.0, abs_tol=1e-4)


# --- what is refused -----------------------------------------------------------------


@pytest.mark.parametrize(
    "options",
    [
        {"beam_size": 0},
        {"symbols_per_frame": 0},
        {"beam_threshold": 0.0},
        {"lm_weight": math.nan},
        {"silence_score": math.inf},
        {"unknown_score": math.nan},
        {"word_bonus": 1.0, "lm": "char"},  # there are no words without a lexicon
        {"unknown_score": -1.0},
    ],
)
def test_options_that_mean_nothing_are_refused(options: dict[str, float]) -> None:
    with pytest.raises(LabError):
        make(**options)


def test_scores_that_mean_nothing_are_refused() -> None:
    decoder = make(SMALL)
    log_probs = random_log_probs(0, 3, 5).unsqueeze(1)
    for value in (torch.nan, torch.inf):
        broken = log_probs.clone()
        broken[1, 0, 2] = value
        with pytest.raises(LabError, match=r"NaN or \+inf"):
            decoder.search(broken, torch.tensor([3]))
    with pytest.raises(LabError, match="alphabet of 5"):
        decoder.search(log_probs[:, :, :4], torch.tensor([3]))
    for lengths in ([4], [3, 3], [-1]):
        with pytest.raises(LabError, match="for 1 utterances"):
            decoder.search(log_probs, torch.tensor(lengths))
    decoder.stream()
    with pytest.raises(LabError, match="NaN"):
        decoder.step(broken[:, 0])


def test_what_is_impossible_is_not_listed() -> None:
    log_probs = torch.full((4, 3), -torch.inf)
    log_probs[[0, 1, 2, 3], [1, 0, 1, 2]] = 0.0
    (found,) = decode(make("-ab", beam_threshold=math.inf), log_probs)
    assert found.indices == [1, 1, 2] and found.score == 0.0
    # No word begins so: what is left is silence, at a price, but no NaN.
    lexicon = letters_of("ba")
    nbest = decode(make("-ab ", lexicon=lexicon), certain([1, 1], 4, p=1.0))
    assert nbest and all(-1e6 < one.score < -1e3 for one in nbest)


def test_files_that_are_no_models_are_refused(
    models: Callable[..., str], tmp_path: Path
) -> None:
    good, high, low, accent = (
        Path(models([tuple(text)], order)).read_text("utf-8")
        for text, order in (("le|lit", 2), ("le|lit", 7), ("le|lit", 1), ("lé|lit", 2))
    )
    cases = {
        "text": ("le lit\n", "an ARPA file starts with"),
        "empty": ("", "the file is empty"),
        "high": (high, "the order is 7"),
        "low": (low, "the order is 1"),
        "cut": (good[: good.index("\\2-grams:") + 20], "not a line of order 2"),
        "accent": (accent, "another alphabet"),
    }
    for name, (content, complaint) in cases.items():
        path = tmp_path / name
        path.write_text(content, encoding="utf-8")
        with pytest.raises(LabError, match=complaint) as error:
            make(lm=str(path))
        assert str(path) in error.value.cause
    (tmp_path / "cut.gz").write_bytes(gzip.compress(good.encode())[:-30])
    (tmp_path / "noise").write_bytes(b"\\data\\\nngram 1=\xff\n")
    for name, complaint in (("cut.gz", "damaged or cut"), ("noise", "no UTF-8 text")):
        with pytest.raises(LabError, match=complaint):
            make(lm=str(tmp_path / name))
    (tmp_path / "cut.gz").write_bytes(gzip.compress(good.encode())[:40])
    with pytest.raises(LabError, match="damaged"):
        make(lm=str(tmp_path / "cut.gz"))
    with pytest.raises(LabError, match="No such file"):
        make(lm=str(tmp_path / "nowhere.arpa"))
    latin = tmp_path / os.fsdecode("modèle.arpa".encode("latin-1"))
    latin.write_text(good, encoding="utf-8")
    with pytest.raises(LabError, match="the path is not UTF-8"):
        make(lm=str(latin))


def test_kenlm_is_loaded_in_silence(
    models: Callable[..., str], capfd: pytest.CaptureFixture
) -> None:
    path = models(PHRASES, 2)
    packed = f"{path}.gz"
    Path(packed).write_bytes(gzip.compress(Path(path).read_bytes()))
    for file in (path, packed):
        make(lm=file)
    assert capfd.readouterr() == ("", "")


@pytest.mark.parametrize(
    "version, complaint",
    [((3, 13, 0), "no wheel for Python 3.13"), ((3, 12, 0), "is not installed")],
)
def test_without_the_package_there_is_another_way(
    monkeypatch: pytest.MonkeyPatch, version: tuple[int, ...], complaint: str
) -> None:
    monkeypatch.setitem(sys.modules, "flashlight", None)
    monkeypatch.setattr(sys, "version_info", version)
    with pytest.raises(LabError, match=complaint) as error:
        make()
    # Beam takes no word model, and sends who has one to Flashlight.
    assert "--decoder beam with --lm char" in error.value.remedy
    assert ("Python 3.12 or older" in error.value.remedy) == (version >= (3, 13))
