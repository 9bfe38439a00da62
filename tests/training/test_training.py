"""Properties of training: repeatable, and the best network is the one that is kept."""

from __future__ import annotations

import csv
import os
import random
import sys
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace

import main_ctc
import pytest
import torch
from data import CharMap
from helpers.runs import Script, one_utterance, run_on, take_step
from models import CTCModel
from tensorboard.backend.event_processing.event_accumulator import EventAccumulator
from torch import nn
from torch.nn.utils.rnn import PackedSequence, pack_sequence

from labkit.base.errors import LabError
from labkit.base.files import write_atomically
from labkit.metrics import FoldScore
from labkit.options import CTC, parse
from labkit.training.checkpoint import (
    load_checkpoint,
    newest_checkpoint,
    save_checkpoint,
)
from labkit.training.distributed import World
from labkit.training.schedules import make_scheduler
from labkit.training.start import load_network
from labkit.training.state import read_state, unsolved

Train = Callable[..., Path]


@pytest.fixture
def train(corpus: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Train:
    """Train a tiny network in this process; the folder of the run comes back."""

    def call(*options: object) -> Path:
        logs = tmp_path / "logs"
        before = set(logs.glob("*"))
        where = ("--datasetroot", corpus, "--datasetversion", "v")
        tiny = ("--nlayers_rnn", 1, "--nhidden_rnn", 4, "--batch_size", 3)
        rest = ("--device", "cpu", "--nthreads", 1, "--baselogdir", logs)
        argv = [str(word) for word in ("train", *where, *tiny, *rest, *options)]
        monkeypatch.setattr(sys, "argv", ["main_ctc.py", *argv])
        main_ctc.main(parse(CTC, None, argv))
        (run,) = set(logs.glob("*")) - before
        return run

    return call


def metrics_of(run: Path) -> list[dict[str, str]]:
    with (run / "metrics.csv").open(encoding="utf-8", newline="") as file:
        rows = list(csv.DictReader(file))
    for row in rows:
        assert float(row.pop("seconds")) >= 0
    return rows


def test_the_seed_alone_decides_what_a_run_learns(train: Train) -> None:
    options = ("--num_epochs", 2, "--train_augment", "--scheduler", "--dropout", 0.3)
    first, again, other = (train(*options, "--seed", seed) for seed in (3, 3, 4))
    assert metrics_of(first) == metrics_of(again) != metrics_of(other)
    weights, same, others = (
        load_checkpoint(run / "best_model.pt")["weights"]
        for run in (first, again, other)
    )
    assert all(torch.equal(weights[name], same[name]) for name in weights)
    assert not torch.equal(weights["rnn.weight_hh_l0"], others["rnn.weight_hh_l0"])


def test_the_folder_of_a_run_holds_what_a_report_needs(
    train: Train, capsys: pytest.CaptureFixture[str]
) -> None:
    run = train("--num_epochs", 3, "--logname", "mine", "--base_lr", 0.01)
    assert run.name == "mine_0"
    board = {f.name for f in run.iterdir() if f.name.startswith("events.out.tfevents")}
    names = {f.name for f in run.iterdir()} - board
    texts = {"summary.txt", "metrics.csv", "decodings.txt"}
    assert names == {*texts, "best_model.pt", "posteriors.png"} and len(board) == 1
    assert (run / "posteriors.png").read_bytes().startswith(b"\x89PNG")

    events = EventAccumulator(str(run)).Reload()
    tags = events.Tags()
    curves = {"learning_rate", "gradient_norm", "share_of_blanks", "loss", "cer", "wer"}
    curves = {f"train/{name}" for name in curves} | {"dev/loss", "dev/cer", "dev/wer"}
    assert curves | {"result/test_cer"} <= {*tags["scalars"]}
    assert tags["images"] == ["posteriors"] and len(tags["audio"]) == 2
    assert "decodings/text_summary" in tags["tensors"]
    assert events.PluginTagToContent("hparams")
    rates = [event.value for event in events.Scalars("train/learning_rate")]
    assert rates == pytest.approx([0.01] * 3)
    for name, most in (("gradient_norm", 20.0), ("share_of_blanks", 1.0)):
        values = [event.value for event in events.Scalars(f"train/{name}")]
        assert len(values) == 3 and all(0 < value <= most + 1e-3 for value in values)

    summary = (run / "summary.txt").read_text(encoding="utf-8")
    for part in ("GRU", "Conv2d", "main_ctc.py train", "--logname mine"):
        assert part in summary
    assert "base_lr: 0.01" in summary and "test fold, best network" in summary
    decodings = (run / "decodings.txt").read_text(encoding="utf-8")
    assert decodings.count("  reference   ") == decodings.count("  hypothesis  ") == 12

    rows = metrics_of(run)
    assert [row["epoch"] for row in rows] == ["1", "2", "3"]
    best = min(rows, key=lambda r: (float(r["dev_cer"]), float(r["dev_loss"])))
    kept = load_checkpoint(run / "best_model.pt")["metrics"]
    assert {k: float(v) for k, v in best.items()} == {
        k: v for k, v in kept.items() if k != "seconds"
    }
    assert str(run / "best_model.pt") in capsys.readouterr().out
    assert train("--num_epochs", 1, "--logname", "mine").name == "mine_1"


def test_a_training_starts_from_the_weights_of_another(train: Train) -> None:
    parent = train("--num_epochs", 2, "--normalization", -30, 20)
    same = ("--init_from", parent / "best_model.pt", "--num_epochs", 1)
    # The learning rate is too small to change the weights that were given.
    child = train(*same, "--base_lr", 1e-30, "--nhidden_rnn", 4)
    one, two = (load_checkpoint(run / "best_model.pt") for run in (parent, child))
    assert two["normalization"] == one["normalization"] == [-30.0, 20.0]
    for name, value in one["weights"].items():
        if "running" not in name and "num_batches" not in name:
            assert torch.equal(two["weights"][name], value), name
    with pytest.raises(LabError, match="--nhidden_rnn 5 contradicts"):
        train(*same, "--nhidden_rnn", 5)
    bare = parent / "bare.pt"
    torch.save(one["weights"], bare)
    rest = ("--init_from", bare, "--normalization", -30, 20, "--num_epochs", 1)
    with pytest.raises(LabError, match="not those of the network asked for"):
        train(*rest, "--nhidden_rnn", 5)
    with pytest.raises(LabError, match="no such checkpoint"):
        train("--init_from", "none.pt")


def test_training_ends_where_nothing_is_gained(
    train: Train, capsys: pytest.CaptureFixture[str]
) -> None:
    # An update that changes nothing: batch normalisation alone still moves a little.
    run = train("--num_epochs", 50, "--patience", 2, "--base_lr", 1e-30)
    assert "no improvement in 2 epochs: training ends here" in capsys.readouterr().out
    rows = metrics_of(run)
    best = min(rows, key=lambda r: (float(r["dev_cer"]), float(r["dev_loss"])))
    assert len(rows) == int(best["epoch"]) + 2 < 50


def test_the_mean_of_the_last_epochs_is_kept_where_it_is_best(
    train: Train, capsys: pytest.CaptureFixture[str]
) -> None:
    run = train("--num_epochs", 3, "--average", 2, "--scheduler", "plateau")
    out = capsys.readouterr().out
    (line,) = (li for li in out.splitlines() if li.startswith("mean of the last 2"))
    best = min(float(row["dev_loss"]) for row in metrics_of(run))
    kept = load_checkpoint(run / "best_model.pt")["metrics"]
    assert line.endswith("best") == (kept["dev_loss"] < best)
    assert not list(run.glob("epoch_*.pt"))


def test_a_resumed_run_remembers_what_it_had_reached(tmp_path: Path) -> None:
    run = run_on([one_utterance()], tmp_path)
    record = run.record
    good, worse = FoldScore(1, 3.0, 1, 0.0), FoldScore(1, 9.0, 1, 0.0)
    good.compare([("ab", "ab")])
    worse.compare([("ab", "a")])
    assert record.keep_if_best(good, {}) and not record.keep_if_best(worse, {})
    run.skipped.refused(True, 1, "")
    run._epoch, run._done, run._score = 3, 7, good
    run._save_state()
    state = read_state(record.path)
    for rank, begun in ((0, good), (1, FoldScore())):
        again = run_on([one_utterance()], tmp_path / str(rank))
        again.world = World(rank, 2)
        again._resume(state)
        assert (again._epoch, again._done, again.skipped.total) == (3, 7, 1)
        assert again._score == begun  # counted once, not by every process
        assert again.record.stale == 1
        assert not again.record.keep_if_best(worse, {})


# ---- the loop, with a network that says what a test wants


def best_epochs(out: str) -> list[int]:
    lines = (line.split() for line in out.splitlines() if line.endswith("best"))
    return [int(words[0]) for words in lines]


def test_the_network_that_is_kept_has_the_lowest_error_rate_then_loss(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    said = [
        *(("abcx", 5.0), ("xxcd", 1.0), ("abcx", 6.0), ("abcx", 4.0)),
        *(("abcd", 9.0), ("abcd", 9.0), ("abcd", 8.0), ("abcx", 0.1)),
    ]
    script = Script(["abcd"] * len(said), said)
    options = ("--num_epochs", len(said))
    run = run_on([one_utterance()], tmp_path, *options, transcribe=script.transcribe)
    script.fit(run)
    assert best_epochs(capsys.readouterr().out) == [1, 4, 5, 7]
    path = run.record.best_model
    assert load_checkpoint(path)["metrics"]["epoch"] == 7


def test_overfitting_ends_only_when_evaluation_makes_no_mistake(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    # Perfect in training at epochs 2, 3 and 5, in evaluation at the third of these.
    steps = ["a", "abcd", "abcd", "abc", "abcd", "abcd"]
    script = Script(steps, [("", 3.0), ("abc", 2.0), ("abcd", 1.0)])
    options = ("--debug", "--num_epochs", 6)
    run = run_on([one_utterance()], tmp_path, *options, transcribe=script.transcribe)
    script.fit(run)
    kept = load_checkpoint(run.record.best_model)
    assert script.n_steps == 5 and kept["metrics"]["epoch"] == 5
    epochs = [
        li for li in capsys.readouterr().out.splitlines() if li[:5].strip().isdigit()
    ]
    told = [li.endswith("in evaluation mode, 1 of 1 clips err") for li in epochs]
    assert told == [True, True, False] and all("0.0 %" in line for line in epochs)
    script = Script(["a", "abcd", "a"], [("abc", 1.0), ("abc", 1.0)])
    options = ("--debug", "--num_epochs", 3)
    run = run_on([one_utterance()], tmp_path, *options, transcribe=script.transcribe)
    with pytest.raises(LabError, match="without a mistake after 3 epochs") as error:
        script.fit(run)
    assert script.n_steps == 3 and "has a mistake" in error.value.remedy
    run.args.model = "LinearModel"  # it cannot, and need not
    assert "has a mistake" not in unsolved(run.args, 16).remedy


def test_evaluation_is_in_evaluation_mode_and_training_in_training_mode(
    tmp_path: Path,
) -> None:
    run, modes = run_on([one_utterance()], tmp_path, "--num_epochs", 2), []
    forward = run.model.forward

    def noting(inputs: PackedSequence) -> PackedSequence:
        modes.append((run.model.training, torch.is_grad_enabled()))
        return forward(inputs)

    run.model.forward = noting
    # The learning rate moves with the updates, not with the epochs or evaluations.
    run._scheduler = SimpleNamespace(step=lambda: modes.append("rate"), state_dict=dict)
    for epoch in run.epochs():
        for minibatch in run.minibatches(epoch):
            run.count(take_step(run, minibatch), minibatch)
        score = main_ctc.evaluate(run.model, run.dev())
        run.model.forward = forward  # what is drawn does not count
        run.finish(epoch, score)
        run.model.forward = noting
    assert modes == [(True, True), "rate", (False, False)] * 2


def test_the_error_rate_of_training_is_that_of_a_sample_of_a_large_fold(
    tmp_path: Path,
) -> None:
    decoded = []

    def transcribe(scores: object, minibatch: object) -> list[tuple[str, str]]:
        decoded.append(minibatch)
        return [("a", "b")]

    minibatches = [one_utterance() for _ in range(30)]
    run = run_on(minibatches, tmp_path, "--num_epochs", 1, transcribe=transcribe)
    run._batches.utterances = range(5000)
    for minibatch in run.minibatches(1):
        run.count((torch.ones(1), torch.zeros(()), minibatch[0]), minibatch)
    assert len(decoded) == 3 and run._score.n_utterances == 30
    assert run._score.cer.rate == 1.0


@pytest.mark.parametrize("n_updates", [1, 2, 10, 997])
def test_the_learning_rate_rises_to_its_highest_then_falls_to_nothing(
    n_updates: int,
) -> None:
    optimizer = torch.optim.SGD([torch.zeros(1, requires_grad=True)], lr=0.5)
    scheduler, rates = make_scheduler(True, optimizer, n_updates), []
    for _ in range(n_updates):
        rates.append(optimizer.param_groups[0]["lr"])
        optimizer.step()
        scheduler.step()
    top = rates.index(max(rates))
    assert max(rates) == pytest.approx(0.5) and top <= max(1, 0.15 * n_updates)
    assert rates[: top + 1] == sorted(rates[: top + 1])
    assert rates[top:] == sorted(rates[top:], reverse=True)
    assert min(rates) > 0
    if n_updates > 100:
        assert rates[0] < 0.01 and rates[-1] < 1e-4


# ---- scores


def edits(one: list[str] | str, other: list[str] | str) -> int:
    """Count the edits between two sequences (Levenshtein)."""
    row = list(range(len(other) + 1))
    for i, a in enumerate(one, 1):
        previous, row[0] = row[0], i
        for j, b in enumerate(other, 1):
            previous, row[j] = (
                row[j],
                min(row[j] + 1, row[j - 1] + 1, previous + (a != b)),
            )
    return row[-1]


def test_error_rates_are_edits_over_the_symbols_of_the_references() -> None:
    draw = random.Random(1)

    def text(longest: int) -> str:
        words = ("".join(draw.choices("abc'", k=draw.randint(1, 4))) for _ in range(9))
        return " ".join(list(words)[: draw.randint(0, longest)])

    assert edits("kitten", "sitting") == 3
    for _ in range(30):
        pairs = [(text(5) or "a", text(5)) for _ in range(4)]
        score = FoldScore()
        for start in (0, 2):  # two minibatches
            part = pairs[start : start + 2]
            score.add(torch.tensor([1.0 + start, 3.0]))
            score.compare(part)
        characters = sum(edits(r, h) for r, h in pairs)
        words = sum(edits(r.split(), h.split()) for r, h in pairs)
        assert score.cer.rate == characters / sum(len(r) for r, _ in pairs)
        assert score.wer.rate == words / sum(len(r.split()) for r, _ in pairs)
        assert score.loss == 2.5
        assert score.perfect == all(r == h for r, h in pairs)


def test_a_transcript_without_a_single_letter_can_be_scored() -> None:
    score = FoldScore()
    score.compare([("", "a"), ("ab", "ab")])
    assert score.cer.rate == 1 / 2 and score.wer.rate == 1 / 1


# ---- files


def save_small(path: Path, seed: int) -> CTCModel:
    """Write the checkpoint of a small network."""
    torch.manual_seed(seed)
    model = CTCModel(CharMap(), 7, 3, 2, "LSTM", 0.2, l1=0.5)
    nn.init.uniform_(model.cnn[1].running_mean)
    architecture = {"model": "CTCModel", "nmels": 7, "nhidden_rnn": 3}
    architecture.update(nlayers_rnn=2, cell_type="LSTM", dropout=0.2, l1=0.5)
    content = {
        "architecture": architecture,
        "alphabet": CharMap().idx2char,
        "normalization": (-31.5, 12.25),
        "metrics": {"epoch": 1, "dev_cer": 0.5},
    }
    save_checkpoint(path, model, content)
    return model.eval()


def test_a_checkpoint_gives_the_same_network_back(tmp_path: Path) -> None:
    path = tmp_path / "new" / "model.pt"
    model = save_small(path, 1)
    assert set(torch.load(path, weights_only=True)) > {"weights", "architecture"}
    args = parse(CTC, None, ["test", "--modelpath", str(path), "--fold", "test"])
    args.device = torch.device("cpu")
    charmap = CharMap()
    loaded = load_network(args, main_ctc.make_model, charmap)
    assert tuple(args.normalization) == (-31.5, 12.25) and args.nmels == 7
    assert charmap.idx2char == CharMap().idx2char and not loaded.training
    inputs = pack_sequence([torch.randn(60, 7)])
    with torch.inference_mode():
        assert torch.equal(loaded(inputs).data, model(inputs).data)


def test_the_newest_checkpoint_is_that_of_a_real_run_if_there_is_one(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    with pytest.raises(LabError, match="no trained network"):
        newest_checkpoint(tmp_path, replace(CTC, pretrained=tmp_path / "none.pt"))
    runs = (
        ("debug_ctc_0", 50),
        ("debug_ctc_1", 90),
        ("b_0", 60),
        ("a_1", 70),
        ("c_0", 65),
    )
    newest, for_a_clip = [], []
    for name, when in runs:
        path = tmp_path / name / "best_model.pt"
        path.parent.mkdir()
        path.write_bytes(b"")
        os.utime(path, (when, when))
        newest.append(newest_checkpoint(tmp_path).parent.name)
        warned = "it knows one minibatch by heart" in capsys.readouterr().err
        assert warned == newest[-1].startswith("debug")
        for_a_clip.append(newest_checkpoint(tmp_path, fold=False).parent.name)
        assert ("the network of the kit" in capsys.readouterr().out) == warned
    assert newest == ["debug_ctc_0", "debug_ctc_1", "b_0", "a_1", "a_1"]
    assert for_a_clip == ["pretrained", "pretrained", "b_0", "a_1", "a_1"]


@pytest.mark.parametrize("error", [RuntimeError, KeyboardInterrupt])
def test_a_file_is_replaced_whole_or_not_at_all(
    tmp_path: Path, error: type[BaseException]
) -> None:
    path = tmp_path / "new" / "file.txt"

    def fail(temporary: Path) -> None:
        temporary.write_text("half")
        assert not path.exists() or path.read_text() == "old"
        raise error

    for content in (None, "old"):
        if content:
            write_atomically(path, lambda temporary: temporary.write_text("old"))
        with pytest.raises(error):
            write_atomically(path, fail)
        assert [f.read_text() for f in path.parent.iterdir()] == [content][
            : bool(content)
        ]
    write_atomically(path, lambda temporary: temporary.write_text("new"))
    assert [f.read_text() for f in path.parent.iterdir()] == ["new"]
