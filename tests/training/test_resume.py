"""Properties of resuming: whatever ends a run, it goes on as if nothing had been."""

from __future__ import annotations

import csv
import errno
import os
import random
import shutil
import signal
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
import torch
from helpers.processes import fork, main, needs_fork, wait
from tensorboard.backend.event_processing.event_accumulator import EventAccumulator

from labkit.base.errors import LabError
from labkit.options import CTC, parse
from labkit.training import state
from labkit.training.checkpoint import load_checkpoint
from labkit.training.runfolder import RunFolder
from labkit.training.state import find_run, read_state, repair_states, write_state

pytestmark = needs_fork

KILLS = 20 if os.environ.get("LAB_TEST_ALL") else 3
TINY = (
    "--nlayers_rnn 1 --nhidden_rnn 4 --batch_size 2 --device cpu --nthreads 1".split()
)
EPOCHS = 4
# Everything that draws or remembers.
OPTIONS = f"--dropout 0.3 --train_augment --scheduler --average 3 --num_epochs {EPOCHS}"
DRAWING = OPTIONS.split()
OFTEN = ("--checkpoint_minutes", 0)  # a state after every minibatch


class Bench:
    """Starts runs on the small corpus, each kind in a folder of its own."""

    def __init__(self, corpus: Path, folder: Path) -> None:
        self.corpus, self.folder = corpus, folder
        self.output = folder / "output.txt"

    def start(self, logs: str, *options: object) -> int:
        """Start training; the number of the process comes back."""
        where = ("--datasetroot", self.corpus, "--datasetversion", "v")
        rest = (*TINY, "--baselogdir", self.folder / logs)
        self.output.unlink(missing_ok=True)
        return fork(main("train", *where, *rest, *options), self.output)

    def run(self, logs: str, *options: object) -> Path:
        """Train to the end; the folder of the run comes back."""
        assert wait(self.start(logs, *options)) == 0, self.said
        (run,) = (self.folder / logs).iterdir()
        return run

    @property
    def said(self) -> str:
        """What the last run printed."""
        return self.output.read_text(encoding="utf-8")

    def until(self, condition: Callable[[], bool]) -> None:
        """Wait for a condition."""
        deadline = time.monotonic() + 60
        while not condition():
            assert time.monotonic() < deadline, self.said
            time.sleep(0.01)


@pytest.fixture(scope="module")
def kept() -> dict[str, Any]:
    """Keep what one test made for the others."""
    return {}


@pytest.fixture
def undisturbed(bench: Bench, kept: dict[str, Any]) -> Path:
    """Train once without any disturbance."""
    if not kept:
        start = time.monotonic()
        kept["run"] = bench.run("undisturbed", *DRAWING)
        kept["seconds"] = time.monotonic() - start
    return kept["run"]


@pytest.fixture
def bench(corpus: Path, tmp_path: Path) -> Bench:
    return Bench(corpus, tmp_path)


def metrics_of(run: Path) -> list[dict[str, str]]:
    with (run / "metrics.csv").open(encoding="utf-8", newline="") as file:
        rows = list(csv.DictReader(file))
    for row in rows:
        assert float(row.pop("seconds")) >= 0
    return rows


def steps_on_the_board(run: Path) -> list[int]:
    board = EventAccumulator(str(run)).Reload()
    return [event.step for event in board.Scalars("dev/loss")]


def assert_same_tables(run: Path, other: Path) -> None:
    """Check that two runs printed the same of their epochs, except times."""
    assert metrics_of(run) == metrics_of(other)
    assert steps_on_the_board(run) == steps_on_the_board(other)
    decodings = [(r / "decodings.txt").read_bytes() for r in (run, other)]
    assert decodings[0] == decodings[1]


def assert_same(run: Path, other: Path) -> None:
    """Check that two runs left the same files, except times."""
    assert_same_tables(run, other)
    picture = "posteriors.png"
    assert (run / picture).read_bytes() == (other / picture).read_bytes()
    result = "## Result"
    texts = [(r / "summary.txt").read_text(encoding="utf-8") for r in (run, other)]
    assert texts[0].count(result) == texts[1].count(result) == 1
    assert texts[0].partition(result)[2] == texts[1].partition(result)[2]
    one, two = (load_checkpoint(r / "best_model.pt") for r in (run, other))
    assert all(torch.equal(v, two["weights"][n]) for n, v in one["weights"].items())
    names = [
        {f.name for f in r.iterdir() if not f.name.startswith("events")}
        for r in (run, other)
    ]
    assert names[0] == names[1]


def unfinished(logs: Path) -> bool:
    """Check whether a run can be resumed; a folder that was just made cannot."""
    try:
        find_run("", logs)
    except LabError:
        return False
    return True


