"""The setup of ``test``: a network, its decoders, and the options."""

from __future__ import annotations

import argparse
import sys
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import nullcontext
from dataclasses import dataclass, replace
from functools import cached_property
from pathlib import Path
from typing import NamedTuple, Protocol

from torch import Tensor, nn
from torch.nn.utils.rnn import PackedSequence, pack_sequence
from torch.utils.data import DataLoader

from labkit.audio import read_audio, why_inaudible, why_partial
from labkit.base import LabError
from labkit.decoding import (
    Aligner,
    BeamDecoder,
    Encoding,
    FlashlightDecoder,
    Hypothesis,
    Recogniser,
    Search,
    SearchOptions,
    Stream,
    Viterbi,
    align,
    choose_aligner,
)
from labkit.evaluation.posteriors import EncodedBatch, encode_fold
from labkit.evaluation.timed import TimedHypothesis, describe
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


class Network(Recogniser, Protocol):
    """A recogniser with the ratio of its input's frames to its output's."""

    @property
    def stride(self) -> int:
        """Frames T of the spectrogram for one frame T' of the encoding."""
        ...


class Clip(NamedTuple):
    """A clip to transcribe.

    Attributes:
        name: Its file.
        seconds: Its length.
        log_mel: Its spectrogram (T, M), in dB.
        inputs: The input of the network, packed (T, 1, M).
    """

    name: str
    seconds: float
    log_mel: Tensor
    inputs: PackedSequence


@dataclass
class CountingSearch:
    """A search that finds something for every utterance, and counts its calls.

    Attributes:
        search: The search.
        name: Name of its decoder.
        network: The attention decoder, if the network has one.
        most: How many utterances it searches together.
        n_calls: How often the search has called it.
    """

    search: Search
    name: str
    network: nn.Module | None
    most: int
    n_calls: int = 0

    def __call__(self, encoding: Encoding) -> list[list[Hypothesis]]:
        """Search a batch.

        Raises:
            LabError: An utterance has no hypothesis.
        """
        hook = self.network and self.network.register_forward_hook(self._count)
        with hook or nullcontext():
            parts = encoding.split(self.most)
            found = [nbest for part in parts for nbest in self.search(part)]
        if not all(found):
            raise nothing_found(self.name)
        return found

    def open(self, log_probs: Tensor) -> Stream:
        """Open a stream for an utterance whose log-probabilities are such."""
        assert isinstance(self.search, (BeamDecoder, FlashlightDecoder))  # of --stream
        return self.search.stream(log_probs.device)

    def _count(self, *_: object) -> None:
        self.n_calls += 1


def nothing_found(decoder: str) -> LabError:
    """Make the error of a search without a hypothesis."""
    cause = f"--decoder {decoder} found nothing"
    return LabError(cause, "use weights and bonuses nearer to 0")


@dataclass(frozen=True)
class Setup:
    """The data that transcribing, scoring, comparing and tuning share.

    Attributes:
        args: The options.
        model: The network, in evaluation mode.
        decoders: The table of decoders.
        processor: Turns clips into the network's input.
        viterbi: Aligns a clip with a transcript; None for the kit's alignment.
    """

    args: argparse.Namespace
    model: Network
    decoders: Mapping[str, Callable[[Recogniser, SearchOptions], Search]]
    processor: Processor
    viterbi: Viterbi | None = None

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

    def options(self, lm: str | None, **changes: float) -> SearchOptions:
        """Return the options of a search: those of ``args``, with ``changes``."""
        return replace(SearchOptions.of(self.args), lm=lm, **changes)

    def make_search(
        self, decoder: str, lm: str | None, **changes: float
    ) -> CountingSearch:
        """Make a search from the table; it fails if an utterance has no hypothesis."""
        search = self.decoders[decoder](self.model, self.options(lm, **changes))
        most = max(1, _MOST_TOGETHER // self.args.beamwidth)
        network = getattr(self.model, "decoder", None)
        return CountingSearch(search, decoder, network, most)

    def read_clip(self, name: str) -> Clip:
        """Read a clip to transcribe."""
        waveform, rate = read_audio(name)  # (1, samples)
        why = why_inaudible(waveform)
        if why:
            todo = "check the microphone, or amplify the clip (ffmpeg -af loudnorm)"
            print(f"warning: {name}: {why}; {todo}", file=sys.stderr)
        seconds = waveform.shape[1] / rate
        missing = why_partial(name, seconds) if Path(name).is_file() else None
        if missing:
            print(
                f"warning: {name}: {missing}; it was cut, or is damaged",
                file=sys.stderr,
            )
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

    def encode_fold(
        self, loader: DataLoader, n_clips: int | None = None
    ) -> Iterator[EncodedBatch]:
        """Run the network over the fold, or over about ``n_clips`` of it."""
        return encode_fold(
            self.encode, loader, self.alphabet, title=self.args.fold, n_clips=n_clips
        )

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
