"""Language models written in Python do what n-gram models do, in every search."""

from __future__ import annotations

import math
from pathlib import Path
from types import SimpleNamespace
from typing import Any, cast

import pytest
import torch
from data import CharMap
from decoding import prefix_search
from helpers.language import gain_so_far
from torch import Tensor
from torch.nn.utils.rnn import pack_sequence

from labkit.base.errors import LabError
from labkit.decoding.encoding import Encoding
from labkit.decoding.fusion.automaton import Scorer
from labkit.decoding.fusion.ngram import Fusion, compile_ngram
from labkit.decoding.fusion.script import ScriptAutomaton
from labkit.decoding.search import SearchOptions, beam_decoder, flashlight_decoder
from labkit.lm.arpa import read_arpa, write_arpa
from labkit.lm.ngram import estimate
from labkit.lm.script import ScriptModel, is_script
from labkit.text import ALPHABET

CHARMAP = CharMap()
RECOGNISER = cast(Any, SimpleNamespace(charmap=CHARMAP))

# Reads the n-gram model beside it, and gives what that gives.
NGRAMS = """
from pathlib import Path
from labkit.lm import read_arpa

class Model:
    units = "{units}"
    words = {words}

    def __init__(self):
        self.model = read_arpa(Path(__file__).with_suffix(".arpa"))

    def start(self):
        return ("<s>",)

    def score(self, state, symbol):
        symbol = "|" if symbol == " " else symbol
        return (*state, symbol), self.model.log_prob(state, symbol)

    def finish(self, state):
        return self.model.log_prob(state, "</s>")
"""


def scripted(folder: Path, sentences: list[list[str]], units: str, words: str) -> str:
    """Write an n-gram model, and a model in Python that gives the same."""
    write_arpa(estimate(sentences, 3), folder / "m.arpa")
    text = NGRAMS.format(units=units, words=words)
    (folder / "m.py").write_text(text, encoding="utf-8")
    return f"{folder / 'm.py'}:Model"


@pytest.fixture(scope="module")
def french(tmp_path_factory: pytest.TempPathFactory) -> str:
    """Write a model of a little French, in letters."""
    sentences = [[*"il|y|a|de|l'eau"], [*"la|mer,|l'ete."]]
    return scripted(tmp_path_factory.mktemp("char"), sentences, "char", "()")


def random_scores(seed: int, n_frames: int = 14) -> Tensor:
    """Draw scores (T, V) that prefer a few letters and both markers."""
    generator = torch.Generator().manual_seed(seed)
    scores = torch.randn(n_frames, len(ALPHABET.symbols), generator=generator)
    scores[:, [ALPHABET.index[c] for c in "laemr ¶¦❌"]] += 3
    return scores


def arpa_of(script: str) -> str:
    return script.rpartition(".py:")[0] + ".arpa"


def test_a_name_is_that_of_a_class_in_a_file() -> None:
    assert is_script("my_lm.py:MyModel") and is_script(r"C:\lm\my.py:M")
    assert not any(map(is_script, ("char", "my.arpa", r"C:\lm\my.arpa", "my.py")))


def test_every_transcript_gains_what_the_ngrams_give(french: str) -> None:
    script = ScriptAutomaton(ScriptModel(french), ALPHABET)
    tables = compile_ngram(read_arpa(Path(arpa_of(french))), ALPHABET)
    for text in ("¶la mer.¦", "il y a", "¶¶la¦¦m", "❌a", "", "¶¦¦"):
        indices = [ALPHABET.index[c] for c in text]
        for gain in (Scorer.total, gain_so_far):
            wanted = gain(tables, indices)
            assert math.isclose(gain(script, indices), wanted, abs_tol=1e-4)


@pytest.mark.parametrize("hotwords", [(), ("mer",)])
def test_the_batched_search_finds_what_it_finds_with_ngrams(
    french: str, hotwords: tuple[str, ...]
) -> None:
    encoding = Encoding(pack_sequence([random_scores(0), random_scores(1, 9)]), None)
    scripted, tables = (
        beam_decoder(
            RECOGNISER,
            SearchOptions(5, lm, 0.8, word_bonus=0.4, hotwords=hotwords),
        )(encoding)
        for lm in (french, arpa_of(french))
    )
    for found, wanted in zip(scripted, tables):
        assert [one.indices for one in found] == [one.indices for one in wanted]
        for one, other in zip(found, wanted):
            assert math.isclose(one.score, other.score, abs_tol=1e-3)
            assert math.isclose(one.parts["lm"], other.parts["lm"], abs_tol=1e-3)


