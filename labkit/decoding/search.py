"""The decoders: each makes, from options, a search over a network's encodings."""

from __future__ import annotations

import argparse
from collections.abc import Callable
from dataclasses import dataclass, fields, replace
from functools import lru_cache, partial
from pathlib import Path

import torch
from torch.nn.utils.rnn import PackedSequence

from labkit.base import LabError
from labkit.decoding.beam import prefix_beam_search
from labkit.decoding.check import (
    Prefixes,
    check_advance,
    check_beam_size,
    check_found,
)
from labkit.decoding.encoding import Encoding, Recogniser, log_posteriors
from labkit.decoding.flashlight.decoder import FlashlightDecoder
from labkit.decoding.flashlight.setup import FlashlightOptions
from labkit.decoding.fusion.automaton import Automaton, Scorer
from labkit.decoding.fusion.hotwords import compile_hotwords
from labkit.decoding.fusion.ngram import Fusion, compile_ngram
from labkit.decoding.fusion.script import ScriptAutomaton
from labkit.decoding.hypothesis import Hypothesis, NBest
from labkit.decoding.stream import BeamStream, BothStreams, Stream
from labkit.lm import SHIPPED, ScriptModel, is_script, load_language_model, shipped
from labkit.options import SEQ2SEQ
from labkit.text import Alphabet

# The n-best list of each utterance, best first.
Search = Callable[[Encoding], list[list[Hypothesis]]]

_ROWS = SEQ2SEQ.rows  # the only place of the defaults, part one's too


@dataclass(frozen=True)
class SearchOptions:
    """The options of a search; a decoder uses those that apply to it.

    Attributes:
        beam_size: Hypotheses kept at each frame.
        lm: "char", "word", the path of an ARPA file, or FILE.py:CLASS for a model
            written in Python; None for no language model.
        lm_weight: Weight of its log probability.
        word_bonus: Word insertion bonus in nats, where there is a language model.
        hotwords: What the speaker is likely to say, for contextual biasing.
        hotword_weight: Added for each hot word, in nats.
        lexicon: Path of a lexicon, for Flashlight; None for the model's own words.
        symbols_per_frame: How many of the likeliest symbols Flashlight tries at each
            frame; None for all.
        beam_threshold: Flashlight drops hypotheses this much worse than its best.
        unknown_score: What Flashlight adds for a word outside the lexicon.
        silence_score: What Flashlight adds for each separator.
        viterbi: Flashlight scores a transcript by its best path alone.
        pieces: Flashlight's words are word pieces, as a lexicon or a model has them.
        ctc_weight: Weight of CTC beside attention, whose weight is 1 less it.
        length_norm: Attention ranks by the score over the length to this power.
        par_threshold: The confidence in a symbol that spares it a second decoding.
        max_seq_len: Symbols by which an uncertain segment may grow.
        max_mask_parallel: Segments of an utterance that are decoded together; -1 for
            all.
    """

    beam_size: int = _ROWS["beamwidth"].default
    lm: str | None = _ROWS["lm"].default
    lm_weight: float = _ROWS["lm_weight"].default
    word_bonus: float = _ROWS["word_bonus"].default
    hotwords: tuple[str, ...] = _ROWS["hotwords"].default
    hotword_weight: float = _ROWS["hotword_weight"].default
    lexicon: str | None = _ROWS["lexicon"].default
    symbols_per_frame: int | None = _ROWS["symbols_per_frame"].default
    beam_threshold: float = _ROWS["beam_threshold"].default
    unknown_score: float = _ROWS["unknown_score"].default
    silence_score: float = _ROWS["silence_score"].default
    viterbi: bool = _ROWS["viterbi"].default
    pieces: bool = _ROWS["pieces"].default
    ctc_weight: float = _ROWS["ctc_weight"].default
    length_norm: float = _ROWS["length_norm"].default
    par_threshold: float = _ROWS["par_threshold"].default
    max_seq_len: int = _ROWS["max_seq_len"].default
    max_mask_parallel: int = _ROWS["max_mask_parallel"].default

    @classmethod
    def of(cls, args: argparse.Namespace) -> SearchOptions:
        """Take them from the options of the command line; part one has not all."""
        values = {**vars(args), "beam_size": args.beamwidth}  # the only other name
        names = [field.name for field in fields(cls) if field.name in values]
        return cls(**{name: values[name] for name in names})


