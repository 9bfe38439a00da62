"""Searches over whole transcripts: attention, both heads in one pass, rescoring.

What students write is handed to them as functions. Axis letters: T' frames, B
utterances, V symbols.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence

from torch import Tensor

from labkit.decoding.alignment import ctc_log_probs
from labkit.decoding.attention.beam import Found, search_segments, whole_transcripts
from labkit.decoding.attention.joint import (
    Combine,
    Extend,
    FusedScorer,
    JointScorer,
    pad_frames,
)
from labkit.decoding.attention.network import (
    AttentionRecogniser,
    Marks,
    open_memory,
    score_strings,
)
from labkit.decoding.check import check_beam_size
from labkit.decoding.encoding import Encoding, log_posteriors
from labkit.decoding.fusion.ngram import Fusion
from labkit.decoding.hypothesis import Hypothesis
from labkit.decoding.options import SearchOptions
from labkit.decoding.search import (
    BeamDecoder,
    Search,
    make_fusions,
)


def attention_decoder(
    recogniser: AttentionRecogniser, options: SearchOptions
) -> Search:
    """Make the beam search of the attention decoder alone."""
    return _OnePass(recogniser, options)


def joint_decoder(
    recogniser: AttentionRecogniser,
    options: SearchOptions,
    extend: Extend,
    combine: Combine,
) -> Search:
    """Make the beam search that scores hypotheses by CTC and attention.

    Args:
        recogniser: The network.
        options: The options.
        extend: Extends prefixes by a symbol.
        combine: Combines the scores of both.
    """
    return _OnePass(recogniser, options, (extend, combine))


class _OnePass:
    """A beam search over whole transcripts.

    Args:
        recogniser: The network.
        options: The options.
        joint: What ``JointScorer`` needs; None for attention alone.
    """

    def __init__(
        self,
        recogniser: AttentionRecogniser,
        options: SearchOptions,
        joint: tuple[Extend, Combine] | None = None,
    ) -> None:
        check_beam_size(options.beam_size)
        alphabet = recogniser.charmap.alphabet
        self.recogniser, self.options, self.joint = recogniser, options, joint
        self.marks = Marks.of(alphabet)
        norm = options.length_norm
        self.fusions, self.merge = make_fusions(options, alphabet, norm)

    def __call__(self, encoding: Encoding) -> list[list[Hypothesis]]:
        """Search a batch."""
        found = [self._search(encoding, fusion) for fusion in self.fusions]
        return [nbest[: self.options.beam_size] for nbest in map(self.merge, *found)]

    def _search(
        self, encoding: Encoding, fusion: Fusion | None
    ) -> list[list[Hypothesis]]:
        marks, decoder = self.marks, self.recogniser.decoder
        memory, lengths = open_memory(self.recogniser, encoding)
        wanted = whole_transcripts(decoder, memory, marks.start, marks.end, lengths)
        n_utterances, _, n_symbols = wanted.log_probs.shape
        shape = (n_utterances, 1, self.options.beam_size)
        fused = scorer = FusedScorer(
            fusion, shape, n_symbols, marks.start, marks.end, memory.mask.device
        )
        log_probs = None
        if self.joint:
            log_probs, _ = log_posteriors(encoding.ctc_scores)  # (T', B, V)
            padded = pad_frames(log_probs, lengths, marks.blank)
            scorer = JointScorer(
                fused,
                padded,
                marks.blank,
                marks.start,
                self.options.ctc_weight,
                *self.joint,
            )
        found = search_segments(
            decoder,
            memory,
            wanted,
            self.options.beam_size,
            marks.outside,
            scorer,
            self.options.length_norm,
        )
        every = []
        for b, ((nbest,), n) in enumerate(zip(found, lengths.tolist())):
            own = None if log_probs is None else log_probs[:n, b]
            every.append(self._describe(nbest, own, fusion))
        return every

    def _describe(
        self, nbest: list[Found], log_probs: Tensor | None, fusion: Fusion | None
    ) -> list[Hypothesis]:
        """Turn what was found for an utterance into hypotheses with their parts."""
        strings = [[self.marks.start, *one.symbols] for one in nbest]
        parts: list[dict[str, float]] = [{} for _ in nbest]
        if log_probs is not None:
            scores = ctc_log_probs(strings, log_probs, self.marks.blank)
            for part, ctc in zip(parts, scores):
                part["ctc"] = ctc
        hypotheses = []
        for one, string, part in zip(nbest, strings, parts):
            part["attention"] = one.attention
            if fusion and fusion.lm:
                part["lm"] = fusion.lm.total(string)
            score = one.score / len(one.symbols) ** self.options.length_norm
            hypotheses.append(Hypothesis(score, string, part, one.cut))
        # What no path of CTC spells has only the score of rounding.
        spelled = [h for h in hypotheses if h.parts.get("ctc", 0.0) > -math.inf]
        return spelled if spelled and self.options.ctc_weight else hypotheses


def rescoring_decoder(
    recogniser: AttentionRecogniser,
    options: SearchOptions,
    rescore: Callable[[Sequence[Hypothesis], Sequence[float], float], list[Hypothesis]],
) -> Search:
    """Make the decoder that ranks the n-best list of CTC anew, in one call.

    Args:
        recogniser: The network.
        options: The options.
        rescore: (n-best list of CTC, log probability of each under the attention
            decoder, ctc_weight) to the list ranked anew.
    """
    alphabet = recogniser.charmap.alphabet
    marks, beam = Marks.of(alphabet), BeamDecoder(alphabet, options)

    def search(encoding: Encoding) -> list[list[Hypothesis]]:
        lists = beam.search_all(encoding)
        memory, _ = open_memory(recogniser, encoding)
        strings = [[marks.string(one.indices) for one in nbest] for nbest in lists]
        scores = score_strings(recogniser.decoder, memory, strings, marks.start)
        return [
            rescore(nbest, own, options.ctc_weight) for nbest, own in zip(lists, scores)
        ]

    return search
