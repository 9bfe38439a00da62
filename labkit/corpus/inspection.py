"""What a corpus holds, and which of its clips and sentences are unusable."""

from __future__ import annotations

import os
import random
import sys
import unicodedata
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
from matplotlib.figure import Figure
from tqdm import tqdm

from labkit.audio import read_audio
from labkit.base import LabError, map_in_threads
from labkit.corpus.commonvoice import SHARES, CommonVoice
from labkit.corpus.durations import durations_of
from labkit.figures import stack_axes

_SAMPLE = 1_000  # clips that are decoded, of those listed
_TOLERANCE = 0.5  # s that a clip may be shorter than its table says
_BIN = 0.25  # s of a histogram
_SHOWN_SHARE = 99.9  # per cent of the clips: a few very long ones are left out
_COLOUR, _OUTSIDE = "#3380cc", "#c8c8c8"


@dataclass
class Fold:
    """The clips that one fold lists.

    Attributes:
        name: "train", "dev" or "test".
        source: The tsv file that it comes from.
        columns: The columns of that file.
        clips: File names of the clips.
        sentences: What is said in each.
        speakers: The speaker of each clip; empty if the file does not name them.
        seconds: How long each clip lasts; 0 for one that is missing or broken.
    """

    name: str
    source: Path
    columns: list[str]
    clips: list[str]
    sentences: list[str]
    speakers: set[str]
    seconds: Sequence[float]

    @property
    def hours(self) -> float:
        """Return how long all its clips last together."""
        return sum(self.seconds) / 3600

    def kept(self, low: float, high: float) -> int:
        """Count the clips of ``low`` to ``high`` seconds."""
        return sum(low <= s <= high for s in self.seconds)


def open_folds(folder: Path) -> tuple[list[Fold], list[LabError]]:
    """Open the folds of a language's folder; one that cannot be read is an error."""
    root, version, lang = str(folder.parents[1]), folder.parent.name, folder.name
    folds, errors = [], []
    for name in SHARES:
        try:
            clips = CommonVoice(name, root, version, lang)
        except LabError as error:
            errors.append(error)
            continue
        names = clips.clip_names()
        folds.append(
            Fold(
                name,
                clips.source,
                clips.columns,
                names,
                clips.column("sentence"),
                {*clips.column("client_id")},
                durations_of(folder, names),
            )
        )
    return folds, errors


def _bar(label: str, total: int | None = None) -> tqdm:
    hidden = not sys.stderr.isatty()
    return tqdm(total=total, desc=label, unit="clip", leave=False, disable=hidden)


def list_clips(folder: Path) -> dict[str, int]:
    """List the files of a folder of clips, with their bytes.

    Raises:
        LabError: There is no such folder, or it is empty.
    """
    sizes: dict[str, int] = {}
    if folder.is_dir():
        with os.scandir(folder) as entries, _bar("listing the clips") as bar:
            for entry in entries:
                sizes[entry.name] = entry.stat().st_size
                bar.update()
    if not sizes:
        raise LabError(
            f"no clips in {folder}",
            "unpack the whole archive of the release: some hold the tables alone",
        )
    return sizes


@dataclass
class Audio:
    """The result of reading clips.

    Attributes:
        read: How many were tried.
        rates: The number of clips of each sampling rate, in Hz.
        broken: For each broken clip, why it cannot be used.
    """

    read: int = 0
    rates: Counter[int] = field(default_factory=Counter)
    broken: list[str] = field(default_factory=list)


def read_clips(folder: Path, seconds: dict[str, float], every: bool) -> Audio:
    """Decode clips: a sample that is the same each time, or all.

    Args:
        folder: The folder of the clips.
        seconds: How long each of them should last, by file name; 0 is not known.
        every: Read all of them.
    """
    names = sorted(seconds)
    if not every and len(names) > _SAMPLE:
        names = random.Random(0).sample(names, _SAMPLE)

    def read(name: str) -> int | str:
        try:
            waveform, rate = read_audio(folder / name)
        except LabError as error:
            return error.cause.replace(f"{folder}{os.sep}", "")
        length = waveform.shape[1] / rate
        if length < seconds[name] - _TOLERANCE:
            return f"{name}: {length:.1f} s of {seconds[name]:.1f} s are there"
        return rate

    audio = Audio(len(names))
    with _bar("reading", len(names)) as bar:
        for result in map_in_threads(read, names):
            bar.update()
            if isinstance(result, str):
                audio.broken.append(result)
            else:
                audio.rates[result] += 1
    return audio


@dataclass
class UnknownCharacter:
    """A character outside the alphabet.

    Attributes:
        character: The character.
        count: How often it occurs.
        sentence: The first sentence with it.
        clip: The clip in which that is said.
    """

    character: str
    count: int
    sentence: str
    clip: str

    @property
    def name(self) -> str:
        """Return its code point and its Unicode name."""
        name = unicodedata.name(self.character, "no name")
        return f"U+{ord(self.character):04X} {name.lower()}"


def find_unknown_characters(
    folds: Sequence[Fold], is_known: Callable[[str], bool]
) -> tuple[list[UnknownCharacter], int]:
    """Find the characters that are not in the alphabet.

    Args:
        folds: The folds.
        is_known: Says whether a character is in the alphabet.

    Returns:
        The characters, the most frequent first, and how many sentences hold any.
    """
    every: set[str] = set()
    for fold in folds:
        every.update(*fold.sentences)
    outside = {character for character in every if not is_known(character)}
    found: dict[str, UnknownCharacter] = {}
    n_sentences = 0
    for sentence, clip in _spoken(folds) if outside else ():
        strange = [character for character in sentence if character in outside]
        n_sentences += bool(strange)
        for character in strange:
            found.setdefault(
                character, UnknownCharacter(character, 0, sentence, clip)
            ).count += 1
    return sorted(found.values(), key=lambda s: (-s.count, s.character)), n_sentences


def _spoken(folds: Sequence[Fold]) -> Iterator[tuple[str, str]]:
    for fold in folds:
        yield from zip(fold.sentences, fold.clips)


def plot_lengths(folds: Sequence[Fold], low: float, high: float) -> Figure:
    """Plot a histogram of the lengths of each fold.

    Args:
        folds: The folds, each with a clip of known length.
        low: Shortest clip that is kept, in seconds.
        high: Longest clip that is kept, in seconds.
    """
    every = np.concatenate([fold.seconds for fold in folds])
    longest = max(np.percentile(every, _SHOWN_SHARE), high)
    edges = np.arange(0, longest + 2 * _BIN, _BIN).tolist()
    figure, grid = stack_axes(len(folds))
    for fold, axes in zip(folds, grid):
        seconds = np.asarray(fold.seconds)
        seconds = seconds[seconds > 0]
        inside = seconds[(seconds >= low) & (seconds <= high)]
        axes.hist(seconds, edges, color=_OUTSIDE, label="left out")
        axes.hist(inside, edges, color=_COLOUR, label=f"{low:g} to {high:g} s: kept")
        axes.set_xlim(0, edges[-1])
        axes.set_ylabel("clips")
        axes.spines[["top", "right"]].set_visible(False)
        axes.set_title(
            f"{fold.name}: {len(fold.clips):,} clips, {fold.hours:,.1f} h; kept "
            f"{len(inside):,}, {inside.sum() / 3600:,.1f} h",
            fontsize=10,
        )
    grid[0].legend(frameon=False)
    grid[-1].set_xlabel("length of a clip (s)")
    return figure
