"""Running a network over a whole fold, and scoring the hypotheses of a search."""

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
    """The network's output for a batch of utterances.

    Attributes:
        encoding: Its output.
        utterances: The utterances.
        references: Their transcripts, spelled like decoded text.
        seconds: The time that the network took.
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
    """Run a network over a fold, in batches of utterances of similar length.

    Memory holds one batch at a time.

    Args:
        encode: Runs the network over packed spectrograms (T, B, M).
        loader: The loader of the fold.
        alphabet: The alphabet.
        title: Title of the progress bar.
        n_clips: Take about so many clips at most, of all lengths; None for all.

    Yields:
        The network's output for each batch.
    """
    sampler = batches_of(loader)
    batches = list(sampler)
    if n_clips:
        # Batches are ordered by length: every second, third, ... is a fair sample.
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
    """Decode a batch, and add its errors and its time to a report.

    Args:
        report: The report of the search.
        search: The search.
        batch: The network's output for the utterances.
        alphabet: The alphabet.
        frame_seconds: Seconds from one frame T' to the next.

    Returns:
        The n-best list of each utterance.
    """
    start, before = time.perf_counter(), getattr(search, "n_calls", 0)
    found = search(batch.encoding)
    seconds = time.perf_counter() - start
    report.add_calls(getattr(search, "n_calls", 0) - before)
    report.add_time(batch.encoding.n_frames * frame_seconds, batch.seconds, seconds)
    for utterance, reference, nbest in zip(batch.utterances, batch.references, found):
        text = alphabet.plain(alphabet.decode(nbest[0].indices)) if nbest else ""
        report.add(utterance.clip, reference, text, bool(nbest and nbest[0].cut))
    return found
