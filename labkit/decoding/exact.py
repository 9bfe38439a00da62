"""The exact log probability of given transcripts under CTC."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor
from torch.nn.utils.rnn import pad_sequence

from labkit.decoding.alignment import align


def ctc_log_probs(
    strings: Sequence[Sequence[int]], log_probs: Tensor, blank: int
) -> list[float]:
    """Return the log probability of all paths of each transcript.

    Args:
        strings: The transcripts, at least one.
        log_probs: Log-probabilities (T, V) of the utterance.
        blank: The index of the blank.
    """
    lengths = torch.tensor([len(string) for string in strings])
    targets = [torch.tensor(string, dtype=torch.long) for string in strings]
    losses = torch.nn.functional.ctc_loss(
        log_probs.double().cpu().unsqueeze(1).expand(-1, len(strings), -1),
        pad_sequence(targets, batch_first=True),
        torch.full_like(lengths, len(log_probs)),
        lengths,
        blank,
        reduction="none",
    )
    return (-losses).tolist()


def best_path_log_prob(string: Sequence[int], log_probs: Tensor, blank: int) -> float:
    """Return the log probability of the best path of a transcript.

    Raises:
        NoPathError: There is none.
    """
    if not string:
        return log_probs[:, blank].double().sum().item()
    return align(log_probs, string, blank).log_prob
