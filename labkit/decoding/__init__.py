"""From scores to hypotheses: searches, alignment, language models, Flashlight."""

from labkit.decoding.alignment import Alignment, NoPathError, align
from labkit.decoding.beam import prefix_beam_search
from labkit.decoding.check import check_beam_size
from labkit.decoding.encoding import Encoding, Recogniser, log_posteriors
from labkit.decoding.flashlight.decoder import FlashlightDecoder
from labkit.decoding.flashlight.lexicon import name_tokens
from labkit.decoding.flashlight.setup import FlashlightOptions, import_decoder
from labkit.decoding.fusion.automaton import Automaton
from labkit.decoding.fusion.ngram import Fusion, compile_ngram
from labkit.decoding.hypothesis import Hypothesis, NBest
from labkit.decoding.search import (
    Search,
    SearchOptions,
    beam_decoder,
    beam_search,
    flashlight_decoder,
    flashlight_options,
    plain_decoder,
)

__all__ = [
    "Alignment",
    "Automaton",
    "Encoding",
    "FlashlightDecoder",
    "FlashlightOptions",
    "Fusion",
    "Hypothesis",
    "NBest",
    "NoPathError",
    "Recogniser",
    "Search",
    "SearchOptions",
    "align",
    "beam_decoder",
    "beam_search",
    "check_beam_size",
    "compile_ngram",
    "flashlight_decoder",
    "flashlight_options",
    "import_decoder",
    "log_posteriors",
    "name_tokens",
    "plain_decoder",
    "prefix_beam_search",
]