def test_a_run_killed_at_random_moments_ends_as_an_undisturbed_one(
    bench: Bench, undisturbed: Path, kept: dict[str, Any]
) -> None:
    draw = random.Random(os.environ.get("LAB_SEED", 0))
    options, seconds = (*DRAWING, *OFTEN), kept["seconds"]
    logs, kills = bench.folder / "killed", 0
    while True:
        if logs.exists() and not unfinished(logs):
            shutil.rmtree(logs)  # killed before there was anything to resume
        again = ("--resume",) if logs.exists() else options
        pid = bench.start("killed", *again)
        if kills < KILLS:
            time.sleep(draw.uniform(0, seconds / 2))
            os.kill(pid, signal.SIGKILL)
        code = wait(pid)
        kills += code == -signal.SIGKILL
        assert code in (0, -signal.SIGKILL), bench.said
        if code == 0 and kills >= KILLS:
            break
    (run,) = logs.iterdir()
    assert_same(run, undisturbed)


def test_a_kill_between_any_two_writes_loses_nothing(
    bench: Bench, undisturbed: Path
) -> None:
    replace = os.replace

    # Of the moves that end a writing, 2 and 3 rotate the states; two for each of six
    # minibatches on, 14 is that of the first best network (a row of metrics is
    # written, its state is not), 16 the next.
    for fatal in (2, 3, 14, 16):
        logs = f"killed_{fatal}"
        left = iter([False] * (fatal - 1) + [True])

        def dying(*paths: Path, logs: str = logs, left: Iterator = left) -> None:
            if Path(paths[1]).parents[1].name == logs and next(left):
                os.kill(os.getpid(), signal.SIGKILL)
            replace(*paths)

        with pytest.MonkeyPatch.context() as patch:
            patch.setattr(os, "replace", dying)
            assert wait(bench.start(logs, *DRAWING, *OFTEN)) == -signal.SIGKILL
        assert_same(bench.run(logs, "--resume"), undisturbed)


@pytest.mark.parametrize(
    "number, code, name", [(signal.SIGTERM, 143, "SIGTERM"), (2, 130, "Ctrl-C")]
)
def test_a_signal_ends_a_run_that_can_be_resumed(
    bench: Bench, undisturbed: Path, number: int, code: int, name: str
) -> None:
    pid = bench.start("stopped", *DRAWING)
    metrics = bench.folder / "stopped/ctc_0/metrics.csv"
    bench.until(lambda: metrics.exists() and metrics.read_text().count("\n") > 1)
    os.kill(pid, number)
    assert wait(pid) == code, bench.said
    cause, remedy = bench.said.splitlines()[-2:]
    assert f"stopped by {name} in epoch" in cause and "best_model.pt" in cause
    assert "main_ctc.py train --resume" in remedy and "stopped/ctc_0" in remedy
    run = bench.run("stopped", "--resume", metrics.parent)
    assert "resumed in epoch" in bench.said
    assert_same(run, undisturbed)


@pytest.mark.skipif(not os.environ.get("LAB_TEST_ALL"), reason="takes long")
def test_a_signal_to_the_workers_too_loses_nothing(
    bench: Bench, monkeypatch: pytest.MonkeyPatch
) -> None:
    # A fold too large for memory is read by workers, and Slurm signals them all.
    monkeypatch.setattr("labkit.loading.utterances._MEMORY_BUDGET", 1)
    options = (*DRAWING, "--nthreads", 2)
    undisturbed = bench.run("undisturbed", *options)
    pid = bench.start("stopped", *options)
    os.setpgid(pid, pid)
    metrics = bench.folder / "stopped/ctc_0/metrics.csv"
    bench.until(lambda: metrics.exists() and metrics.read_text().count("\n") > 1)
    os.killpg(pid, signal.SIGTERM)
    assert wait(pid) == 143, bench.said
    assert "Traceback" not in bench.said
    assert_same(bench.run("stopped", "--resume"), undisturbed)


def test_a_full_disk_is_one_line_and_what_was_there_is_usable(
    bench: Bench, undisturbed: Path
) -> None:
    write = Path.write_bytes

    def full(path: Path, content: bytes, done: list = []) -> int:  # noqa: B006
        done.append(path)
        if len(done) < 6:
            return write(path, content)
        write(path, content[: len(content) // 2])
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC), str(path))

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(Path, "write_bytes", full)
        assert wait(bench.start("full", *DRAWING, *OFTEN)) == 1
    errors = [line for line in bench.said.splitlines() if line.startswith("error")]
    assert len(errors) == 1 and "No space left" in errors[0]
    assert "Traceback" not in bench.said
    assert not list(bench.folder.glob("full/*/.*"))
    assert_same(bench.run("full", "--resume"), undisturbed)


