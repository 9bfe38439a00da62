"""Decoding a whole fold: one decoder, several side by side, a sweep of weights."""

from __future__ import annotations

import math
import time
from collections.abc import Callable, Iterable, Iterator, Sequence
from typing import NamedTuple

import torch
from torch import Tensor, nn
from torch.utils.data import DataLoader

from labkit.base import progress
from labkit.decoding import Alphabet, Hypothesis, Search, log_posteriors
from labkit.evaluation.tables import FoldReport
from labkit.loading import Utterance


class PosteriorBatch(NamedTuple):
    """What the network makes of a few utterances.

    Attributes:
        log_probs: Log-probabilities of each symbol at each frame, (T', B, V).
        lengths: Frames T' of each utterance, (B,).
        utterances: The utterances.
        seconds: What the network took.
    """

    log_probs: Tensor
    lengths: Tensor
    utterances: list[Utterance]
    seconds: float


class TextAlphabet(Alphabet):
    """What scoring asks of the alphabet, besides; ``CharMap`` has it."""

    def encode(self, text: str) -> list[int]:
        """Turn a sentence into indices."""

    def decode(self, indices: Sequence[int]) -> str:
        """Map indices to their symbols."""

    def plain(self, text: str) -> str:
        """Leave the markers out."""


def compute_posteriors(
    model: nn.Module,
    loader: DataLoader,
    device: torch.device,
    title: str,
    n_clips: int | None = None,
) -> Iterator[PosteriorBatch]:
    """Run the network over a fold, batch by batch, utterances of like length together.

    Memory holds one batch at a time.

    Args:
        model: The network, in evaluation mode.
        loader: The loader of the fold.
        device: Where the network is.
        title: Of the progress bar.
        n_clips: Take no more than about so many, of all lengths; None for all.

    Yields:
        What the network makes of each batch.
    """
    batches = list(loader.batch_sampler)
    if n_clips:
        # They come by length: every second, third, ... batch is a fair sample.
        batches = batches[:: math.ceil(sum(map(len, batches)) / n_clips)]
    for keys in progress(batches, title):
        utterances = [u for u in map(loader.dataset.__getitem__, keys) if u]
        if not utterances:
            continue
        spectrograms, _ = loader.collate_fn.batch_collate.collate(utterances)
        start = time.perf_counter()
        log_probs, lengths = log_posteriors(model(spectrograms.to(device)))
        yield PosteriorBatch(
            log_probs, lengths, utterances, time.perf_counter() - start
        )


def score_searches(
    batches: Iterable[PosteriorBatch],
    searches: dict[str, Search],
    charmap: TextAlphabet,
    frame_seconds: float,
    keep: Callable[[PosteriorBatch, list[list[Hypothesis]]], None] | None = None,
) -> list[FoldReport]:
    """Decode batches with every search, and compare with the transcripts.

    Args:
        batches: What the network makes of the fold.
        searches: The searches by name.
        charmap: The alphabet.
        frame_seconds: Seconds from one frame to the next.
        keep: Called with each batch and what the first search has found, if given.

    Returns:
        The report of each search, in their order.
    """
    reports = [FoldReport(name) for name in searches]
    for batch in batches:
        speech = batch.lengths.sum().item() * frame_seconds
        references = [
            charmap.plain(charmap.decode(charmap.encode(utterance.sentence)))
            for utterance in batch.utterances
        ]
        for report, search in zip(reports, searches.values()):
            start = time.perf_counter()
            found = search(batch.log_probs, batch.lengths)
            report.add_time(speech, batch.seconds, time.perf_counter() - start)
            for utterance, reference, nbest in zip(batch.utterances, references, found):
                text = charmap.plain(charmap.decode(nbest[0].indices)) if nbest else ""
                report.add(utterance.clip, reference, text)
            if keep and report is reports[0]:
                keep(batch, found)
    return reports
