"""Properties of several processes: together they learn what one alone would."""

from __future__ import annotations

import csv
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest
import torch
from data import CharMap
from helpers.processes import fork_world, main, needs_fork, wait
from helpers.runs import options_of_run, run_on_corpus, take_step
from models import CTCModel
from shared import REFERENCE
from torch import nn

from labkit.metrics import FoldScore
from labkit.training.checkpoint import load_checkpoint
from labkit.training.distributed import World

pytestmark = needs_fork

TINY = (
    "--nlayers_rnn 1 --nhidden_rnn 4 --batch_size 3 --device cpu --nthreads 1".split()
)
STEPS = 10
CHARMAP = CharMap()


def where(corpus: Path, logs: Path) -> tuple[object, ...]:
    return ("--datasetroot", corpus, "--datasetversion", "v", "--baselogdir", logs)


# ---- the same gradients


def small_model() -> CTCModel:
    """Build a network whose batch normalisation and dropout stay in evaluation mode."""
    torch.manual_seed(0)
    model = CTCModel(CHARMAP, 20, 6, 2, "GRU", dropout=0.5, l1=1e-4)
    model.eval()
    model.train = lambda mode=True: model
    return model


def learn(corpus: Path, logs: Path) -> tuple[World, dict]:
    """Take ten steps; return the gradients of the first and the loss of each."""
    args = options_of_run(logs, *where(corpus, logs)[:4], *TINY, "--num_epochs", 9)
    world, run = args.world, run_on_corpus(args, small_model())
    gradients, losses = {}, []

    def note(*_: object) -> None:
        if not gradients:
            gradients.update(
                {name: p.grad.clone() for name, p in run.model.named_parameters()}
            )

    run.optimizer.register_step_pre_hook(note)
    epoch = 0
    while len(losses) < STEPS:
        epoch += 1
        for minibatch in run.minibatches(epoch):
            n = int(minibatch[0].batch_sizes[0])
            (total,) = world.total([n])
            weighted, penalty, _ = take_step(run, minibatch, grad_clip=1e6)
            (loss,) = world.total([(weighted / run._weight).sum().item()])
            losses.append(loss / total + penalty.item())
        run._done = 0
    return world, {"gradients": gradients, "losses": losses[:STEPS]}


def test_two_processes_learn_as_one_with_the_same_batches(
    corpus: Path, tmp_path: Path
) -> None:
    # Six clips by threes: of each batch, the processes get two and one.
    def work() -> int:
        world, learnt = learn(corpus, tmp_path / "two")
        torch.save(learnt, tmp_path / f"{world.rank}.pt")
        torch.distributed.destroy_process_group()
        return 0

    pids = fork_world(work, 2, tmp_path)
    said = [f"rank_{n}.txt" for n in range(2)]
    assert [wait(pid) for pid in pids] == [0, 0], [
        (tmp_path / name).read_text() for name in said
    ]
    one, two = (torch.load(tmp_path / f"{n}.pt") for n in range(2))
    _, alone = learn(corpus, tmp_path / "alone")
    assert len(alone["losses"]) == STEPS and alone["losses"][-1] < alone["losses"][0]
    for found in (one, two):
        torch.testing.assert_close(
            found["losses"], alone["losses"], rtol=1e-4, atol=1e-4
        )
        assert set(found["gradients"]) == set(alone["gradients"])
        for name, gradient in alone["gradients"].items():
            torch.testing.assert_close(
                found["gradients"][name], gradient, rtol=1e-4, atol=1e-4
            )
    assert any(g.abs().max() > 1e-2 for g in alone["gradients"].values())


# ---- whole runs


def rows_of(run: Path) -> list[dict[str, str]]:
    with (run / "metrics.csv").open(encoding="utf-8", newline="") as file:
        return list(csv.DictReader(file))


