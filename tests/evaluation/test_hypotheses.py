"""Properties of hypotheses: text, times and confidence, against built utterances."""

from __future__ import annotations

import json
import math

import pytest
import torch
from data import CharMap
from torch import Tensor

from labkit.base.errors import LabError
from labkit.decoding.alignment import align
from labkit.decoding.hypothesis import Hypothesis
from labkit.evaluation.timed import TimedHypothesis, describe

CHARMAP = CharMap()
STEP = 0.04  # s a frame
Built = list[tuple[str, int, int]]  # symbol, first frame, frame after its last


def spoken(built: Built, n_frames: int, certainty: float = 0.9) -> Tensor:
    """Make log-probabilities (T', V) of symbols at their frames, blanks elsewhere.

    What is built has probability ``certainty`` at its frames; the rest is shared.
    """
    path = [CHARMAP.blankid] * n_frames
    for symbol, first, end in built:
        path[first:end] = [CHARMAP.char2idx[symbol]] * (end - first)
    share = (1 - certainty) / (CHARMAP.vocab_size - 1)
    posteriors = torch.full((n_frames, CHARMAP.vocab_size), share)
    posteriors[range(n_frames), path] = certainty
    return posteriors.log()


def found(text: str, score: float = -1.0) -> Hypothesis:
    return Hypothesis(score, [CHARMAP.char2idx[c] for c in text], {"ctc": score})


def describe_one(
    one: Hypothesis, log_probs: Tensor, duration: float = math.inf
) -> TimedHypothesis:
    (hypothesis,) = describe([one], log_probs, CHARMAP.alphabet, STEP, duration)
    return hypothesis


def frames(one: TimedHypothesis) -> list[tuple[int, int]]:
    """Return the first frame of each token, and the one after its last."""
    return [(c.first, c.stop) for c in one.characters]


BUILT = [
    *(("¶", 0, 1), ("l", 2, 3), ("'", 4, 5), ("a", 5, 8), (" ", 8, 10)),
    *(("m", 12, 13), ("m", 14, 16), ("e", 16, 17), (".", 19, 20), ("¦", 22, 24)),
]
TEXT = "".join(symbol for symbol, _, _ in BUILT)


def test_words_and_characters_are_where_they_were_built() -> None:
    parts = {"ctc": -2.0, "lm": -1.5}
    one = describe_one(Hypothesis(-3.0, found(TEXT).indices, parts), spoken(BUILT, 24))
    assert (one.text, one.plain) == ("¶l'a mme.¦", "l'a mme.")
    assert (one.found.score, one.found.parts) == (-3.0, parts)
    assert CHARMAP.decode(one.found.indices) == TEXT
    assert [(c.text, c.first, c.stop) for c in one.characters] == BUILT
    assert frames(one) == [(first, end) for _, first, end in BUILT]
    for character in one.characters:
        assert character.start == pytest.approx(STEP * character.first)
        assert character.end == pytest.approx(STEP * character.stop)
        assert character.confidence == pytest.approx(0.9, rel=1e-4)
    times = [
        (w.text, round(w.start / STEP, 6), round(w.end / STEP, 6)) for w in one.words
    ]
    assert times == [("l'a", 2, 8), ("mme.", 12, 17)]
    assert all(w.confidence == pytest.approx(0.9, rel=1e-4) for w in one.words)


def test_the_confidence_of_a_word_is_the_geometric_mean_of_best_posteriors() -> None:
    log_probs = spoken([("a", 1, 4), ("b", 4, 5), (" ", 6, 7), ("c", 8, 9)], 10)
    a, b = CHARMAP.char2idx["a"], CHARMAP.char2idx["b"]
    # The best of the three frames counts; what stands outside of them does not.
    log_probs[[1, 2, 3], a] = torch.tensor([0.5, 0.8, 0.6]).log()
    log_probs[[4, 8], b] = torch.tensor([0.2, 0.7]).log()
    ab, c = describe_one(found("ab c"), log_probs).words
    assert ab.confidence == pytest.approx(math.sqrt(0.8 * 0.2), rel=1e-5)
    assert c.confidence == pytest.approx(0.9, rel=1e-5)


@pytest.mark.parametrize(
    "text", ["a", " ", "", "¶¦", " a  b ", "¶a b¦", "a¶b c", "a¦ ¦ b", "¦a", "❌ b."]
)
def test_words_are_those_of_the_plain_text_whatever_the_text(text: str) -> None:
    log_probs = torch.zeros(30, CHARMAP.vocab_size).log_softmax(1)
    one = describe_one(found(text), log_probs)
    assert one.text == text
    assert one.plain == CHARMAP.plain(text)
    assert [word.text for word in one.words] == one.plain.split()
    assert "".join(character.text for character in one.characters) == text


