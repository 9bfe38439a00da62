"""GRU and LSTM over padded frames, forward and backward, two directions side by side.

At each frame stands only what depends on the frame before. The products with the
inputs, and the gradients of all weights, are one product for all frames.
Equations: those of ``torch.nn.GRU`` and ``torch.nn.LSTM``.

Axis letters: D directions, T frames, B sequences, F features of a frame, G gates,
H hidden units.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import NamedTuple

import torch
from torch import Tensor

# The gradients of sigmoid and tanh from their outputs, into a given tensor.
_back_sigmoid = torch.ops.aten.sigmoid_backward.grad_input
_back_tanh = torch.ops.aten.tanh_backward.grad_input


class Kept(NamedTuple):
    """What a backward pass needs.

    Attributes:
        gates: Their values, (D, T, B, G H).
        extra: Of a GRU, what the state adds to the gate n before it is reset; of an
            LSTM, tanh of the cells; (D, T, B, H).
        states: Before the first frame and after each, (D, T + 1, B, H) each: the
            outputs, and the cells of an LSTM.
    """

    gates: Tensor
    extra: Tensor
    states: list[Tensor]


class Gradients(NamedTuple):
    """What a backward pass finds.

    Attributes:
        gates: Of what the inputs add to the gates, (D, T B, G H).
        state_weight: Of the recurrent weights, (D, G H, H).
        state_bias: Of their biases, (D, 1, G H).
        first: Of the states before the first frame, (D, B, H) each.
    """

    gates: Tensor
    state_weight: Tensor
    state_bias: Tensor
    first: list[Tensor]


def weight_gradients(gates: Tensor, inputs: Tensor) -> tuple[Tensor, Tensor]:
    """Compute the gradients of weights and biases over all frames.

    Args:
        gates: Gradients of what they add to the gates, (D, T B, G H).
        inputs: What the weights were multiplied by, (D, T B, F).

    Returns:
        The gradients, (D, G H, F) and (D, 1, G H).
    """
    ones = gates.new_ones(len(gates), 1, gates.shape[1])
    return torch.bmm(gates.transpose(1, 2), inputs), torch.bmm(ones, gates)


def _frames(*tensors: Tensor) -> Iterator[tuple[Tensor, ...]]:
    """Walk through tensors (D, T, B, ...) from the first frame on."""
    return zip(*(tensor.unbind(1) for tensor in tensors))


def _frames_back(*tensors: Tensor) -> Iterator[tuple[Tensor, ...]]:
    """Walk through tensors (D, T, B, ...) from the last frame back."""
    return zip(*(reversed(tensor.unbind(1)) for tensor in tensors))


def _room_for(first: Tensor, n_frames: int) -> Tensor:
    """Make room for the states, (D, T + 1, B, H), after the ``first``, (D, B, H)."""
    states = first.new_empty(len(first), n_frames + 1, *first.shape[1:])
    states[:, 0] = first
    return states


class GRU:
    """The gates are r (reset), z (update) and n (new)."""

    @staticmethod
    def forward(
        gates: Tensor, weight: Tensor, bias: Tensor, first: tuple[Tensor, ...]
    ) -> Kept:
        """Compute the states.

        Args:
            gates: What the inputs add to the gates, (D, T, B, 3 H); overwritten.
            weight: Recurrent weights, (D, 3 H, H).
            bias: Recurrent biases, (D, 1, 3 H).
            first: The initial state, (D, B, H).
        """
        hidden = weight.shape[2]
        states = _room_for(*first, n_frames=gates.shape[1])
        unreset = torch.empty_like(states[:, 1:])
        turned = weight.transpose(1, 2).contiguous()  # (D, H, 3 H)
        of_rz, of_n = turned.split((2 * hidden, hidden), dim=2)
        bias_rz, bias_n = bias.split((2 * hidden, hidden), dim=2)
        rz, _ = gates.split((2 * hidden, hidden), dim=3)
        rz += bias_rz.unsqueeze(1)
        steps = _frames(
            rz, *gates.split(hidden, dim=3), unreset, states[:, :-1], states[:, 1:]
        )
        for rz_t, r, z, n, u, before, after in steps:
            rz_t.baddbmm_(before, of_rz).sigmoid_()
            torch.baddbmm(bias_n, before, of_n, out=u)
            n.addcmul_(r, u).tanh_()
            torch.lerp(n, before, z, out=after)
        return Kept(gates, unreset, [states])

    @staticmethod
    def backward(kept: Kept, weight: Tensor, given: list[Tensor]) -> Gradients:
        """Compute the gradients.

        Args:
            kept: By ``forward``.
            weight: Recurrent weights, (D, 3 H, H).
            given: The gradient that reaches the states from outside, (D, T + 1, B, H);
                overwritten.
        """
        hidden = weight.shape[2]
        (states,), (d_states,) = kept.states, given
        # In this order both n r z of the state and r z n of the inputs are one piece.
        changes = kept.gates.new_empty(*kept.gates.shape[:3], 4 * hidden)
        by_states, by_inputs = changes[..., : 3 * hidden], changes[..., hidden:]
        weight = weight.roll(hidden, dims=1)  # r z n to n r z
        part = torch.empty_like(states[:, 0])
        values = *kept.gates.split(hidden, dim=3), kept.extra, states[:, :-1]
        steps = zip(
            _frames_back(*values),
            _frames_back(*changes.split(hidden, dim=3), by_states),
            _frames_back(d_states[:, 1:], d_states[:, :-1]),
        )
        for (r, z, n, u, before), (d_u, d_r, d_z, d_n, d_gates), (
            after,
            earlier,
        ) in steps:
            torch.mul(after, z, out=part)
            earlier += part
            torch.sub(after, part, out=part)
            _back_tanh(part, n, grad_input=d_n)
            torch.mul(d_n, r, out=d_u)
            torch.mul(d_n, u, out=part)
            _back_sigmoid(part, r, grad_input=d_r)
            torch.sub(before, n, out=part)
            part *= after
            _back_sigmoid(part, z, grad_input=d_z)
            earlier.baddbmm_(d_gates, weight)
        d_weight, d_bias = weight_gradients(
            by_states.flatten(1, 2), states[:, :-1].flatten(1, 2)
        )
        return Gradients(
            by_inputs.flatten(1, 2),
            d_weight.roll(-hidden, dims=1),
            d_bias.roll(-hidden, dims=2),
            [d_states[:, 0]],
        )


class LSTM:
    """The gates are i (input), f (forget), g (cell) and o (output)."""

    @staticmethod
    def forward(
        gates: Tensor, weight: Tensor, bias: Tensor, first: tuple[Tensor, ...]
    ) -> Kept:
        """Compute the states; as in ``GRU``, with an initial cell too."""
        hidden = weight.shape[2]
        states, cells = (_room_for(one, n_frames=gates.shape[1]) for one in first)
        squashed = torch.empty_like(states[:, 1:])
        turned = weight.transpose(1, 2).contiguous()  # (D, H, 4 H)
        gates += bias.unsqueeze(1)
        steps = zip(
            _frames(gates, gates[..., : 2 * hidden], *gates.split(hidden, dim=3)),
            _frames(states[:, :-1], states[:, 1:]),
            _frames(cells[:, :-1], cells[:, 1:], squashed),
        )
        for (all_, i_f, i, f, g, o), (before, after), (cell, next_cell, tanh) in steps:
            all_.baddbmm_(before, turned)
            i_f.sigmoid_()
            g.tanh_()
            o.sigmoid_()
            torch.mul(f, cell, out=next_cell).addcmul_(i, g)
            torch.tanh(next_cell, out=tanh)
            torch.mul(o, tanh, out=after)
        return Kept(gates, squashed, [states, cells])

    @staticmethod
    def backward(kept: Kept, weight: Tensor, given: list[Tensor]) -> Gradients:
        """Compute the gradients; as in ``GRU``, from those of the cells too."""
        hidden = weight.shape[2]
        (states, cells), (d_states, d_cells) = kept.states, given
        changes = torch.empty_like(kept.gates)
        part = torch.empty_like(states[:, 0])
        values = *kept.gates.split(hidden, dim=3), kept.extra, cells[:, :-1]
        steps = zip(
            _frames_back(*values),
            _frames_back(*changes.split(hidden, dim=3), changes),
            _frames_back(d_states[:, 1:], d_states[:, :-1]),
            _frames_back(d_cells[:, 1:], d_cells[:, :-1]),
        )
        for (i, f, g, o, tanh, cell), (
            d_i,
            d_f,
            d_g,
            d_o,
            d_gates,
        ), d_state, d_cell in steps:
            (after, earlier), (c_after, c_earlier) = d_state, d_cell
            torch.mul(after, tanh, out=part)
            _back_sigmoid(part, o, grad_input=d_o)
            torch.mul(after, o, out=part)
            c_after += _back_tanh(part, tanh, grad_input=part)
            torch.mul(c_after, g, out=part)
            _back_sigmoid(part, i, grad_input=d_i)
            torch.mul(c_after, cell, out=part)
            _back_sigmoid(part, f, grad_input=d_f)
            torch.mul(c_after, i, out=part)
            _back_tanh(part, g, grad_input=d_g)
            c_earlier.addcmul_(c_after, f)
            earlier.baddbmm_(d_gates, weight)
        changes = changes.flatten(1, 2)
        gradients = weight_gradients(changes, states[:, :-1].flatten(1, 2))
        return Gradients(changes, *gradients, [d_states[:, 0], d_cells[:, 0]])
