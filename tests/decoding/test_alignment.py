"""Properties of forced alignment, against brute force and constructed answers."""

from __future__ import annotations

import math
import time
import warnings
from collections.abc import Callable
from itertools import groupby, product

import pytest
import torch
import torch.nn.functional as F
import torchaudio.functional
from torch import Tensor
from torch.utils._python_dispatch import TorchDispatchMode

from labkit.base.errors import LabError
from labkit.decoding import alignment
from labkit.decoding.alignment import Alignment, NoPathError, align, frames_needed


def random_log_probs(seed: int, *shape: int) -> Tensor:
    """Draw log-probabilities (T, V), exact enough that no two paths tie."""
    generator = torch.Generator().manual_seed(seed)
    return torch.randn(*shape, generator=generator, dtype=torch.float64).log_softmax(1)


def collapsed(path: tuple[int, ...], blank: int) -> tuple[int, ...]:
    return tuple(k for k, _ in groupby(path) if k != blank)


def best_of_all_paths(
    log_probs: Tensor, blank: int
) -> dict[tuple[int, ...], tuple[float, tuple[int, ...]]]:
    """Find the best path of every transcript that any path spells."""
    table = log_probs.tolist()
    best: dict = {}
    for path in product(range(len(table[0])), repeat=len(table)):
        score = sum(frame[k] for frame, k in zip(table, path))
        text = collapsed(path, blank)
        best[text] = max(best.get(text, (-math.inf, ())), (score, path))
    return best


def assert_well_formed(found: Alignment, transcript: list[int], blank: int) -> None:
    """Check that the spans are where the path spells the symbols, and miss nothing."""
    path = found.path.tolist()
    assert collapsed(tuple(path), blank) == tuple(transcript)
    assert len(found.spans) == len(transcript)
    rebuilt = [blank] * len(path)
    for k, (first, end), following in zip(
        transcript, found.spans, [*found.spans[1:], (len(path), 0)]
    ):
        assert 0 <= first < end <= following[0]
        rebuilt[first:end] = [k] * (end - first)
    assert rebuilt == path


@pytest.mark.parametrize("cut", [False, True])
@pytest.mark.parametrize(
    "n_frames, n_symbols, blank", [(1, 3, 0), (4, 3, 2), (5, 4, 1), (6, 3, 0)]
)
def test_the_path_is_the_best_of_all_that_spell_the_transcript(
    monkeypatch: pytest.MonkeyPatch,
    n_frames: int,
    n_symbols: int,
    blank: int,
    cut: bool,
) -> None:
    if cut:  # as a long clip is
        monkeypatch.setattr(alignment, "_CHUNK", 2)
    log_probs = random_log_probs(n_frames, n_frames, n_symbols)
    every = best_of_all_paths(log_probs, blank)
    del every[()]
    for transcript, (score, path) in every.items():
        found = align(log_probs, transcript, blank)
        assert tuple(found.path.tolist()) == path
        assert math.isclose(found.log_prob, score, rel_tol=1e-12)
        assert_well_formed(found, list(transcript), blank)


def test_a_path_goes_round_what_is_impossible() -> None:
    seen = {True: 0, False: 0}
    for seed in range(20):
        log_probs = random_log_probs(seed, 5, 3)
        generator = torch.Generator().manual_seed(seed)
        barred = torch.rand(5, 3, generator=generator) < 0.4
        log_probs[barred] = -torch.inf
        every = best_of_all_paths(log_probs, 0)
        del every[()]
        for transcript, (score, path) in every.items():
            seen[score > -math.inf] += 1
            if score > -math.inf:
                found = align(log_probs, transcript, 0)
                assert tuple(found.path.tolist()) == path
            else:
                with pytest.raises(NoPathError, match="probability 0"):
                    align(log_probs, transcript, 0)
    assert min(seen.values()) > 50


def test_torchaudio_finds_the_same_path_where_none_tie() -> None:
    for seed in range(20):
        generator = torch.Generator().manual_seed(seed)
        n_symbols = int(torch.randint(1, 30, (1,), generator=generator))
        # Of two symbols half are repeats.
        transcript = torch.randint(1, 3, (n_symbols,), generator=generator).tolist()
        log_probs = random_log_probs(seed, frames_needed(transcript) + seed, 3)
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # 2.8 announced a removal
            wanted, _ = torchaudio.functional.forced_align(
                log_probs.unsqueeze(0), torch.tensor([transcript])
            )
        found = align(log_probs, transcript, 0)
        assert found.path.tolist() == wanted[0].tolist()
        assert_well_formed(found, transcript, 0)


@pytest.mark.parametrize("levels", [1, 2, 4])
def test_where_paths_tie_one_of_the_best_is_found(levels: int) -> None:
    generator = torch.Generator().manual_seed(levels)
    for _ in range(5):
        # Whole numbers: sums are exact, and many are equal.
        log_probs = -torch.randint(levels, (6, 3), generator=generator).double()
        every = best_of_all_paths(log_probs, 0)
        del every[()]
        for transcript, (score, _) in every.items():
            found = align(log_probs, transcript, 0)
            assert found.log_prob == score
            assert_well_formed(found, list(transcript), 0)


