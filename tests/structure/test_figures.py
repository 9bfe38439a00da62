"""The figures of the texts: all are there, in both languages, as their script says."""

from __future__ import annotations

import ast
import json
import struct
import sys
from pathlib import Path
from string import Formatter

import pytest
import torch
from helpers.pages import write_network
from imports import read_tree
from shared import ROOT

FIGURES = ROOT / "docs" / "figures"
sys.path.append(str(FIGURES))

from drawing.alternatives import ALTERNATIVES  # noqa: E402 (the path comes first)
from drawing.runs import RUNS  # noqa: E402
from drawing.words import COMMON, LANGUAGES, WORDS  # noqa: E402

from labkit.options import CTC, SEQ2SEQ, parse  # noqa: E402

MOST_BYTES = 150_000
CODE = [FIGURES / "draw.py", *sorted((FIGURES / "drawing").glob("*.py"))]


@pytest.mark.parametrize("name", WORDS)
def test_a_figure_is_there_in_both_languages_and_small(name: str) -> None:
    sizes = set()
    for language in LANGUAGES:
        content = (FIGURES / f"{name}.{language}.png").read_bytes()
        assert content.startswith(b"\x89PNG") and len(content) <= MOST_BYTES
        sizes.add(struct.unpack(">II", content[16:24]))
    assert len(sizes) == 1


def test_no_other_figure_is_there() -> None:
    drawn = {f"{name}.{language}.png" for name in WORDS for language in LANGUAGES}
    assert {path.name for path in FIGURES.glob("*.png")} == {*drawn, "page.png"}


def test_every_figure_has_an_alternative_text_in_both_languages() -> None:
    assert list(ALTERNATIVES) == list(WORDS)
    texts = [text for two in ALTERNATIVES.values() for text in two]
    assert len({*texts}) == 2 * len(WORDS)
    assert all(len(text.split()) > 15 for text in texts)
    assert not any(set(text) & set('"\n[]') for text in texts)  # Markdown takes them


def test_every_string_is_used_and_has_the_same_fields_in_both_languages() -> None:
    used = {
        node.value
        for path in CODE
        if path.stem not in ("words", "alternatives")
        for node in ast.walk(read_tree(path))
        if isinstance(node, ast.Constant)
    }
    for table in (COMMON, *WORDS.values()):
        assert set(table) <= used
        for two in table.values():
            fields = [{f for _, f, *_ in Formatter().parse(text) if f} for text in two]
            assert len(two) == len(LANGUAGES) and fields[0] == fields[1], two


def test_the_data_comes_from_the_runs_that_the_script_names() -> None:
    told = {}
    for path in sorted((FIGURES / "data").iterdir()):
        content = json.loads(path.read_text(encoding="utf-8"))
        told.update(content["runs"])
        assert path.stem in WORDS and content["measured"]
    # The network that part two starts from is drawn by no figure.
    assert told == {name: RUNS[name] for name in RUNS if name != "encoder"}


@pytest.mark.parametrize("name", RUNS)
def test_the_command_of_a_run_is_one_of_the_lab(name: str) -> None:
    script, *words = RUNS[name].split()
    assert (ROOT / script).is_file()
    part = SEQ2SEQ if script.endswith(SEQ2SEQ.script) else CTC
    assert parse(part, None, words).command == "train"


def test_the_figure_of_segments_gets_what_par_puts_together(tmp_path: Path) -> None:
    from drawing.measure import measure_segments

    write_network(tmp_path / "both", "seq2seq")
    with torch.inference_mode():
        found = measure_segments({"both": tmp_path / "both"})
    assert len(found["replacements"]) == len(found["segments"]) > 0
    pieces, done = [], 0
    for (begin, stop), new in zip(found["segments"], found["replacements"]):
        pieces += [found["symbols"][done:begin], new[:-1]]
        done = stop
    text = "".join([*pieces, found["symbols"][done:]])
    assert text.replace("¦", "").strip() == found["result"]


def test_the_sums_of_the_trellis_are_those_of_ctc() -> None:
    from drawing.sums import BLANK, FRAMES, WORD, forward_sums
    from trellis import with_blanks

    total = forward_sums(FRAMES, with_blanks(WORD, BLANK))[-1, -2:].sum()
    loss = torch.nn.functional.ctc_loss(
        FRAMES.log().unsqueeze(1),
        torch.tensor([WORD]),
        torch.tensor([len(FRAMES)]),
        torch.tensor([len(WORD)]),
        BLANK,
        reduction="sum",
    )
    assert FRAMES.sum(dim=1).tolist() == pytest.approx([1] * len(FRAMES))
    assert -total.log().item() == pytest.approx(loss.item())
