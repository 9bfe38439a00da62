"""Decoding only what CTC is unsure of: partially autoregressive, and verifying.

The greedy string of CTC is read by the decoder once, in one call, which gives the
state before each of its symbols. From these states the uncertain segments of all
utterances are searched together (Someki et al., arXiv 2309.14922), or the string is
continued from where the decoder disagrees (arXiv 2603.11243).

Axis letters: B utterances, S segments of each, K hypotheses, V symbols, U symbols.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import torch
from torch import Tensor
from torch.nn.utils.rnn import pad_sequence

from labkit.decoding.attention.beam import Found, Segments, search_segments
from labkit.decoding.attention.state import Decoded, Decoder, Memory, pick_rows

_LOOK_AHEAD = 4  # symbols after a segment that judge its best hypotheses
_JUDGED = 2  # hypotheses of a segment that they judge
_MARGIN = 4.0  # nats below the best where a hypothesis of a segment is given up

Segment = tuple[int, int]  # its first symbol, and the one after its last


@dataclass(frozen=True)
class Draft:
    """The strings of CTC, which the decoder has read in one call.

    Attributes:
        strings: The symbols of each utterance, the end being the last.
        inputs: What the decoder has read: the start, then all but the last, (B, U).
        read: What it made of that; one row for each utterance.
    """

    strings: list[list[int]]
    inputs: Tensor
    read: Decoded

    @classmethod
    def read_by(
        cls, decoder: Decoder, memory: Memory, strings: list[list[int]], start: int
    ) -> Draft:
        """Let the decoder read strings that end with the end symbol."""
        device = memory.mask.device
        inputs = pad_sequence(
            [torch.tensor([start, *string[:-1]]) for string in strings],
            batch_first=True,
        ).to(device)  # (B, U)
        return cls(strings, inputs, decoder(inputs.unsqueeze(1), memory))

    def log_probs(self, b: int) -> Tensor:
        """Return the log-probabilities of each symbol of a string, (U, V)."""
        return self.read.log_probs[b, 0, : len(self.strings[b])]

    def segments_from(self, first: Tensor, stop: Tensor, limit: Tensor) -> Segments:
        """Make segments that start at the symbols ``first`` (B, S)."""
        log_probs = pick_rows(self.read.log_probs[:, 0], first)  # (B, S, V)
        return Segments(log_probs, self.read.state.at(first + 1), stop, limit)


def find_replacements(
    decoder: Decoder,
    memory: Memory,
    draft: Draft,
    segments: Sequence[Sequence[Segment]],
    beam_size: int,
    excluded: Sequence[int],
    max_growth: int,
    max_parallel: int = -1,
) -> list[list[list[Found]]]:
    """Decode the uncertain segments of all utterances together.

    Each is decoded until its stop: the symbol after it, or the end. A hypothesis has
    at most ``max_growth`` symbols more than the segment; a forced stop pays for its
    probability as any other.

    Args:
        decoder: The decoder.
        memory: The encoder's frames of each utterance.
        draft: The strings of CTC.
        segments: The segments of each string, in order.
        beam_size: Hypotheses K kept for each segment.
        excluded: Symbols that no hypothesis has.
        max_growth: Symbols by which a segment may become longer.
        max_parallel: Segments of an utterance that are decoded together; -1 for all.

    Returns:
        For each utterance and segment what was found, best first.
    """
    most = max((len(own) for own in segments), default=0)
    chunk = max(most, 1) if max_parallel < 0 else max_parallel
    found: list[list[list[Found]]] = [[] for _ in segments]
    for begin in range(0, most, chunk):
        part = [own[begin : begin + chunk] for own in segments]
        results = _search_chunk(
            decoder, memory, draft, part, beam_size, excluded, max_growth
        )
        for all_of_one, own, result in zip(found, part, results):
            all_of_one += result[: len(own)]
    return found


def _search_chunk(
    decoder: Decoder,
    memory: Memory,
    draft: Draft,
    segments: list[Sequence[Segment]],
    beam_size: int,
    excluded: Sequence[int],
    max_growth: int,
) -> list[list[list[Found]]]:
    """Decode at most S segments of each utterance together."""
    n_segments = max(map(len, segments))
    first, stop, limit = (
        torch.zeros(len(segments), n_segments, dtype=torch.long) for _ in range(3)
    )
    for b, (string, own) in enumerate(zip(draft.strings, segments)):
        for s, (begin, after) in enumerate(own):
            first[b, s], stop[b, s] = begin, string[min(after, len(string) - 1)]
            # The end, if it is in the segment, is the stop itself.
            n_symbols = min(after, len(string) - 1) - begin
            limit[b, s] = n_symbols + max_growth + 1
    device = memory.mask.device
    wanted = draft.segments_from(*(x.to(device) for x in (first, stop, limit)))
    found = search_segments(
        decoder, memory, wanted, beam_size, excluded, n_best=_JUDGED, margin=_MARGIN
    )
    if beam_size == 1:
        return found
    return _look_ahead(decoder, memory, draft, segments, first, found)


def _look_ahead(
    decoder: Decoder,
    memory: Memory,
    draft: Draft,
    segments: list[Sequence[Segment]],
    first: Tensor,
    found: list[list[list[Found]]],
) -> list[list[list[Found]]]:
    """Rank the best hypotheses of each segment with the symbols that follow it.

    A character that ends a segment may well be one of the segment itself ("e" in
    "elle"), so that stopping at the first one is often too early. One more call
    scores what comes next, for all of them.
    """
    judged: list[list[tuple[int, Tensor]]] = [[] for _ in segments]
    for b, (string, own) in enumerate(zip(draft.strings, segments)):
        for s, (_, after) in enumerate(own):
            near = [
                one
                for one in found[b][s][:_JUDGED]
                if one.score > found[b][s][0].score - _MARGIN
            ]
            if after >= len(string) - 1 or len(near) < 2:
                continue  # nothing follows, or there is no other hypothesis
            ahead = string[after + 1 : after + 1 + _LOOK_AHEAD]
            judged[b] += [(s, torch.tensor([*one.symbols, *ahead])) for one in near]
    n_rows = max(map(len, judged))
    if not n_rows:
        return found
    longest = max(len(text) for own in judged for _, text in own)
    read = torch.zeros(len(segments), n_rows, longest, dtype=torch.long)  # (B, R, U)
    lengths, begins = (torch.zeros(len(segments), n_rows).long() for _ in range(2))
    for b, own in enumerate(judged):
        for r, (s, text) in enumerate(own):
            read[b, r, : len(text)] = text
            lengths[b, r], begins[b, r] = len(text), first[b, s]
    before = draft.inputs.cpu().gather(1, begins)
    device = memory.mask.device
    inputs = torch.cat([before.unsqueeze(2), read[..., :-1]], dim=2).to(device)
    state = draft.read.state.at(begins.to(device))
    log_probs = decoder(inputs, memory, state).log_probs.cpu()  # (B, R, U, V)
    own_probs = log_probs.gather(3, read.unsqueeze(3)).squeeze(3)  # (B, R, U)
    inside = torch.arange(longest) < lengths.unsqueeze(2)
    totals = (own_probs * inside).sum(dim=2).tolist()
    ranked = [[list(nbest) for nbest in own] for own in found]
    for b, own in enumerate(judged):
        scores: dict[int, list[float]] = {}
        for (s, _), total in zip(own, totals[b]):
            scores.setdefault(s, []).append(total)
        for s, totals_of_one in scores.items():
            order = sorted(range(len(totals_of_one)), key=lambda k: -totals_of_one[k])
            ranked[b][s][: len(order)] = [found[b][s][k] for k in order]
    return ranked


def continue_from(
    decoder: Decoder,
    memory: Memory,
    draft: Draft,
    accepted: Sequence[int],
    limits: Tensor,
    excluded: Sequence[int],
) -> list[tuple[list[int], float]]:
    """Decode greedily from where the decoder disagrees with the string of CTC.

    Args:
        decoder: The decoder.
        memory: The encoder's frames of each utterance.
        draft: The strings of CTC.
        accepted: How many symbols of each are kept.
        limits: The largest number of symbols of each, the end among them, (B,).
        excluded: Symbols that no hypothesis has.

    Returns:
        The symbols of each utterance, the end being the last, and their log
        probability under the decoder.
    """
    end, device = draft.strings[0][-1], memory.mask.device
    most = limits.tolist()
    kept = [min(n, room - 1) for n, room in zip(accepted, most)]
    whole = [
        n == len(string) <= room
        for n, string, room in zip(accepted, draft.strings, most)
    ]
    done = torch.tensor(whole)
    first = torch.tensor(kept).masked_fill(done, 0)
    room = (limits.cpu() - first).masked_fill(done, 0)
    rests = [Found([], 0.0, 0.0, False)] * len(whole)
    if not all(whole):
        places = (first, torch.full_like(first, end), room)
        wanted = draft.segments_from(*(x.unsqueeze(1).to(device) for x in places))
        found = search_segments(decoder, memory, wanted, 1, excluded)
        rests = [
            rest if done else own[0][0] for rest, done, own in zip(rests, whole, found)
        ]
    results = []
    for b, (string, n, rest) in enumerate(zip(draft.strings, kept, rests)):
        n = len(string) if whole[b] else n
        target = torch.tensor(string[:n], device=device)
        agreed = draft.log_probs(b)[:n].gather(1, target.unsqueeze(1)).sum().item()
        results.append((string[:n] + rest.symbols, agreed + rest.attention))
    return results
