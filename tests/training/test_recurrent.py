"""The laws of recurrent layers that run densely: as PyTorch's own, only quicker."""

from __future__ import annotations

import copy
import io
from itertools import product

import pytest
import torch
from torch import Tensor, nn
from torch.nn.utils.rnn import PackedSequence, pack_sequence

from labkit.training import recurrent
from labkit.training.recurrent import DenseForward, run_densely

FEATURES, HIDDEN = 7, 9
LENGTHS = ([9, 5, 3, 1, 1], [5, 1, 9, 3, 1], [4, 4, 4], [1], [2, 9])
KINDS = list(product((nn.GRU, nn.LSTM), (True, False)))  # cell, both directions


def make_pair(kind: type[nn.RNNBase], **options: object) -> tuple[nn.RNNBase, ...]:
    """Make a layer, and a copy of it that runs densely."""
    torch.manual_seed(0)
    own = kind(FEATURES, HIDDEN, **options)
    dense = copy.deepcopy(own)
    run_densely(dense)
    assert isinstance(dense.forward, DenseForward)
    return own, dense


def make_inputs(lengths: list[int]) -> PackedSequence:
    torch.manual_seed(1)
    sequences = [torch.randn(length, FEATURES) for length in lengths]
    return pack_sequence(sequences, enforce_sorted=False)


def states_of(result: Tensor | tuple[Tensor, Tensor]) -> tuple[Tensor, ...]:
    return result if isinstance(result, tuple) else (result,)


def outcome(
    layer: nn.RNNBase, inputs: PackedSequence, first: list[Tensor] | None
) -> list[Tensor]:
    """Return outputs, last states and the gradients of all that they depend on."""
    data = inputs.data.clone().requires_grad_()
    hx = None
    if first:
        first = [state.clone().requires_grad_() for state in first]
        hx = tuple(first) if isinstance(layer, nn.LSTM) else first[0]
    outputs, last = layer(inputs._replace(data=data), hx)
    results = [outputs.data, *states_of(last)]
    torch.manual_seed(2)
    loss = sum((torch.randn(result.shape) * result).sum() for result in results)
    leaves = [data, *(first or [])[: len(results) - 1], *layer.parameters()]
    return [*results, *torch.autograd.grad(loss, leaves)]


def assert_equal(ours: list[Tensor], theirs: list[Tensor]) -> None:
    assert len(ours) == len(theirs)
    for mine, other in zip(ours, theirs):
        torch.testing.assert_close(mine, other, rtol=1e-5, atol=1e-5)


@pytest.mark.parametrize("lengths", LENGTHS)
@pytest.mark.parametrize("n_layers", [1, 2, 3, 4])
@pytest.mark.parametrize("kind, both", KINDS)
def test_outputs_states_and_gradients_are_those_of_pytorch(
    kind: type[nn.RNNBase], both: bool, n_layers: int, lengths: list[int]
) -> None:
    own, dense = make_pair(kind, num_layers=n_layers, bidirectional=both)
    shape = n_layers * (1 + both), len(lengths), HIDDEN
    inputs = make_inputs(lengths)
    for first in (None, [torch.randn(shape), torch.randn(shape)]):
        assert_equal(outcome(dense, inputs, first), outcome(own, inputs, first))
    outputs, _ = dense(inputs)
    for mine, other in zip(outputs[1:], inputs[1:]):
        assert torch.equal(mine, other)  # packed in the same order


@pytest.mark.parametrize("kind", [nn.GRU, nn.LSTM])
def test_layers_without_biases_and_in_float64(kind: type[nn.RNNBase]) -> None:
    own, dense = make_pair(kind, num_layers=2, bidirectional=True, bias=False)
    inputs = make_inputs(LENGTHS[1])
    assert_equal(outcome(dense, inputs, None), outcome(own, inputs, None))
    inputs = inputs._replace(data=inputs.data.double())
    mine, theirs = (outcome(x.double(), inputs, None) for x in (dense, own))
    for a, b in zip(mine, theirs):
        torch.testing.assert_close(a, b, rtol=1e-12, atol=1e-12)


