"""From scores to text.

    python decoding.py            two frames: the best path is not the best text
    python decoding.py --trace    the beam of three frames, frame by frame

A decoder knows scores and the alphabet, never a network. Axis letters: T' frames,
B utterances, V symbols, U symbols of a transcript, K prefixes of a beam.
"""

from __future__ import annotations

import math
import sys
from collections.abc import Callable, Sequence

import torch
import torch.nn.functional as F
from data import CharMap
from torch import Tensor
from torch.nn.utils.rnn import PackedSequence, pack_padded_sequence, pad_packed_sequence

from labkit.base import run_program
from labkit.decoding import (
    Encoding,
    Fusion,
    Hypothesis,
    Recogniser,
    Search,
    SearchOptions,
    beam_decoder,
    flashlight_decoder,
    plain_decoder,
    print_beams,
)

TRACED = ((0.3, 0.6, 0.1), (0.5, 0.1, 0.4), (0.2, 0.1, 0.7))  # of ¬, e and l
NBest = list[tuple[float, str]]  # (negative log probability, text), best first
Prefix = tuple[int, ...]  # the symbols of a transcript so far
# Maps a prefix to two log probabilities: of its paths that end with a blank, and of
# those that end with its last symbol.
Beam = dict[Prefix, tuple[float, float]]
# Maps a prefix to what the language model adds to its score, and to the model's state.
LanguageScores = dict[Prefix, tuple[float, int]]


def collapse(path: Sequence[int], blank: int) -> list[int]:
    """Reduce a CTC path to the transcript it stands for (Graves et al. 2006).

    Args:
        path: One index a frame.
        blank: The index of the blank.

    Returns:
        The indices: repeated symbols are merged first, then blanks are removed.
    """
    # >>> E08
    #: why must merging come first?
    starts = [k for i, k in enumerate(path) if i == 0 or k != path[i - 1]]
    return [k for k in starts if k != blank]
    # <<< E08


def best_paths(scores: PackedSequence) -> list[tuple[float, list[int]]]:
    """Find the most probable path of each utterance of a batch.

    Args:
        scores: Packed scores (T', B, V); their softmax over V gives probabilities.

    Returns:
        For each utterance, in its order: the negative log probability of its best
        path, and that path without padding, one index a frame.
    """
    # >>> E12
    #: (4 steps) unpack; log-probabilities; the best symbol of each frame; for each
    #: utterance only its own frames
    padded, lengths = pad_packed_sequence(scores)  # (T', B, V), (B,)
    best, symbols = padded.log_softmax(dim=2).max(dim=2)  # (T', B), (T', B)
    return [
        (-best[:length, b].sum().item(), symbols[:length, b].tolist())
        for b, length in enumerate(lengths.tolist())
    ]
    # <<< E12


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


def log_add(a: float, b: float) -> float:
    """Add two probabilities that are given, and returned, as logarithms."""
    larger, smaller = max(a, b), min(a, b)
    if smaller == -math.inf:
        return larger
    return larger + math.log1p(math.exp(smaller - larger))


def advance(beam: Beam, frame: Sequence[float], blank: int) -> Beam:
    """Extend every path of every prefix by one frame, in every possible way.

    A prefix keeps the sum of the paths that collapse to it, in two parts, because a
    repeated symbol ("elle") needs a blank in between (Graves 2012, section 7.5).

    Args:
        beam: Prefixes, each with the log probability of its paths that end with a
            blank and of those that end with its last symbol; -inf if there is no
            path. It must not be changed.
        frame: Log-probabilities of the V symbols.
        blank: The index of the blank.

    Returns:
        Every prefix that the longer paths collapse to, with both sums: those of
        ``beam``, and each of them with one more symbol. Each is listed once, however
        many paths lead to it. (Its parent, without that symbol, may have been pruned.)
    """
    # >>> E23
    #: for each prefix, the frame is a blank, the last symbol repeated, or a new symbol
    #: (after which paths does the last symbol count as a new one?)
    #: useful: log_add
    ends_blank: dict[Prefix, float] = {}
    ends_symbol: dict[Prefix, float] = {}

    def add(sums: dict[Prefix, float], prefix: Prefix, log_prob: float) -> None:
        sums[prefix] = log_add(sums.get(prefix, -math.inf), log_prob)

    for prefix, (with_blank, with_symbol) in beam.items():
        both = log_add(with_blank, with_symbol)
        for symbol, log_prob in enumerate(frame):
            if symbol == blank:
                add(ends_blank, prefix, both + log_prob)
            elif prefix and symbol == prefix[-1]:
                add(ends_symbol, prefix, with_symbol + log_prob)
                add(ends_symbol, (*prefix, symbol), with_blank + log_prob)
            else:
                add(ends_symbol, (*prefix, symbol), both + log_prob)
    return {
        prefix: (ends_blank.get(prefix, -math.inf), ends_symbol.get(prefix, -math.inf))
        for prefix in {**ends_blank, **ends_symbol}
    }
    # <<< E23


