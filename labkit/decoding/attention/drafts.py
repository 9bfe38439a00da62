"""Decoders that start from the string of CTC: partially autoregressive, verifying.

What students write is handed to them as functions.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

from torch import Tensor

from labkit.decoding.attention.beam import Found
from labkit.decoding.attention.network import AttentionRecogniser, Marks, open_memory
from labkit.decoding.attention.segments import (
    Draft,
    Segment,
    continue_from,
    find_replacements,
)
from labkit.decoding.check import check_beam_size
from labkit.decoding.encoding import Encoding, log_posteriors
from labkit.decoding.hypothesis import Hypothesis, Spliced
from labkit.decoding.options import SearchOptions
from labkit.decoding.search import Search

# (log-probabilities of the best path of CTC, its symbols, blank) to the symbols of
# the transcript and the confidence in each.
Confidences = Callable[[Sequence[float], Sequence[int], int], tuple[list[int], list]]
# (log-probabilities (U, V) of an attention decoder, string, excluded) to the number of
# symbols that it agrees with.
Accept = Callable[[Tensor, Sequence[int], Sequence[int]], int]


@dataclass(frozen=True)
class _Greedy:
    """The string that CTC writes greedily, and its confidence in each symbol."""

    indices: list[int]  # as CTC writes them, markers included
    string: list[int]  # the characters and the end
    confidences: list[float]  # of each symbol of ``string``
    score: float


def _greedy_strings(
    encoding: Encoding, confidences: Confidences, marks: Marks
) -> list[_Greedy]:
    """Decode a batch by CTC greedily."""
    log_probs, lengths = log_posteriors(encoding.ctc_scores)  # (T', B, V), (B,)
    best, paths = (x.T.tolist() for x in log_probs.max(dim=2))
    found = []
    for own, path, length in zip(best, paths, lengths.tolist()):
        own, path = own[:length], path[:length]
        indices, sure = confidences(own, path, marks.blank)
        kept = [
            (k, c) for k, c in zip(indices, sure) if k not in (marks.start, marks.end)
        ]
        # Where CTC has written no end, nothing is known of it.
        last = sure[-1] if indices[-1:] == [marks.end] else 0.0
        string = [*(k for k, _ in kept), marks.end]
        found.append(_Greedy(indices, string, [*(c for _, c in kept), last], sum(own)))
    return found


def partial_decoder(
    recogniser: AttentionRecogniser,
    options: SearchOptions,
    confidences: Confidences,
    find_segments: Callable[[Sequence[bool]], list[Segment]],
    splice: Callable[[list[int], list[Segment], list[list[int]]], list[int]],
) -> Search:
    """Make the partially autoregressive decoder (Someki et al., arXiv 2309.14922).

    Args:
        recogniser: The network.
        options: The options.
        confidences: Collapses the best path of CTC, with the confidence in each symbol.
        find_segments: Merges neighbouring uncertain symbols to segments.
        splice: Puts replacements into the place of segments.
    """
    check_beam_size(options.beam_size)
    marks = Marks.of(recogniser.charmap.alphabet)

    def search(encoding: Encoding) -> list[list[Hypothesis]]:
        greedy = _greedy_strings(encoding, confidences, marks)
        segments = [
            find_segments([c < options.par_threshold for c in one.confidences])
            for one in greedy
        ]
        if not any(segments):
            return [[_as_ctc(one)] for one in greedy]
        memory, _ = open_memory(recogniser, encoding)
        strings = [one.string for one in greedy]
        found = find_replacements(
            Draft.read_by(recogniser.decoder, memory, strings, marks.start),
            segments,
            options.beam_size,
            marks.outside,
            options.max_seq_len,
            options.max_mask_parallel,
        )
        return [
            _spliced(*of_one, splice, marks) if of_one[1] else [_as_ctc(of_one[0])]
            for of_one in zip(greedy, segments, found)
        ]

    return search


def _as_ctc(one: _Greedy) -> Hypothesis:
    return Hypothesis(one.score, one.indices, {"ctc": one.score})


def _spliced(
    greedy: _Greedy,
    segments: list[Segment],
    found: list[list[Found]],
    splice: Callable[[list[int], list[Segment], list[list[int]]], list[int]],
    marks: Marks,
) -> list[Hypothesis]:
    """Make the hypotheses of an utterance: the best one, then with the second best.

    Each further hypothesis takes the next best string in one segment only.
    """
    best = [own[0] for own in found]
    choices = [best]
    choices += [
        [*best[:s], other, *best[s + 1 :]]
        for s, own in enumerate(found)
        for other in own[1:]
    ]
    hypotheses: dict[tuple[int, ...], Hypothesis] = {}
    for chosen in choices:
        given = Spliced(greedy.string, segments, [one.symbols for one in chosen])
        string, score = splice(*given), sum(one.attention for one in chosen)
        indices, parts = [marks.start, *string], {"attention": score}
        one = Hypothesis(score, indices, parts, spliced=given)
        hypotheses.setdefault(tuple(string), one)
    first, *others = hypotheses.values()
    # Look-ahead may prefer a string with a lower score: it stays first.
    return [first, *sorted(others, key=lambda one: -one.score)]


def verifying_decoder(
    recogniser: AttentionRecogniser,
    options: SearchOptions,
    confidences: Confidences,
    accept: Accept,
) -> Search:
    """Make the decoder that verifies the string of CTC (arXiv 2603.11243).

    What it finds is what greedy attention finds, in fewer calls.

    Args:
        recogniser: The network.
        options: The options.
        confidences: Collapses the best path of CTC.
        accept: Counts the symbols that the decoder agrees with.
    """
    marks = Marks.of(recogniser.charmap.alphabet)

    def search(encoding: Encoding) -> list[list[Hypothesis]]:
        greedy = _greedy_strings(encoding, confidences, marks)
        memory, lengths = open_memory(recogniser, encoding)
        strings = [one.string for one in greedy]
        draft = Draft.read_by(recogniser.decoder, memory, strings, marks.start)
        accepted = [
            accept(draft.log_probs(b), one.string, marks.excluded)
            for b, one in enumerate(greedy)
        ]
        found = continue_from(draft, accepted, lengths, marks.excluded)
        return [
            [Hypothesis(score, [marks.start, *string], {"attention": score})]
            for string, score in found
        ]

    return search
