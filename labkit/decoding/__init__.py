"""From scores to hypotheses: searches, alignment, language models, Flashlight."""

from labkit.decoding.alignment import (
    Aligner,
    NoPathError,
    Viterbi,
    align,
    choose_aligner,
    ctc_log_probs,
)
from labkit.decoding.attention.decoders import (
    attention_decoder,
    joint_decoder,
    rescoring_decoder,
)
from labkit.decoding.attention.drafts import partial_decoder, verifying_decoder
from labkit.decoding.attention.joint import (
    PrefixState,
    empty_prefix,
    endings,
    prefix_scores,
)
from labkit.decoding.attention.network import attention_weights
from labkit.decoding.attention.state import Decoded, Memory, RecurrentState
from labkit.decoding.attention.transformer import (
    TransformerDecoder,
    join_heads,
    split_heads,
)
from labkit.decoding.beam import prefix_beam_search
from labkit.decoding.encoding import Encoding, Recogniser, log_posteriors
from labkit.decoding.flashlight.decoder import FlashlightDecoder
from labkit.decoding.flashlight.setup import import_decoder
from labkit.decoding.fusion.automaton import Automaton
from labkit.decoding.fusion.ngram import Fusion, compile_ngram
from labkit.decoding.hypothesis import Hypothesis, Label
from labkit.decoding.options import SearchOptions
from labkit.decoding.search import (
    BeamDecoder,
    Search,
    beam_decoder,
    beam_search,
    flashlight_decoder,
    plain_decoder,
)
from labkit.decoding.stream import BeamStream
from labkit.decoding.trace import print_beams
