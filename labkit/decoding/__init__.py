"""From scores to hypotheses: searches, alignment, language models, Flashlight."""

from labkit.decoding.alignment import Alignment, NoPathError, align
from labkit.decoding.beam import prefix_beam_search
from labkit.decoding.flashlight.decoder import FlashlightDecoder
from labkit.decoding.flashlight.lexicon import name_tokens
from labkit.decoding.flashlight.setup import FlashlightOptions, import_decoder
from labkit.decoding.fusion.automaton import Automaton
from labkit.decoding.fusion.ngram import Fusion, compile_ngram
from labkit.decoding.hypothesis import Hypothesis
from labkit.decoding.search import (
    Alphabet,
    Search,
    SearchOptions,
    beam_decoder,
    check_advance,
    check_prefixes,
    flashlight_decoder,
    flashlight_options,
    log_posteriors,
    make_fusion,
)

__all__ = [
    "Alignment",
    "Alphabet",
    "Automaton",
    "FlashlightDecoder",
    "FlashlightOptions",
    "Fusion",
    "Hypothesis",
    "NoPathError",
    "Search",
    "SearchOptions",
    "align",
    "beam_decoder",
    "check_advance",
    "check_prefixes",
    "compile_ngram",
    "flashlight_decoder",
    "flashlight_options",
    "import_decoder",
    "log_posteriors",
    "make_fusion",
    "name_tokens",
    "prefix_beam_search",
]
