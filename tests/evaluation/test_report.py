"""Properties of the reports: tables of hypotheses, scores of a fold, pictures."""

from __future__ import annotations

import gc
import random
import re
import tracemalloc
import warnings
from collections.abc import Sequence
from pathlib import Path

import matplotlib.pyplot as plt
import pytest
import torch

from labkit.base.errors import LabError
from labkit.decoding.hypothesis import Hypothesis
from labkit.evaluation.figures import plot_alignment
from labkit.evaluation.tables import (
    FoldReport,
    alignment_lines,
    print_comparison,
    print_nbest,
)
from labkit.evaluation.timed import Character, TimedHypothesis, Word


def hypothesis(
    text: str, words: Sequence[Word] = (), score: float = -1.0
) -> TimedHypothesis:
    found, text = Hypothesis(score, [16, 2], {"ctc": score}), f"¶{text}¦"
    return TimedHypothesis(found, text, text, [], list(words))


def distance(one: Sequence[str], other: Sequence[str]) -> int:
    """Count the edits between two sequences (Wagner and Fischer 1974)."""
    row = list(range(len(other) + 1))
    for i, a in enumerate(one, 1):
        before, row[0] = row[0], i
        for j, b in enumerate(other, 1):
            before, row[j] = row[j], min(row[j] + 1, row[j - 1] + 1, before + (a != b))
    return row[-1]


def some_texts(n: int) -> list[tuple[str, str]]:
    """Draw references and what a bad decoder makes of them."""
    draw = random.Random(n)
    words = "le la chat chien l'eau mange regarde anticonstitutionnellement et".split()
    pairs = []
    for _ in range(n):
        said = draw.choices(words, k=draw.randrange(1, 30))
        recognised = [w for w in said if draw.random() < 0.9]
        recognised = [
            draw.choice(words) if draw.random() < 0.2 else w for w in recognised
        ]
        if draw.random() < 0.5:
            recognised.insert(draw.randrange(len(recognised) + 1), "oups")
        pairs.append((" ".join(said), " ".join(recognised)))
    return pairs


def test_an_alignment_is_readable_in_88_columns() -> None:
    for said, recognised in some_texts(60):
        lines = alignment_lines(said, recognised)
        assert all(len(line) <= 88 - 4 and line == line.rstrip() for line in lines)
        found: dict[str, list[str]] = {"reference": [], "hypothesis": []}
        marks, above = "", ""
        for line in lines:
            name, *words = line.split()
            if name in found:
                found[name] += [word for word in words if word.strip("*")]
                above = line
            else:
                marks += "".join(line.split())
                # A mark stands under the last letter of a word.
                ends = [m.end() for m in re.finditer(r"\S", line)]
                assert all(above[end : end + 1] in (" ", "") for end in ends)
        assert found == {
            "reference": said.split(),
            "hypothesis": recognised.split(),
        }
        assert len(marks) == distance(said.split(), recognised.split())


def test_columns_of_an_alignment_stand_under_one_another() -> None:
    assert alignment_lines("le chat est la maison", "les chat la maison ici") == [
        "reference    le chat est la maison ***",
        "hypothesis  les chat *** la maison ici",
        "              S        D             I",
    ]
    lines = ["reference   a", "hypothesis  *", "            D"]
    assert alignment_lines("a", "") == lines


def test_a_fold_is_scored_as_if_all_its_clips_had_been_kept(
    capsys: pytest.CaptureFixture[str],
) -> None:
    texts = [*some_texts(40), ("pareil", "pareil")]
    report = FoldReport("greedy")
    for i, (said, recognised) in enumerate(texts):
        report.add(f"clip_{i}", said, recognised)
    report.add_batch(0, speech=50.0, network=2.0, decoding=0.5)
    report.add_batch(0, speech=50.0, network=3.0, decoding=1.5)
    for rate, split in ((report.wer, str.split), (report.cer, list)):
        edits = sum(
            distance(split(said), split(recognised)) for said, recognised in texts
        )
        total = sum(len(split(said)) for said, _ in texts)
        assert (rate.errors, rate.total) == (edits, total)
        kinds = (rate.substitutions, rate.deletions, rate.insertions)
        assert sum(kinds) == edits
    report.print()
    out = capsys.readouterr().out
    assert (
        out.startswith(f"41 clips\nCER {report.cer}   (") and f"WER {report.wer}" in out
    )
    assert "real-time factor 0.0700" in out
    cers = [distance(said, recognised) / len(said) for said, recognised in texts]
    worst = sorted(range(41), key=lambda i: -cers[i])[:5]
    shown = re.findall(r"^  clip_(\d+)  CER (\S+) %$", out, re.M)
    assert shown == [(str(i), f"{100 * cers[i]:.1f}") for i in worst]


