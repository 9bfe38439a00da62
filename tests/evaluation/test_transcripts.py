"""Properties of what people get: files of transcripts, and subtitles."""

from __future__ import annotations

import json
import random
import re
from collections.abc import Iterator, Sequence
from pathlib import Path

import pytest

from labkit.decoding.hypothesis import Hypothesis
from labkit.evaluation.timed import TimedHypothesis, Word
from labkit.evaluation.transcripts import (
    Names,
    Transcript,
    subtitles,
    write_fold,
)

Cue = tuple[float, float, list[str]]  # start and end in s, lines


def hypothesis(
    text: str, words: Sequence[Word] = (), score: float = -1.0
) -> TimedHypothesis:
    found, text = Hypothesis(score, [16, 2], {"ctc": score}), f"¶{text}¦"
    return TimedHypothesis(found, text, text, [], list(words))


def transcript(
    words: Sequence[Word], duration: float, clip: str = "a.mp3"
) -> Transcript:
    text = " ".join(word.text for word in words)
    return Transcript(clip, duration, "greedy", [hypothesis(text, words)])


def say(
    texts: Sequence[str],
    pauses: Sequence[float],
    start: float = 0.5,
    length: float = 0.3,
) -> list[Word]:
    """Say words of ``length`` seconds each, with a pause after each."""
    words = []
    for text, pause in zip(texts, pauses):
        words.append(Word(text, start, start + length, 0.9))
        start += length + pause
    return words


def read_srt(content: str) -> list[Cue]:
    """Parse SubRip strictly: blocks of number, times, lines, apart by a blank line."""
    if not content:
        return []
    assert content.endswith("\n") and not content.endswith("\n\n")
    stamp = r"(\d\d):([0-5]\d):([0-5]\d),(\d{3})"
    cues = []
    for number, block in enumerate(content[:-1].split("\n\n"), 1):
        counted, times, *lines = block.split("\n")
        assert counted == str(number)
        match = re.fullmatch(f"{stamp} --> {stamp}", times)
        h1, m1, s1, f1, h2, m2, s2, f2 = map(int, match.groups())
        start, end = 3600 * h1 + 60 * m1 + s1, 3600 * h2 + 60 * m2 + s2
        assert lines and all(line.strip() == line != "" for line in lines)
        cues.append((start + f1 / 1000, end + f2 / 1000, lines))
    edges = [t for start, end, _ in cues for t in (start, end)]
    assert edges == sorted(edges) and all(start < end for start, end, _ in cues)
    return cues


def spelled(cues: list[Cue]) -> list[str]:
    return [word for _, _, lines in cues for line in lines for word in line.split()]


# ---- subtitles


def test_subtitles_are_valid_and_say_every_word_once_when_it_is_said() -> None:
    draw = random.Random(0)
    for _ in range(60):
        n_words = draw.randrange(1, 80)
        texts = ["abcdefghijklmnop'"[: draw.randrange(1, 17)] for _ in range(n_words)]
        pauses = [draw.choice((0.0, 0.04, 0.2, 0.5, 3.0)) for _ in texts]
        start, length = draw.choice((0.0, 59.9, 3599.5)), draw.choice((0.3, 1.6))
        words = say(texts, pauses, start, length)
        duration = words[-1].end + draw.choice((0.0, 0.5, 4.0))
        cues = read_srt(subtitles(transcript(words, duration)))
        assert spelled(cues) == texts
        assert cues[-1][1] <= duration + 0.001
        rest = iter(words)
        for start, end, lines in cues:
            part = [next(rest) for _ in spelled([(start, end, lines)])]
            assert start == pytest.approx(part[0].start, abs=0.001)
            assert end >= part[-1].end - 0.001
            assert len(part) <= 7 and len(lines) <= 2
            assert all(len(line) <= 42 for line in lines)
            assert part[-1].end - part[0].start <= 7
            gaps = [b.start - a.end for a, b in zip(part, part[1:])]
            assert all(gap < 1 for gap in gaps)


def test_subtitles_are_cut_at_the_longest_pauses() -> None:
    texts = "un deux trois quatre cinq six sept huit neuf dix".split()
    pauses = [0.1, 0.1, 0.1, 0.4, 0.1, 0.1, 0.1, 0.1, 0.1, 0.0]
    cues = read_srt(subtitles(transcript(say(texts, pauses), 10)))
    assert [len(spelled([cue])) for cue in cues] == [4, 6]
    # Where no pause is longer than another, in the middle.
    cues = read_srt(subtitles(transcript(say(texts, [0.1] * 10), 10)))
    assert [len(spelled([cue])) for cue in cues] == [5, 5]
    together = say(texts[:4], [0.1, 2.0, 0.1, 0.0])
    cues = read_srt(subtitles(transcript(together, 10)))
    assert [lines for _, _, lines in cues] == [["un deux"], ["trois quatre"]]


