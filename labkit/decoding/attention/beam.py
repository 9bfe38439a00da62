"""Beam search of an attention decoder, over many strings at once.

A *segment* is what a search looks for: a whole transcript, or the part between two
symbols that are certain. All segments of all utterances are searched together; each
has a stop symbol and a limit of its own.

A hypothesis that has ended keeps its place in the beam (Sutskever et al. 2014), so a
segment is done once its whole beam has ended: no other could rank above them.

Axis letters: B utterances, S segments of each, K hypotheses, V symbols, U symbols of a
hypothesis.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import NamedTuple

import torch
from torch import Tensor

from labkit.decoding.attention.joint import FusedScorer, JointScorer
from labkit.decoding.attention.state import Decoder, DecoderState, Memory

_NOTHING = -1  # in the place of a symbol: the hypothesis had ended before


@dataclass(frozen=True)
class Segments:
    """What to search for.

    Attributes:
        log_probs: Log-probabilities of the first symbol of each, (B, S, V).
        state: The state before it, rows (B, S).
        stop: The symbol that ends each, (B, S).
        limit: The largest number of its symbols, the stop among them, (B, S); 0 for
            a place without a segment.
    """

    log_probs: Tensor
    state: DecoderState
    stop: Tensor
    limit: Tensor


class Found(NamedTuple):
    """A string that ends a segment.

    Attributes:
        symbols: Its symbols, the stop being the last.
        score: What it is ranked by, before its length is taken into account.
        attention: Its log probability under the decoder.
        cut: Whether it had to stop at the limit.
    """

    symbols: list[int]
    score: float
    attention: float
    cut: bool


class _Beams:
    """K hypotheses of each segment; every tensor is (B, S, K).

    Args:
        segments: What is searched for.
        size: K.
        excluded: Symbols that no hypothesis has, the end as long as it is no stop.

    Attributes:
        score: What they are ranked by, before their length is taken into account.
        attention: Their log probability under the decoder.
        ended: Whether they have ended, or are no hypotheses at all.
        length: Their number of symbols.
        strings: Their symbols, (B, S, K, U).
    """

    def __init__(self, segments: Segments, size: int, excluded: Sequence[int]) -> None:
        self.stop, self.limit = segments.stop.unsqueeze(2), segments.limit.unsqueeze(2)
        *places, self.n_symbols = segments.log_probs.shape
        shape, device = (*places, size), self.stop.device
        self.score = segments.log_probs.new_full(shape, -math.inf)
        self.score[..., 0] = 0.0
        self.score.masked_fill_(self.limit == 0, -math.inf)
        self.attention = self.score
        self.ended = self.score.isneginf()
        self.length = torch.zeros(shape, device=device, dtype=torch.long)
        self.strings = self.length.new_empty(*shape, 0)
        symbols = torch.arange(self.n_symbols, device=device)
        self._is_stop = symbols == self.stop.unsqueeze(3)  # (B, S, 1, V)
        self._excluded = torch.isin(symbols, symbols.new_tensor(excluded))

    def grow(
        self,
        log_probs: Tensor,
        scorer: FusedScorer | JointScorer | None,
        length_norm: float,
    ) -> tuple[Tensor, Tensor]:
        """Extend the hypotheses by a symbol, and keep the best.

        Args:
            log_probs: Of each symbol, (B, S, K, V).
            scorer: Scores the candidates.
            length_norm: As for ``search_segments``.

        Returns:
            The hypothesis that each one extends, and its new symbol, (B, S, K); the
            stop, where it had ended before.
        """
        grown = self.attention.unsqueeze(3) + log_probs
        scores = scorer.score(grown) if scorer else grown
        ended = self.ended.unsqueeze(3)
        last = (self.strings.shape[3] + 1 >= self.limit).unsqueeze(3)
        blocked = ~self._is_stop & (self._excluded | ended | last)
        stays = ended & self._is_stop

        def chosen_from(values: Tensor, kept: Tensor) -> Tensor:
            values = values.masked_fill(blocked, -math.inf)
            return torch.where(stays, kept.unsqueeze(3), values).flatten(2)

        scores = chosen_from(scores, self.score)  # (B, S, K V)
        length = self.length + ~self.ended
        ranks = scores
        if length_norm:
            divisor = length**length_norm
            ranks = scores / divisor.repeat_interleave(self.n_symbols, dim=2)
        cells = ranks.topk(self.score.shape[2], dim=2).indices  # (B, S, K)
        origin, symbol = cells // self.n_symbols, cells % self.n_symbols
        self.attention = chosen_from(grown, self.attention).gather(2, cells)
        self.score = scores.gather(2, cells)
        self.length = length.gather(2, origin)
        had_ended = self.ended.gather(2, origin)
        self.ended = had_ended | (symbol == self.stop) | self.score.isneginf()
        index = origin.unsqueeze(3).expand(-1, -1, -1, self.strings.shape[3])
        new = symbol.masked_fill(had_ended, _NOTHING).unsqueeze(3)
        self.strings = torch.cat([self.strings.gather(2, index), new], dim=3)
        return origin, symbol

    def give_up(self, n_best: int, margin: float) -> None:
        """Drop what cannot, or will hardly, be among the best of its segment."""
        done = self.ended[..., :n_best].all(dim=2, keepdim=True)
        found = self.score.masked_fill(~self.ended, -math.inf)
        best = found.amax(dim=2, keepdim=True)
        gone = ~self.ended & (done | (self.score < best - margin))
        self.score = self.score.masked_fill(gone, -math.inf)
        self.ended = self.ended | gone

    def collect(self) -> list[list[list[Found]]]:
        """Return what was found, without places that hold nothing."""
        columns = self.strings, self.score, self.attention, self.length
        whole = zip(*(x.tolist() for x in columns), self.limit.squeeze(2).tolist())
        return [
            [
                [
                    Found(string[:n], own, decoder, n == most > 1)
                    for string, own, decoder, n in zip(*beam)
                    if own > -math.inf
                ]
                for *beam, most in zip(*utterance)
            ]
            for utterance in whole
        ]


def search_segments(
    decoder: Decoder,
    memory: Memory,
    segments: Segments,
    beam_size: int,
    excluded: Sequence[int],
    scorer: FusedScorer | JointScorer | None = None,
    length_norm: float = 0.0,
    n_best: int | None = None,
    margin: float = math.inf,
) -> list[list[list[Found]]]:
    """Search the segments of all utterances together.

    Args:
        decoder: The decoder.
        memory: The encoder's frames of each utterance.
        segments: What to search for.
        beam_size: Hypotheses K kept for each segment.
        excluded: Symbols that no hypothesis has, but as the stop of its segment.
        scorer: Scores candidates; None for the decoder alone.
        length_norm: Scores are divided by the number of symbols to this power.
        n_best: How many hypotheses of each segment are wanted; None for K.
        margin: Gives up what is so many nats below a hypothesis that has ended.

    Returns:
        For each utterance and each of its segments, what was found, best first.
    """
    beams = _Beams(segments, beam_size, excluded)
    n_segments = segments.stop.shape[1]
    first = torch.arange(n_segments, device=segments.stop.device)[:, None]  # (S, 1)
    # The utterances that are still read, and the row of ``state`` that each place of
    # the beams continues, (B, S K).
    read = torch.arange(len(segments.stop), device=first.device)
    row = first.expand(*beams.score.shape).flatten(1)
    state = segments.state
    log_probs = segments.log_probs.unsqueeze(2).expand(*beams.score.shape, -1)
    for _ in range(int(segments.limit.max())):
        origin, symbol = beams.grow(log_probs, scorer, length_norm)
        beams.give_up(n_best or beam_size, margin)
        going = ~beams.ended.flatten(1)  # (B, S K)
        n_rows = int(going.sum(dim=1).max())
        if not n_rows:
            break
        if scorer:
            scorer.move(origin, symbol)
        # Only what goes on is read: those places come first in each utterance.
        left = going[read].any(dim=1).nonzero()[:, 0]
        if len(left) < len(read):
            read, memory, state = read[left], memory.of(left), state.of(left)
        places = going[read].int().argsort(dim=1, descending=True, stable=True)
        at = read.unsqueeze(1), places[:, :n_rows]  # (B', 1), (B', R)
        origin = (origin + first * beam_size).flatten(1)[at]
        state = state.rows(row[at[0], origin])
        decoded = decoder(symbol.flatten(1)[at].unsqueeze(2), memory, state)
        state = decoded.state
        log_probs = torch.zeros_like(log_probs)
        log_probs.flatten(1, 2)[at] = decoded.log_probs[:, :, 0]
        row = torch.zeros_like(row)
        row[at] = torch.arange(n_rows, device=row.device)
    return beams.collect()


def whole_transcripts(
    decoder: Decoder,
    memory: Memory,
    start: int,
    end: int,
    limits: Tensor,
) -> Segments:
    """Make the segments of whole transcripts, one for each utterance.

    Args:
        decoder: The decoder; it reads the start symbol.
        memory: The encoder's frames of each utterance.
        start: The symbol that starts a transcript.
        end: The symbol that ends it.
        limits: The largest number of symbols of each, the end among them, (B,).
    """
    limits = limits.to(memory.mask.device).unsqueeze(1)  # (B, 1)
    first = decoder(torch.full_like(limits, start).unsqueeze(2), memory)
    stop = torch.full_like(limits, end)
    return Segments(first.log_probs[:, :, -1], first.state, stop, limits)
