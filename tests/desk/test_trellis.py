"""Properties of ``trellis.py``: laws that hold whatever the scores are."""

from __future__ import annotations

import math
import re
from itertools import product

import pytest
import torch
import torch.nn.functional as F
import trellis
from torch import Tensor

from labkit.base import LabError
from labkit.decoding import NoPathError, align
from labkit.decoding.alignment import choose_aligner


def random_log_probs(seed: int, *shape: int) -> Tensor:
    """Draw log-probabilities (T', V)."""
    generator = torch.Generator().manual_seed(seed)
    return torch.randn(*shape, generator=generator, dtype=torch.float64).log_softmax(1)


def transcripts(n_symbols: int, longest: int) -> list[list[int]]:
    """List all transcripts, the blank being 0."""
    return [
        list(one)
        for length in range(longest + 1)
        for one in product(range(1, n_symbols), repeat=length)
    ]


@pytest.mark.parametrize("barred", [False, True])
def test_the_probabilities_of_all_transcripts_add_up_to_1(barred: bool) -> None:
    log_probs = random_log_probs(0, 4, 3)
    if barred:
        log_probs[1, 2] = log_probs[2, 0] = -torch.inf
    total = log_probs.exp().sum(dim=1).prod().item()
    losses = [trellis.forward_loss(log_probs, one, 0) for one in transcripts(3, 4)]
    assert math.isclose(sum(math.exp(-loss.item()) for loss in losses), total)
    for one, loss in zip(transcripts(3, 4), losses):
        best, path = trellis.viterbi(log_probs, one, 0)
        assert best <= -loss.item() + 1e-9 and (best == -math.inf) == (not path)


@pytest.mark.parametrize("seed", range(4))
def test_loss_and_gradient_are_those_of_torch(seed: int) -> None:
    scores = 3 * random_log_probs(seed, 30, 6)
    transcript = torch.randint(1, 6, (9,), generator=torch.manual_seed(seed)).tolist()
    sizes, slopes, losses = (torch.tensor([30]), torch.tensor([9])), [], []
    for by_hand in (True, False):
        leaf = scores.clone().requires_grad_()
        log_probs = leaf.log_softmax(1)
        if by_hand:
            loss = trellis.forward_loss(log_probs, transcript, 0)
        else:
            given = log_probs.unsqueeze(1), torch.tensor([transcript])
            loss = F.ctc_loss(*given, *sizes, reduction="sum")
        loss.backward()
        losses.append(loss.item())
        slopes.append(leaf.grad)
    assert math.isclose(*losses, rel_tol=1e-9)
    assert torch.allclose(*slopes, atol=1e-9)


def test_the_alignment_by_viterbi_is_that_of_the_kit() -> None:
    aligner = choose_aligner(trellis.viterbi)
    for seed, transcript in enumerate(([1], [1, 1, 2], [3, 1, 3, 3], [2] * 5)):
        log_probs = random_log_probs(seed, 12, 4)
        ours, theirs = (way(log_probs, transcript, 0) for way in (aligner, align))
        assert ours.spans == theirs.spans and torch.equal(ours.path, theirs.path)
        assert math.isclose(ours.log_prob, theirs.log_prob)
    with pytest.raises(NoPathError, match="needs 3 frames"):
        aligner(random_log_probs(0, 2, 3), [1, 1], 0)
    with pytest.raises(NoPathError, match="probability 0"):
        aligner(torch.tensor([[0.0, -torch.inf]]), [1], 0)


@pytest.mark.parametrize(
    "found", [None, -1.0, (-1.0, None), (-1.0, [1, 1]), (-1.0, [1, 2, 0]), (None, [1])]
)
def test_a_wrong_alignment_is_named(found: object) -> None:
    with pytest.raises(LabError, match=r"viterbi\(\)") as error:
        choose_aligner(lambda *_: found)(random_log_probs(0, 3, 3), [1], 0)
    assert "pytest -k viterbi" in error.value.remedy


def test_an_unwritten_alignment_is_replaced_by_that_of_the_kit() -> None:
    def unwritten(*_: object) -> tuple[float, list[int]]:
        raise NotImplementedError("E27")

    assert choose_aligner(unwritten) is align and choose_aligner(None) is align

    def broken(*_: object) -> tuple[float, list[int]]:
        raise NotImplementedError

    with pytest.raises(NotImplementedError):
        choose_aligner(broken)


def test_the_script_shows_the_same_numbers_in_several_ways(
    capsys: pytest.CaptureFixture[str],
) -> None:
    trellis.main()
    out = capsys.readouterr().out
    count = re.search(r"(\d+) paths, (\d+) of them", out)
    listed = re.findall(r"^    ((?:[¬el] ){5}[¬el])   p = (\S+)$", out, re.M)
    assert count and int(count[1]) == 3**6 and int(count[2]) == len(listed)
    for path, _ in listed:
        merged = re.sub(r"(.)\1+", r"\1", path.replace(" ", ""))
        assert merged.replace("¬", "") == "elle"
    total = sum(float(p) for _, p in listed)
    losses = re.findall(r"(?:-ln p =|forward_loss \(E09\):|F.ctc_loss:) +([\d.]+)", out)
    assert len(losses) == 3 and len({*losses}) == 1
    assert math.isclose(float(losses[0]), -math.log(total), abs_tol=1e-3)
    assert "the same gradient" in out
    best = re.search(r"viterbi \(E27\): (.*)   p = (\S+)", out)
    assert best and (best[1], best[2]) == listed[0]
    rates = re.findall(r"\(E28\): (\S+ %), by jiwer: (\S+ %)", out)
    assert len(rates) == 2 and all(ours == theirs for ours, theirs in rates)
