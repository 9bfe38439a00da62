"""Files of language models: KenLM reads ours, and no damage passes unseen."""

from __future__ import annotations

import gzip
import math
import os
import tracemalloc
from collections.abc import Callable
from pathlib import Path

import pytest
import torch
from helpers.language import score
from test_ngram import CHARACTERS, WORDS

from labkit.base.errors import LabError
from labkit.decoding.beam import prefix_beam_search
from labkit.decoding.flashlight.decoder import FlashlightDecoder
from labkit.decoding.fusion.ngram import Fusion, compile_ngram
from labkit.decoding.options import SearchOptions
from labkit.lm.arpa import read_arpa, write_arpa
from labkit.lm.ngram import END, START, UNKNOWN, NGram, estimate
from labkit.text import ALPHABET

LN10 = math.log(10)

ARPA = """\\data\\
ngram 1=5
ngram 2=2

\\1-grams:
-0.8\t<unk>
-99\t<s>\t-0.2
-0.9\t</s>
-0.5\ta\t-0.3
-0.6\tb\t0.1

\\2-grams:
-0.1\t<s> a
-0.4\ta b

\\end\\
"""


def arpa(tmp_path: Path, content: str | bytes, name: str = "x.arpa") -> Path:
    """Write a file as it is given."""
    content = content.encode() if isinstance(content, str) else content
    (tmp_path / name).write_bytes(content)
    return tmp_path / name


@pytest.mark.parametrize("name", ["m.arpa", "m.arpa.gz"])
@pytest.mark.parametrize("order", [1, 2, 6])
def test_what_is_written_is_read_again(tmp_path: Path, order: int, name: str) -> None:
    for text in (CHARACTERS, [*WORDS, ["œuvre", "\u2028", "naïf"][::2]]):
        model = estimate(text, order)
        write_arpa(model, tmp_path / name)
        first = (tmp_path / name).read_bytes()
        again = read_arpa(tmp_path / name)
        assert again.order == order
        assert again.log_probs == pytest.approx(model.log_probs, abs=2e-7)
        assert again.backoffs == pytest.approx(model.backoffs, abs=2e-7)
        write_arpa(again, tmp_path / name)
        assert (tmp_path / name).read_bytes() == first
        backwards = NGram(
            order,
            *(dict([*d.items()][::-1]) for d in (again.log_probs, again.backoffs)),
        )
        write_arpa(backwards, tmp_path / name)
        assert (tmp_path / name).read_bytes() == first
    no_time = b"\x1f\x8b\x08\0\0\0\0\0"
    assert first.startswith(no_time) == name.endswith(".gz")
    assert os.listdir(tmp_path) == [name]


@pytest.mark.parametrize("order", [2, 3, 6])
@pytest.mark.parametrize("min_counts", [[1], [2]])
@pytest.mark.parametrize("text", [CHARACTERS, WORDS])
def test_kenlm_gives_every_symbol_the_same_probability(
    tmp_path: Path, text: list[list[str]], order: int, min_counts: list[int]
) -> None:
    pytest.importorskip("flashlight.lib.text")
    from flashlight.lib.text.decoder.kenlm import KenLM
    from flashlight.lib.text.dictionary import Dictionary

    model = estimate(text, order, min_counts)
    write_arpa(model, tmp_path / "m.arpa.gz")
    symbols = [w for w in model.vocabulary if w != END] + ["never", "seen"]
    theirs = KenLM(str(tmp_path / "m.arpa.gz"), Dictionary(symbols))
    for sentence in [*text, text[0][::-1], ["never", *text[1], "seen"], []]:
        sentence = [w if w in symbols else "seen" for w in sentence]
        state = theirs.start(False)
        for i, symbol in enumerate(sentence):
            state, log10 = theirs.score(state, symbols.index(symbol))
            ours = model.log_prob([START, *sentence[:i]], symbol)
            assert math.isclose(log10 * LN10, ours, abs_tol=1e-4)
        _, log10 = theirs.finish(state)
        assert math.isclose(
            log10 * LN10, model.log_prob([START, *sentence], END), abs_tol=1e-4
        )


