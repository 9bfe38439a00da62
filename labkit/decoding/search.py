"""What every decoder is given, whichever searches."""

from __future__ import annotations

import argparse
import math
from collections.abc import Callable
from dataclasses import dataclass, fields
from functools import lru_cache
from pathlib import Path
from typing import Protocol

import torch
from torch import Tensor
from torch.nn.utils.rnn import PackedSequence, pad_packed_sequence

from labkit.base import LabError
from labkit.decoding.beam import prefix_beam_search
from labkit.decoding.flashlight.decoder import FlashlightDecoder
from labkit.decoding.flashlight.lexicon import Lexicon, choose_lexicon
from labkit.decoding.flashlight.setup import FlashlightOptions
from labkit.decoding.fusion.automaton import Automaton
from labkit.decoding.fusion.hotwords import compile_hotwords
from labkit.decoding.fusion.ngram import Fusion, compile_ngram
from labkit.decoding.hypothesis import Hypothesis
from labkit.lm import SHIPPED, load_language_model, shipped
from labkit.options import CTC_OPTIONS

# (log-probabilities (T', B, V), lengths (B,)) to the n-best list of each utterance.
Search = Callable[[Tensor, Tensor], list[list[Hypothesis]]]
# Of each prefix two log probabilities.
Prefixes = dict[tuple[int, ...], tuple[float, float]]


_ROWS = CTC_OPTIONS.rows  # their defaults stand there alone


class Alphabet(Protocol):
    """What a decoder asks of the alphabet; ``CharMap`` has it."""

    idx2char: list[str]

    @property
    def blankid(self) -> int:
        """The index of the blank."""


@dataclass(frozen=True)
class SearchOptions:
    """The options of a search; a decoder takes those that it knows.

    Attributes:
        beam_size: Hypotheses kept at each frame.
        lm: "char", "word", or the path of an ARPA file; None for no language model.
        lm_weight: Weight of its log probability.
        word_bonus: Added for each word, in nats, where there is a language model.
        hotwords: What the speaker is likely to say.
        hotword_weight: Added for each hot word, in nats.
        lexicon: Path of a lexicon, for Flashlight; None for the model's own words.
        symbols_per_frame: Symbols that Flashlight tries at each frame, the likeliest;
            None for all.
        beam_threshold: Flashlight drops what is this much worse than its best.
        unknown_score: What Flashlight adds for a word outside the lexicon.
        silence_score: What Flashlight adds for each separator.
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

    @classmethod
    def of(cls, args: argparse.Namespace) -> SearchOptions:
        """Take them from the options of the command line."""
        values = {**vars(args), "beam_size": args.beamwidth}  # the one other name
        return cls(**{field.name: values[field.name] for field in fields(cls)})


def _model_path(lm: str) -> Path:
    return shipped(lm) if lm in SHIPPED else Path(lm)


@lru_cache(maxsize=2)
def _compiled(lm: str, alphabet: tuple[str, ...], blank: int) -> Automaton:
    return compile_ngram(load_language_model(lm), alphabet, blank)


def make_fusion(options: SearchOptions, charmap: Alphabet) -> Fusion | None:
    """Compile the language model and the hot words of ``options``.

    Returns:
        What a search adds to the acoustic score; None if that is nothing.
    """
    lm = hotwords = None
    alphabet, blank = tuple(charmap.idx2char), charmap.blankid
    if options.lm:
        lm = _compiled(options.lm, alphabet, blank)
    if options.hotwords:
        hotwords = compile_hotwords(
            options.hotwords, alphabet, blank, options.hotword_weight
        )
    if lm is None and hotwords is None:
        return None
    bonus = options.word_bonus if lm else 0.0
    return Fusion(lm, options.lm_weight, bonus, alphabet.index(" "), hotwords)


def beam_decoder(charmap: Alphabet, options: SearchOptions) -> Search:
    """Make the decoder that searches a whole batch at once, on any device."""
    fusion = make_fusion(options, charmap)

    def search(log_probs: Tensor, lengths: Tensor) -> list[list[Hypothesis]]:
        with torch.inference_mode():
            return prefix_beam_search(
                *(log_probs, lengths, options.beam_size, charmap.blankid, fusion)
            )

    return search


@lru_cache(maxsize=2)
def _lexicon(
    given: str | None, model: Path | None, alphabet: tuple[str, ...], blank: int
) -> Lexicon | None:
    return choose_lexicon(given, model, alphabet, blank)


def flashlight_options(charmap: Alphabet, options: SearchOptions) -> FlashlightOptions:
    """Say how Flashlight searches: with a lexicon where the model is one of words.

    Raises:
        LabError: A file cannot be used.
    """
    path = _model_path(options.lm) if options.lm else None
    lexicon = _lexicon(options.lexicon, path, tuple(charmap.idx2char), charmap.blankid)
    return FlashlightOptions(
        lexicon=lexicon,
        lm=path,
        beam_size=options.beam_size,
        beam_size_token=options.symbols_per_frame,
        beam_threshold=options.beam_threshold,
        lm_weight=options.lm_weight,
        word_score=options.word_bonus if path else 0.0,
        unk_score=options.unknown_score,
        sil_score=options.silence_score,
    )


def flashlight_decoder(charmap: Alphabet, options: SearchOptions) -> Search:
    """Make the decoder of Flashlight.

    Raises:
        LabError: There is no Flashlight on this Python, or a file cannot be used.
    """
    settings = flashlight_options(charmap, options)
    return FlashlightDecoder(charmap.idx2char, charmap.blankid, settings).search


def check_advance(
    advance: Callable[[Prefixes, list[float], int], Prefixes],
    n_symbols: int,
    blank: int,
) -> None:
    """Try the step of a prefix search, exercise E22, on two frames.

    Raises:
        LabError: No search can go on with what it returns.
    """
    beam: Prefixes = {(): (0.0, -math.inf)}
    for _ in range(2):
        beam = advance(beam, [-math.log(n_symbols)] * n_symbols, blank)
        check_prefixes(beam, n_symbols, blank)


def check_prefixes(beam: Prefixes, n_symbols: int, blank: int) -> None:
    """See that a beam holds prefixes of symbols, each with two numbers.

    Raises:
        LabError: It does not; exercise E22 is to be mended.
    """
    fault = ""
    if not isinstance(beam, dict) or not beam:
        fault = "no prefix comes back"
    for prefix, sums in beam.items() if not fault else ():
        spelled = isinstance(prefix, tuple) and all(
            isinstance(k, int) and 0 <= k < n_symbols and k != blank for k in prefix
        )
        summed = isinstance(sums, (tuple, list)) and len(sums) == 2
        if not spelled:
            fault = f"{prefix!r} is no tuple of symbols without blank"
        elif not (summed and all(isinstance(s, float) and s < math.inf for s in sums)):
            fault = f"{sums!r} of the prefix {prefix!r} are not two log-probabilities"
    if fault:
        raise LabError(
            f"exercise E22 is wrong: {fault}", "check it with: pytest -k E22"
        )


def log_posteriors(scores: PackedSequence) -> tuple[Tensor, Tensor]:
    """Turn packed scores (T', B, V) into log-probabilities.

    Returns:
        The log-probabilities (T', B, V) and the lengths (B,).

    Raises:
        LabError: They hold NaN.
    """
    padded, lengths = pad_packed_sequence(scores)  # (T', B, V), (B,)
    if padded.isnan().any():
        raise LabError(
            "the scores hold NaN", "the network has diverged: train it again, slower"
        )
    return padded.log_softmax(dim=2), lengths
