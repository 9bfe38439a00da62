"""Scores that a beam search adds to those of an attention decoder.

One is what language models and hot words add (shallow fusion); the other is the
probability under CTC of all transcripts that start like a hypothesis (Watanabe et al.
2017, algorithm 2), for all symbols that may come next at once.

Axis letters: B utterances, S = 1 segment of each, K hypotheses, V symbols, T' frames.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import NamedTuple

import torch
from torch import Tensor

from labkit.decoding.fusion.ngram import Fusion

_FLOOR = -1e5  # nats; sums over frames must stay finite
_IMPOSSIBLE = -2e4  # nats, between the floor and what any transcript costs


class PrefixState(NamedTuple):
    """The log probability of the CTC paths that spell a prefix, after t frames.

    Attributes:
        symbol: Of those that end with its last symbol, (..., 1 + T'); t starts from 0,
            before the first frame.
        blank: Of those that end with a blank, (..., 1 + T').
    """

    symbol: Tensor
    blank: Tensor

    @property
    def total(self) -> Tensor:
        """Log probability of all paths after t frames, (..., 1 + T')."""
        return torch.logaddexp(self.symbol, self.blank)

    @property
    def whole(self) -> Tensor:
        """Log probability that the transcript is the prefix itself, (...)."""
        return torch.logaddexp(self.symbol[..., -1], self.blank[..., -1])

    def rows(self, origin: Tensor) -> PrefixState:
        """Return hypotheses ``origin`` (B, K) of (B, K, 1 + T')."""
        index = origin.unsqueeze(2).expand(-1, -1, self.blank.shape[2])
        return PrefixState(*(part.gather(1, index) for part in self))


# (log p of the new symbol (..., T'), of the blank (..., T'), state, whether the symbol
# repeats the last (...)) to the state of the longer prefix and its log probability.
Extend = Callable[[Tensor, Tensor, PrefixState, Tensor], tuple[PrefixState, Tensor]]
# (attention (..., V), prefixes (..., V), whole transcripts (...), end, ctc_weight).
Combine = Callable[[Tensor, Tensor, Tensor, int, float], Tensor]


def empty_prefix(blanks: Tensor) -> PrefixState:
    """Return the state of the empty prefix.

    Args:
        blanks: Log-probabilities of the blank at each frame, (..., T').
    """
    blank = torch.cat([torch.zeros_like(blanks[..., :1]), blanks.cumsum(-1)], dim=-1)
    return PrefixState(torch.full_like(blank, -math.inf), blank)


def pad_frames(log_probs: Tensor, lengths: Tensor, blank: int) -> Tensor:
    """Prepare log-probabilities (T', B, V) for prefix scores.

    Returns:
        Finite ones, (B, T', V), in double precision. Past the end of an utterance
        every frame is a blank, so that all utterances may be read to the same frame.
    """
    padded = log_probs.transpose(0, 1).double().clamp(min=_FLOOR)  # (B, T', V)
    frames = torch.arange(padded.shape[1], device=padded.device)
    outside = frames >= lengths.to(padded.device).unsqueeze(1)  # (B, T')
    padded = padded.masked_fill(outside.unsqueeze(2), _FLOOR)
    padded[..., blank].masked_fill_(outside, 0.0)
    return padded


def endings(padded: Tensor, blank: int, end: int) -> Tensor:
    """Score what may follow each frame if the end is the symbol that it says first.

    That is the end again, at any number of frames, and then blanks only.

    Args:
        padded: What ``pad_frames`` returned, (B, T', V).
        blank: The index of the blank.
        end: The symbol that ends a transcript.

    Returns:
        The log probability of the frame's end and of all that follows, (B, T').
    """

    def rest(log_probs: Tensor) -> Tensor:  # of this frame and all later ones
        return log_probs.flip(1).cumsum(1).flip(1)

    blanks = rest(padded[..., blank]) - padded[..., blank]
    ends = rest(padded[..., end])
    later = ends - padded[..., end]
    # Up to some frame the end, from then on the blank: a sum over that frame.
    return ends + (blanks - later).flip(1).logcumsumexp(1).flip(1)


def prefix_scores(
    padded: Tensor,
    probabilities: Tensor,
    ends: Tensor,
    state: PrefixState,
    last: Tensor,
) -> tuple[Tensor, Tensor]:
    """Score each prefix with each symbol that may come next.

    The symbol is said for the first time at one of the frames: a sum over them, of
    what came before times its probability, is a product of matrices.

    Args:
        padded: What ``pad_frames`` returned, (B, T', V).
        probabilities: Its exponential.
        ends: What ``endings`` returned, (B, T').
        state: Of the prefixes, (B, K, 1 + T').
        last: Their last symbols, (B, K); none is the end.

    Returns:
        Log probability of all transcripts that start so, (B, K, V) (the blank's
        column has no meaning), and of each prefix with the end as the whole
        transcript, (B, K).
    """
    before = state.total[..., :-1]  # (B, K, T')
    highest = before.amax(-1, keepdim=True).clamp(min=-1e300)
    scores = ((before - highest).exp() @ probabilities).log() + highest  # (B, K, V)
    # A repeated symbol needs a blank in between.
    emitted = padded.gather(2, last.unsqueeze(1).expand(-1, padded.shape[1], -1))
    again = (state.blank[..., :-1] + emitted.transpose(1, 2)).logsumexp(-1)  # (B, K)
    scores.scatter_(2, last.unsqueeze(2), again.unsqueeze(2))
    return scores, (before + ends.unsqueeze(1)).logsumexp(-1)


class FusedScorer:
    """Adds the gains of a language model and of hot words.

    Args:
        fusion: They, and their weights; None for nothing.
        shape: (B, S, K), where S is 1.
        n_symbols: V.
        start: The symbol that starts a transcript, which was read already.
        end: The symbol that ends it.
        device: Where to compute.
    """

    def __init__(
        self,
        fusion: Fusion | None,
        shape: tuple[int, int, int],
        n_symbols: int,
        start: int,
        end: int,
        device: torch.device,
    ) -> None:
        self.end = end
        self.automata = fusion.scorers(n_symbols, device) if fusion else []
        self.gained = torch.zeros(shape, device=device)
        starts = [automaton.step(automaton.start, start) for automaton in self.automata]
        self.gained += sum(gain for gain, _ in starts)
        nothing = torch.zeros(shape, device=device, dtype=torch.long)
        self.states = [nothing + state for _, state in starts]

    def gains(self) -> Tensor:
        """Return what each hypothesis has gained with each next symbol, (B,S,K,V)."""
        total = self.gained.unsqueeze(3)
        for automaton, state in zip(self.automata, self.states):
            gain = automaton.gains(state)  # (B, S, K, V)
            ended = automaton.follow(state, torch.full_like(state, self.end))
            gain[..., self.end] += automaton.ends(ended)
            total = total + gain
        return total

    def score(self, attention: Tensor) -> Tensor:
        """Score every candidate (B, S, K, V)."""
        return attention + self.gains() if self.automata else attention

    def move(self, origin: Tensor, symbol: Tensor) -> None:
        """Follow the hypotheses ``origin`` that gain ``symbol``, both (B, S, K)."""
        states = [state.gather(2, origin) for state in self.states]
        self.gained = self.gained.gather(2, origin)
        for automaton, state in zip(self.automata, states):
            chosen = automaton.gains(state).gather(3, symbol.unsqueeze(3))
            self.gained = self.gained + chosen.squeeze(3)
        self.states = [
            automaton.follow(state, symbol)
            for automaton, state in zip(self.automata, states)
        ]


class JointScorer:
    """Combines the CTC score of a prefix with that of the attention decoder.

    Args:
        fused: What is added to both.
        padded: What ``pad_frames`` returned, (B, T', V).
        blank: The index of the blank.
        start: The symbol that starts a transcript.
        ctc_weight: The weight of CTC; that of attention is 1 less it.
        extend: Extends prefixes by a symbol.
        combine: Combines the scores of both.
    """

    def __init__(
        self,
        fused: FusedScorer,
        padded: Tensor,
        blank: int,
        start: int,
        ctc_weight: float,
        extend: Extend,
        combine: Combine,
    ) -> None:
        self.fused, self.padded, self.ctc_weight = fused, padded, ctc_weight
        self.extend, self.combine = extend, combine
        self.probabilities = padded.exp()
        self.ends = endings(padded, blank, fused.end)
        n_utterances, _, size = fused.gained.shape
        self.blanks = padded[:, None, :, blank].expand(-1, size, -1)  # (B, K, T')
        self.last = torch.full((n_utterances, size), blank, device=padded.device)
        self.state = self._extended(
            empty_prefix(self.blanks), self.last, torch.full_like(self.last, start)
        )
        self.last = torch.full_like(self.last, start)

    def _extended(
        self, state: PrefixState, last: Tensor, symbol: Tensor
    ) -> PrefixState:
        """Extend prefixes by the symbols (B, K)."""
        index = symbol.unsqueeze(1).expand(-1, self.padded.shape[1], -1)
        emitted = self.padded.gather(2, index).transpose(1, 2)  # (B, K, T')
        return self.extend(emitted, self.blanks, state, symbol == last)[0]

    def score(self, attention: Tensor) -> Tensor:
        """Score every candidate (B, 1, K, V)."""
        prefixes, whole = prefix_scores(
            self.padded, self.probabilities, self.ends, self.state, self.last
        )
        # What CTC cannot spell stays finite: a beam of nothing else must still end.
        prefixes, whole = (x.clamp(min=_IMPOSSIBLE) for x in (prefixes, whole))
        both = self.combine(
            attention.squeeze(1), prefixes, whole, self.fused.end, self.ctc_weight
        ).unsqueeze(1)
        return self.fused.score(both).to(attention.dtype)

    def move(self, origin: Tensor, symbol: Tensor) -> None:
        """Follow the hypotheses ``origin`` that gain ``symbol``, both (B, 1, K)."""
        self.fused.move(origin, symbol)
        origin, symbol = origin.squeeze(1), symbol.squeeze(1)
        last = self.last.gather(1, origin)
        self.state = self._extended(self.state.rows(origin), last, symbol)
        self.last = symbol
