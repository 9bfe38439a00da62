"""Properties of decoding: greedy, and beam search against plain oracles."""

from __future__ import annotations

import math
import re
from collections import defaultdict
from itertools import groupby, product

import decoding
import pytest
import torch
import torch.nn.functional as F
from data import CharMap, pack_sequences
from decoding import (
    DECODERS,
    best_paths,
    greedy_decode,
    is_exact,
    prefix_search,
)
from models import LinearModel
from torch import Tensor

from labkit.base.errors import LabError
from labkit.decoding.beam import prefix_beam_search
from labkit.decoding.encoding import Encoding
from labkit.decoding.fusion.automaton import Automaton
from labkit.decoding.fusion.ngram import Fusion
from labkit.decoding.hypothesis import Hypothesis
from labkit.decoding.search import SearchOptions, beam_search

CHARMAP = CharMap()
UNBOUNDED = 400  # more prefixes than any case here has
TEXTS = ("elle a 22 ans.", "ou", "l'annee 1100, m'appelle", "a", "")

Transcript = tuple[int, ...]
Scored = dict[Transcript, float]


def random_log_probs(seed: int, *shape: int, spread: float = 1.0) -> Tensor:
    """Draw log-probabilities (T, B, V), exact enough that no two tie."""
    generator = torch.Generator().manual_seed(seed)
    scores = torch.randn(*shape, generator=generator, dtype=torch.float64)
    return (spread * scores).log_softmax(2)


def search(log_probs: Tensor, beam: int, blank: int = 0) -> list[Scored]:
    """Search whole utterances; see that the lists are sorted and without doubles."""
    lengths = torch.full((log_probs.shape[1],), len(log_probs))
    found = []
    for nbest in prefix_beam_search(log_probs, lengths, beam, blank):
        scores = [one.score for one in nbest]
        assert scores == sorted(scores, reverse=True)
        table = {tuple(one.indices): one.score for one in nbest}
        assert 1 <= len(table) == len(nbest) <= beam
        found.append(table)
    return found


def all_paths(log_probs: Tensor, blank: int) -> Scored:
    """Sum the probability of every path (T, V), transcript by transcript."""
    T, V = log_probs.shape
    table = log_probs.tolist()
    total: Scored = defaultdict(float)
    for path in product(range(V), repeat=T):
        transcript = tuple(k for k, _ in groupby(path) if k != blank)
        total[transcript] += math.exp(sum(table[t][k] for t, k in enumerate(path)))
    return {transcript: math.log(p) for transcript, p in total.items()}


def dictionary_search(log_probs: Tensor, beam: int, blank: int) -> Scored:
    """Search one utterance (T, V) with a plain dictionary of prefixes."""
    kept = {(): (1.0, 0.0)}  # probability of paths that end with a blank, and not
    for frame in log_probs.exp().tolist():
        ends_blank: Scored = defaultdict(float)
        ends_symbol: Scored = defaultdict(float)
        for prefix, (blanks, symbols) in kept.items():
            for k, p in enumerate(frame):
                if k == blank:
                    ends_blank[prefix] += p * (blanks + symbols)
                elif prefix and k == prefix[-1]:
                    ends_symbol[prefix] += p * symbols
                    ends_symbol[(*prefix, k)] += p * blanks
                else:
                    ends_symbol[(*prefix, k)] += p * (blanks + symbols)
        every = set(ends_blank) | set(ends_symbol)
        total = {prefix: ends_blank[prefix] + ends_symbol[prefix] for prefix in every}
        best = sorted(total, key=total.get, reverse=True)[:beam]
        kept = {prefix: (ends_blank[prefix], ends_symbol[prefix]) for prefix in best}
    return {prefix: math.log(sum(p)) for prefix, p in kept.items() if sum(p) > 0}


def assert_same(found: Scored, wanted: Scored) -> None:
    assert set(found) == set(wanted)
    for transcript, score in wanted.items():
        assert math.isclose(found[transcript], score, rel_tol=1e-9, abs_tol=1e-9)


@pytest.mark.parametrize("n_symbols, blank", [(2, 0), (3, 2), (4, 1)])
@pytest.mark.parametrize("n_frames", [1, 2, 5])
def test_an_unbounded_beam_sums_all_paths(
    n_frames: int, n_symbols: int, blank: int
) -> None:
    log_probs = random_log_probs(n_frames, n_frames, 2, n_symbols)
    for b, found in enumerate(search(log_probs, UNBOUNDED, blank)):
        assert_same(found, all_paths(log_probs[:, b], blank))


@pytest.mark.parametrize("blank", [0, 3])
def test_an_unbounded_beam_scores_a_transcript_as_the_loss_does(blank: int) -> None:
    log_probs = random_log_probs(blank, 5, 1, 4)
    (found,) = search(log_probs, UNBOUNDED, blank)
    assert len(found) > 100
    for transcript, score in found.items():
        loss = F.ctc_loss(
            log_probs,
            torch.tensor([transcript], dtype=torch.long),
            torch.tensor([5]),
            torch.tensor([len(transcript)]),
            blank,
            reduction="sum",
        )
        assert math.isclose(score, -loss.item(), abs_tol=1e-9)