def test_a_file_written_by_hand_means_what_it_says(tmp_path: Path) -> None:
    model = read_arpa(arpa(tmp_path, ARPA))
    constructed = {
        ((START,), "a"): -0.1,
        (("a",), "b"): -0.4,
        (("b", "a"), "b"): -0.4,
        (("a",), "a"): -0.3 - 0.5,
        (("b",), "a"): 0.1 - 0.5,
        ((START,), END): -0.2 - 0.9,
        (("z",), "z"): -0.8,
        (("a",), "z"): -0.3 - 0.8,
        ((), "b"): -0.6,
    }
    for (context, symbol), log10 in constructed.items():
        assert math.isclose(model.log_prob(context, symbol), log10 * LN10)
    assert math.isclose(score(model, ["a", "b"]), (-0.1 - 0.4 + 0.1 - 0.9) * LN10)
    assert model.vocabulary == [END, UNKNOWN, "a", "b"]


@pytest.mark.parametrize(
    "change",
    [
        lambda text: text.replace("\t", " "),
        lambda text: text.replace("\n", "\r\n"),
        lambda text: text.replace("<unk>", "<UNK>"),
        lambda text: text.replace("ngram 1=", "ngram  1 = "),
        lambda text: text.replace("=", "=\t"),
        lambda text: text.replace("\t", " \t").replace("a b", "a  b"),
        lambda text: text.replace("-0.5\ta", "-0.5\t\ta"),
        lambda text: text.replace("-99\t<s>", "-inf\t<s>"),
        lambda text: text.replace("-grams:", "-grams:  "),
        lambda text: "\n" + text.replace("\n\n", "\n"),
        lambda text: text.replace("a b\n", "a b\t0\n"),
        lambda text: text + "\nsome remark\n",
        lambda text: gzip.compress(text.encode()),
    ],
)
def test_other_tools_ways_of_writing_are_read_too(
    tmp_path: Path, change: Callable[[str], str | bytes]
) -> None:
    plain = read_arpa(arpa(tmp_path, ARPA))
    assert read_arpa(arpa(tmp_path, change(ARPA))) == plain


def test_without_an_unknown_symbol_the_unknown_is_all_but_impossible(
    tmp_path: Path,
) -> None:
    text = ARPA.replace("-0.8\t<unk>\n", "").replace("1=5", "1=4")
    model = read_arpa(arpa(tmp_path, text))
    # What KenLM says then.
    assert math.isclose(model.log_prob((), "z"), -100 * LN10)


@pytest.mark.parametrize(
    "old, new, cause",
    [
        ("\\data\\", "data", r":1: an ARPA file starts with"),
        ("ngram 1=5\n", "", r":2: not 'ngram 1="),
        ("ngram 1=5\nngram 2=2\n", "", r":3: the header gives no number"),
        ("ngram 1=5", "ngram 1=five", r":2: not 'ngram 1="),
        ("ngram 1=5", "ngram 1=" + "9" * 5000, r":2: not 'ngram 1="),
        ("1=5", "1=4", r":12: 5 n-grams of order 1; the header says 4"),
        ("2=2", "2=3", r":16: 2 n-grams of order 2; the header says 3"),
        ("ngram 2=2\n", "", r"5:.*order 1|:11: .*where order 1 should"),
        ("a b\n", "a\n", r":14: not a line of order 2"),
        ("a b\n", "a b c d\n", r":14: not a line of order 2"),
        ("-0.5\ta\t-0.3", "-0.5\t\t", r":9: not a line of order 1"),
        ("-0.5\ta", "-0_5\ta", r":9: not a line of order 1"),
        ("-0.5\ta", "minus\ta", r":9: not a line of order 1"),
        ("-0.5\ta", "nan\ta", r":9: nan is no log10 of a probability"),
        ("-0.5\ta", "0.5\ta", r":9: 0.5 is no log10 of a probability"),
        ("-0.5\ta", "1e400\ta", r":9: 1e400 is no log10 of a probability"),
        ("a\t-0.3", "a\tnan", r":9: nan is no back-off weight"),
        ("a b\n", "<s> a\n", r"an n-gram of order 2 stands twice"),
        ("\\2-grams:", "\\3-grams:", r":12: .* where order 1 should go on"),
        ("\\end\\\n", "", r":15: the file ends too early"),
        ("-0.6\tb", "-0.6\té".encode("latin-1"), r":10: this is no UTF-8 text"),
        ("</s>", "<e>", r"the model has no </s>"),
        ("<s>", "<e>", r"the model has no <s>"),
    ],
)
def test_a_damaged_file_is_refused_with_its_line(
    tmp_path: Path, old: str, new: str | bytes, cause: str
) -> None:
    new = new.encode() if isinstance(new, str) else new
    path = arpa(tmp_path, ARPA.encode().replace(old.encode(), new))
    with pytest.raises(LabError, match=rf"x\.arpa:?.*{cause}") as refused:
        read_arpa(path)
    assert "\n" not in refused.value.cause + refused.value.remedy
    assert len(refused.value.cause) < 200 + len(str(path))


