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
from itertools import groupby
from typing import Any

import torch
from torch import Tensor
from torch.nn.utils.rnn import pad_sequence

from labkit.decoding.attention.beam import Found, Segments, search_segments
from labkit.decoding.attention.network import score_strings
from labkit.decoding.attention.state import Decoded, Decoder, Memory, pick_rows

_LOOK_AHEAD = 4  # symbols after a segment that judge its best hypotheses
_JUDGED = 2  # hypotheses of a segment that they judge
_MARGIN = 2.0  # nats below the best where a hypothesis of a segment is given up

Segment = tuple[int, int]  # its first symbol, and the one after its last


@dataclass(frozen=True)
class Draft:
    """The strings of CTC, which the decoder has read in one call.

    Attributes:
        decoder: The decoder.
        memory: The encoder's frames of each utterance.
        strings: The symbols of each utterance, the end being the last.
        inputs: What the decoder has read: the start, then all but the last, (B, U).
        read: What it made of that; one row for each utterance.
    """

    decoder: Decoder
    memory: Memory
    strings: list[list[int]]
    inputs: Tensor
    read: Decoded

    @classmethod
    def read_by(
        cls, decoder: Decoder, memory: Memory, strings: list[list[int]], start: int
    ) -> Draft:
        """Let the decoder read strings that end with the end symbol."""
        rows = [torch.tensor([start, *string[:-1]]) for string in strings]
        inputs = pad_sequence(rows, batch_first=True).to(memory.mask.device)  # (B, U)
        read = decoder(inputs.unsqueeze(1), memory)
        return cls(decoder, memory, strings, inputs, read)

    def log_probs(self, b: int) -> Tensor:
        """Return the log-probabilities of each symbol of a string, (U, V)."""
        return self.read.log_probs[b, 0, : len(self.strings[b])]

    def search(
        self, places: Sequence[Tensor], **options: Any
    ) -> list[list[list[Found]]]:
        """Search segments together.

        Args:
            places: The first symbol of each segment, its stop, and its limit, (B, S).
            options: As for ``search_segments``.
        """
        first, stop, limit = (x.to(self.memory.mask.device) for x in places)
        log_probs = pick_rows(self.read.log_probs[:, 0], first)  # (B, S, V)
        wanted = Segments(log_probs, self.read.state.at(first + 1), stop, limit)
        return search_segments(self.decoder, self.memory, wanted, **options)


