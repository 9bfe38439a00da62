"""Properties of the tables of options, and of the parts of the lab that they serve."""

from __future__ import annotations

import os
import re
import subprocess
import sys
from pathlib import Path

import decoding
import main_ctc
import pytest
import torch
from data import CharMap
from shared import REFERENCE, ROOT, Run
from torch import nn

from labkit.base import LabError, run_program
from labkit.decoding import SearchOptions
from labkit.options import CTC, SEQ2SEQ, Part, parse
from labkit.options.option import Decoder, Option, changed, group
from labkit.training.checkpoint import (
    adopt_checkpoint,
    checkpoint_content,
    load_checkpoint,
    newest_checkpoint,
    save_checkpoint,
)
from labkit.training.state import adopt_options, find_run, options_of, write_state

MAIN = REFERENCE / "main_ctc.py"
ROWS = CTC.rows
README = (ROOT / "README.md").read_text(encoding="utf-8")

# A part of the lab that there is not: what it takes to add one.
ATTENTION = group(
    "attention",
    Option("attention_heads", 1, "heads", int, debug=2, architecture=True),
    Option("ctc_weight", 0.3, "of the CTC score", float, only="test"),
)
DECODERS = (Decoder("attention", "of the decoder", compared=(None, "char")),)
MADE_UP = Part(
    "made_up",
    "main_made_up.py",
    changed(
        (*CTC.groups, ATTENTION),
        logname={"default": "made_up"},
        decoder={"choices": ("attention",), "default": "attention"},
    ),
    DECODERS,
    CTC.rules,
)


def sample(row: Option) -> list[str]:
    """Give an option of the command line, with a value that it may have."""
    if row.is_flag:
        return [f"--{row.name}"]
    fits = {"compare": ["greedy"], "normalization": ["0", "1"]}
    shares = ("dropout", "ctc_weight", "label_smoothing")
    fits.update({name: ["0"] for name in shares}, heads=["2"])
    value = [row.choices[0]] if row.choices else fits.get(row.name, ["4"])
    return [f"--{row.name}", *([] if row.nargs == "?" else value)]


# ---- what was given, and what was not


@pytest.mark.parametrize("name", ROWS)
def test_what_was_given_is_known_and_nothing_else(name: str) -> None:
    row = ROWS[name]
    command = row.only or "train"
    words = [command, *sample(row)]
    for other in row.needs:
        words += sample(ROWS[other])
    needed = {*row.needs}
    if command == "test" and not {name, *needed} & {"fold", "audiofile"}:
        words += sample(ROWS["audiofile"])
        needed.add("audiofile")
    if row.decoders:
        words += ["--decoder", row.decoders[0]]
        needed.add("decoder")
    if name in ("lm_weight", "word_bonus", "pieces"):
        words += ["--lm", "char"]
        needed.add("lm")
    assert parse(CTC, None, words).given == {name, *needed}


@pytest.mark.parametrize("part", [CTC, SEQ2SEQ], ids=["ctc", "seq2seq"])
def test_a_run_begun_with_any_option_is_resumed_without_it(
    part: Part, tmp_path: Path
) -> None:
    rows = {
        name: row
        for name, row in part.rows.items()
        if row.taken_by("train") and not row.process and name != "debug"
    }
    assert len(rows) > 25 and "seed" in rows
    for name, row in rows.items():
        begun = parse(part, None, ["train", *sample(row)])
        assert getattr(begun, name) != row.default or row.choices, name
        again = parse(part, None, ["train", "--resume", "logs/x"])
        adopt_options(again, {"options": options_of(begun)}, tmp_path)
        for each in rows:
            assert getattr(again, each) == getattr(begun, each), (name, each)


