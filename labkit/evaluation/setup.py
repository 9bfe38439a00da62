"""The setup of ``test``: a network, its decoders, and the options."""

from __future__ import annotations

import argparse
import math
import sys
import time
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import nullcontext
from dataclasses import dataclass, replace
from functools import cached_property
from pathlib import Path
from typing import Any, NamedTuple, Protocol, cast

from torch import Tensor, nn
from torch.nn.utils.rnn import PackedSequence, pack_sequence
from torch.utils.data import DataLoader

from labkit.audio import read_audio, why_inaudible, why_partial
from labkit.base import LabError, progress
from labkit.decoding import (
    Aligner,
    Encoding,
    Hypothesis,
    Recogniser,
    Search,
    SearchOptions,
    Viterbi,
    align,
    attention_weights,
    choose_aligner,
)
from labkit.evaluation.tables import FoldReport
from labkit.evaluation.timed import TimedHypothesis, describe
from labkit.loading import Utterance, batches_of
from labkit.text import Alphabet

_MOST_TOGETHER = 20_000  # hypotheses of all utterances that are searched together


class Processor(Protocol):
    """Turns a clip into the input of a network, like ``WaveformProcessor``."""

    rate: int
    hop_length: int

    def log_mel(self, waveform: Tensor, rate: int) -> Tensor:
        """Turn a clip (1, samples) at ``rate`` Hz into its log-mel (T, M), in dB."""
        ...

    def finish(self, log_mel: Tensor) -> Tensor:
        """Normalise a log-mel (T, M)."""
        ...


class Clip(NamedTuple):
    """A clip to transcribe."""

    name: str  # its file
    seconds: float
    log_mel: Tensor  # (T, M), in dB
    inputs: PackedSequence  # of the network, (T, 1, M)


class EncodedBatch(NamedTuple):
    """The network's output for a batch of utterances."""

    encoding: Encoding
    utterances: list[Utterance]
    seconds: float  # that the network took


@dataclass
class CountingSearch:
    """A search that finds something for every utterance, and counts its calls."""

    search: Search
    name: str  # of its decoder
    network: nn.Module | None  # the attention decoder, if the network has one
    most: int  # utterances that are searched together
    n_calls: int = 0  # of the attention decoder

    def __call__(self, encoding: Encoding) -> list[list[Hypothesis]]:
        """Search a batch.

        Raises:
            LabError: An utterance has no hypothesis.
        """
        hook = self.network and self.network.register_forward_hook(self._count)
        with hook or nullcontext():
            parts = map(self.search, encoding.split(self.most))
            return [self.checked(nbest) for part in parts for nbest in part]

    def checked(self, nbest: list[Hypothesis]) -> list[Hypothesis]:
        """Return an n-best list, which must not be empty."""
        if nbest:
            return nbest
        cause = f"--decoder {self.name} found nothing"
        raise LabError(cause, "use weights and bonuses nearer to 0")

    def _count(self, *_: object) -> None:
        self.n_calls += 1


