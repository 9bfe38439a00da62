"""The small network of the checks of ``models.py``, with weights of the checks' own."""

from __future__ import annotations

from itertools import chain
from typing import Any

import torch
from torch import Tensor, nn

from checks.tools import without_biases
from labkit.base import Lab
from labkit.exercises import Values, expect_that


def small_model(lab: Lab, l1: float = 0.5) -> Any:  # noqa: ANN401 (the student's)
    """Build a CTCModel of the student's parts, with statistics that are not 0 and 1."""
    torch.manual_seed(0)
    model = lab.models.CTCModel(lab.data.CharMap(), 6, 4, 2, "GRU", 0.3, l1=l1)
    for name, buffer in model.named_buffers():
        if name.endswith("running_mean"):
            # A mean below 0 shifts the padding away from 0.
            buffer.fill_(-0.5)
    return model.eval()


def give_weights(model: Any, weights: list[list[Tensor]]) -> Values:  # noqa: ANN401
    """Copy weights into the parts of a network, where all shapes are alike.

    Returns:
        The shapes of its own parameters, for each part, and which convolutions have
        a bias.
    """
    parts = [list(part.parameters()) for part in (model.cnn, model.rnn, model.charlin)]
    layers = [m for m in model.cnn.modules() if isinstance(m, nn.Conv2d)]
    biases = [layer.bias is not None for layer in layers]
    given = [without_biases(weights[0], biases), *weights[1:]]
    shapes = [[tuple(p.shape) for p in part] for part in parts]
    if shapes == [[tuple(w.shape) for w in part] for part in given]:
        with torch.no_grad():
            for own, value in zip(chain(*parts), chain(*given)):
                own.copy_(value)
    return {"shapes": shapes, "biases": biases}


def weights_given(result: Values, weights: list[list[Tensor]]) -> list[list[Tensor]]:
    """Require the layers that the weights of the check are for.

    Returns:
        The weights that the network has: a convolution may do without a bias.
    """
    biases = [bool(one) for one in result["biases"]]
    kept = [without_biases(weights[0], biases), *weights[1:]]
    wanted = [[tuple(weight.shape) for weight in part] for part in kept]
    why = "forward needs the layers that the docstrings ask for"
    call = "CTCModel: its convolutions, recurrent and output layers"
    layers = "as build_cnn, build_rnn and build_charlin have them"
    expect_that(result["shapes"] == wanted, call, layers, "others", why)
    own = [
        weight if any(weight is one for one in kept[0]) else torch.zeros_like(weight)
        for weight in weights[0]
    ]
    return [own, *weights[1:]]
