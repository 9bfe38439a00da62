"""Beam search by Flashlight, through ``torchaudio.models.decoder.ctc_decoder``.

The decoder of J. Kahn et al., "Flashlight: Enabling innovation in tools for machine
learning", ICML 2022. It searches with or without a lexicon, over characters or word
pieces, with a language model of KenLM or one written in Python. By itself, it loses
probability, words and positions silently; ``FlashlightDecoder`` corrects that. It
decodes one utterance after another and holds Python's lock meanwhile: to use several
cores, start several processes.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, NamedTuple

import torch
from torch import Tensor

from labkit.base import LabError
from labkit.decoding.flashlight.lexicon import choose_lexicon, name_tokens
from labkit.decoding.flashlight.setup import (
    FLOOR,
    FlashlightOptions,
    build_decoder,
    import_decoder,
)
from labkit.decoding.hypothesis import Hypothesis
from labkit.lm import SPACE
from labkit.text import Alphabet

if TYPE_CHECKING:
    from flashlight.lib.text.decoder import DecodeResult


class Timed(NamedTuple):
    """A transcript with the frame at which each of its symbols starts."""

    found: Hypothesis
    frames: list[int]  # on the best path that the beam kept


class FlashlightDecoder:
    """Flashlight's search behind the interface of the lab's searches.

    The score of a transcript is the log probability of its paths, plus ``lm_weight``
    times that of the language model, plus the scores of ``options`` for words, unknown
    words and spaces.

    *Markers.* With a language model or a lexicon, ``¶`` and ``¦`` count as blanks,
    since both stand outside the sentence that an ARPA model scores; and so does
    ``❌`` in a lexicon, while a model of characters reads it as ``<unk>``. Otherwise
    they stay symbols, and a wide beam finds what the exact search finds.

    *Punctuation.* A word model has no comma and no full stop, but the network
    writes them and references contain them. So each word may end in one of them: this
    adds spellings, not words, and the transcript keeps the mark ("demain." is a
    spelling of "demain"). Otherwise the search would have to read the mark as a
    letter or drop it: WER 25 % instead of 11 % on the embedded corpus.

    *Last word.* A word ends with the space, which no network finds at the end of an
    utterance, so a last frame of space is added where there is a lexicon.

    Raises:
        LabError: There is no Flashlight for this Python; or the options, the lexicon
            or the language model cannot be used.

    Attributes:
        lexicon: The words that can be found; None without a lexicon.
    """

    def __init__(self, alphabet: Alphabet, options: FlashlightOptions) -> None:
        self.options = options
        make = import_decoder()
        names = name_tokens(alphabet)
        self.lexicon = choose_lexicon(options.lexicon, options.lm_file, alphabet)
        options.check(self.lexicon)
        self._blank = alphabet.blank_id
        self._n_symbols = len(names)
        self._space = names.index(SPACE) if SPACE in names else None
        silent = []  # their probability goes to the blank
        if self.lexicon is not None or options.lm is not None:
            silent += [alphabet.start, alphabet.end]
        if self.lexicon is not None:
            silent.append(alphabet.unknown)
        self._silent = [alphabet.index[s] for s in silent if s in alphabet.index]
        # Flashlight starts a search as if after a silence, so that the first space of
        # a transcript would cost nothing. Without a lexicon the blank serves as
        # silence; with one, the silence must be another token.
        silence = names[self._blank] if self.lexicon is None else SPACE
        if silence not in names:
            names.append(silence)
        self._n_columns = len(names)
        self._closing = self._make_closing()
        self._decoder = build_decoder(
            make, options, self.lexicon, names, names[self._blank], silence
        )
        self._streamed: int | None = None  # frames of the open stream

    def _make_closing(self) -> Tensor | None:
        """Make the frame (1, V) that ends the last word, where words end in a space.

        A hypothesis inside a word goes on through the blank, at a cost that
        ``_to_timed`` gives back, and so remains if there is no other.
        """
        if self.lexicon is None or self._space is None:
            return None
        closing = torch.full((1, self._n_columns), -torch.inf)
        closing[0, self._blank], closing[0, self._space] = FLOOR, 0.0
        return closing

    def search(self, log_probs: Tensor, lengths: Tensor) -> list[list[Hypothesis]]:
        """Find the most probable transcripts of each utterance of a batch.

        The log-probabilities are (T, B, V), of any floating type, on any device; the
        lengths, (B,), are in frames.

        Returns:
            The n-best list of each, best first. The part ``lm`` is the model's log
            probability in nats, the end of the sentence included; ``ctc`` is what the
            score has besides it and the scores of words, that is, the sum over the
            paths that the beam has kept.

        Raises:
            LabError: A log-probability is NaN or +inf, or the shapes do not fit.
        """
        nbests = self.search_timed(log_probs, lengths)
        return [[found for found, _ in nbest] for nbest in nbests]

    def search_timed(self, log_probs: Tensor, lengths: Tensor) -> list[list[Timed]]:
        """Find what ``search`` finds, with the frames of the symbols."""
        n_frames, n_utterances, _ = log_probs.shape
        if lengths.shape != (n_utterances,) or (lengths > n_frames).any():
            raise LabError(
                f"lengths {lengths.tolist()} for {n_utterances} utterances of "
                f"{n_frames} frames",
                "give one for each, none above the number of frames",
            )
        self._streamed = None  # there is one search at a time
        log_probs = log_probs.detach().cpu()
        every = []
        for b, length in enumerate(lengths.tolist()):
            # Padding may hold anything, NaN too.
            emissions = self._prepare(log_probs[:length, b])
            if self._closing is not None:
                emissions = torch.cat([emissions, self._closing])
            results = self._decoder.decoder.decode(
                emissions.data_ptr(), len(emissions), self._n_columns
            )
            every.append(self._to_nbest(results, length))
        return every

    def begin(self) -> None:
        """Open a stream: an utterance whose frames arrive in pieces.

        ``begin``, ``step`` for each piece and ``end`` find what ``search`` finds; the
        others raise LabError if no stream is open.
        """
        self._decoder.decode_begin()
        self._streamed = 0

    def step(self, log_probs: Tensor) -> None:
        """Search on through the next frames (T, V) of the stream; T may be 0."""
        n_frames = self._frames_so_far()
        emissions = self._prepare(log_probs)
        self._decoder.decode_step(emissions)
        self._streamed = n_frames + len(emissions)

    def best(self) -> Hypothesis:
        """Return the best transcript of the stream so far.

        Its last word may be incomplete; the end of the sentence is not scored.
        """
        n_frames = self._frames_so_far()
        results = self._decoder.decoder.get_all_final_hypothesis() if n_frames else []
        if not results:
            return Hypothesis(0.0, [], {"ctc": 0.0})
        best = max(results, key=lambda result: result.score)
        return self._to_timed(best, n_frames, 0.0).found

    def end(self) -> list[Hypothesis]:
        """Close the stream; return its n-best list, best first."""
        n_frames = self._frames_so_far()
        self._streamed = None
        if self._closing is not None:
            self._decoder.decode_step(self._closing)
        self._decoder.decode_end()
        results = self._decoder.decoder.get_all_final_hypothesis()
        return [found for found, _ in self._to_nbest(results, n_frames)]

    def _frames_so_far(self) -> int:
        if self._streamed is None:
            raise LabError("no stream is open", "call begin() first")
        return self._streamed

    def _prepare(self, log_probs: Tensor) -> Tensor:
        """Turn (T, V) into what Flashlight reads: (T, columns), float32, on the CPU."""
        if log_probs.dim() != 2 or log_probs.shape[1] != self._n_symbols:
            raise LabError(
                f"scores of shape {tuple(log_probs.shape)} for an alphabet of "
                f"{self._n_symbols} symbols",
                "use the alphabet that the network was trained with",
            )
        if not (log_probs < torch.inf).all():
            raise LabError(
                "the scores hold NaN or infinity",
                "the network has diverged: train it with a lower --base_lr",
            )
        emissions = log_probs.new_full(
            (len(log_probs), self._n_columns), FLOOR, dtype=torch.float32, device="cpu"
        )
        emissions[:, : self._n_symbols] = log_probs.detach().clamp(min=FLOOR)
        if self._silent:
            silent = [self._blank, *self._silent]
            emissions[:, self._blank] = emissions[:, silent].logsumexp(dim=1)
            emissions[:, self._silent] = FLOOR
        if self.lexicon is None and self._space is not None:
            emissions[:, self._space] += self.options.sil_score
        return emissions

    def _to_nbest(self, results: Sequence[DecodeResult], n_frames: int) -> list[Timed]:
        # They are sorted.
        nbest: dict[tuple[int, ...], Timed] = {}
        for result in results:
            if len(nbest) == (self.options.nbest or len(results)):
                break
            owed = 0.0
            if self._closing is not None:
                # The token before the last, which marks the end, closes.
                owed = self._closing[0, result.tokens[-2]].item()
            timed = self._to_timed(result, n_frames, owed)
            # Two words may have the same spelling; the better one came first.
            nbest.setdefault(tuple(timed.found.indices), timed)
        return list(nbest.values())

    def _to_timed(self, result: DecodeResult, n_frames: int, owed: float) -> Timed:
        """Read one result; the frame that ends the last word has added ``owed``.

        Flashlight puts a token before the first frame: those of the frames are 1 to
        ``n_frames`` of its list.
        """
        options = self.options
        score = result.score - owed
        lm = result.lmScore * self.options.nats_of_lm
        ctc = score - options.lm_weight * lm
        if self.lexicon is not None:
            words = [word for word in result.words if word >= 0]
            unknown = words.count(len(self.lexicon.spellings))
            ctc -= options.word_score * (len(words) - unknown)
            ctc -= options.unk_score * unknown if unknown else 0.0
        indices, frames = self._collapse(result.tokens[1 : n_frames + 1])
        parts = {"ctc": ctc} if options.lm is None else {"ctc": ctc, "lm": lm}
        return Timed(Hypothesis(score, indices, parts), frames)

    def _collapse(self, path: Sequence[int]) -> tuple[list[int], list[int]]:
        """Reduce a path to its transcript and the first frame of each symbol."""
        indices: list[int] = []
        frames: list[int] = []
        before = self._blank
        worded = self.lexicon is not None
        for frame, symbol in enumerate(path):
            is_new = symbol not in (before, self._blank)
            before = symbol
            # Flashlight allows any number of spaces between two words.
            if worded and symbol == self._space and indices[-1:] in ([], [symbol]):
                continue
            if is_new and symbol < self._n_symbols:
                indices.append(symbol)
                frames.append(frame)
        if worded and indices and indices[-1] == self._space:
            del indices[-1], frames[-1]
        return indices, frames
