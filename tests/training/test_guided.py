"""Guided attention: where CTC aligns a symbol, attention should look."""

from __future__ import annotations

import argparse
from types import SimpleNamespace

import pytest
import torch
from torch.nn.utils.rnn import pack_sequence

from labkit.training import GuidedAttention
from labkit.training.guided import attention_outside, find_frames

BLANK = 0


def scores_of(*paths: list[int]) -> torch.nn.utils.rnn.PackedSequence:
    """Make scores under which these paths are nearly certain."""
    rows = [torch.full((len(path), 6), -20.0) for path in paths]
    for row, path in zip(rows, paths):
        row[torch.arange(len(path)), path] = 20.0
    return pack_sequence(rows, enforce_sorted=False)


def transcripts_of(*texts: list[int]) -> torch.nn.utils.rnn.PackedSequence:
    return pack_sequence([torch.tensor(text) for text in texts], enforce_sorted=False)


def test_frames_are_those_of_the_path_without_the_first_symbol() -> None:
    scores = scores_of([1, 0, 3, 3, 0, 3, 2], [1, 4, 2])
    transcripts = transcripts_of([1, 3, 3, 2], [1, 4, 2])
    assert find_frames(scores, transcripts, BLANK) == [
        [(2, 4), (5, 6), (6, 7)],
        [(1, 2), (2, 3)],
    ]


def test_a_transcript_that_no_path_spells_guides_nothing() -> None:
    scores = scores_of([1, 2], [1, 4, 2])
    transcripts = transcripts_of([1, 3, 4, 2], [1, 4, 2])
    assert find_frames(scores, transcripts, BLANK)[0] == []


def test_the_loss_is_minus_the_logarithm_of_the_attention_inside() -> None:
    weights = torch.zeros(2, 2, 20)  # (B, U, T')
    weights[0, 0, 10] = 0.75  # inside
    weights[0, 0, 0] = 0.25
    weights[0, 1, 12] = 0.5  # in the margin of two frames
    weights[0, 1, 19] = 0.5
    weights[1, :, 0] = 1.0
    losses = attention_outside(weights, [[(10, 11), (13, 15)], []])
    expected = -torch.tensor([0.75, 0.5]).log().sum().item()
    assert losses.tolist() == pytest.approx([expected, 0.0])


def test_attention_that_sees_nothing_of_a_symbol_has_a_finite_loss() -> None:
    weights = torch.zeros(1, 1, 20, requires_grad=True)
    losses = attention_outside(weights, [[(5, 6)]])
    losses.sum().backward()
    assert losses.isfinite().all() and weights.grad is not None
    assert weights.grad.isfinite().all()


def test_only_the_first_epochs_are_guided() -> None:
    args = argparse.Namespace(guided_attention=2, ctc_weight=0.25)
    outputs = SimpleNamespace(
        encoding=SimpleNamespace(ctc_scores=scores_of([1, 0, 0, 0, 3, 0, 0, 0, 0, 2])),
        weights=torch.full((1, 2, 10), 0.1),
    )
    transcripts = transcripts_of([1, 3, 2])
    guided = GuidedAttention(args, BLANK, lambda *_: torch.tensor([7.0]))
    # Frames 2 to 6 of 10 count for the first symbol, 7 to 9 for the second.
    extra = -torch.tensor([0.5, 0.3]).log().sum().item()
    for epoch, expected in ((1, 7 + 0.75 * extra), (2, 7 + 0.75 * extra), (3, 7.0)):
        loss = guided.losses(epoch)(outputs, transcripts).item()
        assert loss == pytest.approx(expected)
    unguided = argparse.Namespace(guided_attention=None, ctc_weight=0.25)
    losses = GuidedAttention(unguided, BLANK, lambda *_: torch.tensor([7.0])).losses(1)
    assert losses(outputs, transcripts).item() == 7.0
