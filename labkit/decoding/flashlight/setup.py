"""Setting Flashlight up: options, lexicon and language model.

Builds ``torchaudio.models.decoder.ctc_decoder`` so that its scores are those asked for.
"""

from __future__ import annotations

import importlib.util
import math
import sys
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import TYPE_CHECKING

from labkit.base import LabError, silent_stderr
from labkit.decoding.flashlight.lexicon import Lexicon
from labkit.lm import (
    KENLM_ORDERS,
    SPACE,
    START,
    UNKNOWN,
    ZERO_LOG_PROB,
    NGram,
    ScriptModel,
    is_kenlm_binary,
    read_arpa,
    write_arpa,
)
from labkit.text import MARKS

if TYPE_CHECKING:
    from torchaudio.models.decoder import CTCDecoder, CTCDecoderLM


# Replaces log 0, with which Flashlight would compute NaN.
FLOOR = -1e4
_LN10 = math.log(10)  # KenLM's scores are decimal logarithms


@dataclass
class FlashlightOptions:
    """The options of a search; scores are in nats."""

    lm_weight: float  # of the model's ln p; an object's own scores are taken for nats
    # The words that may be found, or their file (see ``lexicon``). None: with a word
    # model its own words, else any characters.
    lexicon: str | Path | Lexicon | None = None
    # A language model: an ARPA file (``.gz`` or not), a binary file of KenLM, a model
    # written in Python, or torchaudio's kind of it: an object that scores the indices
    # of words, or without lexicon those of tokens.
    lm: str | Path | ScriptModel | CTCDecoderLM | None = None
    nbest: int | None = None  # hypotheses to return at most; None for all of the beam
    beam_size: int = 50  # hypotheses kept at each frame
    beam_size_token: int | None = None  # the likeliest tokens at each frame, or all
    beam_threshold: float = 50.0  # hypotheses this much worse than the best are dropped
    word_score: float = 0.0  # added for each word, with a lexicon
    # Added for each word that is not in the lexicon; -inf: none may be. Flashlight
    # reads the starts of known words as unknown words, the last letter of each one
    # frame long.
    unk_score: float = -math.inf
    sil_score: float = 0.0  # added for each frame of space
    # Add the probabilities of the paths of a transcript; if not, the best path counts
    # alone, and without language model the search finds what greedy decoding finds.
    log_add: bool = True
    punctuation: bool = True  # with a lexicon, a mark may follow each word
    pieces: bool = False  # the words are word pieces, to be spelled in letters

    @property
    def lm_file(self) -> Path | None:
        """The file of the language model, if it is one."""
        return Path(self.lm) if isinstance(self.lm, (str, Path)) else None

    @property
    def lm_name(self) -> str:
        """The language model, for messages."""
        return self.lm.name if isinstance(self.lm, ScriptModel) else str(self.lm)

    @property
    def nats_of_lm(self) -> float:
        """The unit of the language model's scores, in nats."""
        return _LN10 if self.lm_file else 1.0

    def check(self, lexicon: Lexicon | None) -> None:
        """Refuse numbers that no search can use, or none without a lexicon."""
        for name in ("beam_size", "beam_size_token", "nbest"):
            size = getattr(self, name)
            if size is not None and size < 1:
                cause = f"a {name} of {size} keeps no hypothesis"
                raise LabError(cause, "use 1 or more")
        if not self.beam_threshold > 0:
            raise LabError(
                f"a beam_threshold of {self.beam_threshold} keeps no hypothesis",
                "use a threshold above 0, for example 25",
            )
        for name in ("lm_weight", "word_score", "sil_score"):
            if not math.isfinite(getattr(self, name)):
                raise LabError(f"{name}: not a finite number", "use a number of nats")
        if not self.unk_score < math.inf:
            remedy = "use a number of nats, or -inf for no words"
            raise LabError("unk_score: not a score", remedy)
        if lexicon is None and (self.word_score or self.unk_score > -math.inf):
            raise LabError(
                "Flashlight counts words, known and unknown, with a lexicon only",
                "give a lexicon or a word model, or use --decoder beam",
            )


def read_model(path: Path | None) -> NGram | None:
    """Read an ARPA file, with the reader of the other decoders.

    Returns:
        The model; None if there is none, or it is a binary file of KenLM.

    Raises:
        LabError: It cannot be read, or is of an order that KenLM cannot read.
    """
    if path is None or is_kenlm_binary(path):
        return None
    model, (low, high) = read_arpa(path), KENLM_ORDERS
    if not low <= model.order <= high:
        raise LabError(
            f"{path}: the order is {model.order}, and the KenLM that comes with "
            f"Flashlight reads {low} to {high}",
            "use --decoder beam if it is of characters, or build one of such an order",
        )
    return model


