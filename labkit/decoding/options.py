"""The options of a search."""

from __future__ import annotations

import argparse
import math
from dataclasses import dataclass, fields


@dataclass(frozen=True)
class SearchOptions:
    """The options of a search; a decoder uses those that apply to it.

    The defaults are those of the command line (a test compares them).

    Attributes:
        beam_size: Hypotheses kept at each frame.
        lm: "char", "word", the path of an ARPA file, or FILE.py:CLASS for a model
            written in Python; None for no language model.
        lm_weight: Weight of its log probability.
        word_bonus: Word insertion bonus in nats, where there is a language model or a
            lexicon.
        hotwords: What the speaker is likely to say, for contextual biasing.
        hotword_weight: Added for each hot word, in nats.
        lexicon: Path of a lexicon, for Flashlight; None for the model's own words.
        symbols_per_frame: How many of the likeliest symbols Flashlight tries at each
            frame; None for all.
        beam_threshold: Flashlight drops hypotheses this much worse than its best.
        unknown_score: What Flashlight adds for a word outside the lexicon; -inf: none
            may be. It reads the starts of known words as unknown words, the last letter
            of each one frame long.
        silence_score: What Flashlight adds for each frame of space.
        viterbi: Flashlight scores a transcript by its best path alone.
        pieces: Flashlight's words are word pieces, to be spelled in letters.
        ctc_weight: Weight of CTC beside attention, whose weight is 1 less it.
        length_norm: Attention ranks by the score over the length to this power.
        par_threshold: The confidence in a symbol that spares it a second decoding.
        max_seq_len: Symbols by which an uncertain segment may grow.
        max_mask_parallel: Segments of an utterance that are decoded together; -1 for
            all.
    """

    beam_size: int = 10
    lm: str | None = None
    lm_weight: float = 0.5
    word_bonus: float = 0.0
    hotwords: tuple[str, ...] = ()
    hotword_weight: float = 8.0
    lexicon: str | None = None
    symbols_per_frame: int | None = None
    beam_threshold: float = 25.0
    unknown_score: float = -math.inf
    silence_score: float = 0.0
    viterbi: bool = False
    pieces: bool = False
    ctc_weight: float = 0.3
    length_norm: float = 0.0
    par_threshold: float = 0.9
    max_seq_len: int = 5
    max_mask_parallel: int = -1

    @classmethod
    def of(cls, args: argparse.Namespace) -> SearchOptions:
        """Take them from the options of the command line; part one has not all."""
        values = {**vars(args), "beam_size": args.beamwidth}  # the only other name
        names = [field.name for field in fields(cls) if field.name in values]
        return cls(**{name: values[name] for name in names})
