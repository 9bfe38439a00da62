"""Recurrent layers on a CPU whose cost grows with the frames, not with their square.

PyTorch's backward pass of ``nn.GRU`` and ``nn.LSTM`` over a ``PackedSequence`` slices,
on a CPU, the packed frames at every step, and the gradient of each slice fills and adds
a tensor of the size of them all. Here each direction runs over one padded tensor
instead, the backward one over sequences reversed by their own lengths; PyTorch takes
the same weights, and packs come in and go out as before.

Axis letters: T frames, B sequences, N frames of all sequences together, D directions,
F features of a frame, H hidden units, L layers.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any, NamedTuple

import torch
import torch.nn.functional as F
from torch import Tensor, nn
from torch.autograd import Function
from torch.autograd.function import once_differentiable
from torch.nn.utils.rnn import PackedSequence

States = Any  # a tensor of a GRU; two of an LSTM
Context = Any  # what autograd keeps for the backward pass

_RUN = {nn.GRU: torch.gru, nn.LSTM: torch.lstm}
_FLOATS = (torch.float32, torch.float64)
_SHUT = 1e4  # shuts a gate whatever its other inputs are


class Places(NamedTuple):
    """Where packed frames stand in a padded tensor (T, B, ...) of one direction.

    Attributes:
        rows: The packed frame of each place, (T B,); past the end of a sequence, any.
        places: The place of each packed frame, (N,).
        inside: 1 where a place holds a frame, else 0, (T B, 1); None where all do.
    """

    rows: Tensor
    places: Tensor
    inside: Tensor | None


def find_places(batch_sizes: Tensor, dtype: torch.dtype) -> tuple[Places, Places]:
    """Find the places of packed frames, from the first on and from the last back.

    Args:
        batch_sizes: How many sequences have a frame t, (T,), falling.
        dtype: Of ``inside``.

    Returns:
        The places of the forward direction, and those of the backward one, where the
        last frame of each sequence comes first.
    """
    frames = torch.arange(len(batch_sizes))[:, None]  # (T, 1)
    sequences = torch.arange(int(batch_sizes[0]))  # (B,)
    inside = sequences < batch_sizes[:, None]  # (T, B)
    last = inside.sum(dim=0) - 1  # (B,): the last frame of each sequence
    starts = batch_sizes.cumsum(0) - batch_sizes  # (T,): the first row of each frame
    mask = None if bool(inside.all()) else inside.reshape(-1, 1).to(dtype)
    both = []
    for times in (frames.expand_as(inside), (last - frames).clamp(min=0)):
        rows = starts[times] + sequences  # (T, B); each row stands at one place inside
        places = torch.empty(int(batch_sizes.sum()), dtype=torch.int64)
        places[rows[inside]] = inside.flatten().nonzero()[:, 0]
        both.append(Places(rows.where(inside, sequences).flatten(), places, mask))
    return both[0], both[1]


class _Pad(Function):
    """Packed frames (N, F) to their places (T B, F).

    PyTorch's own gradient of ``index_select`` adds row after row. Each packed frame
    stands at one place, so that it can be fetched from there.
    """

    @staticmethod
    def forward(ctx: Context, packed: Tensor, at: Places) -> Tensor:
        ctx.at = at
        return packed.index_select(0, at.rows)

    @staticmethod
    @once_differentiable
    def backward(ctx: Context, gradient: Tensor) -> tuple[Tensor, None]:
        return gradient.index_select(0, ctx.at.places), None


class _Pack(Function):
    """Frames at their places (T B, F) to packed ones (N, F)."""

    @staticmethod
    def forward(ctx: Context, padded: Tensor, at: Places) -> Tensor:
        ctx.at = at
        return padded.index_select(0, at.places)

    @staticmethod
    @once_differentiable
    def backward(ctx: Context, gradient: Tensor) -> tuple[Tensor, None]:
        padded = gradient.index_select(0, ctx.at.rows)
        return (padded if ctx.at.inside is None else padded * ctx.at.inside), None


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
        both = find_places(batch_sizes, data.dtype)[: 1 + layer.bidirectional]
        finals: list[tuple[Tensor, ...]] = []
        weights: Iterator[Any] = iter(layer.all_weights)
        for number in range(layer.num_layers):
            if number and layer.dropout:
                data = F.dropout(data, layer.dropout, layer.training)
            both_outputs = []
            for at in both:
                first = tuple(state[len(finals), None] for state in states)
                outputs, *last = self._run(data, first, next(weights), at)
                both_outputs.append(outputs)
                finals.append(tuple(last))
            data = torch.cat(both_outputs, dim=1)  # (N, D H)
        joined = [torch.cat(parts) for parts in zip(*finals)]
        if back is not None:
            joined = [state.index_select(1, back) for state in joined]
        outputs = PackedSequence(data, batch_sizes, order, back)
        return outputs, tuple(joined) if is_lstm else joined[0]

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

    def _run(
        self,
        data: Tensor,
        states: tuple[Tensor, ...],
        weights: list[Tensor],
        at: Places,
    ) -> tuple[Tensor, ...]:
        """Run one direction of one layer.

        Args:
            data: Packed frames (N, F).
            states: Initial states, (1, B, H) each.
            weights: Of the direction, as PyTorch wants them.
            at: Where the frames stand.

        Returns:
            The packed outputs (N, H), and the last states, (1, B, H) each.
        """
        is_lstm = isinstance(self.layer, nn.LSTM)
        n_sequences = states[0].shape[1]
        padded = _Pad.apply(data, at)  # (T B, F)
        if is_lstm and at.inside is not None:
            padded, weights = _hold(padded, weights, at.inside)
        outputs, *last = _RUN[type(self.layer)](
            padded.view(-1, n_sequences, padded.shape[1]),
            states if is_lstm else states[0],
            weights,
            self.layer.bias,
            *(1, 0.0, self.layer.training, False, False),
        )
        if at.inside is not None:
            # That of the last frame of each sequence, not of the last of them all.
            ends = at.inside.view(-1, n_sequences).sum(dim=0).long() - 1  # (B,)
            last[0] = outputs[ends, torch.arange(n_sequences)].unsqueeze(0)
        return (_Pack.apply(outputs.flatten(0, 1), at), *last)


def _hold(
    padded: Tensor, weights: list[Tensor], inside: Tensor
) -> tuple[Tensor, list[Tensor]]:
    """Let the cells of an LSTM keep their states past the ends of the sequences.

    One more feature, 1 past the end, shuts the input gate and opens the forget gate:
    so the last state of a cell is that of the last frame of its sequence.

    Args:
        padded: The frames, (T B, F).
        weights: Of one direction; the first are (4 H, F).
        inside: 1 where there is a frame, else 0, (T B, 1).

    Returns:
        The frames (T B, F + 1) and the weights.
    """
    of_input, *others = weights
    hidden = len(of_input) // 4
    held = of_input.new_zeros(4 * hidden, 1)  # gates: input, forget, cell, output
    held[:hidden], held[hidden : 2 * hidden] = -_SHUT, _SHUT
    wider = torch.cat((padded, 1 - inside), dim=1)
    return wider, [torch.cat((of_input, held), dim=1), *others]


def run_densely(model: nn.Module) -> None:
    """Let the recurrent layers of ``model`` be trained densely on a CPU.

    Args:
        model: Any network; changed in place, its ``state_dict`` is not.
    """
    for layer in model.modules():
        if not isinstance(layer, nn.RNNBase) or type(layer) not in _RUN:
            continue
        plain = "forward" not in vars(layer)
        if plain and not layer.proj_size and not layer.batch_first:
            layer.forward = DenseForward(layer)
