"""Artificial posteriors like those of a trained network, from a seed.

They spell sentences of the embedded corpus, and doubt some of the letters. In each
5 seconds the blank is the likeliest symbol of 68 % of the frames; the likeliest symbol
has a probability above 0.99 in 57 % of the frames and above 0.9 in 88 %; 12 % of the
characters are in doubt.
"""

from __future__ import annotations

import csv
import random
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import NamedTuple

import torch
from torch import Tensor

from labkit.text import normalise

ROOT = Path(__file__).resolve().parents[1]
CORPUS = ROOT / "corpora" / "mini" / "fr"

N_FRAMES = 125
FRAME_SECONDS = 0.04
_HELD = 0.17  # share of the characters that last for two frames
_CONFUSED = 0.12  # share of the characters in doubt
_RIVAL = (0.25, 0.75)  # the wrong symbol's share of a frame in doubt
_SLURRED = 0.16  # share of the frames at a change that hold both symbols
_NEIGHBOUR = (0.1, 0.45)  # the neighbour's share of such a frame
_SHARP = 0.64  # share of the frames whose likeliest symbols have more than 0.99
_SPREAD = 2.5  # of the logarithms of what is left for all symbols
# Symbols that sound or look alike.
_ALIKE = ("aeo", "eiuy", "pb", "vfb", "td", "mn", "cgqk", "szj", "lr", "xs", " '", ",.")
_SILENT = 0.2  # share of the characters in doubt that may be no symbol at all


class Posteriors(NamedTuple):
    """The input of decoders, and the transcripts that they should find.

    Attributes:
        log_probs: (T, B, V).
        lengths: (B,).
        references: The transcripts, without markers.
    """

    log_probs: Tensor
    lengths: Tensor
    references: list[str]


def read_sentences(names: Sequence[str]) -> list[str]:
    """Read the sentences of folds of the embedded corpus, normalised."""
    sentences = []
    for name in names:
        with (CORPUS / f"{name}.tsv").open(encoding="utf-8", newline="") as lines:
            rows = csv.DictReader(lines, delimiter="\t", quoting=csv.QUOTE_NONE)
            sentences += [normalise(row["sentence"]) for row in rows]
    return sentences


def make_posteriors(
    alphabet: Sequence[str], blank: int, n_utterances: int, seed: int = 0
) -> Posteriors:
    """Make posteriors of sentences of the dev and test folds, 125 frames each.

    Args:
        alphabet: The symbols of the lab.
        blank: The index of the blank.
        n_utterances: At most 120.
        seed: Of every draw.
    """
    rng, generator = random.Random(seed), torch.Generator().manual_seed(seed)
    sentences = read_sentences(["dev", "test"])[:n_utterances]
    index = {symbol: i for i, symbol in enumerate(alphabet)}
    utterances = []
    for sentence in sentences:
        frames = _say([index[symbol] for symbol in f"¶{sentence}¦"], blank, rng)
        _doubt(frames, alphabet, blank, rng)
        utterances.append(_to_log_probs(frames, len(alphabet), generator))
    lengths = torch.full((len(utterances),), N_FRAMES)
    return Posteriors(torch.stack(utterances, dim=1), lengths, sentences)


@dataclass
class _Frame:
    """The symbol of a frame, and the share of another one."""

    symbol: int
    character: int | None = None  # its place in the sentence
    rival: int = 0
    share: float = 0.0
    mass: float = 0.0  # probability of both


def _say(symbols: Sequence[int], blank: int, rng: random.Random) -> list[_Frame]:
    """Spread a sentence over the frames, a blank between two of the same letter."""
    groups = []
    for place, symbol in enumerate(symbols):
        held = 1 + (rng.random() < _HELD)
        again = place > 0 and symbols[place - 1] == symbol
        groups.append(
            [_Frame(blank)] * again + [_Frame(symbol, place) for _ in range(held)]
        )
    n_blanks = N_FRAMES - sum(map(len, groups))
    gaps = Counter(rng.randrange(len(groups) + 1) for _ in range(n_blanks))
    frames: list[_Frame] = []
    for place, group in enumerate([*groups, []]):
        frames += [_Frame(blank) for _ in range(gaps[place])] + group
    return frames


def _doubt(
    frames: list[_Frame], alphabet: Sequence[str], blank: int, rng: random.Random
) -> None:
    """Give other symbols a share of the frames."""
    confused: dict[int, tuple[int, float]] = {}
    for place in {f.character for f in frames if f.character is not None}:
        if rng.random() < _CONFUSED:
            symbol = next(f.symbol for f in frames if f.character == place)
            alike = [c for g in _ALIKE if alphabet[symbol] in g for c in g]
            rivals = [alphabet.index(c) for c in alike if c != alphabet[symbol]]
            doubted = rivals and rng.random() > _SILENT
            rival = rng.choice(rivals) if doubted else blank
            confused[place] = (rival, rng.uniform(*_RIVAL))
    for before, frame in zip([frames[0], *frames], frames):
        frame.mass = rng.uniform(
            *((0.99, 1.0) if rng.random() < _SHARP else (0.9, 0.99))
        )
        if frame.character in confused:
            frame.rival, frame.share = confused[frame.character]
        elif before.symbol != frame.symbol and rng.random() < _SLURRED:
            frame.rival, frame.share = before.symbol, rng.uniform(*_NEIGHBOUR)


def _to_log_probs(
    frames: Sequence[_Frame], n_symbols: int, generator: torch.Generator
) -> Tensor:
    """Turn frames into log-probabilities (T, V)."""
    rows = torch.arange(len(frames))
    mass = torch.tensor([frame.mass for frame in frames])
    share = torch.tensor([frame.share for frame in frames])
    noise = _SPREAD * torch.randn(len(frames), n_symbols, generator=generator)
    probabilities = noise.softmax(dim=1) * (1 - mass)[:, None]
    symbols = torch.tensor([frame.symbol for frame in frames])
    rivals = torch.tensor([frame.rival for frame in frames])
    probabilities[rows, symbols] += mass * (1 - share)
    probabilities[rows, rivals] += mass * share
    return probabilities.log()
