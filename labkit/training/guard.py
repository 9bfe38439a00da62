"""Skipping and counting updates that would destroy the weights."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass

import torch
from torch import Tensor, nn
from torch.nn.utils import get_total_norm

from labkit.base import LabError, unwritten_exercise

_MOST_IN_A_ROW = 5


class UpdateGuard:
    """Skips an update if a gradient is not finite.

    Within ``with guard:``, the optimiser finds no gradient in that case, and the
    statistics of batch normalisation from before the minibatch are restored.
    All processes decide alike, since all have the same gradient.
    """

    def __init__(self, model: nn.Module, optimizer: torch.optim.Optimizer) -> None:
        self.model = model
        self.passed = True
        self.norm = 0.0  # of the gradient of the last update, after clipping
        self._buffers: list[Tensor] = []
        optimizer.register_step_pre_hook(self._check)

    def _check(self, optimizer: torch.optim.Optimizer, *_: object) -> None:
        parameters = [p for group in optimizer.param_groups for p in group["params"]]
        gradients = [p.grad for p in parameters if p.grad is not None]
        self.norm = get_total_norm(gradients).item()
        self.passed = math.isfinite(self.norm)
        if not self.passed:
            for parameter in parameters:
                parameter.grad = None

    def __enter__(self) -> UpdateGuard:
        """Store the statistics of batch normalisation."""
        self.passed = True
        self._buffers = [buffer.clone() for buffer in self.model.buffers()]
        return self

    def __exit__(self, *_: object) -> None:
        """Restore them if the update was skipped."""
        if not self.passed:
            for buffer, before in zip(self.model.buffers(), self._buffers):
                buffer.copy_(before)


@dataclass
class SkippedUpdates:
    """Counts the minibatches whose update was skipped."""

    total: int = 0  # in the whole run
    in_a_row: int = 0  # up to the last minibatch, without a gap

    def accepted(self) -> None:
        """Count an update that was made."""
        self.in_a_row = 0

    def refused(self, diverged: bool, epoch: int, saved: str) -> None:
        """Count an update that was skipped: diverged, or a transcript too long.

        Raises:
            LabError: Several in a row were skipped; ``saved`` says what the run keeps.
        """
        self.total += 1
        self.in_a_row += 1
        why = "" if diverged else " for a transcript that does not fit into its frames"
        if self.total == 1:
            print(
                f"the loss is not finite{why} in epoch {epoch}: this minibatch is "
                "skipped; others will be counted"
            )
        if self.in_a_row < _MOST_IN_A_ROW:
            return
        raise LabError(
            f"the loss is not finite in epoch {epoch}{why}, {self.in_a_row} "
            f"minibatches in a row; {saved}",
            "lower --base_lr or --grad_clip"
            if diverged
            else "the filter of short clips disagrees with the loss: pytest -k E07",
        )


def checked_penalty(model: nn.Module) -> Callable[[], Tensor]:
    """Call ``model.penalty()`` once, to check that training can use it.

    Returns:
        The penalty; one that returns 0 if the network has none, or if it is an
        exercise that is not written yet.

    Raises:
        LabError: It is not a finite scalar that depends on the weights. Its own
            errors pass through.
    """
    device = next(model.parameters()).device

    def nothing() -> Tensor:
        return torch.zeros((), device=device)

    penalty = getattr(model, "penalty", None)
    if penalty is None:
        return nothing
    try:
        value = penalty()
    except NotImplementedError as error:
        exercise = unwritten_exercise(error)
        if exercise is None:
            raise
        print(f"penalty() is not written yet ({exercise}): training goes on without")
        return nothing
    if not isinstance(value, Tensor) or value.dim() != 0:
        shape = tuple(value.shape) if isinstance(value, Tensor) else ""
        wrong = f"returns a {type(value).__name__}{shape}, not a scalar tensor"
    elif not value.requires_grad:
        wrong = "does not depend on the weights"
    elif not value.isfinite():
        wrong = f"returns {value.item()}"
    else:
        # Zero times the norm of all weights is zero, but computing it takes time.
        off = value == 0 and getattr(model, "l1", None) == 0
        return nothing if off else penalty
    remedy = "return a 0-dimensional tensor computed from self.parameters()"
    raise LabError(f"penalty() {wrong}", remedy)