@pytest.mark.parametrize("beam", [1, 3, 10, 25])
def test_a_bounded_beam_is_that_of_a_plain_dictionary(beam: int) -> None:
    # Flat scores: many prefixes are nearly as good, so the beam drops most of them.
    for V, blank, spread in ((3, 0, 0.3), (8, 5, 0.3), (6, 0, 1.5)):
        log_probs = random_log_probs(V, 18, 4, V, spread=spread)
        for b, found in enumerate(search(log_probs, beam, blank)):
            assert len(found) == beam
            assert_same(found, dictionary_search(log_probs[:, b], beam, blank))


@pytest.mark.parametrize("blank", [0, 2])
def test_a_beam_with_room_to_spare_holds_no_prefix_that_is_impossible(
    blank: int,
) -> None:
    # Half of the symbols cannot be at each frame: most slots stay empty for long.
    for seed in range(25):
        scores = random_log_probs(seed, 7, 2, 4)
        keep = torch.rand(scores.shape, generator=torch.Generator().manual_seed(seed))
        keep[..., seed % 4] = 1
        log_probs = scores.masked_fill(keep < 0.5, -torch.inf).log_softmax(2)
        for beam in (2, 5, 9, 30):
            for b, found in enumerate(search(log_probs, beam, blank)):
                assert_same(found, dictionary_search(log_probs[:, b], beam, blank))


def test_an_utterance_is_found_alone_as_in_a_batch() -> None:
    log_probs, lengths = random_log_probs(7, 12, 4, 5), torch.tensor([12, 1, 7, 3])
    together = prefix_beam_search(log_probs, lengths, 6)
    for b, n in enumerate(lengths.tolist()):
        # Whatever stands past the end, even a symbol that is certain, is not read.
        (alone,) = prefix_beam_search(
            log_probs[:n, b : b + 1], torch.tensor([n]), 6, blank_id=0
        )
        assert [f.indices for f in together[b]] == [f.indices for f in alone]
        scores = torch.tensor([[f.score for f in n] for n in (alone, together[b])])
        assert torch.allclose(scores[0], scores[1])


def test_what_is_impossible_is_not_listed() -> None:
    log_probs = torch.full((4, 1, 3), -torch.inf)
    log_probs[[0, 1, 2, 3], 0, [1, 0, 1, 2]] = 0.0
    assert search(log_probs, 10) == [{(1, 1, 2): 0.0}]


@pytest.mark.parametrize("beam", [0, -1])
def test_a_beam_that_keeps_nothing_is_refused(beam: int) -> None:
    with pytest.raises(LabError, match="keeps no hypothesis"):
        prefix_beam_search(random_log_probs(0, 3, 1, 4), torch.tensor([3]), beam)


def test_scores_that_are_not_numbers_are_refused() -> None:
    log_probs = random_log_probs(0, 3, 1, 4)
    log_probs[1, 0, 2] = torch.nan
    with pytest.raises(LabError, match="NaN"):
        prefix_beam_search(log_probs, torch.tensor([3]), 4)


def spoken(text: str, seed: int) -> Tensor:
    """Make scores (T', V) whose best path spells ``text``."""
    generator = torch.Generator().manual_seed(seed)
    path, previous = [], None
    for symbol in text:
        index = CHARMAP.char2idx[symbol]
        blanks, held = torch.randint(0, 3, (2,), generator=generator).tolist()
        path += [0] * max(blanks, int(index == previous)) + [index] * (held + 1)
        previous = index
    path.append(0)
    scores = torch.randn(len(path), CHARMAP.vocab_size, generator=generator)
    scores[range(len(path)), path] += 12
    return scores


def test_greedy_and_beam_decoding_spell_what_was_said_in_the_order_it_came() -> None:
    scores = [spoken(text, seed) for seed, text in enumerate(TEXTS)]
    packed = pack_sequences(scores)
    greedy = greedy_decode(packed, CHARMAP)
    assert tuple(text for _, text in greedy) == TEXTS
    paths = [path for _, path in best_paths(packed)]
    assert [len(path) for path in paths] == [len(one) for one in scores]
    for one, (cost, _) in zip(scores, greedy):
        assert math.isclose(
            cost, -one.log_softmax(1).amax(1).sum().item(), rel_tol=1e-4
        )
    beams = beam_search(packed, CHARMAP.alphabet, 8, CHARMAP.blankid)
    assert tuple(nbest[0][1] for nbest in beams) == TEXTS
    for nbest, (cost, _) in zip(beams, greedy):
        # A text has at least the probability of its best path.
        assert 0 <= nbest[0][0] <= cost + 1e-4
        assert [c for c, _ in nbest] == sorted(c for c, _ in nbest)


