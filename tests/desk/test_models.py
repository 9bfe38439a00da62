"""Properties of ``models.py``: lengths, sizes, names, no leak between utterances."""

from __future__ import annotations

import math
import random
from functools import partial

import pytest
import torch
import torch.nn.functional as F
from data import CharMap, pack_sequences
from decoding import greedy_decode
from main_ctc import ctc_losses, evaluate, train_step
from models import CTCModel, LinearModel, fits_ctc, output_lengths, required_frames
from torch import Tensor, nn
from torch.nn.utils.rnn import PackedSequence, pack_sequence, pad_packed_sequence

from labkit.decoding.beam import prefix_beam_search
from labkit.decoding.encoding import log_posteriors

CHARMAP = CharMap()
N_MELS = 6
LENGTHS = (61, 122, 5, 1, 122)


def small_model(cell_type: str = "GRU", l1: float = 0.0) -> CTCModel:
    """Build a network whose normalisation shifts padding away from zero."""
    torch.manual_seed(5)
    model = CTCModel(CHARMAP, N_MELS, 8, 2, cell_type, dropout=0.4, l1=l1)
    for module in model.modules():
        if isinstance(module, nn.BatchNorm2d):
            nn.init.uniform_(module.running_mean, -1.0, 0.0)
            nn.init.uniform_(module.weight, 0.5, 1.5)
            nn.init.uniform_(module.bias, 0.0, 1.0)
    return model.eval()


def spectrograms(*lengths: int) -> list[Tensor]:
    generator = torch.Generator().manual_seed(2)
    return [torch.randn(T, N_MELS, generator=generator) for T in lengths]


def unpacked(packed: PackedSequence) -> list[Tensor]:
    padded, lengths = pad_packed_sequence(packed)
    return [padded[:length, b] for b, length in enumerate(lengths.tolist())]


def test_the_lengths_foretold_are_those_of_the_network() -> None:
    cnn = CTCModel.build_cnn(dropout=0.0).eval()
    with torch.inference_mode():
        real = [cnn(torch.zeros(1, 1, T, 1)).shape[2] for T in range(1, 201)]
    assert output_lengths(torch.arange(1, 201), cnn).tolist() == real
    assert output_lengths(torch.arange(1, 201), nn.Sequential()).tolist() == list(
        range(1, 201)
    )


def test_a_transcript_fits_exactly_where_the_loss_is_finite() -> None:
    draw = random.Random(4)
    for _ in range(60):
        transcript = draw.choices(range(1, 4), k=draw.randint(1, 7))
        needed = required_frames(transcript)
        for n_frames in range(1, needed + 3):
            loss = F.ctc_loss(
                torch.zeros(n_frames, 1, 4).log_softmax(2),
                torch.tensor([transcript]),
                torch.tensor([n_frames]),
                torch.tensor([len(transcript)]),
                reduction="sum",
            )
            assert math.isfinite(loss) == (n_frames >= needed), transcript


def test_a_clip_is_kept_exactly_where_its_sentence_has_a_path() -> None:
    model, sentence = small_model(), "elle a 11 ans."
    transcript = CHARMAP.encode(sentence)
    for T in range(50, 90):
        with torch.inference_mode():
            scores = model(pack_sequence(spectrograms(T)))
            (loss,) = ctc_losses(scores, pack_sequence([torch.tensor(transcript)]), 0)
        assert fits_ctc(T, sentence, model.cnn, CHARMAP) == bool(loss.isfinite())
    assert not fits_ctc(50, sentence, model.cnn, CHARMAP)
    assert fits_ctc(89, sentence, model.cnn, CHARMAP)


def test_the_network_of_the_course_has_the_parameters_of_the_course() -> None:
    with torch.device("meta"):  # 65 million numbers that nobody needs
        model = CTCModel(CHARMAP, 20, 1024, 4, "GRU", dropout=0.5)

    def count(part: nn.Module) -> int:
        return sum(parameter.numel() for parameter in part.parameters())

    convolutions = [layer for layer in model.cnn if isinstance(layer, nn.Conv2d)]
    assert [count(layer) for layer in convolutions] == [14_464, 236_576]
    assert count(model.rnn) == 64_929_792
    assert count(model.charlin) == 90_156
    assert count(model) == 65_271_116


@pytest.mark.parametrize("cell_type, gates", [("GRU", 3), ("LSTM", 4)])
def test_the_weights_keep_the_names_of_every_checkpoint(
    cell_type: str, gates: int
) -> None:
    weights = small_model(cell_type).state_dict()
    assert weights["cnn.0.weight"].shape == (32, 1, 41, 11)
    assert weights["cnn.4.weight"].shape == (32, 32, 21, 11)
    assert weights["rnn.weight_ih_l0"].shape == (gates * 8, 32 * 3)
    assert weights["rnn.weight_hh_l1_reverse"].shape == (gates * 8, 8)
    assert weights["charlin.0.weight"].shape == (44, 16)
    assert {name.split(".")[0] for name in weights} == {"cnn", "rnn", "charlin"}