def build_decoder(
    make: Callable[..., CTCDecoder],
    options: FlashlightOptions,
    model: NGram | None,
    lexicon: Lexicon | None,
    names: list[str],
    blank: str,
    silence: str,
) -> CTCDecoder:
    """Call ``make`` (``ctc_decoder``); the files that it reads are removed at once.

    ``model`` is what ``read_model`` returned. ``names`` are those of the tokens in the
    order of the scores' columns, ``silence`` that of the token which Flashlight may
    add between words.

    Raises:
        LabError: KenLM cannot read the language model, or not its path.
    """
    lm = str(options.lm_file) if options.lm_file else options.lm
    with TemporaryDirectory() as folder, silent_stderr():
        units, words = Path(folder, "units.txt"), Path(folder, "words.txt")
        # Without this file, Flashlight numbers a model's symbols in the order of a
        # hash table, and scores one letter as if it were another.
        entries = lexicon.words if lexicon else names
        if isinstance(lm, ScriptModel):
            lm = adapt(lm, entries)
        units.write_text("\n".join(entries) + "\n", encoding="utf-8")
        if lexicon:
            marks = [m for m in MARKS if options.punctuation and m in names]
            words.write_text(lexicon.text(marks), encoding="utf-8")
        call = partial(
            make,
            lexicon=str(words) if lexicon else None,
            tokens=names,
            lm_dict=str(units),
            nbest=options.nbest or options.beam_size,
            beam_size=options.beam_size,
            beam_size_token=options.beam_size_token,
            # A symbol without probability is never within the threshold.
            beam_threshold=min(options.beam_threshold, -FLOOR / 2),
            lm_weight=options.lm_weight * options.nats_of_lm,
            word_score=options.word_score,
            unk_score=options.unk_score,
            sil_score=options.sil_score if lexicon else 0.0,
            log_add=options.log_add,
            blank_token=blank,
            sil_token=silence,
            unk_word=UNKNOWN,
        )
        return _call_with_model(call, lm, model, Path(folder, "lm.arpa"))


def _call_with_model(
    call: Callable[..., CTCDecoder],
    lm: str | CTCDecoderLM | None,
    model: NGram | None,
    copy: Path,
) -> CTCDecoder:
    """Let KenLM read ``lm``, or a ``copy`` of ``model`` as the other decoders read it.

    It needs the copy where it is stricter, and where the file has log10 of 0.
    """
    try:
        try:
            if model is None or not _has_zero(model):
                return call(lm=lm)
        except RuntimeError:
            if model is None:
                raise
        write_arpa(model.completed(), copy)
        return call(lm=str(copy))
    except (TypeError, UnicodeError) as error:
        raise LabError(
            f"{lm!a}: the path is not UTF-8, as KenLM needs it",
            "rename the file or its folder",
        ) from error
    except RuntimeError as error:
        raise LabError(
            f"{lm}: KenLM cannot read this language model",
            "build it again: python -m labkit.lm build",
        ) from error


def adapt(model: ScriptModel, symbols: Sequence[str]) -> CTCDecoderLM:
    """Make of a model written in Python one that Flashlight can ask.

    Args:
        model: The model.
        symbols: What it scores, in the order of their indices.
    """
    from torchaudio.models.decoder import CTCDecoderLM, CTCDecoderLMState

    texts = [" " if symbol == SPACE else symbol for symbol in symbols]

    class Adapted(CTCDecoderLM):
        """Keeps, for each of its states, the model's, and the score that led there."""

        def start(self, start_with_nothing: bool) -> CTCDecoderLMState:
            """Return the state before a transcript; forget those of the one before."""
            state = CTCDecoderLMState()
            self.known = {state: (model.start(), 0.0)}
            return state

        def score(
            self, state: CTCDecoderLMState, usr_token_idx: int
        ) -> tuple[CTCDecoderLMState, float]:
            """Return the state after a symbol, and its log probability."""
            after = state.child(usr_token_idx)
            if after not in self.known:
                before, _ = self.known[state]
                self.known[after] = model.score(before, texts[usr_token_idx])
            return after, self.known[after][1]

        def finish(self, state: CTCDecoderLMState) -> tuple[CTCDecoderLMState, float]:
            """Return a state, and the log probability that a transcript ends."""
            return state, model.finish(self.known[state][0])

    return Adapted()


def _has_zero(model: NGram) -> bool:
    """Whether the file may have a log10 of -inf, which KenLM would add."""
    every = model.log_probs.items()
    return any(p <= ZERO_LOG_PROB and gram != (START,) for gram, p in every)


def import_decoder() -> Callable[..., CTCDecoder]:
    """Import torchaudio's decoder, which needs the package flashlight-text.

    Raises:
        LabError: The package is missing or does not load.
    """
    remedy = "use --decoder beam with --lm char or none: it needs no package"
    if importlib.util.find_spec("flashlight") is None:
        if sys.version_info >= (3, 13):
            version = ".".join(map(str, sys.version_info[:2]))
            raise LabError(
                f"flashlight-text has no wheel for Python {version}",
                f"{remedy}; or Python 3.12 or older",
            )
        raise LabError(
            "flashlight-text is not installed (pip install -r requirements.txt)", remedy
        )
    try:
        from torchaudio.models.decoder import ctc_decoder
    except (ImportError, RuntimeError, OSError) as error:
        reason = error.__cause__ or error
        raise LabError(f"flashlight-text does not load: {reason}", remedy) from error
    return ctc_decoder
