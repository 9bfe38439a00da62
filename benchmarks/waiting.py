"""The time of a training step by how threads wait, beside other programs that compute.

    python benchmarks/waiting.py            idle, and with one and two busy processes
    python benchmarks/waiting.py 1 2        with one and two of them only

Each cell is a process of its own, with as many threads as there are cores; the settings
take turns, round after round, and the least median counts. The busy processes are
started here. The last row is what the kit chooses from the load that it finds, so on a
machine that is busy otherwise the first column is not that of an idle one.
"""

from __future__ import annotations

import os
import statistics
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from functools import partial
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
sys.path[:0] = [str(ROOT / "LabsSolutions" / "02-pytorch-asr"), str(ROOT)]

from labkit.base import available_cores, choose_waiting

SETTINGS: dict[str, dict[str, str]] = {
    "default": {},
    "passive": {"OMP_WAIT_POLICY": "PASSIVE"},
    "active": {"OMP_WAIT_POLICY": "ACTIVE"},
    "spincount 10000": {"GOMP_SPINCOUNT": "10000"},
}
CHOSEN = "the kit's choice"
BARS = {0: 1.15}  # times the best setting, on an idle machine
BUSY_BAR = 1.5
ROUNDS = 2
WARM_UP, STEPS = 2, 7
BATCH, UNITS, MELS, N_FRAMES = 16, 128, 20, 260


def time_steps() -> None:
    """Print the median of some training steps in ms; runs in a process of its own."""
    if os.environ.get("LAB_CHOOSES"):
        choose_waiting(None)
    import main_ctc  # here, because the policy is read when torch is imported
    import torch
    from data import CharMap, pack_sequences
    from models import CTCModel
    from torch.nn.utils.rnn import pack_sequence

    from labkit.training import run_densely

    torch.set_num_threads(available_cores())
    torch.manual_seed(0)
    charmap = CharMap()
    target = torch.tensor(charmap.encode("il etait une fois un roi"))
    spectrograms = [torch.randn(N_FRAMES - 3 * b, MELS) for b in range(BATCH)]
    minibatch = pack_sequences(spectrograms), pack_sequence([target] * BATCH)
    model = CTCModel(charmap, MELS, UNITS, 2, "GRU", dropout=0.1).train()
    run_densely(model)
    optimizer = torch.optim.AdamW(model.parameters(), lr=1e-3)
    losses = partial(main_ctc.ctc_losses, blank=charmap.blankid)
    step = (model, losses, model.penalty, optimizer, minibatch, 20.0)
    times = []
    for _ in range(WARM_UP + STEPS):
        start = time.perf_counter()
        main_ctc.train_step(*step)
        times.append(time.perf_counter() - start)
    print(1000 * statistics.median(times[WARM_UP:]))


@contextmanager
def busy(n_processes: int) -> Iterator[None]:
    """Run so many processes that compute without end."""
    command = [sys.executable, "-c", "while True: pass"]
    started = [subprocess.Popen(command) for _ in range(n_processes)]
    try:
        yield
    finally:
        for process in started:
            process.kill()
            process.wait()


def measure(setting: dict[str, str]) -> float:
    """Return the ms of a step with these variables in the environment."""
    names = ("OMP_WAIT_POLICY", "GOMP_SPINCOUNT", "OMP_NUM_THREADS")
    rest = {name: value for name, value in os.environ.items() if name not in names}
    command = [sys.executable, __file__, "--steps"]
    done = subprocess.run(
        command, env={**rest, **setting}, stdout=subprocess.PIPE, text=True, check=True
    )
    return float(done.stdout)


def main(loads: list[int]) -> None:
    """Print the table, and how far the choice of the kit is from the best setting."""
    rows = {**SETTINGS, CHOSEN: {"LAB_CHOOSES": "1"}}
    times = {name: [float("inf")] * len(loads) for name in rows}
    for column, load in enumerate(loads):
        with busy(load):
            for _ in range(ROUNDS):
                for name, setting in rows.items():
                    times[name][column] = min(times[name][column], measure(setting))
    print(f"ms a step, {available_cores()} threads, beside busy processes:")
    print(f"{'':18}" + "".join(f"{load:>8}" for load in loads))
    for name, cells in times.items():
        print(f"{name:18}" + "".join(f"{ms:8.0f}" for ms in cells))
    for column, load in enumerate(loads):
        best = min(cells[column] for cells in times.values())
        ratio, bar = times[CHOSEN][column] / best, BARS.get(load, BUSY_BAR)
        verdict = "met" if ratio <= bar else "MISSED"
        print(f"choice / best, {load} busy: {ratio:.2f}, bar {bar:.2f}: {verdict}")


if __name__ == "__main__":
    if sys.argv[1:] == ["--steps"]:
        time_steps()
    else:
        main([int(word) for word in sys.argv[1:]] or [0, 1, 2])