@pytest.mark.parametrize("text", ["ab c", "¶ab c", "ab c¦", "¶ab c¦"])
def test_a_marker_that_a_transcript_lacks_is_silence(text: str) -> None:
    built = [("¶", 0, 6), ("a", 9, 11), ("b", 13, 14), (" ", 15, 16), ("c", 17, 18)]
    log_probs = spoken([*built, ("¦", 20, 26)], 26)
    # As a network does, which is sure that something is said there.
    log_probs[[*range(6), *range(20, 26)], CHARMAP.blankid] = -20.0
    one = describe_one(found(text), log_probs)
    said = {c.text: (c.first, c.stop) for c in one.characters}
    assert [(c, *said[c]) for c in "ab c"] == built[1:]
    assert said.get("¶", (0, 6)) == (0, 6) and said.get("¦", (20, 26)) == (20, 26)


def test_a_mark_in_a_pause_does_not_lengthen_its_word() -> None:
    built = [("a", 1, 2), ("b", 3, 4), (",", 40, 41), (" ", 41, 42)]
    built += [(".", 44, 45), (" ", 46, 47), ("a", 50, 51), ("'", 52, 53)]
    one = describe_one(found("ab, . a'"), spoken(built, 60))
    times = [(w.text, round(w.start / STEP), round(w.end / STEP)) for w in one.words]
    assert times == [("ab,", 1, 4), (".", 44, 45), ("a'", 50, 53)]


def test_time_runs_forward_and_ends_with_the_clip() -> None:
    for seed in range(10):
        generator = torch.Generator().manual_seed(seed)
        log_probs = torch.randn(40, 44, generator=generator).log_softmax(1)
        indices = torch.randint(1, 44, (15,), generator=generator)
        indices[torch.rand(15, generator=generator) < 0.3] = CHARMAP.char2idx[" "]
        duration = STEP * 37.5
        one = describe_one(Hypothesis(-1, indices.tolist()), log_probs, duration)
        for timed in (one.characters, one.words):
            times = [t for part in timed for t in (part.start, part.end)]
            assert times == sorted(times)
            assert times[0] >= 0 and times[-1] <= duration
            assert all(0 <= part.confidence <= 1 for part in timed)
        assert len(frames(one)) == len(one.found.indices)
        assert all(a[1] <= b[0] for a, b in zip(frames(one), frames(one)[1:]))
        tokens = [CHARMAP.char2idx["¶"], *one.found.indices, CHARMAP.char2idx["¦"]]
        whole = describe_one(Hypothesis(-1, tokens), log_probs, duration)
        assert frames(whole) == align(log_probs, tokens, 0).spans


def test_an_end_is_cut_at_the_end_of_the_clip() -> None:
    log_probs = spoken([("a", 0, 1), ("b", 8, 10)], 10)
    assert describe_one(found("ab"), log_probs, 0.385).words[0].end == 0.385
    assert describe_one(found("ab"), log_probs, 0.5).words[0].end == pytest.approx(0.4)


def test_an_n_best_list_keeps_its_order_and_each_has_times_of_its_own() -> None:
    nbest = [found("ab", -1.0), found("", -2.0), found("b", -3.0)]
    log_probs = spoken([("a", 1, 2), ("b", 4, 5)], 6)
    described = describe(nbest, log_probs, CHARMAP.alphabet, STEP, 1.0)
    assert [(one.text, one.found.score) for one in described] == [
        ("ab", -1.0),
        ("", -2.0),
        ("b", -3.0),
    ]
    assert [frames(one) for one in described] == [[(1, 2), (4, 5)], [], [(4, 5)]]
    assert described[1].words == []


def test_what_no_path_spells_keeps_its_text_and_has_no_times() -> None:
    impossible = torch.full((4, 44), -torch.inf)
    impossible[:, 0] = 0
    for text, log_probs in (("abcde", torch.zeros(4, 44)), ("ab", impossible)):
        one = describe_one(found(text), log_probs)
        assert (one.text, one.found.score) == (text, -1.0)
        assert (one.words, one.characters, frames(one)) == ([], [], [])


@pytest.mark.parametrize("index", [CHARMAP.blankid, 44, -1])
def test_the_blank_and_what_is_no_symbol_are_refused(index: int) -> None:
    with pytest.raises(LabError, match="transcript to align holds"):
        describe_one(Hypothesis(-1, [20, index]), torch.zeros(9, 44))


def test_everything_goes_into_json() -> None:
    parts = {"ctc": -math.inf, "attention": -1.25, "lm": math.nan}
    one = describe_one(Hypothesis(-3.25, found(TEXT).indices, parts), spoken(BUILT, 24))
    read = json.loads(json.dumps(one.as_dict(), allow_nan=False))
    assert (read["text"], read["sequence"]) == ("l'a mme.", TEXT)
    assert (read["score"], read["acoustic"], read["lm"]) == (-3.25, None, None)
    assert read["parts"] == {"ctc": None, "attention": -1.25, "lm": None}
    plain = describe_one(found(TEXT), spoken(BUILT, 24)).as_dict()
    assert (plain["acoustic"], plain["lm"]) == (-1.0, 0.0)
    assert read["words"][1] == {
        **{"text": "mme.", "start": 0.48, "end": 0.68, "confidence": 0.9}
    }
    spelled = [(c["text"], c["first"], c["stop"]) for c in read["characters"]]
    assert spelled == BUILT
    assert read["characters"][3]["start"] == 0.2
