"""``main_seq2seq.py``: training from part one, decoding, and what it refuses."""

from __future__ import annotations

import csv
import json
import re
from pathlib import Path

import main_ctc
import main_seq2seq
import numpy as np
import pytest
import soundfile
import torch
from data import CharMap
from models import CTCModel

from labkit.base import USAGE, LabError
from labkit.options import CTC, SEQ2SEQ, parse
from labkit.training.checkpoint import load_checkpoint, save_checkpoint

CHARMAP = CharMap()
SIZES = {"nmels": 20, "nhidden_rnn": 4, "nlayers_rnn": 1, "cell_type": "GRU"}
DECODER = ("--nhidden_decoder", 8, "--heads", 2)
DECODERS = ("greedy", "beam", "attention", "joint", "rescore", "verify", "par")


@pytest.fixture
def encoder(tmp_path: Path) -> Path:
    """Write the checkpoint of a network of part one."""
    torch.manual_seed(0)
    network = CTCModel(CHARMAP, *SIZES.values(), dropout=0.0)
    content = {
        "architecture": {**SIZES, "model": "CTCModel", "dropout": 0.0, "l1": 0.0},
        "alphabet": CHARMAP.idx2char,
        "normalization": (-30.0, 20.0),
        "metrics": {"dev_cer": 0.25},
    }
    path = tmp_path / "logs" / "ctc_0" / "best_model.pt"
    save_checkpoint(path, network, content)
    return path


class Program:
    """Runs a program of the lab in this process; what it prints comes back."""

    def __init__(
        self, corpus: Path, logs: Path, capsys: pytest.CaptureFixture[str]
    ) -> None:
        self.corpus, self.logs, self.capsys = corpus, logs, capsys

    def __call__(self, command: str, *options: object, part: object = SEQ2SEQ) -> str:
        """Run ``main_seq2seq.py``, or ``main_ctc.py``."""
        where = ("--datasetroot", self.corpus, "--datasetversion", "v")
        run = ("--baselogdir", self.logs, "--nthreads", 1, "--device", "cpu")
        words = [str(word) for word in (command, *where, *run, *options)]
        self.capsys.readouterr()
        main = main_ctc.main if part is CTC else main_seq2seq.main
        main(parse(CTC if part is CTC else SEQ2SEQ, None, words))
        return self.capsys.readouterr().out

    def metrics(self, run: str) -> list[dict[str, str]]:
        """Read the metrics of a run, without the time that it took."""
        with (self.logs / run / "metrics.csv").open() as file:
            rows = list(csv.DictReader(file))
        return [{k: v for k, v in row.items() if k != "seconds"} for row in rows]


@pytest.fixture
def program(corpus: Path, encoder: Path, capsys: pytest.CaptureFixture[str]) -> Program:
    """Give what runs the programs where there is a run of part one."""
    return Program(corpus, encoder.parents[1], capsys)


@pytest.fixture
def trained(program: Program) -> Path:
    """Train a tiny network of part two."""
    program("train", "--num_epochs", 1, *DECODER)
    return program.logs / "seq2seq_0" / "best_model.pt"


def test_training_starts_from_the_newest_run_of_part_one(program: Program) -> None:
    out = program("train", "--num_epochs", 1, *DECODER)
    assert "training starts from a network of part one (--from_scratch" in out
    assert "ctc_0/best_model.pt" in out
    for figure in ("attention", "posteriors"):
        assert (program.logs / "seq2seq_0" / f"{figure}.png").stat().st_size > 0
    found = load_checkpoint(program.logs / "seq2seq_0" / "best_model.pt", SEQ2SEQ)
    assert found["part"] == "seq2seq"
    assert found["architecture"]["heads"] == 2
    assert found["architecture"]["nhidden_rnn"] == SIZES["nhidden_rnn"]
    assert found["normalization"] == (-30.0, 20.0)


def test_from_scratch_and_init_from_choose_another_start(
    program: Program, trained: Path
) -> None:
    scratch = ("--from_scratch", "--nlayers_rnn", 1, "--nhidden_rnn", 4)
    out = program("train", "--num_epochs", 1, *DECODER, *scratch)
    assert "part one" not in out and "\nnetwork: " not in out
    out = program("train", "--num_epochs", 1, "--init_from", trained)
    assert f"network: {trained}" in out
    found = load_checkpoint(program.logs / "seq2seq_2" / "best_model.pt", SEQ2SEQ)
    assert found["architecture"]["nhidden_decoder"] == 8


