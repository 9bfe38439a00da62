"""Workers that would wait for ever for shared memory are not started."""

from __future__ import annotations

import shutil
from pathlib import Path
from types import SimpleNamespace

import pytest
from data import get_dataloaders

from labkit.base.errors import LabError
from labkit.loading import loaders, utterances


@pytest.mark.parametrize("free, fits", [(50_000, False), (50_000_000, True)])
def test_too_little_shared_memory_is_refused(
    corpus: Path, monkeypatch: pytest.MonkeyPatch, free: int, fits: bool
) -> None:
    monkeypatch.setattr(utterances, "_MEMORY_BUDGET", 1)
    monkeypatch.setattr(loaders, "_SHARED", corpus)
    usage = SimpleNamespace(free=free)
    monkeypatch.setattr(shutil, "disk_usage", lambda _: usage)

    def make(n_threads: int) -> None:
        get_dataloaders(
            str(corpus),
            "v",
            cuda=False,
            batch_size=4,
            n_threads=n_threads,
            min_duration=1,
            max_duration=5,
            small_experiment=False,
            train_augment=False,
            nmels=20,
        )

    if fits:
        make(2)
        return
    with pytest.raises(LabError, match="shared memory") as caught:
        make(2)
    assert "--nthreads" in caught.value.remedy and "--shm-size" in caught.value.remedy
    make(0)  # no worker, no shared memory
