"""Drawing the inputs of checks."""

from __future__ import annotations

import torch
from torch import Generator, Tensor, nn

from checks.tools import LAB_CONVOLUTIONS


def normal(generator: Generator, *shape: int) -> Tensor:
    """Draw standard normal values."""
    return torch.randn(*shape, generator=generator)


def whole(generator: Generator, low: int, high: int) -> int:
    """Draw a whole number from ``low`` to ``high``."""
    return int(torch.randint(low, high + 1, (), generator=generator))


def small_weights(generator: Generator) -> list[list[Tensor]]:
    """Draw weights for a CTCModel of 6 mel bands and two GRU layers of 4 units.

    Returns:
        Those of its convolutions and normalisations, of its recurrent layers, and of
        its output layer, each as ``parameters()`` lists them.
    """
    cnn = nn.Sequential()
    for channels, (kernel, stride, padding) in zip((1, 32), LAB_CONVOLUTIONS):
        cnn.append(nn.Conv2d(channels, 32, kernel, stride, padding))
        cnn.append(nn.BatchNorm2d(32))
    rnn = nn.GRU(32 * 3, 4, 2, bidirectional=True)
    weights = []
    for part in (cnn, rnn, nn.Linear(8, 44)):
        drawn = []
        for parameter in part.parameters():
            values = normal(generator, *parameter.shape)
            fan_in = parameter[0].numel()  # 1 for a bias
            drawn.append(0.4 * values if fan_in == 1 else values / fan_in**0.5)
        weights.append(drawn)
    for place in (2, 6):  # the scales of the normalisations
        weights[0][place] += 1
    return weights


def decoder_weights(
    generator: Generator, n_symbols: int, n_memory: int, nhidden: int
) -> dict[str, Tensor]:
    """Draw weights for the lab's recurrent decoder, by the names of its parameters."""
    shapes: dict[str, tuple[int, ...]] = {"embedding.weight": (n_symbols, 64)}
    for name, size in (("weight_ih", 64), ("weight_hh", nhidden)):
        shapes[f"rnn.{name}_l0"] = (3 * nhidden, size)
    shapes |= {f"rnn.bias_{name}_l0": (3 * nhidden,) for name in ("ih", "hh")}
    linear = {"query": nhidden, "key": n_memory, "value": n_memory}
    for name, size in {**linear, "combine": 2 * nhidden, "output": nhidden}.items():
        rows = n_symbols if name == "output" else nhidden
        shapes |= {f"{name}.weight": (rows, size), f"{name}.bias": (rows,)}
    return {
        name: 1.5 * normal(generator, *shape) / shape[-1] ** 0.5
        for name, shape in shapes.items()
    }