def test_the_best_and_the_worst_are_listed_with_their_files(
    capsys: pytest.CaptureFixture[str],
) -> None:
    report = FoldReport(listed=2, with_best=True, folder=Path("corpus", "clips"))
    texts = ("ab", "ax"), ("abcd", "abcd"), ("ab", "ab"), ("abc", "xyz"), ("abc", "abx")
    for i, (said, recognised) in enumerate(texts):
        report.add(f"{i}.mp3", said, recognised)
    report.print()
    best, worst = capsys.readouterr().out.split("worst utterances")
    folder = re.escape(str(Path("corpus", "clips", "x"))[:-1])
    shown = [
        re.findall(rf"^  {folder}(\d)\.mp3  CER (\S+) %$", part, re.M)
        for part in (best.split("best utterances")[1], worst)
    ]
    assert shown == [[("1", "0.0"), ("2", "0.0")], [("3", "100.0"), ("0", "50.0")]]


def test_of_clips_that_are_equally_bad_the_first_ones_are_shown(
    capsys: pytest.CaptureFixture[str],
) -> None:
    report = FoldReport()
    for i in range(9):
        report.add(f"clip_{i}", "a b", "a c" if i else "a b")
    report.print()
    shown = re.findall(r"^  clip_(\d)", capsys.readouterr().out, re.M)
    assert shown == ["1", "2", "3", "4", "5"]


def test_a_report_without_errors_or_times_says_nothing_of_them(
    capsys: pytest.CaptureFixture[str],
) -> None:
    report = FoldReport()
    report.add("clip", "a b", "a b")
    report.print()
    out = capsys.readouterr().out
    assert "worst" not in out and "real-time" not in out
    with pytest.raises(LabError, match="not one clip"):
        FoldReport().print()


def test_a_report_of_a_long_fold_takes_no_more_memory() -> None:
    report = FoldReport()
    sizes = []
    tracemalloc.start()
    for _ in range(2):
        for i in range(1500):
            report.add(f"clip_{i}", f"le chat {i} mange", f"le chien {i} mange")
        gc.collect()
        sizes.append(tracemalloc.get_traced_memory()[0])
    tracemalloc.stop()
    assert sizes[1] - sizes[0] < 20_000  # bytes; the texts alone would be 100,000


def test_the_table_of_a_clip_starts_as_ever_and_ends_with_its_words(
    capsys: pytest.CaptureFixture[str],
) -> None:
    words = [Word("bonjour", 0.28, 0.48, 0.978), Word("toi", 0.5, 0.61, 1.0)]
    nbest = [hypothesis("bonjour toi", words, 0.0), hypothesis("b", (), -12.346)]
    print_nbest("a.mp3", nbest)
    out = capsys.readouterr().out
    first, table = out.split("Log prob    Sequence\n")
    assert first.startswith("a.mp3   (")
    assert re.findall(r"^ *(-?\d+\.\d\d)    (.*)$", table, re.M) == [
        ("0.00", "¶bonjour toi¦"),
        ("12.35", "¶b¦"),
    ]
    times = re.findall(r"^ +(\S+) +(\S+) s +(\S+) s +(\d+) %$", table, re.M)
    assert times == [("bonjour", "0.28", "0.48", "98"), ("toi", "0.50", "0.61", "100")]
    assert len({line.index(" s ") for line in table.splitlines()[-2:]}) == 1


@pytest.mark.parametrize(
    "weight, hotwords, titles",
    [
        (0.5, False, ["network", "language model", "word bonus"]),
        (2.0, True, ["network", "language model", "word bonus and hot words"]),
        (None, True, ["network", "hot words"]),
    ],
)
def test_the_parts_of_a_score_add_up_to_it(
    capsys: pytest.CaptureFixture[str],
    weight: float | None,
    hotwords: bool,
    titles: list[str],
) -> None:
    def parts(ctc: float, lm: float) -> dict[str, float]:
        return {"ctc": ctc} if weight is None else {"ctc": ctc, "lm": lm}

    nbest = [
        TimedHypothesis(Hypothesis(score, [16, 2], own), text, text, [], [])
        for text, score, own in (
            ("¶a¦", 2.5, parts(-4.25, -7.125)),
            ("¶b¦", -9.0, parts(-8.0, -6.0)),
        )
    ]
    bonuses = ["word bonus"] * (weight is not None) + ["hot words"] * hotwords
    print_nbest("a.mp3", nbest, {"lm": weight}, bonuses)
    out = capsys.readouterr().out
    rows = re.findall(r"^ *(-?\d+\.\d\d)    (.*)$", out, re.M)
    assert rows == [("-2.50", "¶a¦"), ("9.00", "¶b¦")]
    total, header, *lines = out.split("Sequence\n")[1].splitlines()[2:]
    assert f" + {weight or 0:g} x language model" in total or not weight
    assert re.split(" {2,}", header.strip()) == ["rank", *titles]
    for (cost, _), line in zip(rows, lines):
        _, network, *rest = map(float, line.split())
        factors = [weight, 1.0] if weight else [1.0]
        parts = [factor * part for factor, part in zip(factors, rest)]
        assert len(rest) == len(factors)
        assert network + sum(parts) == pytest.approx(float(cost), abs=0.02)


