"""A transformer decoder with cached keys and values (Vaswani et al. 2017).

It has the methods of the recurrent decoder that students write, so every search
takes either. Axis letters: as in ``state``; E units of a layer, N heads of D units.
"""

from __future__ import annotations

import math
from typing import cast

import torch
from torch import Tensor, nn

from labkit.decoding.attention.state import CacheState, Decoded, DecoderState, Memory

_FEED_FORWARD = 4  # hidden units for each unit of a layer


def split_heads(values: Tensor, heads: int) -> Tensor:
    """Split (..., L, E) into (..., N, L, D), where E = N D."""
    return values.unflatten(-1, (heads, -1)).transpose(-3, -2)


def join_heads(values: Tensor) -> Tensor:
    """Join (..., N, L, D) to (..., L, E)."""
    return values.transpose(-3, -2).flatten(-2)


class _Layer(nn.Module):
    """Self-attention, attention to the encoder, two linear layers; norms first."""

    def __init__(self, n_memory: int, size: int, heads: int, dropout: float) -> None:
        super().__init__()
        self.heads = heads
        self.norms = nn.ModuleList(nn.LayerNorm(size) for _ in range(3))
        self.own = nn.Linear(size, 3 * size)  # query, key and value
        self.own_output = nn.Linear(size, size)
        self.query = nn.Linear(size, size)
        self.memory = nn.Linear(n_memory, 2 * size)  # key and value
        self.output = nn.Linear(size, size)
        self.feed_forward = nn.Sequential(
            nn.Linear(size, _FEED_FORWARD * size),
            nn.ReLU(),
            nn.Dropout(dropout),
            nn.Linear(_FEED_FORWARD * size, size),
        )
        self.dropout = nn.Dropout(dropout)

    def look_back(
        self, x: Tensor, past: CacheState | None, layer: int
    ) -> tuple[Tensor, Tensor, Tensor]:
        """Attend to the symbols of the same row, up to the present one.

        Args:
            x: (B, R, U, E).
            past: The cache; None for an empty one.
            layer: The place of this layer in it.

        Returns:
            What is added to ``x``, and the row's keys and values, (B, R, N, U', D).
        """
        parts = self.own(self.norms[0](x)).chunk(3, dim=-1)
        query, key, value = (split_heads(part, self.heads) for part in parts)
        n_new, n_past = x.shape[2], 0
        if past is not None:
            n_past = past.keys.shape[4]
            key = torch.cat([past.keys[layer], key], dim=3)
            value = torch.cat([past.values[layer], value], dim=3)
        scores = query @ key.transpose(-2, -1)  # (B, R, N, U, U')
        visible = torch.ones_like(scores[0, 0, 0], dtype=torch.bool).tril(n_past)
        scores = scores.masked_fill(~visible, -math.inf)
        shared = None
        if past is not None and past.mask.shape[2]:
            # All rows of an utterance against the keys that they share, in one product.
            shared = past.shared_values[layer]
            flat = query.transpose(1, 2).flatten(2, 3)  # (B, N, R U, D)
            there = flat @ past.shared_keys[layer].transpose(-2, -1)  # (B, N, R U, P)
            there = there.unflatten(2, (-1, n_new)).transpose(1, 2)  # (B, R, N, U, P)
            hidden = ~past.mask[:, :, None, None]
            scores = torch.cat([there.masked_fill(hidden, -math.inf), scores], dim=-1)
        weights = (scores / math.sqrt(query.shape[-1])).softmax(dim=-1)
        context = weights[..., -key.shape[3] :] @ value  # (B, R, N, U, D)
        if shared is not None:
            there = weights[..., : shared.shape[2]].transpose(1, 2).flatten(2, 3)
            context = context + (there @ shared).unflatten(2, (-1, n_new)).transpose(
                1, 2
            )
        return self.own_output(join_heads(context)), key, value

    def look_up(
        self, x: Tensor, keys: Tensor, values: Tensor, mask: Tensor
    ) -> tuple[Tensor, Tensor]:
        """Attend to the frames (B, N, T', D) of the encoder.

        Returns:
            What is added to ``x``, and the weights, mean over the heads, (B, R, U, T').
        """
        rows = x.shape[1:3]
        query = split_heads(self.query(self.norms[1](x)).flatten(1, 2), self.heads)
        scores = query @ keys.transpose(-2, -1) / math.sqrt(query.shape[-1])
        weights = scores.masked_fill(~mask[:, None, None], -math.inf).softmax(dim=-1)
        context = join_heads(weights @ values).unflatten(1, rows)
        return self.output(context), weights.mean(dim=1).unflatten(1, rows)

    def forward(
        self,
        x: Tensor,
        memory: Memory,
        past: CacheState | None,
        layer: int,
    ) -> tuple[Tensor, Tensor, Tensor, Tensor]:
        """Apply the layer to (B, R, U, E)."""
        added, key, value = self.look_back(x, past, layer)
        x = x + self.dropout(added)
        added, weights = self.look_up(
            x, memory.keys[layer], memory.values[layer], memory.mask
        )
        x = x + self.dropout(added)
        x = x + self.dropout(self.feed_forward(self.norms[2](x)))
        return x, key, value, weights


