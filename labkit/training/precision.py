"""Faster computing: bfloat16 where it is safe, fused updates."""

from __future__ import annotations

from collections.abc import Callable
from functools import wraps
from typing import Any

import torch
from torch import nn
from torch.nn.utils.rnn import PackedSequence


def _as_float32(packed: PackedSequence) -> PackedSequence:
    return packed._replace(data=packed.data.float())


def use_bfloat16(model: nn.Module, device: torch.device) -> None:
    """Let ``model`` compute its convolutions and linear layers in bfloat16.

    The weights stay float32; bfloat16 has their range, so that no loss needs scaling.
    Recurrent layers compute in float32 (on a GPU in TF32): autocast on CUDA would
    run them in float16, whatever type is asked for, since its rule for cuDNN's
    recurrent layers names that type, and float16 overflows without a loss scaler.
    The scores come out as float32, for the softmax and the loss. The network is changed
    in place, its ``state_dict`` is not.
    """
    if device.type == "cuda":
        torch.backends.cudnn.allow_tf32 = True

    def within(forward: Callable[..., Any]) -> Callable[..., Any]:
        @wraps(forward)
        def call(inputs: PackedSequence) -> PackedSequence:
            with torch.autocast(device.type, torch.bfloat16):
                scores = forward(inputs)
            return _as_float32(scores)

        return call

    def outside(forward: Callable[..., Any]) -> Callable[..., Any]:
        @wraps(forward)
        def call(inputs: PackedSequence, *state: Any) -> Any:  # noqa: ANN401
            with torch.autocast(device.type, enabled=False):
                return forward(_as_float32(inputs), *state)

        return call

    for layer in model.modules():
        if isinstance(layer, nn.RNNBase):
            layer.forward = outside(layer.forward)
    model.forward = within(model.forward)


def fuse_updates(optimizer: torch.optim.Optimizer, device: torch.device) -> None:
    """Let Adam and AdamW update all weights in one kernel, on a card."""
    if device.type == "cuda" and isinstance(optimizer, torch.optim.Adam):
        for group in optimizer.param_groups:
            group.update(fused=True, foreach=False)