def test_decoders_are_compared_in_columns_under_their_names(
    capsys: pytest.CaptureFixture[str],
) -> None:
    reports = []
    for name, recognised in (("greedy", "a x y"), ("beam with a model", "a b xyz")):
        report = FoldReport(name)
        report.add("clip", "a b c", recognised)
        report.add_batch(0, speech=2.0, network=0.1, decoding=0.02)
        reports.append(report)
    print_comparison(reports, "beam: with a model")
    header, *rows, note, _, _ = capsys.readouterr().out.splitlines()
    assert note == "beam: with a model"
    assert len({len(line) for line in rows}) == 1 and max(map(len, rows)) <= 88
    cells = [re.split(r" {2,}", row.strip()) for row in rows]
    assert cells[0] == "greedy,40.0 %,66.7 %,2,0,0,20.0,0.0600".split(",")
    assert cells[1][:4] == ["beam with a model", "60.0 %", "33.3 %", "+50.0 %"]
    for name, cell in (("CER", "60.0 %"), ("gain", "+50.0 %"), ("RTF", "0.0600")):
        end = header.index(name) + len(name)
        assert rows[1][:end].endswith(cell)
    print_comparison(
        [FoldReport("a"), FoldReport("b")]
    )  # no division by what is not there


def test_calls_and_cut_transcripts_are_counted_where_there_is_attention(
    capsys: pytest.CaptureFixture[str],
) -> None:
    greedy, joint = FoldReport("greedy"), FoldReport("joint")
    for report, calls in ((greedy, (0, 0)), (joint, (7, 4))):
        for n, cut in zip(calls, (True, False)):
            report.add_batch(n, 0.0, 0.0, 0.0)
            report.add("clip", "a b c", "a b c", cut and report is joint)
    print_comparison([greedy, joint])
    header, first, second, *notes = capsys.readouterr().out.splitlines()
    assert header.endswith("calls")
    assert first.endswith(" 0.0") and second.endswith(" 5.5")
    assert max(map(len, (header, first, second))) <= 88
    assert "joint: transcripts that ran into the limit of their length: 1" in notes
    joint.print()
    out = capsys.readouterr().out
    assert "calls of the attention decoder: 5.5 a batch" in out
    assert "ran into the limit of their length: 1" in out
    print_comparison([greedy])
    assert "calls" not in capsys.readouterr().out


@pytest.mark.parametrize("seconds, n_rows", [(3, 1), (12, 3), (200, 6)])
def test_a_picture_of_an_alignment_shows_each_word_once_at_its_time(
    seconds: int, n_rows: int
) -> None:
    words = [Word(f"w{i}", i + 0.2, i + 0.7, i / 200) for i in range(seconds)]
    characters = [
        Character(text, 0, 1, word.start + 0.1 * j, word.start + 0.1 * j + 0.04, 1.0)
        for word in words
        for j, text in enumerate(word.text)
    ]
    spectrogram = torch.randn(100 * seconds, 20)
    figure = plot_alignment(spectrogram, words, characters, 0.01, "été $x_1 " * 20)
    drawn = figure.axes
    plt.close(figure)
    assert len(drawn) == 2 * n_rows
    shown = {}
    for axes in drawn[1::2]:
        left, right = axes.get_xlim()
        for text in axes.texts:
            if text.get_text() in {word.text for word in words}:
                assert left <= text.get_position()[0] <= right
                shown[text.get_text()] = text.get_position()[0]
    wanted = {w.text: (w.start + w.end) / 2 for w in words if w.start < 30}
    assert shown == pytest.approx(wanted)
    letters = sum(len(axes.texts) for axes in drawn) - len(shown)
    assert letters == sum(len(word) for word in wanted)


def test_a_picture_has_a_sign_for_every_symbol() -> None:
    words = [Word("❌¶¦'", 0.1, 0.4, 0.5)]
    characters = [Character(c, 0, 1, 0.1, 0.2, 1.0) for c in "❌¶¦' "]
    with warnings.catch_warnings():
        warnings.filterwarnings("error", "Glyph")
        figure = plot_alignment(torch.randn(50, 8), words, characters, 0.01, "❌ $a")
        figure.canvas.draw()
    plt.close(figure)
