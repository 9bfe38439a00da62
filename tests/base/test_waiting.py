"""Properties of the choice how threads wait: by what runs beside them."""

from __future__ import annotations

import os
from pathlib import Path

import pytest
from shared import REFERENCE, Run

from labkit.base import cores
from labkit.options import CTC, parse

MAIN = REFERENCE / "main_ctc.py"


@pytest.mark.parametrize(
    "running, n_threads, n_cores, policy",
    [
        (1, 2, 2, None),  # this process alone
        (2, 2, 2, "PASSIVE"),
        (3, 2, 2, "PASSIVE"),
        (2, 2, 4, None),  # a core is left for the other
        (4, 2, 4, "PASSIVE"),
        (9, 1, 2, None),  # a single thread waits for nobody
        (2, None, 2, "PASSIVE"),  # all cores
        (1, None, 2, None),
    ],
)
def test_the_load_decides(
    running: int,
    n_threads: int | None,
    n_cores: int,
    policy: str | None,
    monkeypatch: pytest.MonkeyPatch,
    tmp_path: Path,
) -> None:
    load = tmp_path / "loadavg"
    monkeypatch.delenv("OMP_NUM_THREADS", raising=False)
    # The averages are of the last minutes: they do not count.
    load.write_text(f"7.20 0.18 0.12 {running}/80 11206\n")
    monkeypatch.setattr(cores, "_LOAD", load)
    monkeypatch.setattr(os, "cpu_count", lambda: n_cores)
    monkeypatch.setattr(cores, "cores_of_process", lambda: n_cores)
    monkeypatch.delenv("OMP_WAIT_POLICY", raising=False)
    threads = [] if n_threads is None else ["--nthreads", str(n_threads)]
    parse(CTC, None, ["train", *threads])
    found = os.environ.pop("OMP_WAIT_POLICY", None)
    assert found == policy


def test_what_runs_for_a_moment_does_not_count(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    class Load:
        texts = iter([f"0 0 0 {n}/80 9" for n in (1, 3, 1, 1, 1)])

        def read_text(self) -> str:
            return next(self.texts)

    monkeypatch.setattr(cores, "_LOAD", Load())
    assert cores.busy_others() == pytest.approx(0.4)


@pytest.mark.parametrize("text", [None, "", "0.1 0.1 0.1", "0 0 0 many/80 1"])
def test_an_unknown_load_is_none(
    text: str | None, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    if text is not None:
        (tmp_path / "loadavg").write_text(text)
    monkeypatch.setattr(cores, "_LOAD", tmp_path / "loadavg")
    assert cores.busy_others() == 0.0


def test_the_choice_of_the_user_is_kept(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(cores, "busy_others", lambda: 100.0)
    monkeypatch.setenv("OMP_WAIT_POLICY", "ACTIVE")
    parse(CTC, None, ["train"])
    assert os.environ["OMP_WAIT_POLICY"] == "ACTIVE"


def test_results_do_not_depend_on_it(run: Run, corpus: Path, tmp_path: Path) -> None:
    options = ("--nhidden_rnn", 4, "--nmels", 8, "--num_epochs", 1, "--nthreads", 2)
    where = ("--datasetroot", corpus, "--datasetversion", "v")
    written = []
    for policy in ("PASSIVE", "default"):
        name = ("--logname", policy.lower())
        chosen = {} if policy == "default" else {"OMP_WAIT_POLICY": policy}
        done = run(MAIN, "train", *where, *options, *name, **chosen)
        assert done.returncode == 0, done.stderr
        metrics = tmp_path / "logs" / f"{policy.lower()}_0" / "metrics.csv"
        lines = metrics.read_text(encoding="utf-8").splitlines()
        written.append([line.rpartition(",")[0] for line in lines])  # no seconds
    assert written[0] == written[1]
