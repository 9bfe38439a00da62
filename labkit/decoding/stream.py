"""Beam search of an utterance whose frames arrive in pieces.

Axis letters: T frames, V symbols, K prefixes of the beam.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from typing import Protocol

import torch
from torch import Tensor

from labkit.decoding.check import check_beam_size, check_scores
from labkit.decoding.fusion.ngram import Fusion
from labkit.decoding.hypothesis import Hypothesis
from labkit.decoding.prefixes import Beam, FrameSearch, spell


class Stream(Protocol):
    """A search that has read the beginning of an utterance."""

    def step(self, log_probs: Tensor) -> None:
        """Search on through the next frames (T, V); T may be 0."""
        ...

    def best(self) -> Hypothesis:
        """Return the best transcript so far, which may go on."""
        ...

    def end(self) -> list[Hypothesis]:
        """End the utterance; return its n-best list, best first."""
        ...


class BeamStream:
    """Finds what ``prefix_beam_search`` finds, piece by piece.

    The parameters are those of ``prefix_beam_search``.

    Args:
        n_symbols: V.
        device: Where to compute.
        beam_size: Prefixes K kept at each frame.
        blank_id: The index of the blank.
        fusion: What ranks the prefixes besides their probability.
    """

    def __init__(
        self,
        n_symbols: int,
        device: torch.device,
        beam_size: int,
        blank_id: int = 0,
        fusion: Fusion | None = None,
    ) -> None:
        check_beam_size(beam_size)
        self.n_symbols, self.blank_id, self.fusion = n_symbols, blank_id, fusion
        scorers = fusion.scorers(n_symbols, device) if fusion else []
        self.search = FrameSearch(beam_size, n_symbols, blank_id, scorers, device)
        self.beam: Beam = self.search.begin(1, torch.zeros(0, device=device))
        self.texts: list[list[int]] = [[] for _ in range(beam_size)]

    @torch.inference_mode()
    def step(self, log_probs: Tensor) -> None:
        """Search on through the next frames (T, V); T may be 0."""
        check_scores(log_probs.unsqueeze(1), torch.tensor([len(log_probs)]))
        if not len(log_probs):
            return
        cells = []
        for frame in log_probs.float().split(1):  # (1, V)
            self.beam, cell = self.search.step(self.beam, frame.clone())
            cells.append(cell)
        slots = torch.arange(len(self.texts), device=log_probs.device).unsqueeze(0)
        symbols, before = spell(torch.stack(cells), slots, self.n_symbols)  # (T, 1, K)
        gained = symbols[:, 0].T.tolist()
        self.texts = [
            self.texts[slot] + [k for k in row if k != self.blank_id]
            for slot, row in zip(before[0].tolist(), gained)
        ]

    def best(self) -> Hypothesis:
        """Return the best transcript so far, which may go on."""
        ctc, fused = self.beam.total[0, 0].item(), self.beam.fused[0, 0].item()
        return Hypothesis(ctc + fused, self.texts[0], {"ctc": ctc})

    def end(self) -> list[Hypothesis]:
        """End the utterance; return its n-best list, best first."""
        scores = self.beam.total + self.search.finish(self.beam)  # (1, K)
        found = []
        rows = zip(scores[0].tolist(), self.beam.total[0].tolist(), self.texts)
        for score, ctc, text in rows:
            parts = {"ctc": ctc}
            if self.fusion and self.fusion.lm:
                parts["lm"] = self.fusion.lm.total(text)
            if score > -math.inf:
                found.append(Hypothesis(score, text, parts))
        return sorted(found, key=lambda one: one.score, reverse=True)


class MergedStreams:
    """Searches of the same frames, whose results are merged.

    Args:
        streams: The searches; the first one shows its best so far.
        merge: Merges their n-best lists.
    """

    def __init__(
        self, streams: Sequence[Stream], merge: Callable[..., list[Hypothesis]]
    ) -> None:
        self.streams, self.merge = streams, merge

    def step(self, log_probs: Tensor) -> None:
        """Search on through the next frames (T, V); T may be 0."""
        for stream in self.streams:
            stream.step(log_probs)

    def best(self) -> Hypothesis:
        """Return the best transcript so far, which may go on."""
        return self.streams[0].best()

    def end(self) -> list[Hypothesis]:
        """End the utterance; return its n-best list, best first."""
        return self.merge(*(stream.end() for stream in self.streams))
