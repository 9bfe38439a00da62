"""The program that builds language models, and the models that come with the lab."""

from __future__ import annotations

import math
import os
import random
import re
import subprocess
import sys
import unicodedata
from pathlib import Path

import pytest
from data import CharMap
from helpers.language import perplexity, score
from shared import ROOT
from test_ngram import SENTENCES, total

from labkit.base.errors import LabError
from labkit.lm import __main__ as lm_program
from labkit.lm import load_language_model, model_path
from labkit.lm.arpa import SHIPPED, read_arpa
from labkit.lm.ngram import END, START, UNKNOWN, estimate, symbols_of


def test_the_shipped_models_are_small() -> None:
    sizes = [model_path(name).stat().st_size for name in SHIPPED]
    assert 1_000_000 < sum(sizes) < 3_000_000


def test_a_model_that_does_not_come_with_the_lab_is_refused() -> None:
    with pytest.raises(LabError, match="No such file"):
        load_language_model("chars")


@pytest.mark.parametrize("name, order, is_character", [("char", 6, 1), ("word", 3, 0)])
def test_a_shipped_model_speaks_french_in_the_labs_letters(
    name: str, order: int, is_character: bool
) -> None:
    model, charmap = load_language_model(name), CharMap()
    assert (model.order, model.is_character_model) == (order, is_character)
    letters = {*"".join({*model.vocabulary} - {END, UNKNOWN})}
    reserved = {charmap.blank, charmap.soschar, charmap.eoschar, charmap.unknown, " "}
    marks = {",", ".", "|"} if is_character else set()
    assert letters <= {*charmap.idx2char} - reserved - {",", "."} | marks
    assert letters >= {*"abcdefghijklmnopqrstuvwxyz'"}
    contexts = random.Random(0).sample(
        sorted(model.backoffs), 300 if is_character else 9
    )
    for context in [(), (START,), *contexts]:
        assert math.isclose(total(model, context), 1, abs_tol=3e-3)  # of 3 decimals
    draw = random.Random(1)
    for sentence in SENTENCES[:6]:
        symbols = symbols_of(sentence, name)
        for _ in range(5):
            shuffled = draw.sample(symbols, len(symbols))
            assert shuffled == symbols or score(model, symbols) > score(model, shuffled)


def program(folder: Path, *options: object, **more: str) -> subprocess.CompletedProcess:
    """Run the program in ``folder``."""
    return subprocess.run(
        [sys.executable, "-m", "labkit.lm", *map(str, options)],
        cwd=folder,
        capture_output=True,
        encoding="utf-8",
        timeout=60,
        env={**os.environ, "OMP_NUM_THREADS": "1", "PYTHONPATH": str(ROOT)},
        **more,
    )


def test_the_program_builds_and_measures_a_model(tmp_path: Path) -> None:
    accented = "L’élève — « Là-bas ! » — a mangé…\n\nŒuvre €\n…\n"
    (tmp_path / "a.txt").write_text(accented, encoding="utf-8-sig")
    row = "\t".join(["x", unicodedata.normalize("NFD", "Élève là, déjà.")])
    tsv = "\ufeffpath\tsentence\r\n" + row + "\r\n"
    (tmp_path / "b.tsv").write_bytes(tsv.encode())
    build = ("build", "a.txt", "b.tsv", "-", "--units", "char", "-o", "m.arpa")
    made = program(
        tmp_path, *build, "--order", 2, "--held_out", "b.tsv", input="Déjà mangé\n"
    )
    assert made.returncode == 0, made.stderr
    # Folded as transcripts are, the symbol outside the alphabet unknown.
    text = ["l'eleve la bas . a mange", "oeuvre ❌", "eleve la, deja.", "deja mange"]
    wanted = estimate([symbols_of(s, "char") for s in text], 2)
    found = read_arpa(tmp_path / "m.arpa")
    assert found.log_probs == pytest.approx(wanted.log_probs, abs=2e-7)
    assert "trained on 4 sentences" in made.stdout
    assert "--decoder beam --lm m.arpa" in made.stdout
    held_out = perplexity(wanted, [symbols_of(text[2], "char")])
    assert f"perplexity  {held_out:.2f} a character" in made.stdout
    measured = program(tmp_path, "score", "m.arpa", "b.tsv")
    assert measured.stdout.splitlines() == made.stdout.splitlines()[-4:-1]
    assert program(tmp_path, "info", "m.arpa").stdout.startswith(
        f"order       2, of characters\nvocabulary  {len(wanted.vocabulary)}, with"
    )


def test_nfc_and_nfd_text_give_the_same_file(tmp_path: Path) -> None:
    text = "L'été où l'élève a reçu ça.\nÀ bientôt\n"
    files = []
    for form in ("NFC", "NFD"):
        (tmp_path / form).write_text(unicodedata.normalize(form, text), "utf-8")
        path = tmp_path / f"{form}.arpa.gz"
        options = ["--units", "word", "--order", "2", "-o", str(path)]
        assert lm_program.main(["build", str(tmp_path / form), *options]) == 0
        files.append(path.read_bytes())
    assert files[0] == files[1]
    assert {"l'ete", "recu", "a"} <= {*read_arpa(path).vocabulary}