@pytest.mark.parametrize("kind", ["gru", "transformer"])
def test_every_decoder_scores_a_fold(program: Program, kind: str) -> None:
    program("train", "--num_epochs", 1, "--decoder_type", kind, *DECODER)
    out = program("test", "--fold", "test", "--beamwidth", 3, "--compare")
    table = re.findall(r"^(\w+) +(\d+\.\d) % +(\d+\.\d) %.* (\d+\.\d)$", out, re.M)
    assert [row[0] for row in table] == list(DECODERS)
    calls = {row[0]: float(row[-1]) for row in table}
    assert calls["greedy"] == calls["beam"] == 0
    assert calls["rescore"] == 1
    assert calls["attention"] >= calls["verify"] >= 1
    assert "--ctc_weight 0.3" in out


def test_a_clip_is_transcribed_with_times_and_drawn(
    program: Program, trained: Path, tmp_path: Path
) -> None:
    clip = tmp_path / "clip.wav"
    soundfile.write(clip, 0.1 * np.random.default_rng(0).standard_normal(32000), 16000)
    for decoder in DECODERS:
        out = program("test", "--audiofile", clip, "--decoder", decoder)
        assert "Log prob    Sequence" in out
        assert "clip.wav_attention.png" in out or "clip_attention.png" in out
    out = program("test", "--audiofile", clip, "--output", "json")  # rescore
    assert "log prob = 0.3 x CTC + 0.7 x attention" in out
    path = re.search(r"transcript: (\S+)", out)
    assert path
    best = json.loads(Path(path[1]).read_text(encoding="utf-8"))["hypotheses"][0]
    parts = best["parts"]
    expected = 0.3 * parts["ctc"] + 0.7 * parts["attention"]
    assert best["score"] == pytest.approx(expected, abs=1e-3)


def test_what_the_printed_parts_say_is_the_score(
    program: Program, trained: Path, tmp_path: Path
) -> None:
    clip = tmp_path / "clip.wav"
    soundfile.write(clip, 0.1 * np.random.default_rng(1).standard_normal(24000), 16000)
    lm = ("--lm", "char", "--lm_weight", 0.5, "--word_bonus", 1)
    for decoder in ("joint", "rescore", "attention"):
        out = program("test", "--audiofile", clip, "--decoder", decoder, *lm)
        costs = re.findall(r"^ *(-?\d+\.\d\d)    \S", out, re.M)
        terms = re.search(r"log prob = (.*)", out)
        assert terms
        weights = [
            float(term.split(" x ")[0]) if " x " in term else 1.0
            for term in terms[1].split(" + ")
        ]
        rows = re.findall(r"^ +\d+((?: +-?(?:\d+\.\d\d|inf))+)$", out, re.M)
        assert len(rows) == len(costs) > 0
        for cost, row in zip(costs, rows):
            if "inf" in row:  # no path of CTC spells what an untrained network writes
                assert decoder == "joint"
                continue
            total = sum(w * float(v) for w, v in zip(weights, row.split()))
            assert total == pytest.approx(float(cost), abs=0.03)


def test_part_one_uses_the_ctc_head_of_a_network_of_part_two(
    program: Program, trained: Path
) -> None:
    out = program("test", "--modelpath", trained, "--fold", "test", part=CTC)
    assert "a network of main_seq2seq.py; its CTC head is used here" in out
    own = ("--modelpath", trained, "--decoder", "greedy")
    again = program("test", *own, "--fold", "test")
    rates = [re.findall(r"^[CW]ER .*", text, re.M) for text in (out, again)]
    assert rates[0] == rates[1] != []
    # ... and part one's newest run is still its own.
    out = program("test", "--fold", "test", part=CTC)
    assert "ctc_0/best_model.pt" in out


def test_a_network_of_part_one_cannot_be_tested_by_part_two(
    program: Program, encoder: Path
) -> None:
    with pytest.raises(LabError, match="no attention decoder") as error:
        program("test", "--modelpath", encoder, "--fold", "test")
    assert "main_seq2seq.py train --init_from" in error.value.remedy


