"""Minibatches of workers arrive though there is no shared memory for tensors."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import torch
from helpers.loading import loaders_of
from helpers.processes import needs_fork

from labkit.loading import utterances


def batches(loader: Any) -> list[list[torch.Tensor]]:  # noqa: ANN401
    loader.batch_sampler.set_epoch(1)
    return [
        [x for part in parts for x in part if x is not None]
        for parts in loader
        if parts is not None
    ]


@needs_fork
def test_minibatches_of_workers_need_no_shared_memory(
    corpus: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    options = {"batch_size": 4, "normalization": (-30.0, 10.0)}
    wanted = [batches(loader) for loader in loaders_of(corpus, **options)]
    monkeypatch.setattr(utterances, "_MEMORY_BUDGET", 1)

    def none(*_: object) -> None:
        raise RuntimeError("unable to allocate shared memory")

    monkeypatch.setattr(torch.UntypedStorage, "_share_fd_cpu_", none)
    monkeypatch.setattr(torch.UntypedStorage, "_share_filename_cpu_", none)
    for loader, want in zip(loaders_of(corpus, n_threads=2, **options), wanted):
        assert loader.num_workers == 2
        loader.timeout = 60  # of a minibatch that is lost
        found = batches(loader)
        assert len(found) == len(want) >= 2
        for ours, theirs in zip(found, want):
            assert len(ours) == len(theirs) and all(map(torch.equal, ours, theirs))
