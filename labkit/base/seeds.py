"""Seeds of single random draws."""

from __future__ import annotations


def draw_seed(seed: int, epoch: int, index: int) -> int:
    """Mix the run's seed, the epoch and an utterance or minibatch into one seed.

    So the draws do not depend on which process makes them, nor on their order.
    """
    mixed = (seed * 1_000_003 + epoch) * 1_000_003 + index
    return mixed % (1 << 63)