def test_one_frame_is_one_symbol_or_none() -> None:
    for symbol in ("a", ""):
        scores = torch.zeros(1, CHARMAP.vocab_size)
        scores[0, CHARMAP.char2idx[symbol or CHARMAP.blank]] = 5
        assert greedy_decode(pack_sequences([scores]), CHARMAP)[0][1] == symbol
        (nbest,) = beam_search(pack_sequences([scores]), CHARMAP.alphabet, 50, 0)
        assert nbest[0][1] == symbol
        # Nothing but the 43 symbols and the empty text can come of one frame.
        assert {text for _, text in nbest} == {"", *CHARMAP.idx2char[1:]}
        assert math.isclose(sum(math.exp(-cost) for cost, _ in nbest), 1, rel_tol=1e-4)


def random_language(seed: int, n_states: int, n_symbols: int) -> Automaton:
    """Draw a language model of ``n_states`` states."""
    generator = torch.Generator().manual_seed(seed)
    return Automaton(
        0,
        torch.randint(0, n_states, (n_states, n_symbols), generator=generator),
        torch.randn(n_states, n_symbols, generator=generator).log_softmax(1),
        torch.randn(n_states, generator=generator),
    )


def assert_same_lists(one: list[Hypothesis], other: list[Hypothesis]) -> None:
    """Compare two n-best lists: the same transcripts in the same order, all scores."""
    assert [f.indices for f in one] == [f.indices for f in other]
    for a, b in zip(one, other):
        assert [*a.parts] == [*b.parts]
        pairs = [(a.score, b.score), *zip(a.parts.values(), b.parts.values())]
        assert all(math.isclose(*pair, rel_tol=1e-5, abs_tol=1e-5) for pair in pairs)


@pytest.mark.parametrize("beam", [1, 3, 10, 25])
@pytest.mark.parametrize("with_lm", [False, True])
def test_the_plain_search_finds_what_the_batched_one_finds(
    beam: int, with_lm: bool
) -> None:
    log_probs = random_log_probs(beam, 16, 3, 9, spread=0.4)
    lengths = torch.tensor([16, 9, 1])
    lm = random_language(beam, 7, 9) if with_lm else None
    fusion = Fusion(lm, lm_weight=0.8, word_bonus=0.7, space=3) if with_lm else None
    together = prefix_beam_search(log_probs, lengths, beam, 0, fusion)
    for b, length in enumerate(lengths.tolist()):
        alone = prefix_search(log_probs[:length, b], beam, 0, fusion)
        assert_same_lists(alone, together[b])


@pytest.mark.parametrize("name", ["prefix", "beam"])
def test_a_decoder_refuses_a_beam_that_keeps_nothing(name: str) -> None:
    packed = pack_sequences([spoken(TEXTS[0], 0)])
    with pytest.raises(LabError, match="keeps no hypothesis"):
        decoder = DECODERS[name](LinearModel(CHARMAP, 1), SearchOptions(beam_size=0))
        decoder(Encoding(packed, None))


def test_every_decoder_of_the_table_spells_what_was_said() -> None:
    packed = pack_sequences([spoken(text, seed) for seed, text in enumerate(TEXTS)])
    recogniser = LinearModel(CHARMAP, 1)  # of which only the alphabet is read
    for name, make in DECODERS.items():
        if name == "flashlight":
            pytest.importorskip("flashlight")
        found = make(recogniser, SearchOptions())(Encoding(packed, None))
        texts = [CHARMAP.decode(nbest[0].indices) for nbest in found]
        assert tuple(texts) == TEXTS, name


def test_both_searches_keep_the_law() -> None:
    def batched(log_probs: Tensor, beam_size: int, blank: int) -> list[Hypothesis]:
        whole = torch.tensor([len(log_probs)])
        return prefix_beam_search(log_probs.unsqueeze(1), whole, beam_size, blank)[0]

    for n_frames, blank in ((1, 0), (4, 0), (4, 2)):
        log_probs = random_log_probs(n_frames, n_frames, 1, 3)[:, 0].float()
        assert is_exact(prefix_search, log_probs, blank)
        assert is_exact(batched, log_probs, blank)


def test_the_trace_ends_with_the_beam_of_the_search(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr("sys.argv", ["decoding.py", "--trace"])
    decoding.main()
    *_, last = capsys.readouterr().out.split("frame ")
    rows = re.findall(r"« (\w*) » +(\S+) +(\S+) +(\S+)( +dropped)?$", last, re.M)
    kept = [(text, float(total)) for text, *_, total, dropped in rows if not dropped]
    log_probs = torch.tensor(decoding.TRACED).log()
    found = decoding.prefix_search(log_probs, 3, 0)
    wanted = ["".join("¬el"[k] for k in one.indices) for one in found]
    assert [text for text, _ in kept] == wanted and len(rows) > 3
    for (_, total), one in zip(kept, found):
        assert total == pytest.approx(math.exp(one.score), abs=1e-4)
    for _, blank, symbol, total, _ in rows:
        assert float(blank) + float(symbol) == pytest.approx(float(total), abs=2e-4)
