"""The search of one utterance keeps what the search over a batch keeps."""

from __future__ import annotations

import math

import pytest
import torch
from torch import Tensor

from labkit.decoding import beam
from labkit.decoding.beam import prefix_beam_search
from labkit.decoding.single import search_one


def draw(seed: int, n_symbols: int, spread: float, holes: bool) -> Tensor:
    """Draw log-probabilities (T, V); with holes, half of them are -inf."""
    generator = torch.Generator().manual_seed(seed)
    shape = (14, n_symbols)
    scores = spread * torch.randn(*shape, generator=generator, dtype=torch.float64)
    if holes:
        impossible = torch.rand(*shape, generator=generator) < 0.5
        impossible[:, seed % n_symbols] = False
        scores = scores.masked_fill(impossible, -math.inf)
    return scores.log_softmax(1)


def in_a_batch(log_probs: Tensor, beam_size: int, blank: int) -> dict[tuple, float]:
    both = torch.stack([log_probs, log_probs], dim=1)  # (T, 2, V): tensors search it
    lengths = torch.tensor([len(log_probs)] * 2)
    found, _ = prefix_beam_search(both, lengths, beam_size, blank)
    return {tuple(one.indices): one.score for one in found}


@pytest.mark.parametrize("holes", [False, True])
@pytest.mark.parametrize("spread", [0.3, 2.0, 6.0])  # from flat to sharp
@pytest.mark.parametrize("n_symbols, blank", [(2, 0), (3, 2), (12, 5)])
def test_it_finds_what_the_batch_finds(
    n_symbols: int, blank: int, spread: float, holes: bool
) -> None:
    for seed in range(12):
        log_probs = draw(seed, n_symbols, spread, holes)
        for beam_size in (1, 2, 7, 10, 40):
            found = search_one(log_probs, beam_size, blank)
            scores = [one.score for one in found]
            assert scores == sorted(scores, reverse=True)
            assert all(one.parts == {"ctc": one.score} for one in found)
            table = {tuple(one.indices): one.score for one in found}
            assert len(table) == len(found)  # each transcript once
            wanted = in_a_batch(log_probs, beam_size, blank)
            assert table == pytest.approx(wanted, rel=1e-9, abs=1e-9)


def test_one_utterance_is_searched_so_and_not_past_its_end(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    log_probs, asked = draw(3, 6, 2.0, False).unsqueeze(1), []

    def note(given: Tensor, beam_size: int, blank_id: int) -> list:
        asked.append((tuple(given.shape), beam_size, blank_id))
        return search_one(given, beam_size, blank_id)

    monkeypatch.setattr(beam, "search_one", note)
    (found,) = prefix_beam_search(log_probs, torch.tensor([9]), 7, 2)
    assert asked == [((9, 6), 7, 2)]
    assert found == search_one(log_probs[:9, 0], 7, 2)
    (nothing,) = prefix_beam_search(log_probs, torch.tensor([0]), 7, 2)
    assert [one.indices for one in nothing] == [[]]
    prefix_beam_search(log_probs, torch.tensor([9]), beam._FEW + 1, 2)
    assert len(asked) == 2  # tensors are quicker with many prefixes


def test_half_precision_is_read_as_it_is() -> None:
    log_probs = draw(4, 6, 2.0, False)
    assert search_one(log_probs.half(), 5, 0) == search_one(
        log_probs.half().double(), 5, 0
    )