def test_one_path_is_never_more_probable_than_all_of_them() -> None:
    for seed in range(5):
        log_probs = random_log_probs(seed, 40, 6)
        transcript = [1, 1, 2, 3, 5, 5, 4, 1]
        loss = F.ctc_loss(
            log_probs.unsqueeze(1),
            torch.tensor([transcript]),
            torch.tensor([40]),
            torch.tensor([len(transcript)]),
            reduction="sum",
        ).item()
        assert align(log_probs, transcript, 0).log_prob < -loss


def test_what_was_built_is_found_again() -> None:
    # Symbol, first frame, frame after the last; blanks elsewhere.
    built = [(3, 0, 2), (7, 2, 3), (7, 5, 9), (1, 9, 10), (40, 14, 20)]
    scores = torch.randn(20, 44, generator=torch.Generator().manual_seed(0))
    path = [0] * 20
    for symbol, first, end in built:
        path[first:end] = [symbol] * (end - first)
    scores[range(20), path] += 12
    log_probs = scores.log_softmax(1)
    found = align(log_probs, [symbol for symbol, _, _ in built], 0)
    assert found.path.tolist() == path
    assert found.spans == [(first, end) for _, first, end in built]
    wanted = log_probs.amax(1).double().sum().item()
    assert math.isclose(found.log_prob, wanted, rel_tol=1e-6)


def test_any_layout_precision_and_gradient_of_the_scores_will_do() -> None:
    log_probs = random_log_probs(0, 12, 5)
    wanted = align(log_probs, [1, 2, 2, 4], 3)
    strided = torch.stack([log_probs, log_probs], dim=1)[:, 1]
    for other in (strided, log_probs.float(), log_probs.clone().requires_grad_()):
        found = align(other, [1, 2, 2, 4], 3)
        assert found.path.tolist() == wanted.path.tolist()
        assert math.isclose(found.log_prob, wanted.log_prob, rel_tol=1e-5)
    # A sum of 300 rounded scores must not be rounded, too.
    transcript = 10 * [1, 2, 2, 4]
    for dtype in (torch.float16, torch.bfloat16):
        rounded = random_log_probs(1, 300, 5).to(dtype)
        found = align(rounded, transcript, 3)
        wanted = align(rounded.double(), transcript, 3)
        assert math.isclose(found.log_prob, wanted.log_prob, rel_tol=1e-6)


@pytest.mark.parametrize(
    "transcript, needed, detail",
    [
        ([1], 1, "1 symbols, 0 repeats"),
        ([1, 2, 1], 3, "3 symbols, 0 repeats"),
        ([2, 2, 2, 1, 1], 8, "5 symbols, 3 repeats"),
    ],
)
def test_frames_that_just_suffice_do_and_one_less_does_not(
    transcript: list[int], needed: int, detail: str
) -> None:
    assert frames_needed(transcript) == needed
    log_probs = random_log_probs(0, needed, 3)
    assert_well_formed(align(log_probs, transcript, 0), transcript, 0)
    with pytest.raises(NoPathError) as caught:
        align(log_probs[1:], transcript, 0)
    cause = caught.value.cause
    assert f"needs {needed} frames ({detail}), the clip has {needed - 1}" in cause
    assert caught.value.remedy


@pytest.mark.parametrize(
    "transcript, cause",
    [
        ([], "empty transcript"),
        ([1, 0, 2], "holds the blank"),
        ([1, 4], r"holds 4, not one of 0 to 3"),
        ([-1], r"holds -1, not one of 0 to 3"),
    ],
)
def test_what_is_no_transcript_is_refused(transcript: list[int], cause: str) -> None:
    with pytest.raises(LabError, match=cause) as caught:
        align(random_log_probs(0, 6, 4), transcript, 0)
    assert not isinstance(caught.value, NoPathError)


def test_scores_that_are_not_numbers_are_refused() -> None:
    log_probs = random_log_probs(0, 6, 4)
    log_probs[5, 3] = torch.nan
    with pytest.raises(LabError, match="NaN"):
        align(log_probs, [1], 0)


def test_a_minute_of_speech_is_aligned_in_no_time() -> None:
    generator = torch.Generator().manual_seed(0)
    transcript = torch.randint(1, 44, (900,), generator=generator).tolist()
    log_probs = random_log_probs(1, 1500, 44)
    start = time.perf_counter()
    found = align(log_probs, transcript, 0)
    assert time.perf_counter() - start < 3
    assert_well_formed(found, transcript, 0)


class Largest(TorchDispatchMode):
    """Notes the size of the largest tensor that is made."""

    numbers = 0

    def __torch_dispatch__(
        self,
        func: Callable,
        types: object,
        args: tuple = (),
        kwargs: dict | None = None,
    ) -> object:
        """Run an operation."""
        made = func(*args, **(kwargs or {}))
        for one in made if isinstance(made, tuple) else (made,):
            if isinstance(one, Tensor):
                self.numbers = max(self.numbers, one.numel())
        return made


def test_memory_grows_with_the_frames_alone(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(alignment, "_CHUNK", 10)
    n_frames, transcript = 150, [1 + i % 3 for i in range(70)]
    log_probs = random_log_probs(0, n_frames, 5)
    with Largest() as largest:
        cut = align(log_probs, transcript, 0)
    assert largest.numbers <= 10 * (2 * 70 + 1)  # the steps of a chunk
    monkeypatch.undo()
    assert torch.equal(align(log_probs, transcript, 0).path, cut.path)
