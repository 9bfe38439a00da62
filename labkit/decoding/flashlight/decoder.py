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
from dataclasses import replace
from typing import TYPE_CHECKING, NamedTuple

import torch
from torch import Tensor

from labkit.base import LabError
from labkit.decoding.check import check_scores
from labkit.decoding.exact import best_path_log_prob, ctc_log_probs
from labkit.decoding.flashlight.lexicon import (
    choose_lexicon,
    name_tokens,
    read_binary_vocabulary,
)
from labkit.decoding.flashlight.paths import PathReader
from labkit.decoding.flashlight.setup import (
    FLOOR,
    FlashlightOptions,
    build_decoder,
    import_decoder,
    read_model,
)
from labkit.decoding.hypothesis import Hypothesis
from labkit.lm import SPACE, NGram, ScriptModel
from labkit.text import Alphabet

if TYPE_CHECKING:
    from flashlight.lib.text.decoder import DecodeResult


_NO_SILENCE = "<silence>"  # a token that no network has


class _Read(NamedTuple):
    """A result of Flashlight, read."""

    found: Hypothesis  # its scores without those of words
    words: int  # of the lexicon
    unknown: int  # other words


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

    def __init__(self, alphabet: Alphabet, options: FlashlightOptions) -> None:
        self.options = options
        make = import_decoder()
        names = name_tokens(alphabet)
        model = read_model(options.lm_file)
        scored = _vocabulary(options, model, names)
        self.lexicon = choose_lexicon(
            options.lexicon, alphabet, scored, options.lm_name, options.pieces
        )
        options.check(self.lexicon)
        # Do words end in a space? If not, they are word pieces.
        self._pieces = self.lexicon is not None and self.lexicon.is_of_pieces
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
        if self._pieces:  # they are not separated
            silence = _NO_SILENCE
        labelled = not options.pieces  # by letters, pieces spell words
        self._reader = PathReader([*names], self._blank, self.lexicon, labelled)
        if silence not in names:
            names.append(silence)
        self._n_columns = len(names)
        spaced = self.lexicon is not None and self._space is not None
        frame = self._make_space() if spaced else None
        self._opening = frame if self._pieces else None
        self._closing = None if self._pieces else frame
        self._decoder = build_decoder(
            make, options, model, self.lexicon, names, names[self._blank], silence
        )
        # The frames of the open stream.
        self._streamed: list[Tensor] | None = None

    def _make_space(self) -> Tensor:
        """Make the frame (1, V) in which words end, or word pieces begin.

        A hypothesis inside a word goes on through the blank, at a cost that
        ``_read`` gives back, and so remains if there is no other.
        """
        frame = torch.full((1, self._n_columns), -torch.inf)
        frame[0, self._blank], frame[0, self._space] = FLOOR, 0.0
        return frame

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
        check_scores(log_probs, lengths)
        self._streamed = None  # there is one search at a time
        log_probs = log_probs.detach().cpu()
        every = []
        for b, length in enumerate(lengths.tolist()):
            emissions = self._prepare(log_probs[:length, b])
            around = [self._opening, emissions, self._closing]
            frames = torch.cat([frame for frame in around if frame is not None])
            results = self._decoder.decoder.decode(
                frames.data_ptr(), len(frames), self._n_columns
            )
            every.append(self._to_nbest(results, emissions))
        return every

    def begin(self) -> None:
        """Open a stream: an utterance whose frames arrive in pieces.

        ``begin``, ``step`` for each piece and ``end`` find what ``search`` finds; the
        others raise LabError if no stream is open.
        """
        self._decoder.decode_begin()
        self._streamed = []
        if self._opening is not None:
            self._decoder.decode_step(self._opening)

    def step(self, log_probs: Tensor) -> None:
        """Search on through the next frames (T, V) of the stream; T may be 0."""
        streamed = self._stream()
        check_scores(log_probs.unsqueeze(1), torch.tensor([len(log_probs)]))
        emissions = self._prepare(log_probs)
        self._decoder.decode_step(emissions)
        streamed.append(emissions)

    def best(self) -> Hypothesis:
        """Return the best transcript of the stream so far.

        Its last word may be incomplete; the end of the sentence is not scored.
        """
        n_frames = sum(map(len, self._stream()))
        if not n_frames:
            return Hypothesis(0.0, [], {"ctc": 0.0})
        # The best one alone, as Flashlight offers it, would end with a whole word.
        results = self._decoder.decoder.get_all_final_hypothesis()
        best = max(results, key=lambda result: result.score)
        return self._with_words(self._read(best, n_frames, 0.0))

    def end(self) -> list[Hypothesis]:
        """Close the stream; return its n-best list, best first."""
        empty = torch.empty(0, self._n_columns)
        emissions = torch.cat([empty, *self._stream()])
        self._streamed = None
        if self._closing is not None:
            self._decoder.decode_step(self._closing)
        self._decoder.decode_end()
        results = self._decoder.decoder.get_all_final_hypothesis()
        return self._to_nbest(results, emissions)

    def _stream(self) -> list[Tensor]:
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

    def _to_nbest(
        self, results: Sequence[DecodeResult], emissions: Tensor
    ) -> list[Hypothesis]:
        read = []
        for result in results:
            owed = 0.0
            if self._closing is not None:
                # The token before the last, which marks the end, closes.
                token = result.tokens[-2]
                owed = self._closing[0, token].item()
                owed += self.options.sil_score * (token == self._space)
            read.append(self._read(result, len(emissions), owed))
        if self._pieces:
            read = self._computed_anew(read, emissions)
        nbest: dict[tuple[int, ...], Hypothesis] = {}
        found = map(self._with_words, read)
        for one in sorted(found, key=lambda one: one.score, reverse=True):
            # Two words may have the same spelling; the better one comes first.
            nbest.setdefault(tuple(one.indices), one)
        return [*nbest.values()][: self.options.nbest]

    def _read(self, result: DecodeResult, n_frames: int, owed: float) -> _Read:
        """Read one result; the frame that ends the last word has added ``owed``.

        Flashlight puts a token before the first frame: those of the frames follow it,
        and the frame of space, if there is one.
        """
        options, lexicon = self.options, self.lexicon
        first = 1 if self._opening is None else 2
        words = [word for word in result.words if word >= 0]
        unknown = words.count(len(lexicon.spellings)) if lexicon else 0
        lm = result.lmScore * options.nats_of_lm
        ctc = result.score - owed - options.lm_weight * lm
        if lexicon is not None:
            ctc -= options.word_score * (len(words) - unknown)
            ctc -= options.unk_score * unknown if unknown else 0.0
        path, ends = result.tokens[first:], result.words[first:]
        indices, frames, labels = self._reader.read(path, ends, n_frames)
        parts = {"ctc": ctc} if options.lm is None else {"ctc": ctc, "lm": lm}
        found = Hypothesis(0.0, indices, parts, labels=labels, frames=frames)
        return _Read(found, len(words) - unknown, unknown)

    def _with_words(self, read: _Read) -> Hypothesis:
        """Add up the score of a hypothesis."""
        options, (found, words, unknown) = self.options, read
        score = found.parts["ctc"] + options.lm_weight * found.parts.get("lm", 0.0)
        score += options.word_score * words if words else 0.0
        score += options.unk_score * unknown if unknown else 0.0
        return replace(found, score=score)

    def _computed_anew(self, read: list[_Read], emissions: Tensor) -> list[_Read]:
        """Replace the parts ``ctc`` by the exact ones."""
        strings = [one.found.indices for one in read]
        if self.options.log_add:
            exact = ctc_log_probs(strings, emissions, self._blank)
        else:
            exact = [best_path_log_prob(x, emissions, self._blank) for x in strings]
        return [
            one._replace(
                found=replace(one.found, parts={**one.found.parts, "ctc": ctc})
            )
            for one, ctc in zip(read, exact)
        ]


def _vocabulary(
    options: FlashlightOptions, model: NGram | None, tokens: Sequence[str]
) -> Sequence[str] | None:
    """Return the symbols that the language model scores; None if nobody knows."""
    if model:
        return model.vocabulary
    if options.lm_file:
        return read_binary_vocabulary(options.lm_file)
    if not isinstance(options.lm, ScriptModel):
        return None
    if options.lm.units == "char":
        return tokens
    if not (options.lm.words or options.lexicon):
        raise LabError(
            f"{options.lm.name}: a model of words, and nobody knows which",
            "list them in its attribute words, or give a --lexicon",
        )
    return options.lm.words or None