def test_a_short_cue_stays_a_second_where_there_is_room() -> None:
    words = [Word("a", 1.0, 1.04, 1), Word("b", 3.0, 3.04, 1), Word("c", 9.9, 9.94, 1)]
    cues = read_srt(subtitles(transcript(words, 10.2)))
    assert [(start, end) for start, end, _ in cues] == [(1, 2), (3, 4), (9.9, 10.2)]


def test_the_times_of_a_subtitle_are_written_to_the_millisecond() -> None:
    words = [Word("a", 3725.0406, 3727.9996, 1.0)]
    assert subtitles(transcript(words, 4000)) == (
        "1\n01:02:05,041 --> 01:02:08,000\na\n"
    )


def test_times_that_coincide_still_make_valid_subtitles() -> None:
    # A word in the last frame may start where the clip ends.
    words = [Word("a", 2, 2, 1), Word("b" * 50, 2, 2, 1), Word("c" * 50, 2, 2, 1)]
    cues = read_srt(subtitles(transcript(words, 2)))
    assert spelled(cues) == [word.text for word in words]
    assert cues[-1][1] == 2  # not after the end of the clip


def test_no_words_are_no_subtitles_and_words_without_times_are_one() -> None:
    assert subtitles(Transcript("a", 2, "greedy", [hypothesis("")])) == ""
    assert subtitles(Transcript("a", 2, "greedy", [])) == ""
    untimed = Transcript("a", 2, "greedy", [hypothesis("ab cd")])
    assert read_srt(subtitles(untimed)) == [(0.0, 2.0, ["ab cd"])]


# ---- files


def test_every_format_holds_what_was_said() -> None:
    words = say(["ça", "va"], [0.1, 0.0])
    nbest = [hypothesis("ça va", words, -1), hypothesis("sa va", (), -2)]
    said = Transcript("où/été.mp3", 1.5, "beam search", nbest)
    assert said.written("txt") == "ça va\n"
    assert read_srt(said.written("srt"))[0][2] == ["ça va"]
    read = json.loads(said.written("json"))
    assert (read["clip"], read["duration"], read["decoder"], read["text"]) == (
        *("où/été.mp3", 1.5, "beam search", "ça va"),
    )
    assert "reference" not in read
    assert [one["text"] for one in read["hypotheses"]] == ["ça va", "sa va"]
    assert [one["score"] for one in read["hypotheses"]] == [-1, -2]
    assert read["hypotheses"][0]["words"][1]["start"] == pytest.approx(0.9)


def test_clips_of_one_name_get_files_of_their_own() -> None:
    names = Names()
    clips = map(Path, ("x/a.mp3", "a.wav", "y/a.mp3", "z/a.mp3", "a.b.mp3"))
    found = [names.take(clip.stem, clip.name) for clip in clips]
    assert found == ["a", "a.wav", "a.mp3", "a.mp3_2", "a.b"]


@pytest.mark.parametrize("n_clips", [0, 1, 3])
def test_a_fold_is_one_file_with_a_line_for_each_clip(
    tmp_path: Path, n_clips: int
) -> None:
    for name in ("test.txt", "test.json"):
        path = tmp_path / "new" / name

        def found(path: Path = path) -> Iterator[Transcript]:
            for i in range(n_clips):
                nbest = [hypothesis(f"é {i}")]
                yield Transcript(f"{i}.mp3", i, "greedy", nbest, "ref")
            assert not path.exists()

        write_fold(path, found())
    lines = (tmp_path / "new" / "test.txt").read_text("utf-8").splitlines()
    assert lines == [f"{i}.mp3\té {i}" for i in range(n_clips)]
    text = (tmp_path / "new" / "test.json").read_text("utf-8")
    read = json.loads(text)
    assert [one["clip"] for one in read] == [f"{i}.mp3" for i in range(n_clips)]
    assert all(one["reference"] == "ref" for one in read)
    assert sum(line.startswith('{"clip"') for line in text.splitlines()) == n_clips
    assert sorted(path.name for path in (tmp_path / "new").iterdir()) == [
        *("test.json", "test.txt"),
    ]


@pytest.mark.parametrize("name", ["test.txt", "test.json"])
def test_a_fold_that_fails_leaves_what_was_there(tmp_path: Path, name: str) -> None:
    (tmp_path / name).write_text("before", encoding="utf-8")

    def found() -> Iterator[Transcript]:
        yield Transcript("a", 1, "greedy", [hypothesis("a")])
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        write_fold(tmp_path / name, found())
    assert [path.name for path in tmp_path.iterdir()] == [name]
    assert (tmp_path / name).read_text("utf-8") == "before"
