"""Printing what a corpus holds, in aligned lines."""

from __future__ import annotations

import unicodedata
from collections import Counter
from collections.abc import Sequence
from itertools import combinations
from pathlib import Path

import numpy as np

from labkit.corpus.commonvoice import POOL, repeated_clips
from labkit.corpus.inspection import Audio, Fold, find_unknown_characters

_EXAMPLES = 3  # clips that are named for each kind of error
_CHARACTERS = 12  # that are shown
_WIDTH = 44  # characters of a sentence that are shown


def _say(label: str, text: str) -> None:
    print(f"{label:12}{text}")


def _percent(part: int, whole: int) -> str:
    return f"{100 * part / max(whole, 1):.1f} %"


def _name_some(texts: Sequence[str]) -> None:
    for text in texts[:_EXAMPLES]:
        _say("", f"  {text}")
    if len(texts) > _EXAMPLES:
        _say("", f"  and {len(texts) - _EXAMPLES:,} more")


def print_tables(folder: Path, folds: Sequence[Fold]) -> None:
    """Print where the corpus is, and which tables are there."""
    _say("folder", str(folder))
    _say("tables", ", ".join(sorted(path.name for path in folder.glob("*.tsv"))))
    made = [fold.name for fold in folds if fold.source.stem != fold.name]
    if made:
        _say("", f"made of {POOL}, by speaker: {', '.join(made)}")


def print_folds(
    folds: Sequence[Fold], sizes: dict[str, int], low: float, high: float
) -> None:
    """Print how much each fold lists, and how much of ``low`` to ``high`` seconds."""
    span = f"{low:g} to {high:g} s"
    print(
        f"\n{'fold':8}{'clips':>10}{'hours':>10}{'speakers':>10}{'missing':>10}"
        f"{'empty':>8}{span:>18}"
    )
    for fold in folds:
        missing = sum(name not in sizes for name in fold.clips)
        empty = sum(sizes.get(name) == 0 for name in fold.clips)
        kept = fold.kept(low, high)
        share = f"({100 * kept / len(fold.clips):.0f} %)"
        print(
            f"{fold.name:8}{len(fold.clips):10,}{fold.hours:10,.1f}"
            f"{len(fold.speakers):10,}{missing:10,}{empty:8,}{kept:11,} {share}"
        )
    print()
    half, most, longest = np.percentile(folds[0].seconds, (50, 90, 100))
    _say(
        "lengths",
        f"of {folds[0].name}: half of the clips last up to {half:.1f} s, 90 % up to "
        f"{most:.1f} s, all up to {longest:.1f} s",
    )


def print_clips(folds: Sequence[Fold], sizes: dict[str, int]) -> bool:
    """Count the clips and name those with errors; return whether there are any."""
    listed = Counter(name for fold in folds for name in fold.clips)
    others = len(sizes.keys() - listed.keys())
    size = sum(sizes.values()) / 1e9
    _say(
        "clips",
        f"{sum(listed.values()):,} listed; {len(sizes):,} files, {size:.2f} GB"
        + (f", {others:,} of them in no fold" if others else ""),
    )
    for what in repeated_clips({fold.name: fold.clips for fold in folds}):
        _say("", f"{what}: list each in one fold, once")
    seconds = {n: s for fold in folds for n, s in zip(fold.clips, fold.seconds)}
    faults = {
        "missing": [name for name in listed if name not in sizes],
        "empty (0 bytes)": [name for name in listed if sizes.get(name) == 0],
        "of a length that cannot be read": [
            name for name in listed if seconds[name] == 0 and sizes.get(name)
        ],
    }
    for what, names in faults.items():
        if names:
            _say("", f"{len(names):,} {what} ({_percent(len(names), len(listed))}):")
            _name_some(names)
    return any(faults.values())


def print_audio(audio: Audio, n_there: int) -> None:
    """Print the result of reading clips, of ``n_there`` that can be read."""
    sample = " as a sample (all with --all)" if audio.read < n_there else ""
    broken = f"{len(audio.broken):,} broken ({_percent(len(audio.broken), audio.read)})"
    _say(
        "audio",
        f"{audio.read:,} clips read{sample}: {broken if audio.broken else 'all sound'}",
    )
    _name_some(audio.broken)
    rates = (f"{n:,} of {rate:,} Hz" for rate, n in audio.rates.most_common())
    _say("rates", ", ".join(rates) or "none")


def print_overlaps(folds: Sequence[Fold]) -> None:
    """Print which speakers and sentences are in two folds, and which hold no word."""
    shared = [
        f"{len(both):,} in {a.name} and {b.name}"
        for a, b in combinations(folds, 2)
        if (both := a.speakers & b.speakers)
    ]
    named = all(fold.speakers for fold in folds)
    _say(
        "speakers", ", ".join(shared) or ("none in two folds" if named else "not named")
    )
    sentences = {fold.name: {*fold.sentences} for fold in folds}
    training = sentences.pop("train", set())
    known = [f"{len(own & training):,} of {name}" for name, own in sentences.items()]
    _say("sentences", f"{' and '.join(known) or 'none'} are in train as well")
    silent = [
        clip
        for fold in folds
        for clip, sentence in zip(fold.clips, fold.sentences)
        if not any(map(str.isalnum, sentence))
    ]
    if silent:
        _say("", f"{len(silent):,} hold no word:")
        _name_some(silent)


def print_characters(folds: Sequence[Fold]) -> None:
    """Print which characters of the sentences are not in the alphabet."""
    counts, first, n_sentences = find_unknown_characters(folds)
    if not counts:
        _say("characters", "all in the alphabet")
        return
    share = _percent(n_sentences, sum(len(fold.sentences) for fold in folds))
    held = f"{n_sentences:,} sentences ({share}) hold"
    _say("characters", f"{held} {len(counts)} outside the alphabet")
    order = sorted(counts, key=lambda char: (-counts[char], char))
    for char in order[:_CHARACTERS]:
        name = unicodedata.name(char, "no name").lower()
        seen, sentence = char if char.isprintable() else " ", first[char]
        start = max(0, sentence.index(char) - _WIDTH // 2)
        around = sentence[start : start + _WIDTH]
        _say("", f"  {seen} {counts[char]:,}  U+{ord(char):04X} {name}: {around}")
    if len(order) > _CHARACTERS:
        _say("", f"  and {''.join(order[_CHARACTERS:])[:_WIDTH]}")
