"""Properties of the network of part two."""

from __future__ import annotations

import pytest
import torch
from data import CharMap
from main_seq2seq import attention_losses, compare_texts, joint_losses
from models import CTCModel
from seq2seq import DECODER_TYPES, Outputs, Seq2Seq, shift_transcripts
from torch.nn.utils.rnn import pack_sequence, pad_packed_sequence

CHARMAP = CharMap()
TEXTS = ("oui", "merci beaucoup", "non, elle")
FRAMES = (70, 160, 110)


def network(kind: str, dropout: float = 0.0) -> Seq2Seq:
    torch.manual_seed(0)
    encoder = CTCModel(CHARMAP, 20, 8, 1, "GRU", dropout)
    return Seq2Seq(encoder, DECODER_TYPES[kind](44, 16, 8, 2, dropout)).eval()


def minibatch(*which: int) -> tuple:
    generator = torch.Generator().manual_seed(1)
    clips = [torch.randn(n, 20, generator=generator) for n in FRAMES]
    targets = [torch.tensor(CHARMAP.encode(text)) for text in TEXTS]
    return tuple(
        pack_sequence([own[b] for b in which], enforce_sorted=False)
        for own in (clips, targets)
    )


def losses_of(outputs: Outputs, batch: tuple) -> torch.Tensor:
    return joint_losses(outputs, batch[1], CHARMAP.blankid, 0.3, 0.1)


@pytest.mark.parametrize("kind", sorted(DECODER_TYPES))
@torch.inference_mode()
def test_an_utterance_alone_is_the_same_in_a_batch(kind: str) -> None:
    model, batch = network(kind), minibatch(0, 1, 2)
    together = model(*batch)
    losses = losses_of(together, batch)
    texts = compare_texts(together, batch, model)
    for b in range(3):
        alone = minibatch(b)
        outputs = model(*alone)
        assert losses_of(outputs, alone).item() == pytest.approx(
            losses[b].item(), abs=1e-3
        )
        n = outputs.log_probs.shape[1]
        torch.testing.assert_close(
            together.log_probs[b, :n], outputs.log_probs[0], atol=1e-4, rtol=0
        )
        assert compare_texts(outputs, alone, model) == [texts[b]]


def test_the_encoding_is_that_of_part_one() -> None:
    model, (clips, _) = network("gru"), minibatch(0, 1, 2)
    encoding = model.encode(clips)
    scores = model.encoder(clips)
    assert torch.equal(encoding.ctc_scores.data, scores.data)
    # The memory is what the last layer of part one reads.
    assert torch.equal(model.encoder.charlin(encoding.attended.data), scores.data)


@pytest.mark.parametrize("kind", sorted(DECODER_TYPES))
def test_both_losses_reach_the_encoder(kind: str) -> None:
    model, batch = network(kind), minibatch(0, 1)
    for weight in (0.0, 1.0):
        model.zero_grad()
        outputs = model(*batch)
        joint_losses(outputs, batch[1], CHARMAP.blankid, weight, 0.1).sum().backward()
        kernel = model.encoder.cnn[0].weight
        assert isinstance(kernel, torch.nn.Parameter)
        assert kernel.grad is not None and kernel.grad.abs().max() > 0
        reached = [p.grad is not None for p in model.decoder.parameters()]
        assert all(reached) if weight == 0 else not any(reached)


def test_the_weights_of_the_losses_are_those_of_the_sum() -> None:
    model, batch = network("gru"), minibatch(0, 1, 2)
    outputs = model(*batch)
    ctc, attention, both = (
        joint_losses(outputs, batch[1], CHARMAP.blankid, weight, 0.0)
        for weight in (1.0, 0.0, 0.25)
    )
    torch.testing.assert_close(both, 0.25 * ctc + 0.75 * attention)
    _, targets, n_targets = shift_transcripts(batch[1])
    for b, text in enumerate(TEXTS):
        symbols = CHARMAP.encode(text)[1:]
        total = sum(
            -outputs.log_probs[b, u, symbol].item() for u, symbol in enumerate(symbols)
        )
        assert attention[b].item() == pytest.approx(total, rel=1e-4)
    own = attention_losses(outputs.log_probs, targets, n_targets, 0.0)
    torch.testing.assert_close(own, attention)


def test_attention_falls_on_the_frames_of_the_utterance() -> None:
    model, batch = network("gru"), minibatch(0, 1, 2)
    outputs = model(*batch)
    _, lengths = pad_packed_sequence(outputs.encoding.attended)
    for b, length in enumerate(lengths.tolist()):
        assert outputs.weights[b, :, length:].abs().sum() == 0
    torch.testing.assert_close(
        outputs.weights.sum(dim=2), torch.ones(outputs.weights.shape[:2])
    )
