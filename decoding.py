"""From scores to text.

A decoder knows scores and the alphabet, never a network. Axis letters: T' frames,
B utterances, V symbols.
"""

from __future__ import annotations

from collections.abc import Sequence

import torch
from data import CharMap
from torch import Tensor
from torch.nn.utils.rnn import PackedSequence, pad_packed_sequence

from labkit.beam import prefix_beam_search

NBest = list[tuple[float, str]]  # (negative log probability, text), best first


def collapse(path: Sequence[int], blank: int) -> list[int]:
    """Reduce a CTC path to the transcript it stands for (Graves et al. 2006).

    Args:
        path: One index a frame.
        blank: The index of the blank.

    Returns:
        The indices once neighbours that repeat are merged, then blanks removed.
    """
    # why must merging come first?
    raise NotImplementedError("E20")


def best_paths(scores: PackedSequence) -> list[tuple[float, list[int]]]:
    """Find the most probable path of each utterance of a batch.

    Args:
        scores: Packed scores (T', B, V); their softmax over V gives probabilities.

    Returns:
        For each utterance, in its order: the negative log probability of its best
        path, and that path without padding, one index a frame.
    """
    # (4 steps) unpack; log-probabilities; the best symbol of each frame; for each
    # utterance its own frames alone
    raise NotImplementedError("E21")


def greedy_decode(scores: PackedSequence, charmap: CharMap) -> NBest:
    """Decode a batch greedily: collapse the most probable path of each utterance.

    Args:
        scores: Packed scores (T', B, V).
        charmap: The alphabet.

    Returns:
        ``(negative log probability of the path, text)`` of each utterance.
    """
    return [
        (cost, charmap.decode(collapse(path, charmap.blankid)))
        for cost, path in best_paths(scores)
    ]


def beam_search(
    scores: PackedSequence, charmap: CharMap, beam_size: int, blank_id: int
) -> list[NBest]:
    """Decode a batch by prefix beam search (Hannun et al. 2014).

    The probability of a text is the sum over all its paths, not of one.

    Args:
        scores: Packed scores (T', B, V).
        charmap: The alphabet.
        beam_size: Prefixes kept at each frame.
        blank_id: The index of the blank.

    Returns:
        The n-best list of each utterance, at most ``beam_size`` long.
    """
    padded, lengths = pad_packed_sequence(scores)  # (T', B, V), (B,)
    log_probs: Tensor = padded.log_softmax(dim=2)
    with torch.inference_mode():
        found = prefix_beam_search(log_probs, lengths, beam_size, blank_id)
    return [
        [(-score, charmap.decode(indices)) for score, indices in nbest]
        for nbest in found
    ]
