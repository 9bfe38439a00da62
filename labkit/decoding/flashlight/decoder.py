"""Beam search by Flashlight, through ``torchaudio.models.decoder.ctc_decoder``.

The decoder of J. Kahn et al., "Flashlight: Enabling innovation in tools for machine
learning", ICML 2022. It searches with or without a lexicon, over characters or word
pieces, with a language model of KenLM or one written in Python. By itself, it loses
probability, words and positions silently; ``FlashlightDecoder`` corrects that. It
decodes one utterance after another and holds Python's lock meanwhile: to use several
cores, start several processes.
"""

from __future__ import annotations

import math
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

import torch
from torch import Tensor

from labkit.base import LabError
from labkit.decoding.alignment import align, ctc_log_probs
from labkit.decoding.check import check_beam_size, check_scores
from labkit.decoding.encoding import Encoding, log_posteriors
from labkit.decoding.flashlight.lexicon import (
    choose_lexicon,
    name_tokens,
    read_lexicon,
)
from labkit.decoding.flashlight.paths import PathReader
from labkit.decoding.flashlight.setup import FLOOR, build_decoder, read_model
from labkit.decoding.hypothesis import Hypothesis
from labkit.decoding.options import SearchOptions
from labkit.lm import SPACE
from labkit.text import Alphabet

if TYPE_CHECKING:
    from flashlight.lib.text.decoder import DecodeResult