@pytest.mark.parametrize("kind", [nn.GRU, nn.LSTM])
def test_evaluation_is_that_of_pytorch(kind: type[nn.RNNBase]) -> None:
    own, dense = make_pair(kind, num_layers=2, bidirectional=True, dropout=0.5)
    inputs = make_inputs(LENGTHS[1])
    own.eval(), dense.eval()
    assert_equal(outcome(dense, inputs, None), outcome(own, inputs, None))
    with torch.inference_mode():
        (mine, last), (other, others) = dense(inputs), own(inputs)
    assert torch.equal(mine.data, other.data)
    assert all(map(torch.equal, states_of(last), states_of(others)))


def test_what_is_not_packed_goes_the_way_of_pytorch() -> None:
    own, dense = make_pair(nn.GRU, bidirectional=True)
    padded = torch.randn(4, 3, FEATURES)
    for mine, other in zip(dense(padded), own(padded)):
        assert torch.equal(mine, other)
    with pytest.raises(RuntimeError, match="input_size"):
        dense(pack_sequence([torch.randn(3, FEATURES + 1)]))
    with pytest.raises(RuntimeError, match="hidden"):
        dense(make_inputs([2, 1]), torch.zeros(1, 2, HIDDEN))


def test_a_second_backward_pass_gives_the_same_gradients() -> None:
    for kind in (nn.GRU, nn.LSTM):
        _, dense = make_pair(kind, num_layers=2, bidirectional=True)
        loss = dense(make_inputs(LENGTHS[0]))[0].data.sum()
        leaves = list(dense.parameters())
        first = torch.autograd.grad(loss, leaves, retain_graph=True)
        assert all(map(torch.equal, first, torch.autograd.grad(loss, leaves)))


def test_dropout_between_layers_is_seeded_and_of_the_right_rate() -> None:
    _, dense = make_pair(nn.GRU, num_layers=2, bidirectional=True, dropout=0.3)
    inputs = make_inputs([40] * 20)

    def heard(seed: int) -> Tensor:
        torch.manual_seed(seed)
        return dense(inputs)[0].data

    assert torch.equal(heard(3), heard(3))
    assert not torch.equal(heard(3), heard(4))
    seen = []
    original = recurrent.F.dropout

    def noting(data: Tensor, *options: object) -> Tensor:
        seen.append((data, original(data, *options)))
        return seen[-1][1]

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(recurrent.F, "dropout", noting)
        heard(5)
    ((before, after),) = seen  # between two layers, once
    dropped = after == 0
    assert 0.27 < dropped.float().mean() < 0.33
    torch.testing.assert_close(after[~dropped], before[~dropped] / 0.7)


def test_code_class_weights_copies_and_files_are_unaffected() -> None:
    own, dense = make_pair(nn.LSTM, num_layers=2)
    assert type(dense) is nn.LSTM and "forward" not in vars(own)
    assert list(dense.state_dict()) == list(own.state_dict())
    copied = copy.deepcopy(dense)
    assert copied.forward.layer is copied
    file = io.BytesIO()
    torch.save(dense.state_dict(), file)
    file.seek(0)
    own.load_state_dict(torch.load(file, weights_only=True))
    file = io.BytesIO()
    torch.save(dense, file)
    file.seek(0)
    loaded = torch.load(file, weights_only=False)
    assert loaded.forward.layer is loaded
    with torch.no_grad():
        copied.weight_ih_l0.zero_()
    inputs = make_inputs([3, 2])
    assert_equal(outcome(loaded, inputs, None), outcome(own, inputs, None))
    assert not torch.equal(copied(inputs)[0].data, own(inputs)[0].data)


def test_only_layers_that_it_knows_are_changed() -> None:
    class Other(nn.GRU):
        pass

    class Network(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.layers = nn.ModuleList(
                [
                    nn.GRU(2, 2),
                    nn.LSTM(2, 2, proj_size=1),
                    nn.GRU(2, 2, batch_first=True),
                    nn.RNN(2, 2),
                    Other(2, 2),
                ]
            )

    network = Network()
    run_densely(network)
    first = network.layers[0].forward
    run_densely(network)  # twice is once
    changed = ["forward" in vars(layer) for layer in network.layers]
    assert changed == [True, False, False, False, False]
    assert network.layers[0].forward is first
