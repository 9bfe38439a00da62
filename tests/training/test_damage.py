"""Files of a run that are damaged, foreign or in use are refused in two lines."""

from __future__ import annotations

import os
import random
from collections.abc import Callable
from pathlib import Path
from typing import Any

import main_ctc
import pytest
import torch
from data import CharMap
from helpers.processes import fork, main, needs_fork, wait
from helpers.runs import (
    CHARMAP,
    one_utterance,
    options_of_run,
    run_on,
    run_on_corpus,
    small_model,
)
from models import CTCModel
from torch import nn

from labkit.base.errors import LabError
from labkit.options import CTC, parse
from labkit.training.averaging import EpochWeights
from labkit.training.checkpoint import load_checkpoint, save_checkpoint
from labkit.training.start import load_network

ARCHITECTURE = {
    **{"model": "CTCModel", "nmels": 7, "nhidden_rnn": 3, "nlayers_rnn": 1},
    **{"cell_type": "LSTM", "dropout": 0.2, "l1": 0.5},
}
Change = Callable[[dict[str, Any]], object]


@pytest.fixture(scope="module")
def sound(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Write a checkpoint that nothing has happened to."""
    torch.manual_seed(0)
    path = tmp_path_factory.mktemp("sound") / "best_model.pt"
    content = {
        **{"part": "ctc", "architecture": ARCHITECTURE, "normalization": (-31.5, 12.0)},
        **{"alphabet": CharMap().idx2char, "metrics": {"epoch": 1, "dev_cer": 0.5}},
    }
    save_checkpoint(path, CTCModel(CharMap(), 7, 3, 1, "LSTM", 0.2, l1=0.5), content)
    return path


def load(path: Path) -> nn.Module:
    args = parse(CTC, None, ["test", "--modelpath", str(path), "--fold", "test"])
    args.device = torch.device("cpu")
    return load_network(args, main_ctc.make_model, CharMap())


def same(one: Any, other: Any) -> bool:  # noqa: ANN401
    """Compare what two checkpoints hold, tensors bit by bit."""
    if isinstance(one, dict):
        pairs = zip(one.items(), other.items())
        return len(one) == len(other) and all(
            a == b and same(x, y) for (a, x), (b, y) in pairs
        )
    return torch.equal(one, other) if isinstance(one, torch.Tensor) else one == other


def test_no_bit_can_flip_unnoticed(sound: Path, tmp_path: Path) -> None:
    whole, content = sound.read_bytes(), load_checkpoint(sound)
    draw, path, refused = (
        random.Random(os.environ.get("LAB_SEED", 0)),
        tmp_path / "x",
        0,
    )
    for i in range(60):
        damaged = bytearray(whole)
        # Every other time at the end, where the archive lists what it holds.
        place = draw.randrange(len(whole) - 3000 if i % 2 else 0, len(whole))
        damaged[place] ^= 1 << draw.randrange(8)
        path.write_bytes(damaged)
        try:
            found = load_checkpoint(path)
        except LabError:
            refused += 1
        else:
            assert same(found, content), place
    assert refused > 30  # the others are in what pads the archive
    for n_bytes in (0, 1, 3, 30, len(whole) // 2, len(whole) - 1):
        path.write_bytes(whole[:n_bytes])
        with pytest.raises(LabError, match="not a checkpoint, or a damaged one"):
            load_checkpoint(path)


WRONG_ENTRIES = {
    "part": [3, ["ctc"], None],
    "weights": [None, [], 3, {1: torch.ones(1)}, {"cnn.0.weight": "x"}, {}],
    "architecture": [None, 3, [], "GRU"],
    "alphabet": [None, 3, [], "abc", torch.ones(3), ["a"] * 44],
    "normalization": [3, "none", [1.0], [0.0, 0.0], ["a", 1.0], [float("nan"), 1.0]],
    "metrics": [None, [], {"dev_cer": "low"}, {"dev_cer": torch.ones(2)}],
    "format": [None, 2, "1", torch.ones(2)],
}
WRONG_OPTIONS = {
    "nmels": [None, 0, -1, 7.5, "7", 10**30, True, 20],
    "nhidden_rnn": [10**9, 16_384, [3], 4],
    "nlayers_rnn": [0, 100, torch.ones(1)],
    "cell_type": ["RNN", None, 3, "GRU"],
    "model": ["Linear", None, "LinearModel"],
    "l1": ["much", -1.0, float("nan")],
}
CHANGES: list[Change] = [
    *(
        lambda c, n=name, v=value: c.update({n: v})
        for name, values in WRONG_ENTRIES.items()
        for value in values
    ),
    *(
        lambda c, n=name, v=value: c.update(architecture={**ARCHITECTURE, n: v})
        for name, values in WRONG_OPTIONS.items()
        for value in values
    ),
    lambda c: c["weights"].pop("charlin.0.bias"),
    lambda c: c["weights"].update({"rnn.weight_hh_l0": torch.ones(12)}),
    lambda c: c["weights"].update({"rnn.weight_hh_l0": torch.ones(2, 3)}),
    lambda c: c["weights"].update({"charlin.0.bias": torch.ones(44).to_sparse()}),
    lambda c: c["weights"].update({"charlin.0.bias": torch.ones(44) * 1j}),
    lambda c: c["weights"].update({"charlin.0.bias": torch.full((44,), torch.inf)}),
]


@pytest.mark.filterwarnings("ignore:Sparse invariant")
@pytest.mark.parametrize("n", range(len(CHANGES)))
def test_a_checkpoint_with_anything_else_in_it_is_refused(
    n: int, sound: Path, tmp_path: Path
) -> None:
    content, path = torch.load(sound), tmp_path / "best_model.pt"
    CHANGES[n](content)
    torch.save(content, path)
    with pytest.raises(LabError) as refused:
        load(path)
    assert refused.value.cause.startswith(f"{path}: ") and refused.value.remedy


def test_a_checkpoint_cannot_set_other_options(sound: Path, tmp_path: Path) -> None:
    content, path = torch.load(sound), tmp_path / "best_model.pt"
    content["architecture"].update(seed="x", device=3, given=None, unknown=1)
    torch.save(content, path)
    assert isinstance(load(path), CTCModel)


@pytest.mark.parametrize(
    "content", [[], {}, 3, None, "text", torch.ones(3), {"weights": 3}, [torch.ones(2)]]
)
def test_what_is_no_checkpoint_at_all_is_refused(
    content: object, tmp_path: Path
) -> None:
    torch.save(content, tmp_path / "x.pt")
    with pytest.raises(LabError, match=r"x\.pt: it holds no network"):
        load_checkpoint(tmp_path / "x.pt")


def test_weights_of_an_epoch_that_are_damaged_are_not_averaged(tmp_path: Path) -> None:
    kept = EpochWeights(tmp_path, 2)
    for epoch in (1, 2):
        kept.keep(epoch, small_model())
    path = tmp_path / "epoch_1.pt"
    damaged = bytearray(path.read_bytes())
    damaged[len(damaged) // 2] ^= 1
    path.write_bytes(damaged)
    with pytest.raises(LabError, match=r"epoch_1\.pt: not a checkpoint, or a damaged"):
        kept.mean(2)


# ---- states


@pytest.fixture(scope="module")
def begun(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Begin a run, and write its state."""
    logs = tmp_path_factory.mktemp("logs")
    run = run_on([one_utterance()], logs, "--scheduler", "--seed", 3)
    run._save_state()
    run.args.lock.close()
    return run.record.path


def resume(folder: Path) -> None:
    run = run_on([one_utterance()], folder.parent, "--resume", folder)
    run.args.lock.close()


STATES: list[Change] = [
    *(
        lambda s, n=name: s.pop(n)
        for name in ("options", "epoch", "batch", "seconds", "clips", "weights")
    ),
    *(
        lambda s, n=name: s.update({n: "x"})
        for name in ("options", "epoch", "seconds", "score", "skipped", "record")
    ),
    *(
        lambda s, n=name: s.update({n: {"a": torch.ones(2)}})
        for name in ("optimizer", "weights", "clips", "skipped", "score", "record")
    ),
    lambda s: s["options"].update(num_epochs="many"),
    lambda s: s["options"].update(seed=-1),
    lambda s: s["options"].update(normalization="mean"),
    lambda s: s["options"].update(nhidden_rnn=torch.ones(2)),
    lambda s: s["record"].update(best=[1.0]),
]


@pytest.mark.parametrize("n", range(len(STATES)))
def test_a_state_with_anything_else_in_it_is_refused(n: int, begun: Path) -> None:
    path = begun / "last.pt"
    sound = path.read_bytes()
    state = torch.load(path)
    STATES[n](state)
    torch.save(state, path)
    try:
        with pytest.raises(LabError) as refused:
            resume(begun)
        assert str(begun) in refused.value.cause
    finally:
        path.write_bytes(sound)
    resume(begun)


@pytest.mark.parametrize("content", [[], None, 3, torch.ones(2)])
def test_a_state_that_is_none_is_damaged(content: object, begun: Path) -> None:
    path = begun / "last.pt"
    sound = path.read_bytes()
    torch.save(content, path)
    try:
        with pytest.raises(LabError, match="every state of the run is damaged"):
            resume(begun)
    finally:
        path.write_bytes(sound)


# ---- a run that is resumed elsewhere


@needs_fork
def test_a_run_that_is_being_trained_is_resumed_by_nobody_else(tmp_path: Path) -> None:
    run = run_on([one_utterance()], tmp_path)
    run._save_state()
    folder, output = run.record.path, tmp_path / "output.txt"
    left = folder / ".x.tmp"  # the other must not take it for what a killed one left
    left.touch()
    words = ("train", "--resume", folder, "--device", "cpu", "--nthreads", 1)
    assert wait(fork(main(*words), output)) == 2
    cause, remedy = output.read_text(encoding="utf-8").splitlines()
    assert f"{folder}: another process is training this run" in cause
    assert "--resume RUN" in remedy and left.exists()
    run.args.lock.close()  # as when this process ends
    run.record._options.update(datasetroot=str(tmp_path))
    run._save_state()
    assert wait(fork(main(*words), output)) == 1
    assert "no corpus here" in output.read_text(encoding="utf-8")


def replace_in(file: Path, before: str, after: str) -> None:
    text = file.read_text(encoding="utf-8")
    assert before in text
    file.write_text(text.replace(before, after), encoding="utf-8")


@pytest.mark.parametrize("fold", ["train", "dev", "test"])
@pytest.mark.parametrize(
    "before, after", [("\ta d\t", "\ta e\t"), ("_5.mp3", "_4.mp3")]
)
def test_a_run_is_not_resumed_on_other_clips(
    fold: str, before: str, after: str, corpus: Path, tmp_path: Path
) -> None:
    where = ("--datasetroot", corpus, "--datasetversion", "v")
    args = options_of_run(tmp_path / "logs", *where)
    run = run_on_corpus(args, CTCModel(CHARMAP, 20, 8, 1, "GRU", 0.0))
    run._save_state()
    run.args.lock.close()
    folder = run.record.path
    replace_in(corpus / "v/fr" / f"{fold}.tsv", before, after)
    metrics = folder / "metrics.csv"
    metrics.write_text("kept\nkept\n", encoding="utf-8")
    args = options_of_run(tmp_path / "logs", "--resume", folder)
    with pytest.raises(LabError, match=f"{fold} is not what the run was begun with"):
        run_on_corpus(args, CTCModel(CHARMAP, 20, 8, 1, "GRU", 0.0))
    args.lock.close()
    assert metrics.read_text(encoding="utf-8") == "kept\nkept\n"
