"""Decoding with both heads: CTC and attention.

    python hybrid.py      score the prefixes of a tiny example

CTC knows when a symbol was said, attention what makes sense together. Axis letters:
T' frames, V symbols, U symbols of a transcript; (...) stands for any axes, such as
utterances and hypotheses.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import replace
from typing import Any

import torch
from decoding import DECODERS as CTC_DECODERS
from seq2seq import Seq2Seq
from torch import Tensor

from labkit.base import run_program
from labkit.decoding import (
    Hypothesis,
    PrefixState,
    Search,
    SearchOptions,
    attention_decoder,
    empty_prefix,
    joint_decoder,
    partial_decoder,
    rescoring_decoder,
    verifying_decoder,
)


def extend_prefix(
    symbol: Tensor, blank: Tensor, state: PrefixState, repeats: Tensor
) -> tuple[PrefixState, Tensor]:
    """Extend prefixes by one symbol each, over all frames (Watanabe et al. 2017).

    Of the paths through the first t frames that spell the longer prefix, those that
    end with its last symbol, and those that end with a blank, are::

        r_symbol[t] = (r_symbol[t-1] + before[t-1]) * p_t(symbol)
        r_blank[t]  = (r_blank[t-1] + r_symbol[t-1]) * p_t(blank)

    ``before[t-1]`` are the paths that spell the shorter prefix; if the symbol repeats
    its last, only those that end with a blank. At t = 0, before the first frame, both
    are 0. The symbol is said for the first time at one of the frames, so that the
    probability of all transcripts that start with the longer prefix is::

        sum over t of before[t-1] * p_t(symbol)

    Args:
        symbol: Log-probabilities of the new symbol at each frame, (..., T'); finite.
        blank: Log-probabilities of the blank, (..., T'); finite.
        state: Of the shorter prefix: ``state.symbol`` and ``state.blank`` are log
            probabilities for t = 0 ... T', (..., 1 + T'). It must not be changed.
        repeats: Whether the new symbol is the last one of the prefix, (...).

    Returns:
        The state of the longer prefix, and the log probability of all transcripts
        that start with it, (...).
    """
    # the new state is PrefixState(symbol, blank), both (..., 1 + T')
    # a loop over the frames will do. Without one: divide r[t] by the product of p up
    # to t, and both recursions become sums; useful: cumsum, logcumsumexp, logaddexp
    raise NotImplementedError("E36")


def joint_scores(
    attention: Tensor, prefixes: Tensor, whole: Tensor, end: int, ctc_weight: float
) -> Tensor:
    """Combine the scores of both heads for every symbol that may come next.

    Args:
        attention: Log-probabilities of the hypotheses with each symbol under the
            attention decoder, (..., V).
        prefixes: Those of all transcripts that start so, under CTC, (..., V).
        whole: That of the hypothesis with the end as the whole transcript, under CTC,
            (...): nothing follows the end.
        end: The symbol that ends a transcript.
        ctc_weight: The weight of CTC; that of attention is 1 less it. A head with
            weight 0 has no say, not even where its log-probability is -inf.

    Returns:
        The weighted sums, (..., V). The arguments must not be changed.
    """
    # what is 0 times -inf?
    raise NotImplementedError("E37")


def rescore(
    nbest: Sequence[Hypothesis], attention: Sequence[float], ctc_weight: float
) -> list[Hypothesis]:
    """Rank the n-best list of a CTC search anew (Zhang et al. 2020, WeNet).

    The new score of a hypothesis is ``ctc_weight`` times its part "ctc", plus the
    rest times its log probability under attention, plus what else its old score had:
    the gains of a language model.

    Args:
        nbest: What the search found. Its scores are a part "ctc" plus gains.
        attention: The log probability of each under the attention decoder.
        ctc_weight: The weight of CTC; that of attention is 1 less it.

    Returns:
        All hypotheses, each with its new score and a further part "attention"; the
        best first.
    """
    # useful: dataclasses.replace, which keeps all else that a hypothesis holds
    raise NotImplementedError("E38")


def confidences(
    log_probs: Sequence[float], path: Sequence[int], blank: int
) -> tuple[list[int], list[float]]:
    """Collapse the best path of CTC; say how sure it is of each symbol.

    Args:
        log_probs: The log-probability of each frame's best symbol, T' numbers.
        path: That symbol, one index a frame.
        blank: The index of the blank.

    Returns:
        The symbols of the transcript; for each one the highest probability, from 0 to
        1, among the frames that were merged into it.
    """
    # "elle": which frames belong to the first l, which to the second?
    raise NotImplementedError("E39")


def find_segments(uncertain: Sequence[bool]) -> list[tuple[int, int]]:
    """Merge neighbouring uncertain symbols to segments.

    Args:
        uncertain: For each symbol, whether it has to be decoded again.

    Returns:
        For each segment, from left to right, the place of its first symbol and that
        after its last.
    """
    # no yes yes no yes gives (1, 3) and (4, 5)
    raise NotImplementedError("E40")


def splice(
    symbols: Sequence[int],
    segments: Sequence[tuple[int, int]],
    replacements: Sequence[Sequence[int]],
) -> list[int]:
    """Put what was decoded into the place of the uncertain segments.

    A segment is decoded until its stop: the certain symbol after it or, if the
    segment reaches the end of the transcript, the end.

    Args:
        symbols: The symbols that CTC has written; the last is the end.
        segments: The place of the first symbol of each segment, and that after its
            last; from left to right. The last segment may hold the end.
        replacements: What each segment becomes; the last symbol of each is its stop.

    Returns:
        The new transcript, with one end. No argument may be changed.
    """
    # who brings the stop, the transcript or the replacement?
    raise NotImplementedError("E41")


def count_accepted(
    log_probs: Tensor, symbols: Sequence[int], excluded: Sequence[int]
) -> int:
    """Count the symbols that greedy attention would have written as well.

    Args:
        log_probs: Log-probabilities under attention of each symbol, given those
            before it, (U, V).
        symbols: The U symbols that CTC has written.
        excluded: Symbols that greedy attention never writes.

    Returns:
        How many symbols agree before the first that does not.
    """
    # the best symbol of each row; up to which place is it the same?
    raise NotImplementedError("E42")


def joint(recogniser: Seq2Seq, options: SearchOptions) -> Search:
    """Make the search in one pass that scores prefixes by CTC and by attention."""
    return joint_decoder(recogniser, options, extend_prefix, joint_scores)


def rescoring(recogniser: Seq2Seq, options: SearchOptions) -> Search:
    """Make the search by CTC whose n-best list attention ranks anew."""
    return rescoring_decoder(recogniser, options, rescore)


def verifying(recogniser: Seq2Seq, options: SearchOptions) -> Search:
    """Make the decoder that checks what CTC writes, and goes on where it is wrong."""
    return verifying_decoder(recogniser, options, confidences, count_accepted)


def partial(recogniser: Seq2Seq, options: SearchOptions) -> Search:
    """Make the decoder that decodes again only what CTC is unsure of."""
    return partial_decoder(recogniser, options, confidences, find_segments, splice)


DECODERS: dict[str, Callable[[Any, SearchOptions], Search]] = {
    **CTC_DECODERS,
    "attention": attention_decoder,
    "joint": joint,
    "rescore": rescoring,
    "verify": verifying,
    "par": partial,
}


def main() -> None:
    """Score what may follow in two frames of a blank, an "a" and a "b"."""
    probabilities = torch.tensor([[0.6, 0.3, 0.1], [0.5, 0.2, 0.3]])  # (T', V)
    columns = probabilities.double().log().T  # (V, T')
    print("two frames of a blank, an « a » and a « b »")
    for row in probabilities.tolist():
        print("    p = {:.1f}, {:.1f}, {:.1f}".format(*row))
    empty, no = empty_prefix(columns[0]), torch.tensor(False)
    for name, column in (("a", columns[1]), ("b", columns[2])):
        state, prefix = extend_prefix(column, columns[0], empty, no)
        print(
            f"« {name} »: p = {state.whole.exp():.2f}; with all that starts so: "
            f"p = {prefix.exp():.2f}"
        )


if __name__ == "__main__":
    raise SystemExit(run_program(main))
