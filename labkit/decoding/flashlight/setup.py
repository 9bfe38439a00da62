"""Setting Flashlight up: its lexicon and its language model.

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
from labkit.decoding.flashlight.lexicon import Lexicon, read_binary_vocabulary
from labkit.decoding.options import SearchOptions
from labkit.lm import (
    KENLM_ORDERS,
    SPACE,
    START,
    UNKNOWN,
    ZERO_LOG_PROB,
    NGram,
    ScriptModel,
    is_kenlm_binary,
    is_script,
    model_path,
    read_arpa,
    write_arpa,
)
from labkit.text import MARKS

if TYPE_CHECKING:
    from torchaudio.models.decoder import CTCDecoder, CTCDecoderLM


# Replaces log 0, with which Flashlight would compute NaN.
FLOOR = -1e4
_LN10 = math.log(10)  # KenLM's scores are decimal logarithms


@dataclass(frozen=True)
class LanguageModel:
    """A language model, for messages and for Flashlight.

    Attributes:
        name: Its file, or FILE.py:CLASS.
        script: The model that is written in Python; None for a file that KenLM reads.
        ngrams: What is in the file; None if it is a binary file of KenLM.
    """

    name: str
    script: ScriptModel | None = None
    ngrams: NGram | None = None

    @property
    def unit(self) -> float:
        """The unit of its scores, in nats."""
        return 1.0 if self.script else _LN10

    def vocabulary(
        self, tokens: Sequence[str], has_lexicon: bool
    ) -> Sequence[str] | None:
        """Return the symbols that it scores; None if nobody knows."""
        if self.ngrams:
            return self.ngrams.vocabulary
        if not self.script:
            return read_binary_vocabulary(Path(self.name))
        if self.script.units == "char":
            return tokens
        if not (self.script.words or has_lexicon):
            raise LabError(
                f"{self.name}: a model of words, and nobody knows which",
                "list them in its attribute words, or give a --lexicon",
            )
        return self.script.words or None


def read_model(lm: str) -> LanguageModel:
    """Read a language model, an ARPA file with the reader of the other decoders.

    Raises:
        LabError: It cannot be read, or is of an order that KenLM cannot read.
    """
    if is_script(lm):
        return LanguageModel(lm, ScriptModel(lm))
    path = model_path(lm)
    if is_kenlm_binary(path):
        return LanguageModel(str(path))
    ngrams, (low, high) = read_arpa(path), KENLM_ORDERS
    if not low <= ngrams.order <= high:
        raise LabError(
            f"{path}: the order is {ngrams.order}, and the KenLM that comes with "
            f"Flashlight reads {low} to {high}",
            "use --decoder beam if it is of characters, or build one of such an order",
        )
    return LanguageModel(str(path), ngrams=ngrams)


def build_decoder(
    options: SearchOptions,
    lm: LanguageModel | None,
    lexicon: Lexicon | None,
    names: list[str],
    blank: str,
    silence: str,
) -> CTCDecoder:
    """Build torchaudio's decoder; the files that it reads are removed at once.

    Args:
        options: The options.
        lm: The language model.
        lexicon: The words to search for; None for any tokens.
        names: The tokens, in the order of the scores' columns.
        blank: The blank among them.
        silence: The token among them that Flashlight may add between words.

    Raises:
        LabError: There is no Flashlight, or KenLM cannot read the language model, or
            not its path.
    """
    make = import_decoder()
    with TemporaryDirectory() as folder, silent_stderr():
        units, words = Path(folder, "units.txt"), Path(folder, "words.txt")
        # Without this file, Flashlight numbers a model's symbols in the order of a
        # hash table, and scores one letter as if it were another.
        entries = lexicon.words if lexicon else names
        units.write_text("\n".join(entries) + "\n", encoding="utf-8")
        if lexicon:
            marks = [mark for mark in MARKS if mark in names]
            words.write_text(lexicon.text(marks), encoding="utf-8")
        call = partial(
            make,
            lexicon=str(words) if lexicon else None,
            tokens=names,
            lm_dict=str(units),
            nbest=options.beam_size,
            beam_size=options.beam_size,
            beam_size_token=options.symbols_per_frame,
            # A symbol without probability is never within the threshold.
            beam_threshold=min(options.beam_threshold, -FLOOR / 2),
            lm_weight=options.lm_weight * (lm.unit if lm else 0.0),
            word_score=options.word_bonus if lexicon else 0.0,
            unk_score=options.unknown_score,
            sil_score=options.silence_score if lexicon else 0.0,
            log_add=not options.viterbi,
            blank_token=blank,
            sil_token=silence,
            unk_word=UNKNOWN,
        )
        if lm is None:
            return call(lm=None)
        if lm.script:
            return call(lm=_adapt(lm.script, entries))
        return _call_with_file(call, lm, Path(folder, "lm.arpa"))


def _call_with_file(
    call: Callable[..., CTCDecoder], lm: LanguageModel, copy: Path
) -> CTCDecoder:
    """Let KenLM read a file, or a ``copy`` of it as the other decoders read it.

    It needs the copy where it is stricter, and where the file has log10 of 0.
    """
    try:
        try:
            if lm.ngrams is None or not _has_zero(lm.ngrams):
                return call(lm=lm.name)
        except RuntimeError:
            if lm.ngrams is None:
                raise
        write_arpa(lm.ngrams.completed(), copy)
        return call(lm=str(copy))
    except (TypeError, UnicodeError) as error:
        raise LabError(
            f"{lm.name!a}: the path is not UTF-8, as KenLM needs it",
            "rename the file or its folder",
        ) from error
    except RuntimeError as error:
        raise LabError(
            f"{lm.name}: KenLM cannot read this language model",
            "build it again: python -m labkit.lm build --help",
        ) from error


def _has_zero(model: NGram) -> bool:
    """Whether the file may have a log10 of -inf, which KenLM would add."""
    every = model.log_probs.items()
    return any(p <= ZERO_LOG_PROB and gram != (START,) for gram, p in every)


def _adapt(model: ScriptModel, symbols: Sequence[str]) -> CTCDecoderLM:
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
