"""Forced alignment: finding the frames of each symbol of a transcript.

The most probable of all CTC paths that collapse to the transcript, by the Viterbi
algorithm over its symbols with blanks between them (Graves et al. 2006, section 4.1;
Kürzinger et al. 2020).

All states of a frame are computed at once, in plain torch; memory grows with the
frames, not with their product with the symbols. ``forced_align`` of torchaudio (2.8 and
2.11) is faster, but may miss the best path when scores tie, and reads outside its
memory when every path has probability 0.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from itertools import groupby
from typing import NamedTuple

import torch
from torch import Tensor
from torch.nn.utils.rnn import pad_sequence

from labkit.base import LabError, unwritten_exercise
from labkit.decoding.check import check_numbers

_CHUNK = 1000  # frames whose steps are kept at once, a byte for each state

Span = tuple[int, int]  # the first frame, and the one after the last
# Finds the best path of log_probs (T, V) that spells a transcript, and its score, with
# a given blank; no path is an empty one.
Viterbi = Callable[[Tensor, Sequence[int], int], tuple[float, list[int]]]
_CHECK_IT = "check it with: pytest -k viterbi"


class NoPathError(LabError):
    """No path of these frames collapses to the transcript."""


class Alignment(NamedTuple):
    """The most probable path of a transcript."""

    spans: list[Span]  # the frames that spell each symbol; blanks lie between
    path: Tensor  # one index a frame, (T,), on the CPU
    log_prob: float  # of this path alone, in nats


# Like ``align``.
Aligner = Callable[[Tensor, Sequence[int], int], Alignment]


def frames_needed(transcript: Sequence[int]) -> int:
    """Count the frames of the shortest path: repeats need a blank between them."""
    return len(transcript) + sum(a == b for a, b in zip(transcript, transcript[1:]))


def align(log_probs: Tensor, transcript: Sequence[int], blank: int) -> Alignment:
    """Find the most probable path of log_probs (T, V) that collapses to a transcript.

    Raises:
        NoPathError: The frames are too few, or every path has probability 0.
        LabError: The transcript is empty, or holds a blank or an unknown index; a
            log-probability is NaN.
    """
    _check(log_probs, transcript, blank)
    scores = log_probs.detach().cpu().double()  # less is too inexact for long sums
    path = _best_path(scores, torch.tensor(transcript), blank)
    log_prob = scores.gather(1, path.unsqueeze(1)).sum().item()
    return Alignment(_spans(path, blank), path, log_prob)


def choose_aligner(viterbi: Viterbi | None) -> Aligner:
    """Align with ``viterbi`` of a student, or as the kit does where it is unwritten."""
    if viterbi is None:
        return align
    try:
        viterbi(torch.zeros(1, 2), [1], 0)
    except NotImplementedError as error:
        if unwritten_exercise(error):
            return align
        raise
    search = viterbi

    def align_by_it(
        log_probs: Tensor, transcript: Sequence[int], blank: int
    ) -> Alignment:
        _check(log_probs, transcript, blank)
        found = search(log_probs.detach().cpu(), list(transcript), blank)
        return _checked(found, len(log_probs), list(transcript), blank)

    return align_by_it


def _checked(
    found: tuple[float, list[int]], n_frames: int, transcript: list[int], blank: int
) -> Alignment:
    """Check what a student's search returns."""
    try:
        log_prob, indices = float(found[0]), [int(k) for k in found[1]]
    except (TypeError, ValueError, IndexError) as error:
        what = "a log probability and a path"
        raise LabError(f"viterbi() does not return {what}", _CHECK_IT) from error
    if not indices:
        raise _impossible()
    spelled = [k for k, _ in groupby(indices) if k != blank]
    if len(indices) != n_frames or spelled != transcript:
        frames = f"in {n_frames} frames"
        what = f"viterbi() returns a path that does not spell the transcript {frames}"
        raise LabError(what, _CHECK_IT)
    path = torch.tensor(indices)
    return Alignment(_spans(path, blank), path, log_prob)