def test_two_processes_train_are_killed_and_resume(
    corpus: Path, tmp_path: Path
) -> None:
    logs = tmp_path / "logs"
    options = (*where(corpus, logs), *TINY, "--dropout", 0.3, "--num_epochs", 3)

    def world_of(*more: object) -> list[int]:
        return fork_world(main("train", *more), 2, tmp_path)

    assert [wait(pid) for pid in world_of(*options)] == [0, 0]
    first, second = (tmp_path / f"rank_{n}.txt" for n in range(2))
    assert "test fold, best network" in first.read_text()
    assert "epoch" not in second.read_text()
    rows = rows_of(logs / "ctc_0")
    assert [row["epoch"] for row in rows] == ["1", "2", "3"]

    often = ("--checkpoint_minutes", 0, "--logname", "killed")
    pids = world_of(*options, *often)
    metrics = logs / "killed_0" / "metrics.csv"
    deadline = time.monotonic() + 60
    while not (metrics.exists() and metrics.read_text().count("\n") > 1):
        assert time.monotonic() < deadline
        time.sleep(0.01)
    for pid in pids:
        os.kill(pid, signal.SIGKILL)
        wait(pid)
    assert [wait(pid) for pid in world_of("--resume", *where(corpus, logs))] == [0, 0]
    assert "resumed in epoch" in first.read_text()
    for row, same in zip(rows_of(logs / "killed_0"), rows):
        assert {**row, "seconds": 0} == {**same, "seconds": 0}
    weights = [
        load_checkpoint(logs / name / "best_model.pt")["weights"]
        for name in ("ctc_0", "killed_0")
    ]
    assert all(torch.equal(v, weights[1][n]) for n, v in weights[0].items())
    assert not any(name.startswith("module.") for name in weights[0])


def test_a_signal_to_one_process_stops_all_of_them(
    corpus: Path, tmp_path: Path
) -> None:
    logs = tmp_path / "logs"
    options = (*where(corpus, logs), *TINY, "--num_epochs", 999)
    pids = fork_world(main("train", *options), 2, tmp_path)
    metrics = logs / "ctc_0" / "metrics.csv"
    deadline = time.monotonic() + 60
    while not (metrics.exists() and metrics.read_text().count("\n") > 1):
        assert time.monotonic() < deadline
        time.sleep(0.01)
    os.kill(pids[1], signal.SIGTERM)
    assert [wait(pid) for pid in pids] == [143, 143]
    assert (logs / "ctc_0" / "last.pt").is_file()


@pytest.mark.skipif(not os.environ.get("LAB_TEST_ALL"), reason="takes long")
def test_torchrun_starts_the_processes(corpus: Path, tmp_path: Path) -> None:
    command = [sys.executable, "-m", "torch.distributed.run", "--standalone"]
    script = ["--nproc_per_node", "2", REFERENCE / "main_ctc.py", "train"]
    options = [*where(corpus, tmp_path / "logs"), *TINY, "--num_epochs", 2]
    words = [str(word) for word in (*command, *script, *options)]
    done = subprocess.run(words, capture_output=True, encoding="utf-8", timeout=300)
    assert done.returncode == 0, done.stderr
    assert done.stdout.count("test fold, best network") == 1
    assert len(rows_of(tmp_path / "logs" / "ctc_0")) == 2


def test_the_score_of_a_fold_is_that_of_its_parts() -> None:
    one, other = FoldScore(2, 3.0, 1, 0.5), FoldScore(1, 6.0, 1, 0.5)
    one.compare([("a", "a"), ("b", "")])
    other.compare([("cd", "cd")])
    whole = FoldScore.joined([one, FoldScore(), other])
    assert (whole.loss, whole.cer.rate, whole.penalty) == (3.0, 0.25, 0.5)
    assert whole.shown == [("a", "a"), ("b", ""), ("cd", "cd")]
    assert (one.total_loss, len(one.shown)) == (3.0, 2) and not whole.perfect


def test_batch_normalisation_is_synchronised_in_place() -> None:
    model = small_model()
    before = dict(model.named_parameters())
    assert nn.SyncBatchNorm.convert_sync_batchnorm(model) is model  # as World.wrap does
    kinds = [type(layer) for layer in model.modules()]
    assert kinds.count(nn.SyncBatchNorm) == 2 and nn.BatchNorm2d not in kinds
    after = dict(model.named_parameters())
    assert all(after[name] is parameter for name, parameter in before.items())
