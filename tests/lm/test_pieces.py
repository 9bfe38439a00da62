"""Word pieces: learnt, cut, scored and searched for."""

from __future__ import annotations

from pathlib import Path

import pytest
from test_lm import BUILD, program

from labkit.lm.arpa import read_arpa
from labkit.lm.ngram import UNKNOWN
from labkit.lm.pieces import cut_into_pieces, learn_pieces

TEXTS = ["la lune et la lame", "l'alun, la laine.", "lune", "une ❌"] * 2


def test_the_most_frequent_pairs_become_pieces() -> None:
    # By hand: ▁a b occurs three times; then a b (of xab) twice, as ▁x a and ▁ab c do.
    texts = ["xab xab abc abc ab"]
    assert learn_pieces(texts, 4) == {"▁x", "▁a", "a", "b", "c"}  # every character
    assert learn_pieces(texts, 6) - learn_pieces(texts, 5) == {"▁ab"}
    assert learn_pieces(texts, 100) == {
        *("▁x", "▁a", "a", "b", "c", "▁ab", "ab", "▁xab", "▁abc")
    }


@pytest.mark.parametrize("n_pieces", [10, 20, 25, 100])
def test_pieces_joined_again_are_the_text(n_pieces: int) -> None:
    pieces = learn_pieces(TEXTS, n_pieces)
    for text in TEXTS:
        cut = cut_into_pieces(text, pieces)
        assert "".join(cut).replace("▁", " ").strip() == text
        assert all(piece in pieces for piece in cut)
        # Marks, and what is unknown, stand by themselves.
        assert all(len(p) == 1 for p in cut if {*",."} & {*p})
    assert cut_into_pieces("zut la", pieces)[0] == UNKNOWN


def test_larger_pieces_are_fewer() -> None:
    sizes = [
        sum(len(cut_into_pieces(text, learn_pieces(TEXTS, n))) for text in TEXTS)
        for n in (1, 20, 24, 40)
    ]
    assert sizes == sorted(sizes, reverse=True) and len({*sizes}) == 4


def test_the_same_text_gives_the_same_pieces_whatever_its_order() -> None:
    assert learn_pieces(TEXTS, 22) == learn_pieces(TEXTS[::-1], 22)


def test_the_program_builds_a_model_of_pieces(tmp_path: Path) -> None:
    (tmp_path / "t.txt").write_text("\n".join(TEXTS), encoding="utf-8")
    made = program(
        tmp_path,
        *("build", "t.txt", "--units", "piece", "--pieces", "24", "-o", "p.arpa.gz"),
    )
    assert made.returncode == 0, made.stderr
    assert "--decoder flashlight --pieces --lm p.arpa.gz" in made.stdout
    model = read_arpa(tmp_path / "p.arpa.gz")
    pieces = learn_pieces(TEXTS, 24)
    used = [piece for text in TEXTS for piece in cut_into_pieces(text, pieces)]
    assert {*used} <= {*model.vocabulary}
    measured = program(tmp_path, "score", "p.arpa.gz", "t.txt").stdout
    words = sum(len(text.split()) for text in TEXTS)
    assert f"{words} words, {len(used)} word pieces" in measured
    assert "of word pieces" in program(tmp_path, "info", "p.arpa.gz").stdout
    refused = program(tmp_path, *BUILD[:1], "t.txt", *BUILD[2:], "--pieces", "9")
    assert refused.returncode == 2 and "--units piece" in refused.stderr
