"""The decoders: each makes, from options, a search over a network's encodings."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from functools import lru_cache, partial

import torch
from torch.nn.utils.rnn import PackedSequence

from labkit.base import LabError
from labkit.decoding.beam import prefix_beam_search
from labkit.decoding.check import (
    Prefixes,
    check_advance,
    check_beam_size,
)
from labkit.decoding.encoding import Encoding, Recogniser, log_posteriors
from labkit.decoding.flashlight.decoder import FlashlightDecoder
from labkit.decoding.fusion.automaton import Automaton, Scorer
from labkit.decoding.fusion.hotwords import compile_hotwords
from labkit.decoding.fusion.ngram import Fusion, compile_ngram
from labkit.decoding.fusion.script import ScriptAutomaton
from labkit.decoding.hypothesis import Hypothesis, NBest
from labkit.decoding.options import SearchOptions
from labkit.decoding.stream import BeamStream, MergedStreams, Stream
from labkit.lm import ScriptModel, is_script, load_language_model
from labkit.text import Alphabet

# The n-best list of each utterance, best first.
Search = Callable[[Encoding], list[list[Hypothesis]]]


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


def make_fusions(
    options: SearchOptions, alphabet: Alphabet, length_norm: float = 0.0
) -> tuple[list[Fusion | None], Callable[..., list[Hypothesis]]]:
    """Make what each search of ``options`` adds, and what merges their n-best lists.

    With hot words there is a second search without them, see ``merge``.
    """
    fusion = make_fusion(options, alphabet)
    if not (fusion and fusion.hotwords):
        return [fusion], lambda found: found
    without = make_fusion(replace(options, hotwords=()), alphabet)
    both = partial(merge, hotwords=fusion.hotwords, length_norm=length_norm)
    return [fusion, without], both


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
        advance: The step of ``prefix_search``, which is tried before each batch, so
            that an error in it is named.
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
        return found

    return search


class BeamDecoder:
    """The search of a whole batch at once, on any device."""

    def __init__(self, alphabet: Alphabet, options: SearchOptions) -> None:
        self._size, self._alphabet = options.beam_size, alphabet
        self._fusions, self._merge = make_fusions(options, alphabet)

    def __call__(self, encoding: Encoding) -> list[list[Hypothesis]]:
        """Search a batch; each n-best list is at most as long as the beam."""
        return [found[: self._size] for found in self.search_all(encoding)]

    def search_all(self, encoding: Encoding) -> list[list[Hypothesis]]:
        """Search a batch; with hot words the n-best lists of both searches, merged."""
        given = log_posteriors(encoding.ctc_scores)
        shared = self._size, self._alphabet.blank_id
        found = [prefix_beam_search(*given, *shared, f) for f in self._fusions]
        return list(map(self._merge, *found))

    def stream(self, device: torch.device) -> Stream:
        """Open a stream: an utterance whose frames arrive in pieces."""
        shared = self._size, self._alphabet.blank_id
        n_symbols = len(self._alphabet.symbols)
        streams = [BeamStream(n_symbols, device, *shared, f) for f in self._fusions]
        return MergedStreams(streams, self._merge)


def beam_decoder(recogniser: Recogniser, options: SearchOptions) -> Search:
    """Make the decoder that searches a whole batch at once, on any device."""
    return BeamDecoder(recogniser.charmap.alphabet, options)


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
        The n-best list of each utterance, at most ``beam_size`` long: negative log
        probabilities and texts.
    """
    found = prefix_beam_search(*log_posteriors(scores), beam_size, blank_id)
    return [
        [(-one.score, alphabet.decode(one.indices)) for one in nbest] for nbest in found
    ]


def flashlight_decoder(recogniser: Recogniser, options: SearchOptions) -> Search:
    """Make the decoder of Flashlight.

    Raises:
        LabError: There is no Flashlight on this Python, or a file cannot be used.
    """
    return FlashlightDecoder(recogniser.charmap.alphabet, options)