def prune(candidates: Beam, scores: dict[Prefix, float], beam_size: int) -> Beam:
    """Keep the best candidates only.

    Args:
        candidates: Prefixes with their two sums.
        scores: The score of each candidate, in any order; higher is better.
        beam_size: How many to keep, at most.

    Returns:
        The kept prefixes with their two sums, best first.
    """
    # >>> E24
    best = sorted(candidates, key=scores.__getitem__, reverse=True)[:beam_size]
    return {prefix: candidates[prefix] for prefix in best}
    # <<< E24


def fuse_language_model(
    candidates: Beam, language: LanguageScores, fusion: Fusion
) -> LanguageScores:
    """Compute what the language model adds to each candidate (shallow fusion).

    A prefix of symbols c1 ... cU gains::

        lm_weight * (ln p(c1) + ln p(c2 | c1) + ... + ln p(cU | c1 ... cU-1))
            + word_bonus * (number of spaces among them)

    however many frames it spans: the model scores each symbol once (Hannun et al.
    2014). ``word_bonus`` is a word insertion bonus.

    Args:
        candidates: The prefixes.
        language: Gain and model state of (at least) each prefix of the beam before
            this frame. So it holds a candidate itself, or the candidate without
            its last symbol.
        fusion: Its ``lm_weight``, its ``word_bonus``, the index of the ``space``, and
            the model: ``fusion.lm.step(state, symbol)`` returns
            ``(ln p, next state)``.

    Returns:
        Gain and state of each candidate (further prefixes are allowed).
    """
    # >>> E25
    #: which candidates have been scored at an earlier frame already?
    assert fusion.lm  # what has no model is not fused here
    fused: LanguageScores = {}
    for prefix in candidates:
        if prefix in language:
            fused[prefix] = language[prefix]
            continue
        gain, state = language[prefix[:-1]]
        log_prob, state = fusion.lm.step(state, prefix[-1])
        bonus = fusion.word_bonus if prefix[-1] == fusion.space else 0.0
        fused[prefix] = gain + fusion.lm_weight * log_prob + bonus, state
    return fused
    # <<< E25


def prefix_search(
    log_probs: Tensor, beam_size: int, blank: int, fusion: Fusion | None = None
) -> list[Hypothesis]:
    """Search one utterance by prefix beam search, in plain Python.

    Args:
        log_probs: Log-probabilities of each symbol at each frame, (T', V).
        beam_size: Prefixes K kept at each frame.
        blank: The index of the blank.
        fusion: A language model and its weight, or None.

    Returns:
        The n-best list, best first.
    """
    lm = fusion.lm if fusion else None
    beam: Beam = {(): (0.0, -math.inf)}  # before the first frame: the empty path
    language: LanguageScores = {(): (0.0, lm.start if lm else 0)}
    for frame in log_probs.tolist():
        beam = advance(beam, frame, blank)
        if fusion and lm:
            language = fuse_language_model(beam, language, fusion)
        scores = {
            prefix: log_add(*sums) + (language[prefix][0] if lm else 0.0)
            for prefix, sums in beam.items()
        }
        beam = prune(beam, scores, beam_size)
    found = []
    for prefix, sums in beam.items():
        score = log_add(*sums)
        if score == -math.inf:
            continue  # no path leads to this prefix
        parts = {"ctc": score}
        if fusion and lm:
            gain, state = language[prefix]
            score += gain + fusion.lm_weight * lm.end(state)
            parts["lm"] = lm.total(prefix)
        found.append(Hypothesis(score, list(prefix), parts))
    return sorted(found, key=lambda one: one.score, reverse=True)