def test_defaults_are_those_of_the_rows_for_each_command() -> None:
    given = {
        ("train",): ("train", False),
        ("train", "--debug"): ("train", True),
        ("test", "--fold", "dev"): ("test", False),
    }
    for words, how in given.items():
        args = vars(parse(CTC, None, list(words)))
        for name, row in ROWS.items():
            if name not in args["given"]:
                assert args[name] == row.default_of(*how), name
    assert parse(CTC, None, ["test", "--audiofile", "a", "--lm", "x"]).decoder == "beam"
    for one in (CTC, SEQ2SEQ):
        args = parse(one, None, ["test", "--fold", "dev"])
        assert SearchOptions() == SearchOptions.of(args)


# ---- what people read


@pytest.mark.parametrize("command", ["train", "test"])
def test_the_help_of_a_command_lists_its_options_alone(command: str, run: Run) -> None:
    for words in ((command, "--help"), ("--help", "--fold", "test", command)):
        listed = run(MAIN, *words, COLUMNS="200").stdout.split("\noptions:")[1]
        found = set(re.findall(r"^  --(\w+)", listed, re.M))
        assert found == {n for n, row in ROWS.items() if row.only in (None, command)}


@pytest.mark.skipif(not hasattr(os, "fork"), reason="Windows counts no child's seconds")
def test_help_answers_at_once(run: Run) -> None:
    seconds = []
    for _ in range(3):
        before = os.times()
        assert run(MAIN, "--help").returncode == 0
        after = os.times()
        # Of the processor, for another program may want it too.
        seconds.append(sum(after[2:4]) - sum(before[2:4]))
    assert min(seconds) < 0.5


def test_the_page_of_options_is_that_of_the_rows() -> None:
    page = (ROOT / "docs" / "options.md").read_text(encoding="utf-8")
    command = [sys.executable, "-m", "labkit.options"]
    wanted = subprocess.run(command, cwd=ROOT, capture_output=True, check=True).stdout
    assert page == wanted.decode(), "run: python -m labkit.options > docs/options.md"


def test_readme_names_options_and_decoders_that_there_are() -> None:
    rows = [f"| `{decoder.name}` | {decoder.what} |" for decoder in CTC.decoders]
    assert "\n".join(["| `--decoder` | what it is |", "|---|---|", *rows]) in README
    (table,) = re.findall(r"\| option \| what for \|\n((?:\|.*\n)+)", README)
    assert len(re.findall(r"--(\w+)", table)) > 8
    commands = re.findall(r"main_ctc\.py (.*)", README)
    for words in (table, *commands):
        assert {*re.findall(r"--([a-z_0-9]\w*)", words)} <= {
            *ROWS,
            "nproc_per_node",
            "help",
        }


def test_readme_names_options_and_decoders_of_part_two() -> None:
    first = {decoder.name for decoder in CTC.decoders}
    for decoder in SEQ2SEQ.decoders:
        row = f"| `{decoder.name}` | {decoder.what} |"
        assert decoder.name in first or row in README
    for words in re.findall(r"main_seq2seq\.py (.*)", README):
        assert {*re.findall(r"--([a-z_0-9]\w*)", words)} <= {*SEQ2SEQ.names()}


def test_the_desk_makes_the_decoders_that_the_command_line_names() -> None:
    assert [*decoding.DECODERS] == [decoder.name for decoder in CTC.decoders]


# ---- another part


def test_a_part_is_a_table_of_options_and_a_row() -> None:
    args = parse(MADE_UP, None, ["train", "--debug"])
    assert (args.part, args.attention_heads, args.logname) == (MADE_UP, 2, "made_up")
    assert parse(CTC, None, ["train"]).logname == "ctc"
    words = ["test", "--fold", "dev", "--ctc_weight", ".5"]
    args = parse(MADE_UP, None, words)
    assert (args.decoder, args.given) == ("attention", {"fold", "ctc_weight"})
    assert MADE_UP.used(args) == [("attention", None)]
    with pytest.raises(SystemExit):
        parse(CTC, None, words)
    with pytest.raises(SystemExit):
        parse(MADE_UP, None, ["train", "--ctc_weight", ".5"])
    assert {*MADE_UP.architecture} == {*CTC.architecture, "attention_heads"}