def test_a_folder_forgets_what_is_trained_again(tmp_path: Path) -> None:
    def write(run: RunFolder, *epochs: int) -> Path:
        for epoch in epochs:
            run.log({"epoch": epoch, "dev_loss": 0.5 * epoch, "seconds": 1.0})
            run.log_decodings(epoch, [(f"epoch {epoch + 1} a", "")])
        run.close()
        return run.path

    whole = write(RunFolder(tmp_path, "whole"), 1, 2, 3, 4)
    parts = write(RunFolder(tmp_path, "parts"), 1, 2, 3)
    with (parts / "metrics.csv").open("a") as file:
        file.write("4,0.")  # half a row
    for epochs in ((2, 3), (4,)):
        time.sleep(1.1)  # the board orders files by the second they were begun in
        write(RunFolder(tmp_path, parts.name, resumed_in=epochs[0]), *epochs)
    assert_same_tables(parts, whole)
    assert steps_on_the_board(parts) == [1, 2, 3, 4]


def test_a_damaged_state_is_passed_over_for_the_one_before(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    for n in range(3):
        write_state(tmp_path, {"n": n, "tensor": torch.full((1000,), float(n))})
    last, previous = tmp_path / "last.pt", tmp_path / "last.previous.pt"
    assert read_state(tmp_path)["n"] == 2
    sound = last.read_bytes()
    middle = sound.index(torch.full((4,), 2.0).numpy().tobytes())
    flipped = bytearray(sound)
    flipped[middle + 100] ^= 1  # one bit of the weights
    for damaged in (sound[:-1], sound[: len(sound) // 2], b"", bytes(flipped)):
        last.write_bytes(damaged)
        assert read_state(tmp_path)["n"] == 1
        assert "last.pt: damaged" in capsys.readouterr().err
    # The damaged one must not take the place of the sound one.
    repair_states(tmp_path)
    write_state(tmp_path, {"n": 3})
    assert (read_state(tmp_path)["n"], torch.load(previous)["n"]) == (3, 1)
    last.unlink()
    assert read_state(tmp_path)["n"] == 1
    previous.write_bytes(b"")
    with pytest.raises(LabError, match="every state of the run is damaged"):
        read_state(tmp_path)


def test_what_cannot_be_resumed_is_told(bench: Bench) -> None:
    logs = bench.folder / "logs"
    for name in ("", "ctc_7"):
        with pytest.raises(LabError, match=r"no (unfinished|such) run"):
            find_run(name, logs)
    run = bench.run("logs", "--num_epochs", 1)
    with pytest.raises(LabError, match="this run is finished"):
        read_state(run)
    (run.parent / "ctc_1").mkdir()
    with pytest.raises(LabError, match="no run that can be resumed"):
        read_state(run.parent / "ctc_1")


def test_a_run_that_is_resumed_knows_its_options(bench: Bench) -> None:
    pid = bench.start("logs", *OFTEN, *"--num_epochs 999 --patience 9 --seed 1".split())
    bench.until(lambda: unfinished(bench.folder / "logs"))
    os.kill(pid, signal.SIGKILL)
    wait(pid)
    cases = {
        ("--dropout", 0.7): "--dropout 0.7 contradicts the run, whose dropout is 0.1",
        ("--scheduler",): "--scheduler True contradicts",
        ("--seed", 0): "--seed 0 contradicts the run, whose seed is 1",
    }
    for options, cause in cases.items():
        assert wait(bench.start("logs", "--resume", *options)) == 2
        assert cause in bench.said
    run = bench.run("logs", "--resume", "--num_epochs", 2, "--dropout", 0.1)
    assert [row["epoch"] for row in metrics_of(run)] == ["1", "2"]


def test_the_newest_unfinished_run_is_resumed(tmp_path: Path) -> None:
    for when, name in enumerate(("a_0", "c_0", "b_0"), 1000):
        (tmp_path / name).mkdir()
        write_state(tmp_path / name, {})
        os.utime(tmp_path / name / "last.pt", (when, when))
    (tmp_path / "z_0").mkdir()
    assert find_run("", tmp_path).name == "b_0"
    state.remove_states(tmp_path / "b_0")
    assert find_run("", tmp_path).name == "c_0"
    assert find_run("a_0", tmp_path) == find_run(str(tmp_path / "a_0"), tmp_path)


def test_an_option_whose_value_is_left_out_does_not_take_the_command() -> None:
    cases = {
        "--resume train": ("", False),
        "train --resume": ("", False),
        "--resume logs/ctc_0 train": ("logs/ctc_0", False),
        "--scheduler train": (None, True),
        "train --scheduler cosine": (None, True),
        "train --scheduler plateau": (None, "plateau"),
        "train": (None, False),
    }
    for words, wanted in cases.items():
        args = parse(CTC, None, words.split())
        assert (args.resume, args.scheduler) == wanted, words
    for words in ("--debug --resume", "--debug --average 3", "--resume --init_from x"):
        with pytest.raises(SystemExit):
            parse(CTC, None, ["train", *words.split()])