class TransformerDecoder(nn.Module):
    """Layers of self-attention and attention to the encoder, over a string.

    Args:
        n_symbols: V.
        n_memory: Size 2H of a frame of the encoder.
        size: Units E of each layer.
        heads: N.
        dropout: Probability, after each part of a layer.
        nlayers: L.
    """

    def __init__(
        self,
        n_symbols: int,
        n_memory: int,
        size: int,
        heads: int,
        dropout: float,
        nlayers: int = 2,
    ) -> None:
        super().__init__()
        self.size, self.heads = size, heads
        self.embedding = nn.Embedding(n_symbols, size)
        nn.init.normal_(self.embedding.weight, std=size**-0.5)
        self.layers = nn.ModuleList(
            _Layer(n_memory, size, heads, dropout) for _ in range(nlayers)
        )
        self.norm = nn.LayerNorm(size)
        self.output = nn.Linear(size, n_symbols)
        self.dropout = nn.Dropout(dropout)

    def read(self, frames: Tensor, lengths: Tensor) -> Memory:
        """Prepare the frames (T', B, 2H) of an encoder for attention."""
        frames = frames.transpose(0, 1)  # (B, T', 2H)
        steps = torch.arange(frames.shape[1], device=frames.device)
        # Attention alone sees no order: frames get positions, as symbols do.
        frames = frames + self._positions(steps, frames.shape[2])
        both = torch.stack(
            [cast(_Layer, layer).memory(frames) for layer in self.layers]
        )
        keys, values = (split_heads(x, self.heads) for x in both.chunk(2, dim=-1))
        return Memory(keys, values, steps < lengths.to(frames.device).unsqueeze(1))

    def forward(
        self, symbols: Tensor, memory: Memory, state: DecoderState | None = None
    ) -> Decoded:
        """Read symbols (B, R, U)."""
        assert state is None or isinstance(state, CacheState)
        place = torch.arange(symbols.shape[2], device=symbols.device)
        if state is not None:
            place = state.n_read.unsqueeze(2) + place  # (B, R, U)
        x = self.embedding(symbols) * math.sqrt(self.size)
        x = self.dropout(x + self._positions(place, self.size))
        keys, values, weights = [], [], []
        for i, layer in enumerate(self.layers):
            x, *new = layer(x, memory, state, i)
            for kept, one in zip((keys, values, weights), new):
                kept.append(one)
        log_probs = self.output(self.norm(x)).log_softmax(dim=-1)
        cached = torch.stack(keys), torch.stack(values)
        if state is None:
            shared = cached[0][:, :, 0, :, :0]  # nothing is shared
            mask = torch.ones_like(symbols[:, :, :0], dtype=torch.bool)
            state = CacheState(*cached, shared, shared, mask)
        else:
            state = state._replace(keys=cached[0], values=cached[1])
        return Decoded(log_probs, state, weights[-1])

    @staticmethod
    def _positions(place: Tensor, size: int) -> Tensor:
        """Encode positions as sines and cosines, (..., size), however long."""
        half = (size + 1) // 2
        steps = torch.arange(half, device=place.device)
        angles = place.unsqueeze(-1) * 10_000.0 ** (-steps / half)
        return torch.cat([angles.sin(), angles.cos()], dim=-1)[..., :size]
