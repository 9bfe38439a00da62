"""Transcripts as files: plain text, JSON, and subtitles (SubRip).

Every file is UTF-8, and appears whole or not at all.
"""

from __future__ import annotations

import json
import os
import textwrap
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from labkit.base import atomic
from labkit.evaluation.timed import TimedHypothesis, Word

_LONGEST_NAME = 230  # bytes, of the 255 that systems allow
_LINE = 42  # characters of a line of subtitles
_LINES = 2  # lines of a cue
_CUE_WORDS = 7
_CUE_SECONDS = 6.0
_SHORTEST_CUE = 1.0  # s, where the next cue leaves room for it
_PAUSE = 0.7  # s without a word: a cue ends there


@dataclass(frozen=True)
class Transcript:
    """The result of a decoder for a clip."""

    clip: str  # its name
    duration: float  # in seconds
    decoder: str
    hypotheses: Sequence[TimedHypothesis]  # best first
    reference: str | None = None  # what was said, where that is known

    @property
    def text(self) -> str:
        """The best text, without markers."""
        return self.hypotheses[0].plain if self.hypotheses else ""

    def as_dict(self) -> dict[str, Any]:
        """Give plain types for JSON."""
        known = {} if self.reference is None else {"reference": self.reference}
        return {
            "clip": self.clip,
            "duration": round(self.duration, 4),
            "decoder": self.decoder,
            **known,
            "text": self.text,
            "hypotheses": [one.as_dict() for one in self.hypotheses],
        }

    def written(self, kind: str) -> str:
        """Write it as txt (the best text alone), as json (everything) or as srt."""
        if kind == "srt":
            return subtitles(self)
        if kind == "json":
            return json.dumps(self.as_dict(), ensure_ascii=False, indent=2) + "\n"
        return self.text + "\n"


def _stamp(milliseconds: int) -> str:
    seconds, milliseconds = divmod(milliseconds, 1000)
    minutes, seconds = divmod(seconds, 60)
    hours, minutes = divmod(minutes, 60)
    return f"{hours:02d}:{minutes:02d}:{seconds:02d},{milliseconds:03d}"


def _lines(words: Sequence[Word]) -> list[str]:
    text = " ".join(word.text for word in words)
    return textwrap.wrap(text, _LINE, break_long_words=False, break_on_hyphens=False)


def _fits(words: Sequence[Word]) -> bool:
    return (
        len(words) <= _CUE_WORDS
        and words[-1].end - words[0].start <= _CUE_SECONDS
        and len(_lines(words)) <= _LINES
        and all(b.start - a.end < _PAUSE for a, b in zip(words, words[1:]))
    )


def _cues(words: Sequence[Word]) -> list[Sequence[Word]]:
    """Cut words into cues at the longest pauses; of equal ones, near the middle."""
    cues, todo = [], [words] if words else []
    while todo:
        part = todo.pop()
        if len(part) == 1 or _fits(part):
            cues.append(part)
            continue
        cut = max(
            range(1, len(part)),
            key=lambda i: (
                round(part[i].start - part[i - 1].end, 3),
                -abs(2 * i - len(part)),
            ),
        )
        todo += [part[cut:], part[:cut]]
    return cues


def subtitles(transcript: Transcript) -> str:
    """Write the best hypothesis as SubRip subtitles.

    Cues do not overlap, and are cut at pauses. A text without times (no path spells
    it) is one cue as long as the clip; an empty one gives an empty file.
    """
    words = list(transcript.hypotheses[0].words) if transcript.hypotheses else []
    if transcript.text and not words:
        words = [Word(transcript.text, 0.0, transcript.duration, 0.0)]
    cues = _cues(words)
    last = max(round(1000 * transcript.duration), len(cues))
    # Where words crowd at the end of a clip, each cue leaves a millisecond to the next.
    latest = range(last - len(cues), last)
    starts = [min(round(1000 * cue[0].start), ms) for cue, ms in zip(cues, latest)]
    blocks, now = [], 0  # milliseconds
    for number, (cue, following) in enumerate(zip(cues, [*starts[1:], last]), 1):
        start = max(starts[number - 1], now)
        end = max(round(1000 * cue[-1].end), start + round(1000 * _SHORTEST_CUE))
        now = max(min(end, following), start + 1)
        times = f"{_stamp(start)} --> {_stamp(now)}"
        blocks.append("\n".join([str(number), times, *_lines(cue)]) + "\n")
    return "\n".join(blocks)


class Names:
    """Gives each file of a folder a different name."""

    def __init__(self) -> None:
        self._taken: set[str] = set()

    def take(self, *wanted: str) -> str:
        """Return the first of ``wanted`` that is free, or the last with a number.

        A name that leaves no room for what follows it is cut.
        """
        wanted = tuple(
            os.fsencode(name)[:_LONGEST_NAME].decode(errors="ignore") for name in wanted
        )
        numbered = [f"{wanted[-1]}_{n}" for n in range(2, len(self._taken) + 3)]
        name = next(n for n in (*wanted, *numbered) if n not in self._taken)
        self._taken.add(name)
        return name


def write_fold(path: Path, transcripts: Iterable[Transcript]) -> None:
    """Write the transcripts of a fold into one file, none of which is kept in memory.

    ``.txt`` is a line ``clip<TAB>text`` for each clip; ``.json`` a list with one clip a
    line.
    """
    with atomic(path) as new, new.open("w", encoding="utf-8", newline="\n") as file:
        if path.suffix == ".txt":
            file.writelines(f"{one.clip}\t{one.text}\n" for one in transcripts)
            return
        separator = "["
        for one in transcripts:
            content = json.dumps(one.as_dict(), ensure_ascii=False)
            file.write(f"{separator}\n{content}")
            separator = ","
        file.write("[]\n" if separator == "[" else "\n]\n")