@pytest.mark.parametrize("cell_type", ["GRU", "LSTM"])
def test_an_utterance_has_the_same_scores_alone_as_in_a_batch(cell_type: str) -> None:
    model, inputs = small_model(cell_type), spectrograms(*LENGTHS)
    with torch.inference_mode():
        together = unpacked(model(pack_sequences(inputs)))
        for one, scores in zip(inputs, together):
            alone = model(pack_sequence([one])).data
            assert alone.shape == scores.shape == (math.ceil(len(one) / 4), 44)
            assert torch.allclose(alone, scores, atol=1e-4)
            assert alone.std() > 1e-2  # else the comparison would say nothing


@pytest.mark.parametrize("cell_type", ["GRU", "LSTM"])
def test_the_loss_of_an_utterance_does_not_reach_its_neighbours(cell_type: str) -> None:
    inputs = [one.requires_grad_() for one in spectrograms(60, 90, 120)]
    transcripts = [torch.tensor(CHARMAP.encode(text)) for text in ("a", "bc", "de f")]
    scores = small_model(cell_type)(pack_sequences(inputs))
    losses = ctc_losses(scores, pack_sequences(transcripts), 0)
    for b, loss in enumerate(losses):
        slopes = torch.autograd.grad(loss, inputs, retain_graph=True)
        reached = [bool(slope.any()) for slope in slopes]
        assert reached == [other == b for other in range(3)]


def test_dropout_acts_in_training_alone() -> None:
    model, packed = small_model(), pack_sequence(spectrograms(80))
    with torch.inference_mode():
        assert torch.equal(model(packed).data, model(packed).data)
        model.train()
        assert not torch.equal(model(packed).data, model(packed).data)


def test_a_weight_of_zero_makes_the_penalty_zero_and_its_gradient_too() -> None:
    model = small_model(l1=0.0)
    value = model.penalty()
    value.backward()
    assert value.item() == 0
    assert not any(p.grad is not None and p.grad.any() for p in model.parameters())
    assert small_model(l1=2.0).penalty() == 2 * small_model(l1=1.0).penalty() > 0
    model = small_model(l1=1.0)
    before = model.penalty().item()
    with torch.no_grad():
        for parameter in model.parameters():
            parameter.mul_(2)
    assert model.penalty().item() == pytest.approx(2 * before)


def test_the_linear_baseline_learns_and_decodes() -> None:
    torch.manual_seed(0)
    texts = ("elle a 22 ans.", "ou ?")
    sounds = torch.randn(44, 64)  # each symbol has a sound of its own
    inputs, transcripts = [], []
    for text in texts:
        indices = CHARMAP.encode(text)
        # As few frames as there can be leave one path only, so that it is found.
        path = [indices[0]]
        for index in indices[1:]:
            path += [0, index] if index == path[-1] else [index]
        inputs.append(sounds[path])
        transcripts.append(torch.tensor(indices))
    minibatch = (pack_sequences(inputs), pack_sequences(transcripts))
    model = LinearModel(CHARMAP, 64)
    optimizer = torch.optim.AdamW(model.parameters(), lr=0.1)
    losses_of = partial(ctc_losses, blank=CHARMAP.blankid)
    step = (model, losses_of, lambda: torch.zeros(()), optimizer, minibatch, 100.0)
    losses = [train_step(*step)[0].mean().item() for _ in range(60)]
    assert losses[-1] < 0.1 * losses[0]
    score = evaluate(model, [minibatch])
    assert score.perfect and score.n_utterances == 2
    assert score.shown == [(text, text) for text in ("elle a 22 ans.", "ou .")]
    decoded = [text for _, text in model.decode(minibatch[0])]
    assert decoded == ["¶elle a 22 ans.¦", "¶ou .¦"]
    best = model.beam_decode(pack_sequence(inputs[:1]), 5, CHARMAP.blankid)[0]
    assert best[1] == decoded[0]


def test_a_network_knows_what_it_was_built_with() -> None:
    model = CTCModel(CHARMAP, N_MELS, 8, 2, cell_type="LSTM", dropout=0.4)
    assert (model.charmap, model.n_mels) == (CHARMAP, N_MELS)
    assert (model.nhidden_rnn, model.nlayers_rnn, model.cell_type) == (8, 2, "LSTM")
    assert LinearModel(CHARMAP, N_MELS).n_mels == N_MELS


@pytest.mark.parametrize("model", [small_model(), LinearModel(CHARMAP, N_MELS)])
def test_a_network_encodes_and_decodes(model: CTCModel | LinearModel) -> None:
    inputs = pack_sequence(spectrograms(61, 33), enforce_sorted=False)
    with torch.inference_mode():
        scores = model(inputs)
        encoding = model.encode(inputs)
        assert torch.equal(encoding.scores.data, scores.data)
        assert encoding.memory is None
        assert encoding.n_frames == len(scores.data)
        assert model.decode(inputs) == greedy_decode(scores, CHARMAP)
        alone = pack_sequence(spectrograms(33))
        found = model.beam_decode(alone, beam_size=4, blank_id=CHARMAP.blankid)
        (nbest,) = prefix_beam_search(*log_posteriors(model(alone)), 4)
    assert found == [(-one.score, CHARMAP.decode(one.indices)) for one in nbest]
