"""Recurrent layers on a CPU whose cost grows with the frames, not with their square.

PyTorch's backward pass of ``nn.GRU`` and ``nn.LSTM`` over a ``PackedSequence`` slices,
on a CPU, the packed frames at every step, and the gradient of each slice fills and adds
a tensor of the size of them all. Here the sequences are padded once, the backward
direction with its last frame first, and both directions walk through them side by side
(``labkit.training.cells``). The weights stay in PyTorch's layer; packs come in and go
out as before.

Axis letters: T frames, B sequences, N frames of all sequences together, D directions,
F features of a frame, G gates, H hidden units, L layers.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, NamedTuple, Union

import torch
import torch.nn.functional as F
from torch import Tensor, nn
from torch.autograd import Function
from torch.autograd.function import once_differentiable
from torch.nn.utils.rnn import PackedSequence

from labkit.training.cells import GRU, LSTM, Kept, weight_gradients

States = Any  # a tensor of a GRU; two of an LSTM
Context = Any  # what autograd keeps for the backward pass
Cell = Union[type[GRU], type[LSTM]]

_CELLS: dict[type, Cell] = {nn.GRU: GRU, nn.LSTM: LSTM}
_FLOATS = (torch.float32, torch.float64)


class Places(NamedTuple):
    """Where packed frames stand in padded tensors, (D, T, B, ...).

    Attributes:
        rows: The packed frame of each place, (D, T, B); past the end, any.
        outputs: The same in outputs, whose directions are rows of their own, (D T B,).
        places: The place of each packed frame in each direction, (N, D).
        ends: The index of the states after the last frames, in (D, T + 1, B, H).
        inside: 1 where a place holds a frame, else 0, (T, B, 1); None where all do.
    """

    rows: Tensor
    outputs: Tensor
    places: Tensor
    ends: tuple[slice, Tensor, Tensor]
    inside: Tensor | None


def find_places(batch_sizes: Tensor, n_directions: int, dtype: torch.dtype) -> Places:
    """Find the places of packed frames.

    Args:
        batch_sizes: How many sequences have a frame t, (T,), falling.
        n_directions: 1, or 2: in the second, the last frame of a sequence comes first.
        dtype: Of ``inside``.
    """
    frames = torch.arange(len(batch_sizes))[:, None]  # (T, 1)
    sequences = torch.arange(int(batch_sizes[0]))  # (B,)
    valid = sequences < batch_sizes[:, None]  # (T, B)
    lengths = valid.sum(dim=0)
    starts = batch_sizes.cumsum(0) - batch_sizes  # (T,): the first row of each frame
    orders = frames.expand_as(valid), (lengths - 1 - frames).clamp(min=0)
    times = torch.stack(orders[:n_directions])  # (D, T, B)
    rows = (starts[times] + sequences).where(valid, sequences)
    directions = torch.arange(n_directions)
    outputs = rows * n_directions + directions[:, None, None]
    places = torch.empty(int(lengths.sum()) * n_directions, dtype=torch.int64)
    held = valid.expand_as(rows)
    places[outputs[held]] = held.flatten().nonzero()[:, 0]
    return Places(
        rows,
        outputs.flatten(),
        places.view(-1, n_directions),
        (slice(None), lengths, sequences),
        None if bool(valid.all()) else valid.unsqueeze(2).to(dtype),
    )


class _Layer(Function):
    """One layer in all its directions, from packed frames to packed outputs."""

    @staticmethod
    def forward(
        ctx: Context,
        cell: Cell,
        at: Places,
        data: Tensor,
        input_weight: Tensor,
        state_weight: Tensor,
        input_bias: Tensor,
        state_bias: Tensor,
        *first: Tensor,
    ) -> tuple[Tensor, ...]:
        """Run the layer.

        Args:
            ctx: What autograd keeps.
            cell: The layer's.
            at: Where the frames stand.
            data: Packed frames, (N, F).
            input_weight: Weights, (D, G H, F).
            state_weight: Recurrent weights, (D, G H, H).
            input_bias: (D, 1, G H).
            state_bias: (D, 1, G H).
            first: Initial states, (D, B, H) each.

        Returns:
            The packed outputs (N, D H), and the last states, (D, B, H) each.
        """
        shape = at.rows.shape  # (D, T, B)
        padded = data.index_select(0, at.rows.flatten()).view(
            shape[0], -1, data.shape[1]
        )
        gates = torch.baddbmm(input_bias, padded, input_weight.transpose(1, 2))
        kept = cell.forward(gates.view(*shape, -1), state_weight, state_bias, first)
        ctx.cell, ctx.at = cell, at
        ctx.save_for_backward(
            padded, input_weight, state_weight, kept.gates, kept.extra, *kept.states
        )
        outputs = kept.states[0][:, 1:].flatten(0, 2)  # (D T B, H)
        outputs = outputs.index_select(0, at.places.flatten()).view(len(data), -1)
        return (outputs, *(state[at.ends] for state in kept.states))

    @staticmethod
    @once_differentiable
    def backward(
        ctx: Context, d_outputs: Tensor, *d_ends: Tensor
    ) -> tuple[Tensor | None, ...]:
        """Return the gradients of what ``forward`` takes, from those of its results."""
        padded, input_weight, state_weight, gates, extra, *states = ctx.saved_tensors
        at: Places = ctx.at
        given = [torch.zeros_like(state) for state in states]  # (D, T + 1, B, H) each
        rows = d_outputs.reshape(-1, state_weight.shape[2])  # (N D, H)
        given[0][:, 1:] = rows.index_select(0, at.outputs).view(*at.rows.shape, -1)
        if at.inside is not None:
            given[0][:, 1:] *= at.inside
        for gradient, d_end in zip(given, d_ends):
            gradient[at.ends] += d_end
        found = ctx.cell.backward(Kept(gates, extra, states), state_weight, given)
        d_padded = torch.bmm(found.gates, input_weight).flatten(0, 1)  # (D T B, F)
        d_data = d_padded.index_select(0, at.places.flatten())  # (N D, F)
        d_data = d_data.view(*at.places.shape, -1).sum(dim=1)
        d_weight, d_bias = weight_gradients(found.gates, padded)
        d_weights = d_weight, found.state_weight, d_bias, found.state_bias
        return (None, None, d_data, *d_weights, *found.first)


class DenseForward:
    """What a recurrent layer calls instead of its own ``forward``.

    An object, not a closure: a copy of the layer gets one that knows the copy.

    Args:
        layer: The layer; its class, weights and ``state_dict`` stay as they are.
    """

    def __init__(self, layer: nn.RNNBase) -> None:
        self.layer = layer

    def applies_to(self, inputs: PackedSequence | Tensor) -> bool:
        """Say whether PyTorch's own way would be slow: training on a CPU."""
        return (
            isinstance(inputs, PackedSequence)
            and torch.is_grad_enabled()
            and inputs.data.device.type == "cpu"
            and inputs.data.dtype in _FLOATS
            and not torch.is_autocast_enabled("cpu")
        )

    def __call__(
        self, inputs: PackedSequence | Tensor, hx: States | None = None
    ) -> tuple[PackedSequence | Tensor, States]:
        """Run the layer; takes and returns what ``nn.GRU`` and ``nn.LSTM`` do.

        Args:
            inputs: Packed sequences (T, B, F); anything else goes PyTorch's way.
            hx: Initial states, (L D, B, H) each; zero where they are left out.

        Returns:
            The packed outputs (T, B, D H), and the last states, (L D, B, H) each.
        """
        layer = self.layer
        if not self.applies_to(inputs):
            return type(layer).forward(layer, inputs, hx)
        data, batch_sizes, order, back = inputs
        is_lstm = isinstance(layer, nn.LSTM)
        states = self._first_states(data, int(batch_sizes[0]), hx, order)
        first: Any = states if is_lstm else states[0]
        layer.check_forward_args(data, first, batch_sizes)
        n_directions = 1 + layer.bidirectional
        at = find_places(batch_sizes, n_directions, data.dtype)
        finals = []
        for number in range(layer.num_layers):
            if number and layer.dropout:
                data = F.dropout(data, layer.dropout, layer.training)
            own = slice(number * n_directions, (number + 1) * n_directions)
            weights = self._weights(layer.all_weights[own])
            first = [state[own] for state in states]
            data, *last = _Layer.apply(_CELLS[type(layer)], at, data, *weights, *first)
            finals.append(last)
        joined = [torch.cat(parts) for parts in zip(*finals)]
        if back is not None:
            joined = [state.index_select(1, back) for state in joined]
        outputs = PackedSequence(data, batch_sizes, order, back)
        return outputs, tuple(joined) if is_lstm else joined[0]

    @staticmethod
    def _weights(directions: Sequence[Sequence[Tensor]]) -> list[Tensor]:
        """Stack the weights of the directions, and their biases, zero without any."""
        of_input, of_state, *biases = map(torch.stack, zip(*directions))
        if not biases:
            biases = [of_input.new_zeros(of_input.shape[:2])] * 2
        return [of_input, of_state, *(bias.unsqueeze(1) for bias in biases)]

    def _first_states(
        self, data: Tensor, n_sequences: int, hx: States | None, order: Tensor | None
    ) -> tuple[Tensor, ...]:
        """Return the initial states, those of the longest sequence first."""
        layer = self.layer
        is_lstm = isinstance(layer, nn.LSTM)
        if hx is None:
            n_walks = layer.num_layers * (1 + layer.bidirectional)
            zeros = data.new_zeros(n_walks, n_sequences, layer.hidden_size)
            return (zeros, zeros) if is_lstm else (zeros,)
        given = tuple(hx) if is_lstm else (hx,)
        if order is None:
            return given
        return tuple(state.index_select(1, order) for state in given)


def run_densely(model: nn.Module) -> None:
    """Let the recurrent layers of ``model`` be trained densely on a CPU.

    Layers with ``batch_first`` or ``proj_size``, and other classes, stay as they are.

    Args:
        model: Any network; changed in place, its ``state_dict`` is not.
    """
    for layer in model.modules():
        if not isinstance(layer, nn.RNNBase) or type(layer) not in _CELLS:
            continue
        plain = "forward" not in vars(layer)
        if plain and not layer.proj_size and not layer.batch_first:
            layer.forward = DenseForward(layer)
