"""Properties of decoding with attention, against plain loops and brute force."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import groupby, product
from typing import Any

import pytest
import torch
import torch.nn.functional as F
from hybrid import DECODERS, extend_prefix, find_segments, joint_scores
from seq2seq import DECODER_TYPES, greedy_attention
from torch import Tensor, nn
from torch.nn.utils.rnn import PackedSequence, pack_sequence, pad_packed_sequence

from labkit.base import LabError
from labkit.decoding.attention.beam import search_segments, whole_transcripts
from labkit.decoding.attention.joint import (
    PrefixState,
    empty_prefix,
    endings,
    pad_frames,
    prefix_scores,
)
from labkit.decoding.attention.network import score_strings
from labkit.decoding.attention.segments import Draft, find_replacements
from labkit.decoding.beam import prefix_beam_search
from labkit.decoding.encoding import Encoding
from labkit.decoding.hypothesis import Hypothesis
from labkit.decoding.search import SearchOptions
from labkit.text import Alphabet

SIZE = 12  # of a frame of the encoder
FIRST = Alphabet((*"¬ ¶¦abe",))
OTHER = Alphabet((*"ae¦b¶ ¬",))  # the same symbols at other indices
KINDS = sorted(DECODER_TYPES)
SEARCHES = ("attention", "joint", "rescore", "verify", "par")
both_kinds = pytest.mark.parametrize("kind", KINDS)


@dataclass
class Charmap:
    """The alphabet of a network."""

    alphabet: Alphabet

    @property
    def blankid(self) -> int:
        """The index of the blank."""
        return self.alphabet.blank_id


@dataclass
class Network:
    """A recogniser without an encoder: what it reads is an encoding already."""

    charmap: Charmap
    decoder: nn.Module


def network(kind: str, alphabet: Alphabet = FIRST, seed: int = 0) -> Network:
    torch.manual_seed(seed)
    decoder = DECODER_TYPES[kind](len(alphabet.symbols), SIZE, 16, 4, 0.0).eval()
    with torch.no_grad():
        for name, weights in decoder.named_parameters():
            # Larger weights, so that what is read before matters for what follows.
            weights *= 1.0 if "norm" in name else 2.0
    return Network(Charmap(alphabet), decoder)


def encoding(
    seed: int, lengths: Sequence[int], alphabet: Alphabet = FIRST, sharp: float = 3.0
) -> Encoding:
    """Draw an encoding; its symbols are those of FIRST in any alphabet."""
    generator = torch.Generator().manual_seed(seed)
    order = [FIRST.symbols.index(symbol) for symbol in alphabet.symbols]
    scores, memory = [], []
    for length in lengths:
        drawn = sharp * torch.randn(length, len(order), generator=generator)
        scores.append(drawn[:, order])
        memory.append(torch.randn(length, SIZE, generator=generator))
    return Encoding(
        pack_sequence(scores, enforce_sorted=False),
        pack_sequence(memory, enforce_sorted=False),
    )


@torch.inference_mode()
def decode(
    name: str,
    model: Network,
    inputs: Encoding,
    **options: Any,
) -> list[list[Hypothesis]]:
    return DECODERS[name](model, SearchOptions(**options))(inputs)


def part_of(inputs: Encoding, b: int) -> Encoding:
    """Return one utterance of a batch."""

    def alone(packed: PackedSequence | None) -> PackedSequence:
        assert packed is not None
        padded, lengths = pad_packed_sequence(packed)
        return pack_sequence([padded[: lengths[b], b]])

    return Encoding(alone(inputs.scores), alone(inputs.memory))


def texts(found: list[list[Hypothesis]], alphabet: Alphabet = FIRST) -> list[list[str]]:
    return [[alphabet.decode(one.indices) for one in nbest] for nbest in found]


def assert_same(found: list[list[Hypothesis]], other: list[list[Hypothesis]]) -> None:
    assert [[one.indices for one in nbest] for nbest in found] == [
        [one.indices for one in nbest] for nbest in other
    ]
    scores = [[one.score for nbest in x for one in nbest] for x in (found, other)]
    assert scores[0] == pytest.approx(scores[1], abs=1e-3)


def opened(model: Network, inputs: Encoding) -> tuple[Any, Tensor]:
    frames, lengths = pad_packed_sequence(inputs.memory)
    return model.decoder.read(frames, lengths), lengths


# ---- reading strings


@both_kinds
@torch.inference_mode()
def test_a_string_is_read_at_once_as_symbol_by_symbol(kind: str) -> None:
    model, inputs = network(kind), encoding(1, (9, 4))
    memory, _ = opened(model, inputs)
    symbols = torch.randint(0, 7, (2, 3, 6))  # (B, R, U)
    whole = model.decoder(symbols, memory)
    state, log_probs = None, []
    for u in range(symbols.shape[2]):
        read = model.decoder(symbols[:, :, u : u + 1], memory, state)
        state = read.state
        log_probs.append(read.log_probs)
    torch.testing.assert_close(torch.cat(log_probs, dim=2), whole.log_probs)


@both_kinds
@torch.inference_mode()
def test_reading_goes_on_from_any_place_and_in_any_row(kind: str) -> None:
    model, inputs = network(kind), encoding(2, (9, 6))
    memory, _ = opened(model, inputs)
    symbols = torch.randint(0, 7, (2, 1, 6))
    whole = model.decoder(symbols, memory)
    places = torch.tensor([[0, 3, 5], [5, 2, 1]])  # (B, S)
    state = whole.state.at(places).rows(torch.tensor([[2, 0, 1, 1], [0, 1, 2, 0]]))
    places = torch.tensor([[5, 0, 3, 3], [5, 2, 1, 5]])
    following = symbols[:, 0].gather(1, places).unsqueeze(2)  # (B, 4, 1)
    read = model.decoder(following, memory, state)
    for b, r in product(range(2), range(4)):
        expected = whole.log_probs[b, 0, places[b, r]]
        torch.testing.assert_close(read.log_probs[b, r, 0], expected)
    # ... and two steps on, with the rows in another order
    again = model.decoder(
        following, memory, read.state.rows(torch.tensor([[3, 2, 1, 0]] * 2))
    )
    for b, r in product(range(2), range(4)):
        string = [*symbols[b, 0, : places[b, 3 - r] + 1].tolist(), following[b, r, 0]]
        plain = model.decoder(
            torch.tensor([[string], [string]]), memory
        ).log_probs  # (B, 1, U, V)
        torch.testing.assert_close(again.log_probs[b, r, 0], plain[b, 0, -1])


@both_kinds
@torch.inference_mode()
def test_padding_changes_nothing(kind: str) -> None:
    model, inputs = network(kind), encoding(3, (9, 4))
    memory, _ = opened(model, inputs)
    alone, _ = opened(model, part_of(inputs, 1))
    symbols = torch.randint(0, 7, (2, 1, 5))
    both = model.decoder(symbols, memory)
    one = model.decoder(symbols[1:], alone)
    torch.testing.assert_close(both.log_probs[1:], one.log_probs)
    assert both.weights[1, :, :, 4:].abs().max() == 0
    torch.testing.assert_close(both.weights.sum(dim=3), torch.ones(2, 1, 5))


# ---- prefix scores


def paths_of(log_probs: Tensor, blank: int) -> dict[tuple[int, ...], float]:
    """Sum the probabilities of all paths of each transcript."""
    totals: dict[tuple[int, ...], float] = {}
    n_frames, n_symbols = log_probs.shape
    for path in product(range(n_symbols), repeat=n_frames):
        merged = tuple(k for k, _ in groupby(path) if k != blank)
        score = sum(log_probs[t, k].item() for t, k in enumerate(path))
        totals[merged] = totals.get(merged, 0.0) + math.exp(score)
    return totals


def state_of(log_probs: Tensor, prefix: Sequence[int], blank: int) -> PrefixState:
    state, last = empty_prefix(log_probs[:, blank]), None
    for symbol in prefix:
        repeats = torch.tensor(symbol == last)
        state, _ = extend_prefix(
            log_probs[:, symbol], log_probs[:, blank], state, repeats
        )
        last = symbol
    return state


@pytest.mark.parametrize("blank", [0, 1, 3])
@pytest.mark.parametrize("seed", range(3))
def test_prefix_scores_are_sums_over_all_paths(seed: int, blank: int) -> None:
    torch.manual_seed(seed)
    log_probs = (3 * torch.randn(5, 4)).double().log_softmax(dim=1)
    totals = paths_of(log_probs, blank)
    symbols = [k for k in range(4) if k != blank]
    end = symbols[seed]
    ends = endings(log_probs[None], blank, end)
    for prefix in [p for n in range(4) for p in product(symbols, repeat=n)]:
        state = state_of(log_probs, prefix, blank)
        assert state.whole.exp().item() == pytest.approx(totals.get(prefix, 0.0))
        last = torch.tensor([[prefix[-1] if prefix else blank]])
        batched = PrefixState(*(part[None, None] for part in state))
        scores, whole = prefix_scores(
            log_probs[None], log_probs[None].exp(), ends, batched, last
        )
        scores = scores[0, 0]
        if prefix[-1:] != (end,):
            expected = pytest.approx(totals.get((*prefix, end), 0.0), abs=1e-12)
            assert whole.exp().item() == expected
        for symbol in symbols:
            longer = (*prefix, symbol)
            expected = sum(
                p for string, p in totals.items() if string[: len(longer)] == longer
            )
            assert scores[symbol].exp().item() == pytest.approx(expected, abs=1e-12)
            repeats = torch.tensor(prefix[-1:] == (symbol,))
            _, own = extend_prefix(
                log_probs[:, symbol], log_probs[:, blank], state, repeats
            )
            assert own.exp().item() == pytest.approx(expected, abs=1e-12)


def test_the_score_of_a_whole_transcript_is_the_ctc_loss() -> None:
    torch.manual_seed(0)
    log_probs = torch.randn(400, 7).double().log_softmax(dim=1)
    for prefix in ([4, 4, 5, 4, 4, 4], [5], [*range(1, 7)] * 10):
        loss = F.ctc_loss(
            log_probs.unsqueeze(1),
            torch.tensor([prefix]),
            torch.tensor([400]),
            torch.tensor([len(prefix)]),
            reduction="sum",
        )
        whole = state_of(log_probs, prefix, 0).whole
        assert whole.item() == pytest.approx(-loss.item(), abs=1e-6)


def test_padded_frames_change_no_prefix_score_and_no_input() -> None:
    torch.manual_seed(0)
    log_probs = torch.randn(9, 2, 7).log_softmax(dim=2)  # (T', B, V)
    kept, lengths = log_probs.clone(), torch.tensor([9, 5])
    padded = pad_frames(log_probs, lengths, blank=2)
    ends = endings(padded, blank=2, end=3)
    for b, length in enumerate(lengths.tolist()):
        alone = log_probs[:length, b].double()
        for prefix in ([4], [4, 4, 1]):
            own = state_of(alone, prefix, 2).whole.item()
            assert state_of(padded[b], prefix, 2).whole.item() == pytest.approx(own)
            ended = state_of(alone, [*prefix, 3], 2).whole.item()
            state = state_of(padded[b], prefix, 2)
            before = state.total[:-1]
            assert (before + ends[b]).logsumexp(0).item() == pytest.approx(ended)
    assert torch.equal(log_probs, kept)


# ---- searches


def all_strings(symbols: Sequence[int], end: int, limit: int) -> list[list[int]]:
    return [
        [*string, end] for n in range(limit) for string in product(symbols, repeat=n)
    ]


@both_kinds
@torch.inference_mode()
def test_a_wide_beam_finds_the_best_of_all_strings(kind: str) -> None:
    model, inputs = network(kind), encoding(4, (4, 3))
    _, lengths = opened(model, inputs)
    found = decode("attention", model, inputs, beam_size=300)
    for b, limit in enumerate(lengths.tolist()):
        strings = all_strings((1, 4, 5, 6), 3, limit)
        own, _ = opened(model, part_of(inputs, b))
        (scores,) = score_strings(model.decoder, own, [strings], 2)
        ranked = sorted(zip(scores, strings), reverse=True)
        assert len(found[b]) == min(300, len(strings))
        for one, (score, string) in zip(found[b], ranked):
            assert one.score == pytest.approx(score, abs=1e-4)
            assert one.indices == [2, *string]
            assert one.cut == (len(string) == limit)


@both_kinds
def test_joint_search_lies_between_ctc_and_attention(kind: str) -> None:
    model, inputs = network(kind), encoding(5, (5, 4))
    alone = decode("attention", model, inputs, beam_size=8)
    assert_same(decode("joint", model, inputs, beam_size=8, ctc_weight=0.0), alone)
    # With all weight on CTC it finds, of the strings from ¶ to ¦, those of the
    # prefix beam search, with their scores.
    found = decode("joint", model, inputs, beam_size=2000, ctc_weight=1.0)
    padded, lengths = pad_packed_sequence(inputs.scores)
    lists = prefix_beam_search(padded.log_softmax(dim=2), lengths, 20_000, 0)
    for nbest, ctc in zip(found, lists):
        framed = [
            one
            for one in ctc
            if one.indices[:1] == [2]
            and one.indices[-1:] == [3]
            and not {2, 3} & {*one.indices[1:-1]}
        ]
        n_compared = min(20, len(framed))
        assert [one.score for one in nbest[:n_compared]] == pytest.approx(
            [one.score for one in framed[:n_compared]], abs=1e-4
        )
        # Equal scores may come in any order.
        assert nbest[0].indices == framed[0].indices
        assert {tuple(o.indices) for o in nbest[:5]} <= {
            tuple(o.indices) for o in framed[:10]
        }


@both_kinds
def test_the_parts_of_a_score_add_up(kind: str) -> None:
    model, inputs = network(kind), encoding(6, (8, 5))
    for name in ("joint", "rescore"):
        for weight in (0.0, 0.3, 1.0):
            found = decode(name, model, inputs, beam_size=5, ctc_weight=weight)
            for one in (one for nbest in found for one in nbest):
                ctc, attention = one.parts["ctc"], one.parts["attention"]
                expected = (weight and weight * ctc) + (1 - weight) * attention
                assert one.score == pytest.approx(expected, abs=1e-3)


def test_a_weight_of_zero_silences_even_minus_infinity() -> None:
    finite, never = torch.zeros(7), torch.full((7,), -math.inf)
    for first, second, weight in ((finite, never, 0.0), (never, finite, 1.0)):
        scores = joint_scores(first, second, second[0], 3, weight)
        assert torch.equal(scores, finite)


@both_kinds
def test_rescoring_loses_no_hypothesis(kind: str) -> None:
    model, inputs = network(kind), encoding(7, (9, 6, 2))
    before = decode("beam", model, inputs, beam_size=6)
    after = decode("rescore", model, inputs, beam_size=6)
    for old, new in zip(before, after):
        assert sorted(one.indices for one in old) == sorted(o.indices for o in new)
        scores = [one.score for one in new]
        assert scores == sorted(scores, reverse=True)
    # With all weight on CTC, nothing changes.
    assert_same(decode("rescore", model, inputs, beam_size=6, ctc_weight=1.0), before)


@both_kinds
@pytest.mark.parametrize("seed", range(8))
def test_verifying_finds_what_greedy_attention_finds(kind: str, seed: int) -> None:
    model, inputs = network(kind, seed=seed), encoding(seed, (9, 6, 3, 1))
    with torch.inference_mode():
        memory, lengths = opened(model, inputs)
        strings = greedy_attention(model.decoder, memory, lengths, 2, 3, (0, 2))
    for limit, string in zip(lengths.tolist(), strings):
        assert len(string) == limit or string[-1] == 3
        assert len(string) <= limit
    found = decode("verify", model, inputs)
    for (one,), string, limit in zip(found, strings, lengths.tolist()):
        # A search pays for the end at the limit, where greedy decoding just stops.
        if string[-1] == 3:
            assert one.indices == [2, *string]
        else:
            assert one.indices == [2, *string[: limit - 1], 3]
    beam = decode("attention", model, inputs, beam_size=1)
    assert_same(found, beam)


@both_kinds
def test_verifying_keeps_a_string_that_attention_agrees_with(kind: str) -> None:
    model, inputs = network(kind, seed=3), encoding(3, (9, 9))
    with torch.inference_mode():
        memory, lengths = opened(model, inputs)
        strings = greedy_attention(model.decoder, memory, lengths, 2, 3, (0, 2))
    n_frames, n_symbols = 2 * max(map(len, strings)) + 2, len(FIRST.symbols)
    scores = torch.full((2, n_frames, n_symbols), 0.0)
    scores[:, :, 0] = 9.0
    for b, string in enumerate(strings):
        for u, symbol in enumerate([2, *string]):
            scores[b, 2 * u, symbol] = 20.0
    agreed = inputs._replace(scores=pack_sequence([*scores]))
    calls = []
    hook = model.decoder.register_forward_hook(lambda *call: calls.append(1))
    with hook:
        found = decode("verify", model, agreed)
    ended = [string for string in strings if string[-1] == 3]
    assert len(ended) < 2 or len(calls) == 1
    for (one,), string in zip(found, strings):
        if string[-1] == 3:
            assert one.indices == [2, *string]


# ---- partially autoregressive decoding


@both_kinds
def test_nothing_uncertain_is_greedy_ctc(kind: str) -> None:
    model, inputs = network(kind), encoding(8, (9, 6, 1))
    greedy = decode("greedy", model, inputs)
    assert_same(decode("par", model, inputs, par_threshold=0.0), greedy)


@both_kinds
@pytest.mark.parametrize("seed", range(6))
@torch.inference_mode()
def test_everything_uncertain_is_the_beam_search_of_attention(
    kind: str, seed: int
) -> None:
    model, inputs = network(kind, seed=seed), encoding(seed, (9, 6))
    memory, _ = opened(model, inputs)
    strings = [[4, 5, 5, 3], [6, 3]]
    draft = Draft.read_by(model.decoder, memory, strings, 2)
    segments = [find_segments([True] * len(string)) for string in strings]
    found = find_replacements(draft, segments, 5, [0, 2, 3], max_growth=20)
    whole = whole_transcripts(model.decoder, memory, 2, 3, torch.tensor([24, 22]))
    expected = search_segments(model.decoder, memory, whole, 5, [0, 2, 3])
    for (own,), (other,) in zip(found, expected):
        assert own[0].symbols == other[0].symbols
        assert own[0].score == pytest.approx(other[0].score, abs=1e-4)


@both_kinds
@torch.inference_mode()
def test_segments_share_the_state_of_their_string(kind: str) -> None:
    model, inputs = network(kind), encoding(10, (9,))
    memory, _ = opened(model, inputs)
    draft = Draft.read_by(model.decoder, memory, [[*[4, 5] * 50, 3]], 2)

    def size_of(n_rows: int) -> int:
        rows = torch.arange(n_rows).unsqueeze(0)
        state = draft.read.state.at(rows).rows(rows)
        return sum(part.untyped_storage().nbytes() for part in state)

    # A row holds a byte for each of the 101 symbols, or one state.
    assert size_of(90) - size_of(10) <= 80 * 101


@both_kinds
@torch.inference_mode()
def test_segments_together_are_segments_alone(kind: str) -> None:
    model, inputs = network(kind), encoding(10, (9, 8, 6))
    memory, _ = opened(model, inputs)
    strings = [[4, 5, 5, 6, 1, 4, 5, 3], [6, 4, 3], [5, 4, 4, 4, 5, 3]]
    segments = [[(0, 1), (2, 4), (6, 8)], [], [(1, 2), (4, 5)]]
    draft = Draft.read_by(model.decoder, memory, strings, 2)

    def search(parts: list[list[tuple[int, int]]], chunk: int = -1) -> list:
        return find_replacements(draft, parts, 4, [0, 2, 3], 3, chunk)

    together = search(segments)
    assert [len(found) for found in together] == [3, 0, 2]
    for chunk in (1, 2, 3, 9):
        for found, other in zip(together, search(segments, chunk)):
            for own, alone in zip(found, other):
                assert [o.symbols for o in own] == [o.symbols for o in alone]
                assert [o.score for o in own] == pytest.approx(
                    [o.score for o in alone], abs=1e-4
                )
    for b, own in enumerate(segments):
        for s, segment in enumerate(own):
            parts: list = [[], [], []]
            parts[b] = [segment]
            (alone,) = search(parts)[b]
            assert [o.symbols for o in alone] == [o.symbols for o in together[b][s]]
            stop = strings[b][min(segment[1], len(strings[b]) - 1)]
            for one in alone:
                assert one.symbols[-1] == stop
                assert stop not in one.symbols[:-1]
                assert not {0, 2} & {*one.symbols}
                assert 3 not in one.symbols[:-1]


@both_kinds
@torch.inference_mode()
def test_what_follows_a_segment_ranks_its_two_best(kind: str) -> None:
    strings = [[4, 5, 5, 6, 1, 4, 5, 3], [6, 4, 4, 3], [5, 4, 4, 4, 5, 3]]
    segments = [[(0, 1), (2, 4)], [(0, 1)], [(1, 2), (4, 5)]]
    n_turned = dict.fromkeys(range(3), 0)  # of each utterance
    for seed in range(60):
        model, inputs = network(kind, seed=seed), encoding(seed, (9, 8, 6), sharp=1.0)
        memory, _ = opened(model, inputs)
        draft = Draft.read_by(model.decoder, memory, strings, 2)
        found = find_replacements(draft, segments, 4, [0, 2, 3], 3)
        for b, (string, own) in enumerate(zip(strings, segments)):
            alone, _ = opened(model, part_of(inputs, b))
            for (begin, after), nbest in zip(own, found[b]):
                two = nbest[:2]
                apart = abs(two[0].score - two[-1].score)
                if after >= len(string) - 1 or len(two) < 2 or apart >= 2:
                    continue
                totals = []
                for one in two:
                    rest = [*one.symbols, *string[after + 1 : after + 5]]
                    text = torch.tensor([[[2, *string[:begin], *rest]]])
                    read = model.decoder(text[..., :-1], alone).log_probs[0, 0]
                    said = read.gather(1, text[0, 0, 1:].unsqueeze(1))
                    totals.append(said[begin:].sum().item())
                assert totals[0] >= totals[1] - 1e-4
                n_turned[b] += two[0].score < two[1].score
    assert all(n_turned.values())


@both_kinds
@pytest.mark.parametrize("threshold", [0.3, 0.7, 0.99, 1.0])
def test_certain_symbols_survive(kind: str, threshold: float) -> None:
    """Also double letters, which are two symbols with a blank between them."""
    model = network(kind)
    string, sure = [2, 6, 5, 5, 6, 1, 4, 3], [1, 1, 1, 1, 0, 1, 1, 1]
    scores = torch.zeros(2 * len(string), len(FIRST.symbols))
    for u, (symbol, certain) in enumerate(zip(string, sure)):
        scores[2 * u, symbol] = 200.0 if certain else 1.5
        scores[2 * u + 1, 0] = 200.0
    inputs = Encoding(
        pack_sequence([scores]), pack_sequence([torch.randn(len(scores), SIZE)])
    )
    (nbest,) = decode("par", model, inputs, par_threshold=threshold)
    for one in nbest:
        assert one.indices[:4] == string[:4]
        assert one.indices[-3:] == string[-3:]


@both_kinds
@pytest.mark.parametrize("threshold", [0.5, 1.0])
def test_an_end_that_ctc_has_not_written_is_decoded(
    kind: str, threshold: float
) -> None:
    model = network(kind)
    string = [2, 6, 5, 4]  # no ¦
    scores = torch.zeros(2 * len(string), len(FIRST.symbols))
    for u, symbol in enumerate(string):
        scores[2 * u, symbol] = scores[2 * u + 1, 0] = 200.0
    inputs = Encoding(
        pack_sequence([scores]), pack_sequence([torch.randn(len(scores), SIZE)])
    )
    with torch.inference_mode():
        memory, _ = opened(model, inputs)
        draft = Draft.read_by(model.decoder, memory, [[6, 5, 4, 3]], 2)
        ((expected,),) = find_replacements(draft, [[(3, 4)]], 10, [0, 2, 3], 5)
    (nbest,) = decode("par", model, inputs, par_threshold=threshold)
    assert nbest[0].indices == [*string, *expected[0].symbols]
    assert nbest[0].score == pytest.approx(expected[0].score, abs=1e-4)


# ---- all of them


@both_kinds
@pytest.mark.parametrize("name", SEARCHES)
def test_an_utterance_alone_is_the_same_in_a_batch(kind: str, name: str) -> None:
    model, inputs = network(kind), encoding(11, (12, 3, 9, 1))
    kept = [packed.data.clone() for packed in (inputs.scores, inputs.memory)]
    together = decode(name, model, inputs, beam_size=4)
    for b, nbest in enumerate(together):
        assert_same(decode(name, model, part_of(inputs, b), beam_size=4), [nbest])
    for packed, before in zip((inputs.scores, inputs.memory), kept):
        assert torch.equal(packed.data, before)


@both_kinds
@pytest.mark.parametrize("name", SEARCHES)
def test_the_indices_of_symbols_mean_nothing(kind: str, name: str) -> None:
    model, other = network(kind), network(kind, OTHER)
    order = torch.tensor([FIRST.symbols.index(symbol) for symbol in OTHER.symbols])
    weights = model.decoder.state_dict()
    for part in ("embedding.weight", "output.weight", "output.bias"):
        weights[part] = weights[part][order]
    other.decoder.load_state_dict(weights)
    found = decode(name, model, encoding(12, (9, 5)), beam_size=3)
    same = decode(name, other, encoding(12, (9, 5), OTHER), beam_size=3)
    assert texts(found) == texts(same, OTHER)


@pytest.mark.parametrize("name", SEARCHES)
def test_a_beam_without_room_is_refused(name: str) -> None:
    if name == "verify":
        pytest.skip("it keeps no beam")
    with pytest.raises(LabError, match="keeps no hypothesis"):
        decode(name, network("gru"), encoding(0, (3,)), beam_size=0)


@pytest.mark.parametrize("name", SEARCHES)
def test_an_encoding_without_memory_is_refused(name: str) -> None:
    inputs = encoding(0, (3,))._replace(memory=None)
    with pytest.raises(LabError, match="no attention decoder"):
        decode(name, network("gru"), inputs)


def test_length_norm_prefers_longer_strings() -> None:
    model, inputs = network("gru"), encoding(13, (9, 9, 9))
    plain = decode("attention", model, inputs, beam_size=50)
    normed = decode("attention", model, inputs, beam_size=50, length_norm=1.0)
    lengths = [
        sum(len(nbest[0].indices) for nbest in found) for found in (plain, normed)
    ]
    assert lengths[0] < lengths[1]
    for one in (one for nbest in normed for one in nbest):
        n_symbols = len(one.indices) - 1
        assert one.score == pytest.approx(one.parts["attention"] / n_symbols, abs=1e-4)


# ---- hot words


@pytest.mark.parametrize("lengths_count", [0.0, 0.7])
@pytest.mark.parametrize("name", ["attention", "joint", "rescore"])
def test_without_a_hot_word_the_answer_is_never_worse(
    name: str, lengths_count: float
) -> None:
    model, unsaid = network("gru"), 0
    options = {"beam_size": 3, "length_norm": lengths_count}
    for seed in range(8):
        inputs = encoding(seed, [9, 12], sharp=1.0)
        plain = decode(name, model, inputs, **options)
        hot = decode(name, model, inputs, hotwords=("abbaeab",), **options)
        for (expected, *_), (found, *_) in zip(plain, hot):
            if "abbaeab" not in FIRST.decode(found.indices):
                unsaid += 1
                assert found.score > expected.score - 1e-3
    assert unsaid > 5
