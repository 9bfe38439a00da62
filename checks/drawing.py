"""Drawing the inputs of checks."""

from __future__ import annotations

import torch
from torch import Generator, Tensor


def normal(generator: Generator, *shape: int) -> Tensor:
    """Draw standard normal values."""
    return torch.randn(*shape, generator=generator)


def whole(generator: Generator, low: int, high: int) -> int:
    """Draw a whole number from ``low`` to ``high``."""
    return int(torch.randint(low, high + 1, (), generator=generator))
