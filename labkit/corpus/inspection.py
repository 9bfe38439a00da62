"""What a corpus holds, and which of its clips and sentences are unusable."""

from __future__ import annotations

import os
import random
from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
from matplotlib.figure import Figure

from labkit.audio import read_speech
from labkit.base import LabError, map_in_threads, progress, silent_stderr
from labkit.corpus.commonvoice import SHARES, CommonVoice
from labkit.corpus.durations import durations_of
from labkit.figures import stack_axes
from labkit.text import ALPHABET

_SAMPLE = 1_000  # clips that are decoded, of those listed
_TOLERANCE = 0.5  # s that a clip may be shorter than its table says
_BIN = 0.25  # s of a histogram
_SHOWN_SHARE = 99.9  # per cent of the clips: a few very long ones are left out
_KEPT, _LEFT_OUT = "#3380cc", "#c8c8c8"


@dataclass
class Fold:
    """The clips that one fold lists."""

    name: str
    source: Path  # the tsv file
    clips: list[str]  # file names
    sentences: list[str]
    speakers: set[str]  # empty if the file does not name them
    seconds: Sequence[float]  # of each clip; 0 for one that is missing or broken

    @property
    def hours(self) -> float:
        """How long all its clips last together."""
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
        names, sentences = clips.clip_names(), clips.column("sentence")
        speakers, seconds = {*clips.column("client_id")}, durations_of(folder, names)
        folds.append(Fold(name, clips.source, names, sentences, speakers, seconds))
    return folds, errors


def _walk(folder: str | Path, prefix: str = "") -> Iterator[tuple[str, int]]:
    """Yield the files of a folder and of those in it, with their bytes."""
    with os.scandir(folder) as entries:
        for entry in entries:
            if entry.is_dir():
                yield from _walk(entry.path, f"{prefix}{entry.name}/")
            else:
                yield prefix + entry.name, entry.stat().st_size


def list_clips(folder: Path) -> dict[str, int]:
    """List the files of a folder of clips, and of folders in it, with their bytes.

    Raises:
        LabError: There is no such folder, or it is empty.
    """
    sizes: dict[str, int] = {}
    if folder.is_dir():
        sizes.update(progress(_walk(folder), "listing the clips", unit="clip"))
    if not sizes:
        raise LabError(
            f"no clips in {folder}",
            "unpack the whole archive of the release: some hold the tables alone",
        )
    return sizes


@dataclass
class Audio:
    """The result of reading clips."""

    read: int  # how many were tried
    rates: Counter[int] = field(default_factory=Counter)  # clips of each, in Hz
    broken: list[str] = field(default_factory=list)  # why each of them is


def read_clips(folder: Path, seconds: dict[str, float], every: bool) -> Audio:
    """Decode clips: a sample that is the same each time, or all.

    ``seconds`` says how long each should last, by file name; 0 is not known.
    """
    names = sorted(seconds)
    if not every and len(names) > _SAMPLE:
        names = random.Random(0).sample(names, _SAMPLE)

    def read(name: str) -> int | str:
        try:
            waveform, rate = read_speech(folder / name)
        except LabError as error:
            return error.cause.replace(f"{folder}{os.sep}", "")
        length = waveform.shape[1] / rate
        if length < seconds[name] - _TOLERANCE:
            return f"{name}: {length:.1f} s of {seconds[name]:.1f} s are there"
        return rate

    audio = Audio(len(names))
    with silent_stderr() as screen:
        results, total = map_in_threads(read, names), len(names)
        shown = progress(results, "reading", False, 0, "clip", total, screen)
        for result in shown:
            if isinstance(result, str):
                audio.broken.append(result)
            else:
                audio.rates[result] += 1
    return audio


def find_unknown_characters(
    folds: Sequence[Fold],
) -> tuple[Counter[str], dict[str, str], int]:
    """Find the characters that are not in the alphabet.

    Returns:
        How often each occurs, the first sentence with it, and how many sentences hold
        any.
    """
    every: set[str] = set()
    for fold in folds:
        every.update(*fold.sentences)
    unknown = ALPHABET.index[ALPHABET.unknown]
    outside = {char for char in every if unknown in ALPHABET.encode(char)}
    counts: Counter[str] = Counter()
    first: dict[str, str] = {}
    n_sentences = 0
    for sentence in (s for fold in folds for s in fold.sentences):
        strange = outside.intersection(sentence)
        n_sentences += bool(strange)
        for char in strange:
            counts[char] += sentence.count(char)
            first.setdefault(char, sentence)
    return counts, first, n_sentences


def plot_lengths(folds: Sequence[Fold], low: float, high: float) -> Figure:
    """Plot a histogram of the lengths of each fold; those kept are in colour."""
    every = np.concatenate([fold.seconds for fold in folds])
    longest = max(np.percentile(every, _SHOWN_SHARE), high)
    edges = np.arange(0, longest + 2 * _BIN, _BIN).tolist()
    figure, grid = stack_axes(len(folds))
    for fold, axes in zip(folds, grid):
        seconds = np.asarray(fold.seconds)
        seconds = seconds[seconds > 0]
        inside = seconds[(seconds >= low) & (seconds <= high)]
        axes.hist(seconds, edges, color=_LEFT_OUT, label="left out")
        axes.hist(inside, edges, color=_KEPT, label=f"{low:g} to {high:g} s: kept")
        axes.set_xlim(0, edges[-1])
        axes.set_ylabel("clips")
        axes.spines[["top", "right"]].set_visible(False)
        axes.set_title(
            f"{fold.name}: {len(fold.clips):,} clips, {fold.hours:,.1f} h; kept "
            f"{len(inside):,}, {inside.sum() / 3600:,.1f} h",
            fontsize=10,
        )
    grid[0].legend(frameon=False, loc="upper right")
    grid[-1].set_xlabel("length of a clip (s)")
    return figure