@lru_cache(maxsize=2)
def _compiled(lm: str, alphabet: Alphabet) -> Scorer:
    if is_script(lm):
        return ScriptAutomaton(ScriptModel(lm), alphabet)
    model = load_language_model(lm)
    try:
        return compile_ngram(model, alphabet)
    except LabError as error:
        raise LabError(f"{lm}: {error.cause}", error.remedy, error.exit_code) from error


def make_fusion(options: SearchOptions, alphabet: Alphabet) -> Fusion | None:
    """Compile the language model and the hot words of ``options``.

    Returns:
        What a search adds to the acoustic score; None if nothing.
    """
    lm = hotwords = None
    if options.lm:
        lm = _compiled(options.lm, alphabet)
    if options.hotwords:
        hotwords = compile_hotwords(options.hotwords, alphabet, options.hotword_weight)
    if lm is None and hotwords is None:
        return None
    bonus = options.word_bonus if lm else 0.0
    space = alphabet.index[alphabet.space]
    return Fusion(lm, options.lm_weight, bonus, space, hotwords)


def plain_decoder(
    prefix_search: Callable[..., list[Hypothesis]],
    advance: Callable[[Prefixes, list[float], int], Prefixes],
    recogniser: Recogniser,
    options: SearchOptions,
) -> Search:
    """Make the decoder that searches one utterance after another.

    Args:
        prefix_search: ``(log_probs (T', V), beam_size, blank, fusion)`` to the n-best
            list of an utterance.
        advance: The step of ``prefix_search``, which is tried first, so that an error
            in it is named.
        recogniser: The network.
        options: The options.
    """
    check_beam_size(options.beam_size)
    alphabet = recogniser.charmap.alphabet
    fusion, blank = make_fusion(options, alphabet), alphabet.blank_id

    def search(encoding: Encoding) -> list[list[Hypothesis]]:
        log_probs, lengths = log_posteriors(encoding.ctc_scores)  # (T', B, V), (B,)
        n_symbols = log_probs.shape[2]
        check_advance(advance, n_symbols, blank)
        found = []
        for b, length in enumerate(lengths.tolist()):
            if fusion and fusion.lm:
                fusion.lm.renew()
            own = log_probs[:length, b]  # (T', V)
            found.append(prefix_search(own, options.beam_size, blank, fusion))
            check_found(found[-1], n_symbols, blank)
        return found

    return search


class BeamDecoder:
    """The search of a whole batch at once, on any device.

    With hot words it searches without them too, see ``merge``.
    """

    def __init__(self, alphabet: Alphabet, options: SearchOptions) -> None:
        self._size, self._alphabet = options.beam_size, alphabet
        fusion, self._merge = make_fusion(options, alphabet), None
        self._fusions = [fusion]
        if fusion and fusion.hotwords:
            self._fusions.append(make_fusion(replace(options, hotwords=()), alphabet))
            self._merge = partial(merge, hotwords=fusion.hotwords)

    def __call__(self, encoding: Encoding) -> list[list[Hypothesis]]:
        """Search a batch; each n-best list is at most as long as the beam."""
        return [found[: self._size] for found in self.search_all(encoding)]

    def search_all(self, encoding: Encoding) -> list[list[Hypothesis]]:
        """Search a batch; with hot words the n-best lists of both searches, merged."""
        given = log_posteriors(encoding.ctc_scores)
        shared = self._size, self._alphabet.blank_id
        found = [
            prefix_beam_search(*given, *shared, fusion) for fusion in self._fusions
        ]
        return list(map(self._merge, *found)) if self._merge else found[0]

    def stream(self, device: torch.device) -> Stream:
        """Open a stream: an utterance whose frames arrive in pieces."""
        shared = self._size, self._alphabet.blank_id
        n_symbols = len(self._alphabet.symbols)
        streams = [BeamStream(n_symbols, device, *shared, f) for f in self._fusions]
        if not self._merge:
            return streams[0]
        return BothStreams((streams[0], streams[1]), self._merge)


