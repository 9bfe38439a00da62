"""Decoding a whole fold: one decoder, several side by side, a sweep of weights."""

from __future__ import annotations

import math
import time
from collections.abc import Callable, Iterable, Iterator, Sequence
from typing import NamedTuple

import torch
from torch import Tensor, nn
from torch.utils.data import DataLoader

from labkit.errorrates import ErrorRate
from labkit.folds import progress
from labkit.found import Found
from labkit.report import FoldReport
from labkit.search import Alphabet, Search, log_posteriors
from labkit.utterances import Utterance

# The sweep: weights of the language model, and nats added for each word.
LM_WEIGHTS = (0.0, 0.25, 0.5, 0.75, 1.0, 1.25, 1.5)
WORD_BONUSES = (-2.0, -1.0, 0.0, 1.0, 2.0, 3.0)
SWEPT_CLIPS = 400  # enough to tell weights apart, few enough to keep in memory


class HeardBatch(NamedTuple):
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


def hear_fold(
    model: nn.Module,
    loader: DataLoader,
    device: torch.device,
    title: str,
    n_clips: int | None = None,
) -> Iterator[HeardBatch]:
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
        yield HeardBatch(log_probs, lengths, utterances, time.perf_counter() - start)


def score_searches(
    batches: Iterable[HeardBatch],
    searches: dict[str, Search],
    charmap: TextAlphabet,
    frame_seconds: float,
    keep: Callable[[HeardBatch, list[list[Found]]], None] | None = None,
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


class SweepPoint(NamedTuple):
    """The error rates with one weight and one bonus."""

    lm_weight: float
    word_bonus: float
    cer: ErrorRate
    wer: ErrorRate


def sweep(
    batches: Sequence[HeardBatch],
    make_search: Callable[[float, float], Search],
    charmap: TextAlphabet,
    weights: Sequence[float] = LM_WEIGHTS,
    bonuses: Sequence[float] = WORD_BONUSES,
) -> list[SweepPoint]:
    """Try every weight of a language model with every word bonus.

    Args:
        batches: What the network makes of the fold.
        make_search: Makes the search of ``(lm_weight, word_bonus)``.
        charmap: The alphabet.
        weights: The weights.
        bonuses: The bonuses, in nats a word.

    Returns:
        The error rates at each point.
    """
    points = []
    grid = [(weight, bonus) for weight in weights for bonus in bonuses]
    for weight, bonus in progress(grid, "sweep"):
        searches = {"": make_search(weight, bonus)}
        (report,) = score_searches(batches, searches, charmap, 0.0)
        points.append(SweepPoint(weight, bonus, report.cer, report.wer))
    return points