@pytest.mark.parametrize(
    "content, cause",
    [
        (b"", "the file is empty"),
        (b"\n \n\n", "the file is empty"),
        (bytes(range(256)) * 9, "starts with"),
        (b"\0" * 5000, "starts with"),
        (b"mmap lm http://kheafield.com/code format version 5\n\0\xff", "binary file"),
        (gzip.compress(ARPA.encode())[:-30], "damaged or cut short"),
        (gzip.compress(ARPA.encode())[:-4], "damaged or cut short"),
        (gzip.compress(ARPA.encode())[:3], "damaged or cut short"),
        (gzip.compress(b""), "the file is empty"),
        (gzip.compress(ARPA.encode() + b"\n" * 10**6)[:-8] + b"0" * 8, "damaged"),
    ],
    ids=range(10),  # what gzip writes holds the time
)
def test_what_is_no_arpa_file_is_refused(
    tmp_path: Path, content: bytes, cause: str
) -> None:
    with pytest.raises(LabError, match=cause):
        read_arpa(arpa(tmp_path, content, "x.arpa.gz"))


def test_one_wrong_byte_in_a_compressed_file_never_passes(tmp_path: Path) -> None:
    packed = gzip.compress(ARPA.encode(), mtime=0)
    for place in range(10, len(packed)):
        damaged = bytearray(packed)
        damaged[place] ^= 0x10
        with pytest.raises(LabError):
            read_arpa(arpa(tmp_path, bytes(damaged), "x.arpa.gz"))


@pytest.mark.parametrize("filler", [b" ", b"x"])
def test_a_line_without_end_does_not_fill_the_memory(
    tmp_path: Path, filler: bytes
) -> None:
    path = arpa(tmp_path, gzip.compress(b"\\data\\\n" + filler * 10**7))
    tracemalloc.start()
    try:
        with pytest.raises(LabError, match=r"ends too early|:2: not 'ngram 1="):
            read_arpa(path)
        assert tracemalloc.get_traced_memory()[1] < 10**6
    finally:
        tracemalloc.stop()


@pytest.mark.parametrize("zero", ["-inf", "-1e400", "-99"])
def test_a_probability_of_zero_is_read_as_other_tools_write_it(
    tmp_path: Path, zero: str
) -> None:
    path = arpa(tmp_path, ARPA.replace("-0.6\tb", f"{zero}\tb"))
    model = read_arpa(path)
    assert model.log_prob((), "b") == pytest.approx(-99 * LN10)
    pytest.importorskip("flashlight.lib.text")
    # Searches agree: no score is NaN or -inf, whatever the weight.
    log_probs = torch.full((2, 1, len(ALPHABET.symbols)), -9.0)
    log_probs[[0, 1], 0, [ALPHABET.index["b"], ALPHABET.index["a"]]] = -0.1
    said, lengths = [ALPHABET.index["b"], ALPHABET.index["a"]], torch.tensor([2])
    flashlight = FlashlightDecoder(
        ALPHABET, SearchOptions(beam_size=50, lm=str(path), lm_weight=0.01)
    )
    fusion = Fusion(compile_ngram(model, ALPHABET), 0.01)
    (theirs,) = flashlight.search(log_probs, lengths)
    (ours,) = prefix_beam_search(log_probs, lengths, 50, fusion=fusion)
    scores = [[h.parts["lm"] for h in x if h.indices == said] for x in (theirs, ours)]
    assert scores[0] == pytest.approx(scores[1], rel=1e-4) and scores[0][0] < -200