def test_the_plain_search_finds_what_it_finds_with_ngrams(french: str) -> None:
    log_probs = random_scores(2).log_softmax(1)
    automata = (
        ScriptAutomaton(ScriptModel(french), ALPHABET),
        compile_ngram(read_arpa(Path(arpa_of(french))), ALPHABET),
    )
    found, wanted = (
        prefix_search(log_probs, 4, ALPHABET.blank_id, Fusion(lm, 0.7, 0.2))
        for lm in automata
    )
    assert [one.indices for one in found] == [one.indices for one in wanted]
    scores = [[one.score for one in nbest] for nbest in (found, wanted)]
    assert scores[0] == pytest.approx(scores[1], abs=1e-4)


@pytest.mark.parametrize("units", ["char", "word"])
def test_flashlight_finds_what_it_finds_with_ngrams(
    tmp_path: Path, french: str, units: str
) -> None:
    pytest.importorskip("flashlight.lib.text")
    name = french
    if units == "word":
        sentences = [["la", "mer"], ["la", "lame"], ["mare"]]
        words = repr(("la", "lame", "mare", "mer"))
        name = scripted(tmp_path, sentences, "word", words)
    encoding = Encoding(pack_sequence([random_scores(3)]), None)
    ((found, *_),), ((wanted, *_),) = (
        flashlight_decoder(RECOGNISER, SearchOptions(20, lm, 0.8))(encoding)
        for lm in (name, arpa_of(name))
    )
    assert found.indices == wanted.indices
    assert math.isclose(found.score, wanted.score, abs_tol=1e-3)
    assert math.isclose(found.parts["lm"], wanted.parts["lm"], abs_tol=1e-3)


def test_states_are_dropped_from_search_to_search(
    monkeypatch: pytest.MonkeyPatch, french: str
) -> None:
    automaton = ScriptAutomaton(ScriptModel(french), ALPHABET)
    monkeypatch.setattr("labkit.decoding.fusion.script._MOST_STATES", 3)
    for _ in range(3):
        assert len(automaton._states) == 1
        automaton.total(ALPHABET.encode("la mer"))
        assert len(automaton._states) > 3
        automaton.renew()


@pytest.mark.parametrize(
    "text, cause",
    [
        ("", "no class 'M'"),
        ("M = 3", "no class 'M'"),
        ("class M: pass", r"no method start\(\)"),
        ("class M:\n def __init__(self): 1 / 0", "ZeroDivisionError"),
        ("class M(", "SyntaxError"),
        ("import no_such_package\nclass M: pass", "ModuleNotFoundError"),
    ],
)
def test_a_file_without_a_model_is_refused(
    tmp_path: Path, text: str, cause: str
) -> None:
    (tmp_path / "m.py").write_text(text, encoding="utf-8")
    with pytest.raises(LabError, match=cause):
        ScriptModel(f"{tmp_path / 'm.py'}:M")
    with pytest.raises(LabError, match="No such file"):
        ScriptModel(f"{tmp_path / 'none.py'}:M")


@pytest.mark.parametrize(
    "returned, cause",
    [
        ("0.0", r"score\('a'\) returns 0.0"),
        ("(state, float('nan'))", r"score\('a'\) returns nan"),
        ("(state, 'x')", r"score\('a'\) returns 'x'"),
        ("(state, None)", r"score\('a'\) returns None"),
    ],
)
def test_what_is_no_score_is_refused_where_it_comes(
    tmp_path: Path, returned: str, cause: str
) -> None:
    text = (
        "class M:\n def start(self): return 0\n def finish(self, state): return 0.0\n"
        f" def score(self, state, symbol): return {returned}\n"
    )
    (tmp_path / "m.py").write_text(text, encoding="utf-8")
    model = ScriptModel(f"{tmp_path / 'm.py'}:M")
    with pytest.raises(LabError, match=cause):
        model.score(model.start(), "a")


def test_a_model_of_words_needs_a_lexicon(tmp_path: Path) -> None:
    name = scripted(tmp_path, [["la", "mer"]], "word", "()")
    with pytest.raises(LabError, match="needs a language model of characters"):
        beam_decoder(RECOGNISER, SearchOptions(lm=name))
    pytest.importorskip("flashlight.lib.text")
    with pytest.raises(LabError, match="nobody knows which"):
        flashlight_decoder(RECOGNISER, SearchOptions(lm=name))