def beam_decoder(recogniser: Recogniser, options: SearchOptions) -> Search:
    """Make the decoder that searches a whole batch at once, on any device."""
    return BeamDecoder(recogniser.charmap.alphabet, options)


def merge(
    found: list[Hypothesis],
    without: list[Hypothesis],
    hotwords: Automaton,
    length_norm: float = 0.0,
) -> list[Hypothesis]:
    """Rank what a search has found with hot words and without them, each text once.

    A beam full of what may become a hot word loses the rest. So where no hot word is in
    the answer, it is not worse than the answer without them.

    Args:
        found: With hot words, best first.
        without: Without them.
        hotwords: The hot words.
        length_norm: Scores are divided by the number of symbols to this power.
    """
    for one in without:
        length = max(1, len(one.indices) - 1)  # the start symbol is not counted
        gain = hotwords.total(one.indices) / length**length_norm
        found = [*found, replace(one, score=one.score + gain)]
    best: dict[tuple[int, ...], Hypothesis] = {}
    for one in sorted(found, key=lambda one: -one.score):
        best.setdefault(tuple(one.indices), one)
    return list(best.values())


def beam_search(
    scores: PackedSequence, alphabet: Alphabet, beam_size: int, blank_id: int
) -> list[NBest]:
    """Decode a batch by prefix beam search (Hannun et al. 2014).

    The probability of a text is the sum over all its paths.

    Args:
        scores: Packed scores (T', B, V).
        alphabet: The alphabet.
        beam_size: Prefixes kept at each frame.
        blank_id: The index of the blank.

    Returns:
        The n-best list of each utterance, at most ``beam_size`` long.
    """
    found = prefix_beam_search(*log_posteriors(scores), beam_size, blank_id)
    return [
        [(-one.score, alphabet.decode(one.indices)) for one in nbest] for nbest in found
    ]


def _flashlight_options(options: SearchOptions) -> FlashlightOptions:
    lm = options.lm
    if lm is not None:
        named = shipped(lm) if lm in SHIPPED else Path(lm)
        lm = ScriptModel(lm) if is_script(lm) else named
    return FlashlightOptions(
        lexicon=options.lexicon,
        lm=lm,
        beam_size=options.beam_size,
        beam_size_token=options.symbols_per_frame,
        beam_threshold=options.beam_threshold,
        lm_weight=options.lm_weight,
        word_score=options.word_bonus if lm else 0.0,
        unk_score=options.unknown_score,
        sil_score=options.silence_score,
        log_add=not options.viterbi,
        pieces=options.pieces,
    )


class FlashlightSearch:
    """Flashlight's search of a batch.

    Attributes:
        decoder: The decoder.
    """

    def __init__(self, alphabet: Alphabet, options: SearchOptions) -> None:
        self.decoder = FlashlightDecoder(alphabet, _flashlight_options(options))

    def __call__(self, encoding: Encoding) -> list[list[Hypothesis]]:
        """Search a batch."""
        return self.decoder.search(*log_posteriors(encoding.ctc_scores))

    def stream(self, device: torch.device) -> Stream:  # the device of the scores
        """Open a stream: an utterance whose frames arrive in pieces."""
        self.decoder.begin()
        return self.decoder


def flashlight_decoder(recogniser: Recogniser, options: SearchOptions) -> Search:
    """Make the decoder of Flashlight.

    Raises:
        LabError: There is no Flashlight on this Python, or a file cannot be used.
    """
    return FlashlightSearch(recogniser.charmap.alphabet, options)