def _impossible() -> NoPathError:
    return NoPathError(
        "every path of the transcript has probability 0",
        "choose a transcript that the network holds possible",
    )


def _check(log_probs: Tensor, transcript: Sequence[int], blank: int) -> None:
    n_frames, n_symbols = log_probs.shape
    if not transcript:
        raise LabError("an empty transcript has no symbol to align", "give it a symbol")
    remedy = "encode it with the alphabet of the network"
    if blank in transcript:
        raise LabError("the transcript to align holds the blank", remedy)
    for index in transcript:
        if not 0 <= index < n_symbols:
            known = f"not one of 0 to {n_symbols - 1}"
            raise LabError(f"the transcript to align holds {index}, {known}", remedy)
    check_numbers(log_probs)
    needed = frames_needed(transcript)
    if needed > n_frames:
        raise NoPathError(
            f"the transcript needs {needed} frames ({len(transcript)} symbols, "
            f"{needed - len(transcript)} repeats), the clip has {n_frames}",
            "check that the transcript belongs to the clip",
        )


def _best_path(scores: Tensor, symbols: Tensor, blank: int) -> Tensor:
    """Find the best path (T,) over scores (T, V) that spells symbols (U,).

    Memory does not hold all steps of a long clip: scores are kept at a few frames, and
    the steps between two of them found again once the later state is known.
    """
    # S states: the symbols with blanks around them.
    states = symbols.new_full((2 * len(symbols) + 1,), blank)
    states[1::2] = symbols
    # Only from one symbol to another, different one may the blank be left out.
    barred = torch.zeros(len(states), dtype=scores.dtype)
    barred[::2] = -torch.inf
    barred[3::2][symbols[1:] == symbols[:-1]] = -torch.inf

    first = scores.new_full((len(states) + 2,), -torch.inf)
    first[1] = 0.0  # steps from here lead to the first blank and the first symbol
    chunks, starts = scores.split(_CHUNK), [first]
    for chunk in chunks:
        starts.append(_search(chunk, starts[-1], states, barred))
    best = starts.pop()
    if best[-2:].max() == -torch.inf:
        raise _impossible()
    state = len(states) - (1 if best[-1] >= best[-2] else 2)
    visited: list[int] = []
    for chunk, start in zip(chunks[::-1], starts[::-1]):
        # No other states lead to this one within the chunk.
        low, end = max(0, state - 2 * len(chunk)), state + 1
        steps = torch.empty(len(chunk), end - low, dtype=torch.int8)
        _search(chunk, start[low : end + 2], states[low:end], barred[low:end], steps)
        for step in steps.flip(0):
            visited.append(state)
            state -= int(step[state - low])
    return states[visited[::-1]]


def _search(
    chunk: Tensor,
    best: Tensor,
    states: Tensor,
    barred: Tensor,
    steps: Tensor | None = None,
) -> Tensor:
    """Search through some frames (T, V); return the scores after the last.

    Those of S states have two more in front, which are never reached. Notes in
    ``steps`` (T, S) how far the best way to each state has stepped at each frame.
    """
    best = best.clone()
    for t, frame in enumerate(chunk):
        stay, move, skip = best[2:], best[1:-1], best[:-2] + barred
        if steps is None:  # in a quarter of the time
            reached = torch.maximum(torch.maximum(stay, move), skip)
        else:
            reached, steps[t] = torch.stack([stay, move, skip]).max(dim=0)
        best[2:] = reached + frame[states]
        best[:2] = -torch.inf
    return best


def _spans(path: Tensor, blank: int) -> list[Span]:
    symbols, lengths = torch.unique_consecutive(path, return_counts=True)
    ends = lengths.cumsum(0)
    runs = zip(symbols.tolist(), (ends - lengths).tolist(), ends.tolist())
    return [(first, end) for symbol, first, end in runs if symbol != blank]


def ctc_log_probs(
    strings: Sequence[Sequence[int]], log_probs: Tensor, blank: int
) -> list[float]:
    """Return the log probability of all paths (T, V) of each of some transcripts."""
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