@dataclass(frozen=True)
class Setup:
    """The data that transcribing, scoring, comparing and tuning share."""

    args: argparse.Namespace  # the options
    model: Recogniser  # in evaluation mode
    decoders: Mapping[str, Callable[[Recogniser, SearchOptions], Search]]
    processor: Processor  # turns clips into the network's input
    viterbi: Viterbi | None = None  # aligns a clip with a text; None for the kit's

    @cached_property
    def aligner(self) -> Aligner:
        """What aligns clips: ``viterbi``, or the kit where that is unwritten."""
        return choose_aligner(self.viterbi)

    @property
    def alphabet(self) -> Alphabet:
        """The alphabet of the network."""
        return self.model.charmap.alphabet

    @property
    def win_step(self) -> float:
        """Seconds from one frame T to the next."""
        return self.processor.hop_length / self.processor.rate

    @property
    def frame_seconds(self) -> float:
        """Seconds from one frame T' to the next."""
        return self.model.stride * self.win_step

    def make_search(
        self, decoder: str, lm: str | None, **changes: float
    ) -> CountingSearch:
        """Make a search from the table, with the options of ``args`` and ``changes``.

        It fails if an utterance has no hypothesis.
        """
        options = replace(SearchOptions.of(self.args), lm=lm, **changes)
        search = self.decoders[decoder](self.model, options)
        most = max(1, _MOST_TOGETHER // self.args.beamwidth)
        network = getattr(self.model, "decoder", None)
        return CountingSearch(search, decoder, network, most)

    def spelled(self, text: str) -> str:
        """Spell what was said like decoded text."""
        alphabet = self.alphabet
        return alphabet.plain(alphabet.decode(alphabet.encode(text)))

    def read_clip(self, name: str) -> Clip:
        """Read a clip to transcribe."""
        waveform, rate = read_audio(name)  # (1, samples)
        seconds = waveform.shape[1] / rate
        quiet, missing = why_inaudible(waveform), None
        if Path(name).is_file():  # no pipe
            missing = why_partial(name, seconds)
        todo = "check the microphone, or amplify the clip (ffmpeg -af loudnorm)"
        for why, what in ((quiet, todo), (missing, "it was cut, or is damaged")):
            if why:
                print(f"warning: {name}: {why}; {what}", file=sys.stderr)
        log_mel = self.processor.log_mel(waveform, rate)  # (T, M)
        inputs = pack_sequence([self.processor.finish(log_mel)])
        return Clip(name, seconds, log_mel, inputs)

    def encode(self, inputs: PackedSequence) -> Encoding:
        """Run the network over packed spectrograms (T, B, M).

        Raises:
            LabError: It gives NaN.
        """
        encoding = self.model.encode(inputs.to(self.args.device))
        encoding.check()
        return encoding

    def attention(
        self, encoding: Encoding, indices: Sequence[int]
    ) -> tuple[list[str], Tensor]:
        """Find where attention looks for each symbol of a text, without its start.

        Returns:
            The U symbols, and the weights (U, T').
        """
        alphabet = self.alphabet
        asked = [k for k in indices if k != alphabet.index[alphabet.start]]
        # A cast, since only some networks have a decoder; others raise a LabError.
        weights = attention_weights(cast(Any, self.model), encoding, asked)
        return [alphabet.symbols[k] for k in asked], weights

    def encode_fold(
        self, loader: DataLoader, n_clips: int | None = None
    ) -> Iterator[EncodedBatch]:
        """Run the network over a fold, in batches of utterances of similar length.

        Memory holds one batch at a time.

        Args:
            loader: The loader of the fold.
            n_clips: Take about so many clips at most, of all lengths; None for all.
        """
        sampler = batches_of(loader)
        batches = list(sampler)
        if n_clips:
            # They are ordered by length: every second, third, ... is a fair sample.
            batches = batches[:: math.ceil(sum(map(len, batches)) / n_clips)]
        for keys in progress(batches, self.args.fold):
            utterances = [u for u in map(sampler.utterances.__getitem__, keys) if u]
            if not utterances:
                continue
            spectrograms, _ = loader.collate_fn.batch_collate.collate(utterances)
            start = time.perf_counter()
            encoding = self.encode(spectrograms)
            seconds = time.perf_counter() - start
            yield EncodedBatch(encoding, utterances, seconds)

    def score(
        self, report: FoldReport, search: CountingSearch, batch: EncodedBatch
    ) -> list[list[Hypothesis]]:
        """Decode a batch, and add its errors and its time to a report.

        Returns:
            The n-best list of each utterance.
        """
        start, before = time.perf_counter(), search.n_calls
        found = search(batch.encoding)
        seconds = time.perf_counter() - start
        speech = batch.encoding.n_frames * self.frame_seconds
        report.add_batch(search.n_calls - before, speech, batch.seconds, seconds)
        plain, decode = self.alphabet.plain, self.alphabet.decode
        for one, (best, *_) in zip(batch.utterances, found):
            said, text = self.spelled(one.sentence), plain(decode(best.indices))
            report.add(one.clip, said, text, best.cut)
        return found

    def score_all(
        self, batches: Iterable[EncodedBatch], searches: Mapping[str, CountingSearch]
    ) -> list[FoldReport]:
        """Score several searches, given by their names, on the same batches."""
        reports = {name: FoldReport(name) for name in searches}
        for batch in batches:
            for name, search in searches.items():
                self.score(reports[name], search, batch)
        return [*reports.values()]

    def describe(
        self,
        found: Sequence[Hypothesis],
        log_probs: Tensor,
        seconds: float,
        aligner: Aligner = align,
    ) -> list[TimedHypothesis]:
        """Give text and times to the best hypotheses.

        Args:
            found: The n-best list of an utterance; ``--nbest`` of them are kept.
            log_probs: Its log-probabilities (T', V).
            seconds: Its length.
            aligner: Finds the times; that of the kit is fast enough for a fold.
        """
        return describe(
            found[: self.args.nbest],
            log_probs,
            self.alphabet,
            self.frame_seconds,
            seconds,
            aligner,
        )
