"""Prefix beam search over a whole batch at once, exact, on any device.

``prefixes`` explains the method. One utterance with a small beam is another case: see
``single``.

Axis letters: T frames, B utterances, V symbols, K prefixes of a beam.
"""

from __future__ import annotations

import math

import torch
from torch import Tensor

from labkit.base import LabError
from labkit.decoding.check import check_beam_size, check_scores
from labkit.decoding.fusion.ngram import Fusion
from labkit.decoding.hypothesis import Hypothesis
from labkit.decoding.prefixes import FrameSearch, spell
from labkit.decoding.single import search_one

_FEW = 50  # so few prefixes of one utterance are quicker without tensors
_MOST_BYTES = 2**30  # of the utterances that are searched together
_BYTES_PER_FRAME = 16  # of a prefix: where it comes from, and its symbols
_BYTES_PER_SYMBOL = 32  # of a prefix: the scores of candidates, and what they add up


def _most_together(beam_size: int, n_frames: int, _: int, n_symbols: int) -> int:
    """Return how many utterances fit into the memory together.

    Raises:
        LabError: Not one does.
    """
    of_prefix = _BYTES_PER_FRAME * n_frames + _BYTES_PER_SYMBOL * n_symbols
    if beam_size * of_prefix > _MOST_BYTES:
        needed = beam_size * of_prefix / 2**30
        raise LabError(
            f"a beam of {beam_size} over {n_frames} frames needs {needed:.1f} GB",
            f"use a beam of at most {_MOST_BYTES // of_prefix}",
        )
    return _MOST_BYTES // (beam_size * of_prefix)


@torch.inference_mode()
def prefix_beam_search(
    log_probs: Tensor,
    lengths: Tensor,
    beam_size: int,
    blank_id: int = 0,
    fusion: Fusion | None = None,
) -> list[list[Hypothesis]]:
    """Find the best transcripts of each utterance of a batch.

    The search loses hypotheses to the size of its beam only.

    Args:
        log_probs: (T, B, V), log-probabilities of each symbol at each frame.
        lengths: Frames of each utterance, (B,).
        beam_size: Prefixes K kept at each frame.
        blank_id: The index of the blank.
        fusion: What ranks the prefixes besides their probability.

    Returns:
        For each utterance its n-best list, best first, at most K long. The acoustic
        probability of a transcript is the sum over the paths that the beam has kept.

    Raises:
        LabError: The beam is smaller than 1 or too large for the memory, a
            log-probability is NaN or +inf, or a length does not fit.
    """
    check_beam_size(beam_size)
    check_scores(log_probs, lengths)
    if len(lengths) == 1 and beam_size <= _FEW and not fusion:
        return [search_one(log_probs[: lengths[0], 0], beam_size, blank_id)]
    most = _most_together(beam_size, *log_probs.shape)
    options = beam_size, blank_id, fusion
    parts = zip(log_probs.split(most, dim=1), lengths.split(most))
    return [nbest for part in parts for nbest in _search_together(*part, *options)]


def _search_together(
    log_probs: Tensor,
    lengths: Tensor,
    beam_size: int,
    blank_id: int,
    fusion: Fusion | None,
) -> list[list[Hypothesis]]:
    """Search utterances, all of them frame by frame."""
    if log_probs.dtype in (torch.float16, torch.bfloat16):
        log_probs = log_probs.float()  # sums over many frames need the precision
    device, (n_frames, n_utterances, n_symbols) = log_probs.device, log_probs.shape
    scorers = fusion.scorers(n_symbols, device) if fusion else []
    search = FrameSearch(beam_size, n_symbols, blank_id, scorers, device)

    # Sorted by length, so that unfinished utterances are the first rows.
    remaining, order = lengths.to(device).sort(descending=True, stable=True)
    remaining = remaining.tolist()
    beam, ended = search.begin(n_utterances, log_probs), []
    trace = (search.cells + blank_id).int().expand(n_frames, n_utterances, -1).clone()
    n_going = n_utterances
    for t in range(remaining[0] if remaining else 0):
        while remaining[n_going - 1] <= t:
            n_going -= 1
        if n_going < len(beam.total):
            ended.append(beam.rows(n_going, len(beam.total)))
            beam = beam.rows(0, n_going)
        frame = log_probs[t].index_select(0, order[:n_going])
        beam, trace[t, :n_going] = search.step(beam, frame)
    ended.append(beam)

    acoustic = torch.cat([beam.total for beam in reversed(ended)])
    added = torch.cat([search.finish(beam) for beam in reversed(ended)])
    score, slot = (acoustic + added).sort(dim=1, descending=True, stable=True)
    symbols, _ = spell(trace, slot, n_symbols)  # (T, B, K)
    found = _collect(score, acoustic.gather(1, slot), symbols, blank_id, fusion)
    places = order.argsort().tolist()
    return [found[place] for place in places]


def _collect(
    score: Tensor,
    acoustic: Tensor,
    symbols: Tensor,
    blank_id: int,
    fusion: Fusion | None,
) -> list[list[Hypothesis]]:
    """Turn scores (B, K) and symbols (T, B, K) into n-best lists."""
    n_utterances, size = score.shape
    symbols = symbols.permute(1, 2, 0).flatten(0, 1)  # (B K, T)
    spoken = symbols != blank_id
    parts = {"ctc": acoustic.flatten().tolist()}
    indices, ends = symbols[spoken].tolist(), spoken.sum(dim=1).cumsum(0).tolist()
    texts = [indices[start:end] for start, end in zip([0, *ends], ends)]
    if fusion and fusion.lm:
        parts["lm"] = [fusion.lm.total(text) for text in texts]
    found = [
        Hypothesis(total, text, dict(zip(parts, values)))
        for total, text, *values in zip(
            score.flatten().tolist(), texts, *parts.values()
        )
    ]
    return [
        [one for one in found[b * size : (b + 1) * size] if one.score > -math.inf]
        for b in range(n_utterances)
    ]