@pytest.fixture
def logs(tmp_path: Path) -> Path:
    """Write a checkpoint and a state of each part; the newest is the made-up one's."""
    runs = (
        ("debug_ctc_0", 20, CTC),
        ("ctc_0", 10, CTC),
        ("ctc_1", 30, None),  # of a kit that had one part
        ("debug_a_0", 90, MADE_UP),
        ("a_0", 70, MADE_UP),
    )
    for name, when, part in runs:
        args = parse(part or CTC, None, ["train"])
        content = checkpoint_content(args, CharMap().idx2char, (0.0, 1.0))
        options = options_of(args)
        if part is None:
            del content["part"], options["part"]
        best = tmp_path / name / "best_model.pt"
        save_checkpoint(best, nn.Linear(2, 2), {**content, "metrics": {"dev_cer": 0.5}})
        write_state(best.parent, {"options": options})
        for path in best.parent.iterdir():
            os.utime(path, (when, when))
    return tmp_path


def test_each_part_finds_its_own_runs(logs: Path) -> None:
    assert newest_checkpoint(logs, CTC) == logs / "ctc_1" / "best_model.pt"
    assert newest_checkpoint(logs, MADE_UP) == logs / "a_0" / "best_model.pt"
    assert find_run("", logs, CTC) == logs / "ctc_1"
    assert find_run("", logs, MADE_UP) == logs / "debug_a_0"
    for name in ("a_0", "ctc_0", "ctc_1"):
        (logs / name / "best_model.pt").unlink()
    assert newest_checkpoint(logs, CTC) == logs / "debug_ctc_0" / "best_model.pt"
    (logs / "debug_a_0" / "best_model.pt").unlink()
    with pytest.raises(LabError, match="no trained network") as refused:
        newest_checkpoint(logs, MADE_UP)
    assert "main_made_up.py train" in refused.value.remedy


def test_weights_are_not_read_to_be_passed_over(
    logs: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    load, mapped = torch.load, []

    def watched(path: Path, **how: object) -> object:
        mapped.append(how["mmap"])
        return load(path, **how)

    monkeypatch.setattr(torch, "load", watched)
    newest_checkpoint(logs, CTC)
    assert mapped == [True, True]  # the newest is another part's


@pytest.mark.parametrize("name", ["a_0", "ctc_1"])
def test_what_is_of_another_part_is_refused(logs: Path, name: str) -> None:
    own, other = (MADE_UP, CTC) if name == "a_0" else (CTC, MADE_UP)
    path, state = logs / name / "best_model.pt", logs / name / "last.pt"
    for part, command in ((own, "train"), (other, "test")):
        words = {"train": [], "test": ["--fold", "dev"]}[command]
        args = parse(part, None, [command, *words])
        checkpoint, found = load_checkpoint(path), torch.load(state)
        if part is own:
            adopt_checkpoint(checkpoint, args, CharMap(), path)
            adopt_options(args, found, state.parent)
            assert args.part is own
            continue
        with pytest.raises(LabError, match=f"of the part {own.name}") as refused:
            adopt_checkpoint(checkpoint, args, CharMap(), path)
        assert own.script in refused.value.remedy
        with pytest.raises(LabError, match=f"of the part {own.name}") as refused:
            adopt_options(args, found, state.parent)
        assert f"python {own.script} train --resume" in refused.value.remedy


def test_the_program_says_whose_a_checkpoint_is(
    logs: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    path = logs / "a_0" / "best_model.pt"
    words = ["test", "--modelpath", str(path), "--fold", "test", "--nthreads", "1"]
    assert run_program(lambda: main_ctc.main(parse(CTC, None, words))) == 2
    cause, remedy = capsys.readouterr().err.splitlines()
    assert "of the part made_up, not of ctc" in cause
    assert "main_made_up.py" in remedy and "main_ctc.py" in remedy
