"""Properties of batches and loaders: what comes, in which order, and from whom."""

from __future__ import annotations

import os
import random
import subprocess
import sys
from collections.abc import Sequence
from itertools import chain
from pathlib import Path
from types import SimpleNamespace

import pytest
import torch
from helpers.loading import loaders_of
from shared import REFERENCE
from torch import Tensor
from torchaudio.functional import mask_along_axis

from labkit.audio import NormalizeAndMask
from labkit.base.errors import LabError
from labkit.loading import utterances
from labkit.loading.batches import LengthBatches


class Fold(SimpleNamespace):
    """As much of an UtteranceSet as batches are made of: lengths."""

    seed = 3

    def __init__(self, n: int, left_out: Sequence[int] = ()) -> None:
        lengths = random.Random(n)
        self.every = [lengths.uniform(1, 5) for _ in range(n)]
        self.usable = [i for i in range(n) if i not in left_out]

    def prepare(self) -> None:
        """Need no preparation."""

    def seconds(self, epoch: int) -> Tensor:
        """Return the durations; those of an odd epoch are longer."""
        return torch.tensor(self.every) * (1.1 if epoch % 2 else 1.0)


def epoch_of(batches: LengthBatches, epoch: int = 0, start: int = 0) -> list[list[int]]:
    batches.set_epoch(epoch, start)
    keys = list(batches)
    assert {e for batch in keys for e, _ in batch} <= {epoch}
    return [[index for _, index in batch] for batch in keys]


SIZES = [{"batch_size": 7}, {"batch_size": 64}, {"batch_frames": 2000}]


def made(fold: Fold, shuffle: bool = True, **options: int) -> LengthBatches:
    return LengthBatches(fold, options.pop("batch_size", 16), shuffle, **options)


@pytest.mark.parametrize("size", SIZES)
@pytest.mark.parametrize("shuffle", [True, False])
@pytest.mark.parametrize("world_size", [1, 2, 3, 5])
@pytest.mark.parametrize("n", [5, 15, 64, 67, 200])
def test_processes_share_each_batch_and_every_utterance_comes_once(
    n: int, world_size: int, shuffle: bool, size: dict[str, int]
) -> None:
    fold = Fold(n + 2, left_out=(1, n))
    shares = [
        made(fold, shuffle, **size, rank=rank, world_size=world_size)
        for rank in range(world_size)
    ]
    alone = made(fold, shuffle, **size)
    for epoch in (0, 1):
        found = [epoch_of(share, epoch) for share in shares]
        assert len({len(batches) for batches in found}) == 1
        assert len(found[0]) == len(shares[0])
        assert all(batch for batches in found for batch in batches)
        together = [sorted(chain(*parts)) for parts in zip(*found)]
        assert sorted(chain(*together)) == fold.usable
        whole = [sorted(batch) for batch in epoch_of(alone, epoch)]
        if min(map(len, whole)) >= world_size:
            assert together == whole  # what one process alone would learn from
        for parts in zip(*found):
            assert max(map(len, parts)) - min(map(len, parts)) <= 1


def frames(fold: Fold, epoch: int, batch: list[int]) -> int:
    longest = max(fold.seconds(epoch)[i].item() for i in batch)
    return len(batch) * (int(100 * longest) + 1)


@pytest.mark.parametrize("size", SIZES)
def test_the_largest_batch_comes_first_and_the_others_in_a_new_order(
    size: dict[str, int],
) -> None:
    fold = Fold(300)
    orders, descending = [], 0
    for epoch in range(4):
        batches = epoch_of(made(fold, **size), epoch)
        padded = [frames(fold, epoch, batch) for batch in batches]
        assert padded[0] == max(padded)
        descending += padded == sorted(padded, reverse=True)
        assert epoch_of(made(fold, **size), epoch) == batches
        orders.append(batches)
    assert descending < 4 and all(a != b for a, b in zip(orders, orders[1:]))
    # The order of the batches differs, and so does their composition.
    batches_of = [{frozenset(batch) for batch in order} for order in orders]
    assert all(a != b for a, b in zip(batches_of, batches_of[1:]))


def test_batches_by_frames_are_full_and_no_larger() -> None:
    fold = Fold(400)
    for epoch in range(3):
        batches = epoch_of(made(fold, batch_frames=3000), epoch)
        padded = [frames(fold, epoch, batch) for batch in batches]
        assert max(padded) <= 3000
        assert sorted(padded)[2] > 2000  # a jitter of 15 % parts no neighbours
    alone = epoch_of(made(fold, batch_frames=10))
    assert [len(batch) for batch in alone] == [1] * 400  # longer than the bound
    pairs = epoch_of(made(fold, batch_frames=10, rank=1, world_size=2))
    assert [len(batch) for batch in pairs] == [1] * 200


def test_batches_hold_utterances_of_similar_length() -> None:
    fold = Fold(640)
    batches = epoch_of(made(fold, batch_size=64))
    padded = sum(frames(fold, 0, batch) for batch in batches)
    assert padded < 1.2 * sum(100 * s for s in fold.every)