def test_unknown_words_are_counted_apart() -> None:
    model = estimate([["le", "chat"], ["le", "chien"]], 2)
    found = lm_program.measure(model, [["le", "tigre"], ["tigre"]])
    known = (
        model.log_prob([START], "le")
        + model.log_prob(["le", "tigre"], END)
        + model.log_prob(["tigre"], END)
    )
    whole = score(model, ["le", "tigre"]) + score(model, ["tigre"])
    assert found == [
        "text        2 sentences, 3 words",
        f"perplexity  {math.exp(-whole / 5):.2f} a word",
        f"unknown     66.67 % of the words; {math.exp(-known / 3):.2f} a word "
        "without them",
    ]


def test_help_needs_no_torch(tmp_path: Path) -> None:
    code = (
        "import sys\nfrom labkit.lm import __main__ as lm\n"
        "lm.load_language_model('word')\n"
        "assert 'torch' not in sys.modules; lm.main(['build', '--help'])"
    )
    done = subprocess.run(
        [sys.executable, "-c", code], cwd=ROOT, capture_output=True, text=True
    )
    assert done.returncode == 0 and done.stdout.startswith("usage: python -m labkit.lm")


WORDS = ("build", "t.txt", "--units", "word", "-o", "m.arpa")
BUILD = ("build", "t.txt", "--units", "char", "-o", "m.arpa")


@pytest.mark.parametrize(
    "options, code, cause",
    [
        (("build", "none.txt", *BUILD[2:]), 1, "none.txt: No such file"),
        (("build", ".", *BUILD[2:]), 1, "directory"),
        (("build", "latin.txt", *BUILD[2:]), 1, r"latin.txt: not UTF-8 \(byte 1\)"),
        (("build", "blank.txt", *BUILD[2:]), 1, "blank.txt: not one sentence"),
        (("build", "no.tsv", *BUILD[2:]), 1, "no.tsv: no column named sentence"),
        (("build", "cut.tsv", *BUILD[2:]), 1, "cut.tsv:3: 1 cells, not 2"),
        ((*BUILD[:-1], "m.txt"), 2, "m.txt: not a file name of a language model"),
        (("build", "t.txt", "--units", "char", "-o", "d.arpa"), 2, "d.arpa: a folder"),
        ((*WORDS, "--order", "1"), 2, "word model of order 1"),
        (("build", "letters.txt", *WORDS[2:]), 1, "every word is one letter"),
        ((*WORDS, "--min_count", "9"), 1, "would know not one word"),
        (("build", "-", *BUILD[2:]), 1, "standard input is closed"),
        ((*BUILD, "--order", "21"), 2, "order"),
        ((*WORDS, "--order", "7"), 2, "word model of order 7"),
        ((*BUILD, "--units", "letter"), 2, "units"),
        (("score", "t.txt", "t.txt"), 1, "t.txt:1: an ARPA file starts with"),
        (("info", "none.arpa"), 1, "none.arpa: No such file"),
        (("describe",), 2, "describe"),
        ((), 2, "COMMAND"),
    ],
)
def test_bad_input_is_told_in_two_lines(
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
    options: tuple[str, ...],
    code: int,
    cause: str,
) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(sys, "stdin", None)  # as `<&-` leaves it
    Path("d.arpa").mkdir()
    Path("letters.txt").write_text("a y\n", encoding="utf-8")
    Path("t.txt").write_text("une phrase\n", encoding="utf-8")
    Path("latin.txt").write_bytes(b"a\xe9\n")
    Path("blank.txt").write_text("\n \n", encoding="utf-8")
    Path("no.tsv").write_text("path\ttext\nx\ty\n", encoding="utf-8")
    Path("cut.tsv").write_text("path\tsentence\nx\ty\nz\n", encoding="utf-8")
    try:
        ended_with = lm_program.main(options)
    except SystemExit as stopped:
        ended_with = stopped.code
    assert ended_with == code
    lines = capsys.readouterr().err.splitlines()
    assert len(lines) == 2, lines
    assert lines[0].startswith("error: ") and lines[1].startswith("to do: ")
    assert re.search(cause, lines[0])
    assert not Path("m.arpa").exists()


def test_a_text_of_nothing_but_marks_is_refused(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "t.txt").write_text("… ! ?\n«»\n", encoding="utf-8")
    options = ["--units", "word", "-o", str(tmp_path / "m.arpa")]
    assert lm_program.main(["build", str(tmp_path / "t.txt"), *options]) == 1
    assert "nothing but punctuation" in capsys.readouterr().err
