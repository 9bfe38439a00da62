"""Running a network over a whole fold, and scoring what a search makes of it."""

from __future__ import annotations

import math
import time
from collections.abc import Callable, Iterator
from typing import NamedTuple

from torch.nn.utils.rnn import PackedSequence
from torch.utils.data import DataLoader

from labkit.base import progress
from labkit.decoding import Encoding, Hypothesis, Search
from labkit.evaluation.tables import FoldReport
from labkit.loading import Utterance, batches_of
from labkit.text import Alphabet


class EncodedBatch(NamedTuple):
    """What the network makes of a few utterances.

    Attributes:
        encoding: Its output.
        utterances: The utterances.
        references: Their transcripts, as decoding would spell them.
        seconds: What the network took.
    """

    encoding: Encoding
    utterances: list[Utterance]
    references: list[str]
    seconds: float


def encode_fold(
    encode: Callable[[PackedSequence], Encoding],
    loader: DataLoader,
    alphabet: Alphabet,
    title: str,
    n_clips: int | None = None,
) -> Iterator[EncodedBatch]:
    """Run a network over a fold, batch by batch, utterances of like length together.

    Memory holds one batch at a time.

    Args:
        encode: Runs the network over packed spectrograms (T, B, M).
        loader: The loader of the fold.
        alphabet: The alphabet.
        title: Of the progress bar.
        n_clips: Take no more than about so many, of all lengths; None for all.

    Yields:
        What the network makes of each batch.
    """
    sampler = batches_of(loader)
    batches = list(sampler)
    if n_clips:
        # They come by length: every second, third, ... batch is a fair sample.
        batches = batches[:: math.ceil(sum(map(len, batches)) / n_clips)]
    for keys in progress(batches, title):
        utterances = [u for u in map(sampler.utterances.__getitem__, keys) if u]
        if not utterances:
            continue
        spectrograms, _ = loader.collate_fn.batch_collate.collate(utterances)
        start = time.perf_counter()
        encoding = encode(spectrograms)
        seconds = time.perf_counter() - start
        references = [
            alphabet.plain(alphabet.decode(alphabet.encode(utterance.sentence)))
            for utterance in utterances
        ]
        yield EncodedBatch(encoding, utterances, references, seconds)


def score_batch(
    report: FoldReport,
    search: Search,
    batch: EncodedBatch,
    alphabet: Alphabet,
    frame_seconds: float = 0.0,
) -> list[list[Hypothesis]]:
    """Decode a batch, and count the errors and the time into a report.

    Args:
        report: The report of the search.
        search: The search.
        batch: What the network makes of the utterances.
        alphabet: The alphabet.
        frame_seconds: Seconds from one frame T' to the next.

    Returns:
        What the search has found.
    """
    start = time.perf_counter()
    found = search(batch.encoding)
    seconds = time.perf_counter() - start
    report.add_time(batch.encoding.n_frames * frame_seconds, batch.seconds, seconds)
    for utterance, reference, nbest in zip(batch.utterances, batch.references, found):
        text = alphabet.plain(alphabet.decode(nbest[0].indices)) if nbest else ""
        report.add(utterance.clip, reference, text)
    return found