def find_replacements(
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
        draft: The strings of CTC.
        segments: The segments of each string, in order.
        beam_size: Hypotheses K kept for each segment.
        excluded: Symbols that no hypothesis has.
        max_growth: Symbols by which a segment may become longer.
        max_parallel: Segments of an utterance that are decoded together; -1 for all.

    Returns:
        For each utterance and segment what was found, best first.
    """
    most = max(map(len, segments))
    chunk = most if max_parallel < 0 else max_parallel
    found: list[list[list[Found]]] = [[] for _ in segments]
    for begin in range(0, most, chunk):
        part = [own[begin : begin + chunk] for own in segments]
        results = _search_chunk(draft, part, beam_size, excluded, max_growth)
        for all_of_one, own, result in zip(found, part, results):
            all_of_one += result[: len(own)]
    return found


def _search_chunk(
    draft: Draft,
    segments: list[Sequence[Segment]],
    beam_size: int,
    excluded: Sequence[int],
    max_growth: int,
) -> list[list[list[Found]]]:
    """Decode at most S segments of each utterance together."""
    shape = len(segments), max(map(len, segments))
    first, stop, limit = (torch.zeros(shape, dtype=torch.long) for _ in range(3))
    for b, (string, own) in enumerate(zip(draft.strings, segments)):
        for s, (begin, after) in enumerate(own):
            # The end, if it is in the segment, is the stop itself.
            last = min(after, len(string) - 1)
            first[b, s], stop[b, s] = begin, string[last]
            limit[b, s] = last - begin + max_growth + 1
    found = draft.search(
        (first, stop, limit),
        beam_size=beam_size,
        excluded=excluded,
        n_best=_JUDGED,
        margin=_MARGIN,
    )
    if beam_size > 1:
        _look_ahead(draft, segments, found)
    return found


def _look_ahead(
    draft: Draft, segments: list[Sequence[Segment]], found: list[list[list[Found]]]
) -> None:
    """Rank the best hypotheses of each segment with the symbols that follow it.

    A character that ends a segment may well be one of the segment itself ("e" in
    "elle"), so that stopping at the first one is often too early. One more call
    scores what comes next, for all of them.
    """
    # The rows of each utterance: a segment, its first symbol, and what is to be read.
    judged: dict[int, list[tuple[int, int, list[int]]]] = {}
    for b, (string, own) in enumerate(zip(draft.strings, segments)):
        for s, (begin, after) in enumerate(own):
            least = found[b][s][0].score - _MARGIN
            near = [one for one in found[b][s][:_JUDGED] if one.score > least]
            if after >= len(string) - 1 or len(near) < 2:
                continue  # nothing follows, or there is no other hypothesis
            ahead = string[after + 1 : after + 1 + _LOOK_AHEAD]
            rows = judged.setdefault(b, [])
            rows += ((s, begin, [*one.symbols, *ahead]) for one in near)
    if not judged:
        return
    device = draft.inputs.device
    utterances = torch.tensor([*judged], device=device)
    begins = [torch.tensor([begin for _, begin, _ in own]) for own in judged.values()]
    places = pad_sequence(begins, batch_first=True).to(device)  # (B', R)
    totals = score_strings(
        draft.decoder,
        draft.memory.of(utterances),
        [[text for *_, text in own] for own in judged.values()],
        draft.inputs[utterances].gather(1, places),
        draft.read.state.of(utterances).at(places),
    )
    for (b, own), total_of in zip(judged.items(), totals):
        for s, of_one in groupby(zip(own, total_of), key=lambda row: row[0][0]):
            scores = [total for _, total in of_one]
            pairs = sorted(zip(scores, found[b][s]), key=lambda pair: -pair[0])
            found[b][s][: len(scores)] = [one for _, one in pairs]


def continue_from(
    draft: Draft, accepted: Sequence[int], limits: Tensor, excluded: Sequence[int]
) -> list[tuple[list[int], float]]:
    """Decode greedily from where the decoder disagrees with the string of CTC.

    Args:
        draft: The strings of CTC.
        accepted: How many symbols of each are kept.
        limits: The largest number of symbols of each, the end among them, (B,).
        excluded: Symbols that no hypothesis has.

    Returns:
        The symbols of each utterance, the end being the last, and their log
        probability under the decoder.
    """
    kept, rooms = [], []  # what is kept of each string, and how much may follow
    for n, string, most in zip(accepted, draft.strings, limits.tolist()):
        is_whole = n == len(string) <= most
        kept.append(string if is_whole else string[: min(n, most - 1)])
        rooms.append(0 if is_whole else most - len(kept[-1]))
    first = [len(own) if room else 0 for own, room in zip(kept, rooms)]
    stops = [draft.strings[0][-1] for _ in kept]
    places = [torch.tensor(column).unsqueeze(1) for column in (first, stops, rooms)]
    results = []
    every = draft.search(places, beam_size=1, excluded=excluded)
    for b, (found,) in enumerate(every):
        rest = found[0] if rooms[b] else Found([], 0.0, 0.0, False)
        target = torch.tensor(kept[b], dtype=torch.long, device=draft.inputs.device)
        agreed = draft.log_probs(b)[: len(target)].gather(1, target.unsqueeze(1))
        score = agreed.sum().item() + rest.attention
        results.append((kept[b] + rest.symbols, score))
    return results