def test_the_linear_baseline_is_no_encoder(program: Program, tmp_path: Path) -> None:
    linear = ("--model", "LinearModel", "--num_epochs", 1, "--logname", "linear")
    program("train", *linear, part=CTC)
    with pytest.raises(LabError, match="without recurrent layers"):
        program("train", "--init_from", program.logs / "linear_0" / "best_model.pt")


def test_a_resumed_run_goes_on_as_if_nothing_had_been(program: Program) -> None:
    options = ("--num_epochs", 3, "--scheduler", "--batch_size", 2, "--average", 2)
    guided = ("--guided_attention", 2, "--dropout", 0.3, *DECODER)
    program("train", *options, *guided)

    class StopError(Exception):
        pass

    def stop(*_: object) -> None:
        raise StopError

    patch = pytest.MonkeyPatch()
    with patch.context() as changed:
        run = main_seq2seq.Run
        finish, epochs = run.finish, []

        def third(self: object, epoch: int, score: object) -> None:
            epochs.append(epoch)
            (stop if epoch == 2 else finish)(self, epoch, score)

        changed.setattr(run, "finish", third)
        with pytest.raises(StopError):
            program("train", *options, *guided, "--checkpoint_minutes", 0)
    assert epochs == [1, 2]
    program("train", "--resume", program.logs / "seq2seq_1")
    assert program.metrics("seq2seq_0") == program.metrics("seq2seq_1")


@pytest.mark.parametrize("weight", [0, 1])
def test_one_head_alone_is_allowed_and_explained(program: Program, weight: int) -> None:
    out = program("train", "--num_epochs", 1, "--ctc_weight", weight, *DECODER)
    assert f"--ctc_weight {weight}: only {('attention', 'CTC')[weight]} counts" in out


def test_the_weights_are_tuned_and_the_threshold_is_swept(
    program: Program, trained: Path
) -> None:
    out = program("test", "--fold", "dev", "--tune", "--decoder", "rescore")
    assert "--ctc_weight" in out and "tune_rescore.png" in out
    out = program("test", "--fold", "dev", "--sweep")
    rows = re.findall(r"^par (\S+) +(\S+) % .* (\S+)$", out, re.M)
    assert [float(row[0]) for row in rows][:2] == [0.0, 0.5]
    greedy = program("test", "--fold", "dev", "--decoder", "greedy")
    assert f"CER {rows[0][1]} %" in greedy and float(rows[0][2]) == 0
    assert (program.logs / "figures" / "sweep_par.png").stat().st_size > 0


@pytest.mark.parametrize(
    "words, cause",
    [
        ("test --fold dev --decoder par --par_threshold 1.5", "1.5 is not at least 0"),
        (
            "test --fold dev --decoder par --par_threshold -0.1",
            "-0.1 is not at least 0",
        ),
        ("test --fold dev --beamwidth 0", "0 is not at least 1"),
        ("test --fold dev --decoder par --max_seq_len 0", "0 is not at least 1"),
        ("test --fold dev --decoder par --max_seq_len 101", "and at most 100"),
        ("test --fold dev --decoder joint --length_norm 3", "and at most 2"),
        ("test --fold dev --decoder par --max_mask_parallel 0", "decodes nothing"),
        ("train --heads 0", "0 is not at least 1"),
        ("train --heads 3", "do not share"),
        ("train --ctc_weight 1.1", "1.1 is not at least 0 and at most 1"),
        ("train --label_smoothing 1", "1 is not at least 0 and at most 0.9"),
        ("train --from_scratch --init_from x.pt", "contradicts --init_from"),
        ("train --decoder_type rnn", "invalid choice"),
        (
            "test --fold dev --decoder greedy --par_threshold 0.5",
            "goes with --decoder par",
        ),
        ("test --fold dev --decoder verify --lm char", "goes with --decoder"),
        ("test --fold dev --tune --decoder par", "--tune goes with --lm"),
        ("test --fold dev --sweep --decoder joint", "--sweep goes with --decoder par"),
        ("test --sweep --audiofile x.mp3", "--sweep goes with --fold"),
    ],
)
def test_wrong_options_are_refused(
    words: str, cause: str, capsys: pytest.CaptureFixture[str]
) -> None:
    with pytest.raises(SystemExit) as stopped:
        parse(SEQ2SEQ, None, words.split())
    assert stopped.value.code == USAGE
    error, remedy = capsys.readouterr().err.strip().splitlines()[-2:]
    assert cause in error and remedy.startswith("to do: ")