@pytest.mark.parametrize("size", SIZES)
def test_an_epoch_that_was_interrupted_goes_on_where_it_was(
    size: dict[str, int],
) -> None:
    fold = Fold(150)
    whole = epoch_of(made(fold, **size), 2)
    for start in (0, 1, len(whole) - 1, len(whole)):
        batches = made(fold, **size)
        assert epoch_of(batches, 2, start) == whole[start:]
        assert len(batches) == len(whole)
        assert epoch_of(batches, 2) == whole  # the next one is whole again


def test_more_processes_than_utterances_are_refused() -> None:
    with pytest.raises(LabError, match="a batch of 2 for 3 processes"):
        made(Fold(9), batch_size=2, world_size=3)
    with pytest.raises(LabError, match="2 utterances for 3 processes"):
        len(made(Fold(2), batch_size=4, world_size=3))


@pytest.mark.filterwarnings("ignore:This DataLoader will create")
def test_a_loader_for_a_card_pins_and_takes_workers_from_the_cache_that_stay(
    corpus: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def workers(**options: object) -> list[tuple[int, bool, bool]]:
        options = {"normalize": False, "n_threads": 4, **options}
        loaders = loaders_of(corpus, **options)
        return [(x.num_workers, x.persistent_workers, x.pin_memory) for x in loaders]

    cached = {"cache": str(tmp_path / "cache")}
    assert workers(cuda=False) == [(0, False, False)] * 3
    assert workers(cuda=True) == [(0, False, True)] * 3
    assert workers(cuda=False, **cached) == [(0, False, False)] * 3
    assert workers(cuda=True, **cached) == [(2, True, True)] * 3
    monkeypatch.setattr(utterances, "_MEMORY_BUDGET", 0)
    assert workers(cuda=False) == [(4, True, False)] * 3
    assert workers(cuda=True) == [(4, True, True)] * 3


SPAWNED = """
import sys
sys.path.insert(0, {reference!r})
import torch
from data import get_dataloaders
from labkit.loading import Loading, clips, utterances

def loader(cuda, cache=None):
    return get_dataloaders(
        {corpus!r}, "v", cuda, batch_size=2, n_threads=2, train_augment=True,
        loading=Loading((-30.0, 10.0), speed_perturbation=True, cache=cache),
    )[0]

def epochs(train):
    for epoch in (1, 2, 3):
        train.batch_sampler.set_epoch(epoch)
        yield [[part.data for part in batch] for batch in train]

def same(ones, others):
    for one, other in zip(ones, others):
        assert len(one) == len(other) == 3
        for a, b in zip(one, other):
            assert all(map(torch.equal, a, b))

if __name__ == "__main__":
    torch.set_num_threads(1)
    torch.multiprocessing.set_start_method("spawn")
    clips._WORTH_WORKERS = 0  # reading and filling the cache are spawned too
    kept = list(epochs(loader(cuda=False)))
    cached = loader(cuda=True, cache={cache!r})
    cached.pin_memory = False  # there may be no card
    utterances._MEMORY_BUDGET = 0
    for train in (cached, loader(cuda=False)):
        assert train.num_workers == 2
        pids = set()
        for want, got in zip(kept, epochs(train)):
            same([want], [got])
            pids.add(tuple(w.pid for w in train._iterator._workers))
        assert len(pids) == 1, "the workers were started anew"
    print("the same")
"""


@pytest.mark.skipif(not os.environ.get("LAB_TEST_ALL"), reason="takes long")
def test_spawned_workers_start_once_and_change_no_bit(
    corpus: Path, tmp_path: Path
) -> None:
    script = tmp_path / "spawned.py"
    paths = {"reference": REFERENCE, "corpus": corpus, "cache": tmp_path / "cache"}
    text = SPAWNED.format(**{name: str(path) for name, path in paths.items()})
    script.write_text(text, encoding="utf-8")
    command = [sys.executable, str(script)]
    done = subprocess.run(command, capture_output=True, encoding="utf-8", timeout=200)
    assert done.returncode == 0, done.stderr
    assert done.stdout.endswith("the same\n")


def test_masks_are_drawn_as_torchaudio_draws_them() -> None:
    finish = NormalizeAndMask(None, True, 20, 0.01)  # fewer than 5 bands, 10 frames
    ours, theirs = torch.zeros(60, 20), torch.zeros(60, 20)
    n = 4000
    torch.manual_seed(0)
    for seed in range(n):
        ours += finish(torch.ones(60, 20), seed) == 0
        masked = torch.ones(1, 60, 20)
        for most, axis in ((5, 2), (10, 1)):
            masked = mask_along_axis(masked, most, 0.0, axis)
        theirs += masked[0] == 0
    # How often each cell is masked: twice the same law, within the noise of n draws.
    assert (ours - theirs).abs().max() / n < 0.04
    assert abs(ours.mean() - theirs.mean()) / theirs.mean() < 0.05


def test_a_fold_shorter_than_a_mask_is_masked_all_the_same() -> None:
    for seed in range(50):
        masked = NormalizeAndMask(None, True, 2, 0.01)(torch.ones(3, 2), seed)
        assert masked.shape == (3, 2)
