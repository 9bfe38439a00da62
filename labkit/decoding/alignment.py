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

import math
from collections.abc import Callable, Sequence
from itertools import groupby
from typing import NamedTuple

import torch
from torch import Tensor

from labkit.base import LabError, unwritten_exercise

_MOST_STEPS = 1 << 24  # cells of a table of steps, of one byte each
_PIECES = 64  # into which a longer clip is cut

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
    if log_probs.isnan().any():
        raise LabError(
            "the scores hold NaN",
            "the network has diverged: train it with a lower --base_lr",
        )
    needed = frames_needed(transcript)
    if needed > n_frames:
        raise NoPathError(
            f"the transcript needs {needed} frames ({len(transcript)} symbols, "
            f"{needed - len(transcript)} repeats), the clip has {n_frames}",
            "check that the transcript belongs to the clip",
        )


def _best_path(scores: Tensor, symbols: Tensor, blank: int) -> Tensor:
    """Find the best path (T,) over scores (T, V) that spells symbols (U,)."""
    return _Lattice(scores, symbols, blank).best_path()


class _Lattice:
    """The states of a transcript, its symbols with blanks around them, over T frames.

    One frame and one state more, which all paths end in, follow. The scores of S
    states have two more in front that are never reached but by the first step.

    Args:
        scores: Log-probabilities (T, V).
        symbols: The transcript (U,).
        blank: The index of the blank.
    """

    def __init__(self, scores: Tensor, symbols: Tensor, blank: int) -> None:
        n_frames, n_symbols = scores.shape
        self.scores = scores.new_full((n_frames + 1, n_symbols + 1), -torch.inf)
        self.scores[:-1, :-1] = scores
        self.scores[-1, -1] = 0.0
        self.states = symbols.new_full((2 * len(symbols) + 2,), blank)  # (S,)
        self.states[1::2] = symbols.new_tensor([*symbols.tolist(), n_symbols])
        # Only from one symbol to another, different one may the blank be left out.
        self.barred = torch.zeros(len(self.states), dtype=scores.dtype)
        self.barred[::2] = -torch.inf
        self.barred[3:-1:2][symbols[1:] == symbols[:-1]] = -torch.inf

    def best_path(self) -> Tensor:
        """Return the symbol of each frame, (T,)."""
        last = len(self.states) - 1
        best = self.scores.new_full((last + 3,), -torch.inf)
        best[1] = 0.0  # the step from here leads to the first blank or symbol
        self.visited = torch.zeros(len(self.scores), dtype=torch.long)
        self._trace(0, len(self.scores), 0, last, best)
        return self.states[self.visited[:-1]]

    def _trace(self, begin: int, end: int, low: int, last: int, best: Tensor) -> int:
        """Find the states of the best path in the frames from ``begin`` to ``end``.

        Memory does not hold all steps of a long clip: the scores are kept at a few
        frames, and the steps between two of them found once the later state is known,
        from which no others can be reached than twice as many as there are frames.

        Args:
            begin: The first frame.
            end: The frame after the last.
            low: The lowest state on the way.
            last: The state at the last frame, the highest on the way.
            best: Scores of the states ``low`` - 2 to ``last`` before the first frame.

        Returns:
            The state before the first frame.

        Raises:
            NoPathError: Every path has probability 0.
        """
        n_frames = end - begin
        steps, kept, size = None, [], n_frames
        if n_frames * (last - low + 1) <= _MOST_STEPS:
            steps = torch.zeros(n_frames, last - low + 1, dtype=torch.int8)
        else:
            size = math.ceil(n_frames / _PIECES)
        best = best.clone()
        for start in range(begin, end, size):
            kept.append((start, best.clone()))
            self._search(start, min(start + size, end), low, best, steps)
        if best[-1] == -torch.inf:
            raise _impossible()
        state = last
        if steps is not None:
            for t in range(end - 1, begin - 1, -1):
                self.visited[t] = state
                state -= int(steps[t - begin, state - low])
            return state
        for start, best in reversed(kept):
            stop = min(start + size, end)
            lowest = max(low, state - 2 * (stop - start))
            part = best[lowest - low : state - low + 3]
            state = self._trace(start, stop, lowest, state, part)
        return state

    def _search(
        self, begin: int, end: int, low: int, best: Tensor, steps: Tensor | None
    ) -> None:
        """Bring the scores ``best`` to the last frame; note the steps, if asked for."""
        high, n_states = low + len(best) - 3, len(self.states)
        for t in range(begin, end):
            # What can be reached, and from where the end can be.
            a = max(low, n_states - 1 - 2 * (len(self.scores) - 1 - t))
            b = min(high, 2 * t + 1) + 1
            if a < b:
                i, j = a - low, b - low
                ways = best[i + 2 : j + 2], best[i + 1 : j + 1]
                skip = best[i:j] + self.barred[a:b]
                if steps is None:
                    reached = torch.maximum(torch.maximum(*ways), skip)
                else:
                    reached, step = torch.stack([*ways, skip]).max(dim=0)
                    steps[t - begin, i:j] = step
                best[i + 2 : j + 2] = reached + self.scores[t][self.states[a:b]]
            best[:2] = -torch.inf


def _spans(path: Tensor, blank: int) -> list[Span]:
    symbols, lengths = torch.unique_consecutive(path, return_counts=True)
    ends = lengths.cumsum(0)
    runs = zip(symbols.tolist(), (ends - lengths).tolist(), ends.tolist())
    return [(first, end) for symbol, first, end in runs if symbol != blank]
