"""What docs/decoders.md shows works: its commands are understood, its Python runs."""

from __future__ import annotations

import doctest
import re
import shlex
from pathlib import Path

import pytest
from shared import ROOT

from labkit.lm import __main__ as lm_program
from labkit.lm.script import ScriptModel
from labkit.options import CTC, parse

PAGE = ROOT / "docs" / "decoders.md"
TEXT = PAGE.read_text(encoding="utf-8")
COMMANDS = re.findall(r"^    python (-m \S+|\S+) (.*)$", TEXT, re.M)


@pytest.mark.parametrize("program, words", COMMANDS)
def test_a_command_is_understood(program: str, words: str) -> None:
    if program == "main_ctc.py":
        assert parse(CTC, None, shlex.split(words)).command == "test"
    else:
        assert program == "-m labkit.lm"
        assert lm_program._parser().parse_args(shlex.split(words)).command


def test_the_python_of_the_page_prints_what_it_says(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    pytest.importorskip("flashlight.lib.text")
    monkeypatch.chdir(tmp_path)  # it writes two lexicons
    found = doctest.testfile(str(PAGE), module_relative=False, encoding="utf-8")
    assert found.attempted > 20 and not found.failed


def test_the_model_in_python_is_one(tmp_path: Path) -> None:
    (code,) = re.findall(r"^    class MyModel:\n(?:(?:     .*)?\n)+", TEXT, re.M)
    path = tmp_path / "my_lm.py"
    path.write_text(re.sub("^    ", "", code, flags=re.M), encoding="utf-8")
    model = ScriptModel(f"{path}:MyModel")
    state = model.start()
    scores = []
    for symbol in "le l":
        state, log_prob = model.score(state, symbol)
        scores.append(log_prob)
    assert scores == [-2.0, -2.0, -2.0, -4.0]
    assert model.finish(state) == -1.0


def test_every_option_of_decoding_is_on_the_page() -> None:
    groups = [group for group in CTC.groups if "decoding" in group.title]
    named = {row.name for group in groups for row in group.rows}
    used = set(re.findall(r"--(\w+)", TEXT))
    # What narrows Flashlight's search is said in docs/options.md.
    assert named - used <= {"symbols_per_frame", "beam_threshold"}