def is_exact(
    search: Callable[[Tensor, int, int], list[Hypothesis]],
    log_probs: Tensor,
    blank: int,
) -> bool:
    """Test whether a prefix beam search is exact where nothing is pruned.

    A search whose beam has room for every transcript (there are at most V ** T' of
    them) must find the whole distribution: each transcript once, from the best to the
    worst, with a ``score`` that is the log of its probability under the CTC loss.

    Args:
        search: ``search(log_probs, beam_size, blank)`` returns hypotheses. It may be
            a broken one; yours is ``prefix_search``.
        log_probs: Log-probabilities of a few frames and symbols, (T', V).
        blank: The index of the blank.

    Returns:
        True if all of this holds on ``log_probs``, up to 1e-4.
    """
    # >>> E26
    #: (4 steps) search with enough room; no transcript twice; in order; every score
    #: against F.ctc_loss of log-probabilities (T', 1, V), in nats too, summed
    #: (does your test reject a search that finds nothing at all?)
    n_frames, n_symbols = log_probs.shape
    found = search(log_probs, n_symbols**n_frames, blank)
    scores = torch.tensor([one.score for one in found])
    if len({tuple(one.indices) for one in found}) < len(found):
        return False
    losses = [
        F.ctc_loss(
            log_probs.unsqueeze(1),  # (T', 1, V)
            torch.tensor([one.indices], dtype=torch.long),
            torch.tensor([n_frames]),
            torch.tensor([len(one.indices)]),
            blank,
            reduction="sum",
        )
        for one in found
    ]
    return (
        bool((scores.diff() <= 0).all())
        and abs(scores.exp().sum().item() - 1) < 1e-4
        and torch.allclose(scores, -torch.tensor(losses), atol=1e-4)
    )
    # <<< E26


def greedy_decoder(recogniser: Recogniser, options: SearchOptions) -> Search:
    """Make the decoder that collapses the best path."""
    blank = recogniser.charmap.blankid

    def search(encoding: Encoding) -> list[list[Hypothesis]]:
        return [
            [Hypothesis(-cost, collapse(path, blank), {"ctc": -cost})]
            for cost, path in best_paths(encoding.ctc_scores)
        ]

    return search


def prefix_decoder(recogniser: Recogniser, options: SearchOptions) -> Search:
    """Make the decoder that runs ``prefix_search`` on each utterance."""
    return plain_decoder(prefix_search, advance, recogniser, options)


DECODERS: dict[str, Callable[[Recogniser, SearchOptions], Search]] = {
    "greedy": greedy_decoder,
    "prefix": prefix_decoder,
    "beam": beam_decoder,
    "flashlight": flashlight_decoder,
}


def main() -> None:
    """Decode two frames where the best path does not spell the best transcript."""
    if "--trace" in sys.argv[1:]:
        return print_beams(advance, prune, TRACED, "¬el", beam_size=3)
    charmap = CharMap()
    blank, a = charmap.blankid, charmap.char2idx["a"]
    probabilities = torch.full((2, 1, charmap.vocab_size), 1e-9)  # (T', B, V)
    probabilities[:, :, [blank, a]] = torch.tensor([0.6, 0.4])
    log_probs, lengths = probabilities.log(), torch.tensor([2])
    print("two frames, each a blank with p = 0.6 and an « a » with p = 0.4")

    def show(name: str, found: list[Hypothesis]) -> None:
        shown = [
            f"«{charmap.decode(one.indices)}» p = {math.exp(one.score):.2f}"
            for one in found
        ]
        print(f"{name:8}{', '.join(shown)}")

    ((cost, path),) = best_paths(pack_padded_sequence(log_probs, lengths))
    show("greedy", [Hypothesis(-cost, collapse(path, blank))])
    show("prefix", prefix_search(log_probs[:, 0], 2, blank))


if __name__ == "__main__":
    raise SystemExit(run_program(main))