_NO_SILENCE = "<silence>"  # a token that no network has


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
    utterance, so a last frame of space is added where there is a lexicon. Word pieces
    that letters spell start with the space: a first frame of space is added.

    *Word pieces.* Flashlight leaves a word at the first frame of its last token. A
    piece that lasts would be two words, so it may also end in a doubled token (see
    ``Lexicon.text``); but then token, blank, token counts as one word too, and its
    probability is too high. So the part ``ctc`` of what was found is computed anew.

    Raises:
        LabError: There is no Flashlight for this Python; or the options, the lexicon
            or the language model cannot be used.

    Attributes:
        lexicon: The words that can be found; None without a lexicon.
    """

    def __init__(self, alphabet: Alphabet, options: SearchOptions) -> None:
        check_beam_size(options.beam_size)
        self.options = options
        names = name_tokens(alphabet)
        self._lm = read_model(options.lm) if options.lm else None
        file, pieces = options.lexicon, options.pieces
        given = read_lexicon(Path(file), alphabet, pieces) if file else None
        scored = self._lm and self._lm.vocabulary(names, given is not None)
        name = self._lm.name if self._lm else ""
        self.lexicon = choose_lexicon(given, alphabet, scored, name, pieces)
        self._check_options()
        # Do words end in a space? If not, they are word pieces.
        self._pieces = self.lexicon is not None and self.lexicon.is_of_pieces
        self._blank = alphabet.blank_id
        self._n_symbols = len(names)
        self._space = names.index(SPACE) if SPACE in names else None
        silent = []  # their probability goes to the blank
        if self.lexicon is not None or self._lm is not None:
            silent += [alphabet.start, alphabet.end]
        if self.lexicon is not None:
            silent.append(alphabet.unknown)
        self._silent = [alphabet.index[s] for s in silent if s in alphabet.index]
        # Flashlight starts a search as if after a silence, so that the first space of
        # a transcript would cost nothing. Without a lexicon the blank serves as
        # silence; with one, the silence must be another token.
        silence = names[self._blank] if self.lexicon is None else SPACE
        if self._pieces:  # they are not separated
            silence = _NO_SILENCE
        labelled = not pieces  # by letters, pieces spell words
        self._reader = PathReader([*names], self._blank, self.lexicon, labelled)
        if silence not in names:
            names.append(silence)
        self._n_columns = len(names)
        spaced = self.lexicon is not None and self._space is not None
        frame = self._make_space() if spaced else None
        self._opening = frame if self._pieces else None
        self._closing = None if self._pieces else frame
        self._decoder = build_decoder(
            options, self._lm, self.lexicon, names, names[self._blank], silence
        )
        self._streamed: list[Tensor] | None = None  # the frames of the open stream

    def _check_options(self) -> None:
        """Refuse numbers that no search can use, or of words without a lexicon."""
        options = self.options
        size = options.symbols_per_frame
        if size is not None and size < 1:
            cause = f"a symbols_per_frame of {size} keeps no hypothesis"
            raise LabError(cause, "use 1 or more")
        if not options.beam_threshold > 0:
            raise LabError(
                f"a beam_threshold of {options.beam_threshold} keeps no hypothesis",
                "use a threshold above 0, for example 25",
            )
        for name in ("lm_weight", "word_bonus", "silence_score"):
            if not math.isfinite(getattr(options, name)):
                raise LabError(f"{name}: not a finite number", "use a number of nats")
        if not options.unknown_score < math.inf:
            remedy = "use a number of nats, or -inf for no words"
            raise LabError("unknown_score: not a score", remedy)
        bonus = options.word_bonus if self._lm else 0.0
        if self.lexicon is None and (bonus or options.unknown_score > -math.inf):
            raise LabError(
                "Flashlight counts words, known and unknown, with a lexicon only",
                "give a lexicon or a word model, or use --decoder beam",
            )

    def _make_space(self) -> Tensor:
        """Make the frame (1, V) in which words end, or word pieces begin.

        A hypothesis inside a word goes on through the blank, at a cost that
        ``_read`` gives back, and so remains if there is no other.
        """
        frame = torch.full((1, self._n_columns), -torch.inf)
        frame[0, self._blank], frame[0, self._space] = FLOOR, 0.0
        return frame

    def __call__(self, encoding: Encoding) -> list[list[Hypothesis]]:
        """Search the encodings of a batch."""
        return self.search(*log_posteriors(encoding.ctc_scores))

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
            LabError: A log-probability is NaN or +inf, or a length does not fit.
        """
        check_scores(log_probs, lengths)
        found = []
        for b, length in enumerate(lengths.tolist()):
            self.stream()
            self.step(log_probs[:length, b])
            found.append(self.end())
        return found

    def stream(self, device: torch.device | None = None) -> FlashlightDecoder:
        """Open a stream: an utterance whose frames arrive in pieces.

        ``stream``, ``step`` for each piece and ``end`` find what ``search`` finds, on
        the CPU, whatever the ``device``. There is one search at a time; the others
        raise LabError if no stream is open.
        """
        self._decoder.decode_begin()
        self._streamed = []
        if self._opening is not None:
            self._decoder.decode_step(self._opening)
        return self

    def step(self, log_probs: Tensor) -> None:
        """Search on through the next frames (T, V) of the stream; T may be 0."""
        check_scores(log_probs.unsqueeze(1), torch.tensor([len(log_probs)]))
        streamed, emissions = self._opened(), self._prepare(log_probs)
        self._decoder.decode_step(emissions)
        streamed.append(emissions)

    def best(self) -> Hypothesis:
        """Return the best transcript of the stream so far.

        Its last word may be incomplete; the end of the sentence is not scored.
        """
        n_frames = sum(map(len, self._opened()))
        if not n_frames:
            return Hypothesis(0.0, [], {"ctc": 0.0})
        # The best one alone, as Flashlight offers it, would end with a whole word.
        results = self._decoder.decoder.get_all_final_hypothesis()
        best = max(results, key=lambda result: result.score)
        return self._read(best, n_frames, 0.0)

    def end(self) -> list[Hypothesis]:
        """Close the stream; return its n-best list, best first."""
        empty = torch.empty(0, self._n_columns)
        emissions = torch.cat([empty, *self._opened()])
        self._streamed = None
        if self._closing is not None:
            self._decoder.decode_step(self._closing)
        self._decoder.decode_end()
        read = []
        for result in self._decoder.decoder.get_all_final_hypothesis():
            owed = 0.0
            if self._closing is not None:
                # The token before the last, which marks the end, closes.
                token = result.tokens[-2]
                owed = self._closing[0, token].item()
                owed += self.options.silence_score * (token == self._space)
            read.append(self._read(result, len(emissions), owed))
        if self._pieces:
            read = self._computed_anew(read, emissions)
        nbest: dict[tuple[int, ...], Hypothesis] = {}
        for one in sorted(read, key=lambda one: one.score, reverse=True):
            # Two words may have the same spelling; the better one comes first.
            nbest.setdefault(tuple(one.indices), one)
        return [*nbest.values()]

    def _opened(self) -> list[Tensor]:
        if self._streamed is None:
            raise LabError("no stream is open", "call stream() first")
        return self._streamed

    def _prepare(self, log_probs: Tensor) -> Tensor:
        """Turn (T, V) into what Flashlight reads: (T, columns), float32, on the CPU."""
        if log_probs.dim() != 2 or log_probs.shape[1] != self._n_symbols:
            raise LabError(
                f"scores of shape {tuple(log_probs.shape)} for an alphabet of "
                f"{self._n_symbols} symbols",
                "use the alphabet that the network was trained with",
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
            emissions[:, self._space] += self.options.silence_score
        return emissions

    def _read(self, result: DecodeResult, n_frames: int, owed: float) -> Hypothesis:
        """Read one result; the frame that ends the last word has added ``owed``.

        Flashlight puts a token before the first frame: those of the frames follow it,
        and the frame of space, if there is one.
        """
        options, lexicon = self.options, self.lexicon
        first = 1 if self._opening is None else 2
        score = result.score - owed
        parts = {"ctc": score}
        if self._lm:
            parts["lm"] = result.lmScore * self._lm.unit
            parts["ctc"] -= options.lm_weight * parts["lm"]
        if lexicon is not None:
            words = [word for word in result.words if word >= 0]
            unknown = words.count(len(lexicon.spellings))
            parts["ctc"] -= options.word_bonus * (len(words) - unknown)
            parts["ctc"] -= options.unknown_score * unknown if unknown else 0.0
        path, ends = result.tokens[first:], result.words[first:]
        indices, frames, labels = self._reader.read(path, ends, n_frames)
        return Hypothesis(score, indices, parts, labels=labels, frames=frames)

    def _computed_anew(
        self, read: list[Hypothesis], emissions: Tensor
    ) -> list[Hypothesis]:
        """Replace the parts ``ctc`` by the exact ones."""
        strings = [one.indices for one in read]
        if self.options.viterbi:
            silence = emissions[:, self._blank].double().sum().item()
            exact = [
                align(emissions, string, self._blank).log_prob if string else silence
                for string in strings
            ]
        else:
            exact = ctc_log_probs(strings, emissions, self._blank)
        return [
            replace(
                one,
                score=one.score + ctc - one.parts["ctc"],
                parts={**one.parts, "ctc": ctc},
            )
            for one, ctc in zip(read, exact)
        ]