def test_a_model_of_order_seven_is_one_for_the_kits_search_alone(
    tmp_path: Path,
) -> None:
    model = estimate([tuple("le|lit"), tuple("la|lune")], 7)
    write_arpa(model, tmp_path / "m.arpa.gz")
    again = read_arpa(tmp_path / "m.arpa.gz")
    assert again.order == 7
    automaton = compile_ngram(again, ALPHABET)
    said = ALPHABET.encode("la lune")
    wanted = score(model, tuple("la|lune"))
    assert math.isclose(automaton.total(said), wanted, abs_tol=1e-4)
    pytest.importorskip("flashlight.lib.text")
    with pytest.raises(LabError, match="the order is 7") as refused:
        FlashlightDecoder(ALPHABET, SearchOptions(lm=str(tmp_path / "m.arpa.gz")))
    assert "--decoder beam" in refused.value.remedy


def test_what_is_not_there_or_a_folder_is_refused(tmp_path: Path) -> None:
    with pytest.raises(LabError, match=r"none\.arpa: No such file"):
        read_arpa(tmp_path / "none.arpa")
    with pytest.raises(LabError, match="directory"):
        read_arpa(tmp_path)


@pytest.mark.parametrize(
    "change",
    [
        lambda text: text.replace("=", "=\t"),
        lambda text: text.replace("\t", " \t").replace("a b", "a  b"),
        lambda text: text.replace("-99\t<s>", "-inf\t<s>"),
        lambda text: text.replace("-grams:", "-grams:  "),
        lambda text: text.replace("\n\n", "\n"),
    ],
)
def test_flashlight_reads_what_the_other_decoders_read(
    tmp_path: Path, change: Callable[[str], str]
) -> None:
    pytest.importorskip("flashlight.lib.text")
    path = arpa(tmp_path, change(ARPA))
    FlashlightDecoder(ALPHABET, SearchOptions(lm=str(path)))


@pytest.mark.parametrize(
    "old, new",
    [("<s> a", "<s> c"), ("\\data\\", "data"), ("-0.5\ta", "0.5\ta"), ("2=2", "2=3")],
)
def test_a_damaged_file_is_refused_alike_whatever_the_decoder(
    tmp_path: Path, old: str, new: str
) -> None:
    path = arpa(tmp_path, ARPA.replace(old, new))
    with pytest.raises(LabError) as refused:
        read_arpa(path)
    pytest.importorskip("flashlight.lib.text")
    with pytest.raises(LabError) as also:
        FlashlightDecoder(ALPHABET, SearchOptions(lm=str(path)))
    lines = [(e.value.cause, e.value.remedy) for e in (refused, also)]
    assert lines[0] == lines[1]


def test_a_model_whose_ngrams_lack_their_parts_is_read_by_all(tmp_path: Path) -> None:
    pytest.importorskip("flashlight.lib.text")
    longer = ARPA.replace("2=2", "2=2\nngram 3=1").replace(
        "\\end\\", "\\3-grams:\n-0.1\tb b b\n\n\\end\\"
    )
    path = arpa(tmp_path, longer)
    model = read_arpa(path)
    whole = model.completed()
    assert whole.log_probs.keys() - model.log_probs.keys() == {("b", "b")}
    for symbol in "ab":
        context = ("b", "b")
        assert whole.log_prob(context, symbol) == model.log_prob(context, symbol)
    log_probs = torch.full((5, 1, len(ALPHABET.symbols)), -9.0)
    log_probs[range(5), 0, [ALPHABET.index[c] for c in "b¬b¬b"]] = -0.1
    decoder = FlashlightDecoder(ALPHABET, SearchOptions(lm=str(path), lm_weight=0.1))
    ((found, *_),) = decoder.search(log_probs, torch.tensor([5]))
    assert ALPHABET.decode(found.indices) == "bbb"
    assert math.isclose(found.parts["lm"], score(model, "bbb"), rel_tol=1e-5)


def test_a_symbol_that_is_no_unigram_is_refused(tmp_path: Path) -> None:
    path = arpa(tmp_path, ARPA.replace("<s> a", "<s> c"))
    with pytest.raises(LabError, match=r"x\.arpa:13: 'c' is no 1-gram"):
        read_arpa(path)
