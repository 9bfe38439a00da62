"""Pages, class report and table of grades: right, readable, and safe to open."""

from __future__ import annotations

import base64
import csv
import io
import re
import string
from html.parser import HTMLParser
from pathlib import Path

import matplotlib.image
import pytest
from autograder import phrases
from autograder.output import feedback
from autograder.output.classreport import as_html, usual_mistakes, write_report
from autograder.output.gradebook import as_csv, write_grades
from autograder.output.text import number_text
from autograder.records import SubmissionRecord, read_record, write_record
from helpers import gradings
from helpers.gradings import NASTY, SECRET, STATES, exercise, submission
from jinja2 import FileSystemLoader

from labkit.base import LabError

VOID = {"meta", "col", "img", "br"}
LOADING = {"src", "href", "action", "data", "srcset", "poster", "background"}


class _Page(HTMLParser):
    """Reads a page: its text, its tags, what it would load; fails on bad nesting."""

    def __init__(self, source: str) -> None:
        super().__init__(convert_charrefs=True)
        self.text, self.tags, self.loads = "", set(), []
        self.open: list[str] = []
        self.cells: list[list[str]] = []
        self.feed(source)
        self.close()
        assert self.open == []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.add(tag)
        self.loads += [value for name, value in attrs if name in LOADING]
        assert not any(name.startswith("on") for name, _ in attrs)
        if tag == "tr":
            self.cells.append([])
        if tag == "td":
            self.cells[-1].append("")
        if tag not in VOID:
            self.open.append(tag)

    def handle_endtag(self, tag: str) -> None:
        assert self.open.pop() == tag

    def handle_data(self, data: str) -> None:
        if self.open[-1:] != ["style"]:
            self.text += data
        if "td" in self.open:
            self.cells[-1][-1] += data


def assert_harmless(source: str) -> _Page:
    """Check that a page stands alone and that nothing of a student's became markup."""
    page = _Page(source)
    assert not page.tags & {"script", "iframe", "object", "embed", "link", "form"}
    assert all(
        value.startswith(("data:image/png;", "feedback/")) for value in page.loads
    )
    assert "url(" not in source and "@import" not in source
    assert not set("\x1b\x00\u202e\u2028\ud800") & set(source)
    source.encode("utf-8")
    return page


def both(record: SubmissionRecord) -> tuple[str, str]:
    data = feedback.collect(record)
    return feedback.as_markdown(data), _Page(feedback.as_html(data)).text


def test_page_says_state_points_block_hint_seed_versions_and_time() -> None:
    record = submission(problems=("data.py:3: SyntaxError: invalid syntax",))
    markdown, text = both(record)
    for page in (markdown.replace("\\", ""), text):
        for words in (
            *("Zoé Lefèvre", "2.5 of 12 points", "title of E04", "models.py fE04"),
            *(
                "partly right",
                "wrong",
                "not attempted",
                "waits for E02",
                "2/2",
                "0.5/2",
            ),
            *("crashed: segmentation fault", "got      [2, 1]", "is E03 in order?"),
            *("data.py:3: SyntaxError", "4711", "torch 2.11.0", "2026-11-21 23:31 UTC"),
        ):
            assert words in page, words


def test_page_has_no_line_of_an_answer() -> None:
    for page in both(submission()):
        assert SECRET not in page and "answer" not in page


ANSWERS = {"Q1 The first loss": f"Ninety nats. {NASTY}", "Q2 The plateau": ""}


def test_answers_in_words_are_shown_and_counted_and_earn_nothing(
    tmp_path: Path,
) -> None:
    answering = submission("A", answers=ANSWERS)
    silent = submission("B", answers=dict.fromkeys(ANSWERS, ""))
    for page in both(answering):
        page = page.replace("\\", "")
        assert "1 of 2 questions answered" in page and "Ninety nats." in page
        assert "Q1 The first loss" in page and "Q2 The plateau" not in page
        assert "2.5 of 12 points" in page
    assert_harmless(feedback.as_html(feedback.collect(answering)))
    for page in both(silent):
        assert "0 of 2 questions answered" in page and "Q1" not in page
    page = assert_harmless(as_html([silent, answering], tmp_path))
    rows = {row[0]: row for row in page.cells if row and row[0] in ("A", "B")}
    assert (rows["A"][3], rows["B"][3]) == ("1 of 2", "0 of 2")
    assert "Q1 The first loss (1)" in page.text and "Ninety nats." in page.text
    assert "Q2 The plateau (0)" in page.text and phrases.NO_ANSWER in page.text


@pytest.mark.parametrize(
    "states, words",
    [
        (("done", "todo", "fail"), "E03, title of E03"),
        (("done", "fail", "crash"), "E02, title of E02"),
        (("done", "crash", "fail"), "E02, title of E02"),
        (("done", "blocked", "todo"), "E03, title of E03"),
        (("done", "done"), phrases.ALL_DONE),
        ((), phrases.NOTHING_GRADED),
    ],
)
def test_page_ends_with_what_to_look_at_next(states: tuple, words: str) -> None:
    markdown, text = both(submission(states=states))
    assert words in text.partition(phrases.NEXT)[2]
    assert words in markdown.replace("\\", "").partition(phrases.NEXT)[2]


def test_a_mistake_in_a_template_is_named_with_its_line(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    text = "<html>\n{{ page.titel.x }}\n"
    (tmp_path / "feedback.html.j2").write_text(text, encoding="utf-8")
    loader = FileSystemLoader(tmp_path)
    monkeypatch.setattr("autograder.output.html._TEMPLATES.loader", loader)
    with pytest.raises(LabError, match=r"feedback\.html\.j2:2: .*titel"):
        feedback.as_html(feedback.collect(submission()))
    (tmp_path / "feedback.html.j2").write_text("<p>\n\n{% if %}", encoding="utf-8")
    with pytest.raises(LabError, match=r"feedback\.html\.j2:3: "):
        feedback.as_html(feedback.collect(submission()))


def test_one_unreadable_script_is_shown_once() -> None:
    why = "no code in this script can run"
    made = [exercise(f"E0{n}", "fail", mistake=why) for n in (1, 2, 3)]
    other = exercise("E04", "fail", where="data.py:f", mistake=why)
    record = submission(
        exercises=(*made, other), problems=("models.py:3: invalid syntax",)
    )
    titles = [failure.title for failure in feedback.collect(record).failures]
    assert titles == ["E01, E02, E03", "E04 title of E04"]
    readable = submission(exercises=tuple(made))
    assert len(feedback.collect(readable).failures) == 3


def test_hostile_text_stays_text_in_html() -> None:
    page = assert_harmless(feedback.as_html(feedback.collect(gradings.nasty())))
    assert "<script>alert(1)</script>" in page.text


def test_hostile_text_stays_text_in_markdown() -> None:
    markdown = feedback.as_markdown(feedback.collect(gradings.nasty()))
    outside, fence = [], ""
    for line in markdown.splitlines():
        ticks = re.match(r"`{3,}", line)
        if not fence and ticks:
            fence = ticks[0]
        elif fence and line == fence:
            fence = ""
        elif not fence:
            outside.append(line)
    assert fence == ""
    # Unescaped, none of the characters that make markup is left.
    bare = re.sub(r"\\[" + re.escape(string.punctuation) + "]", "", "\n".join(outside))
    assert "<" not in bare and "`" not in bare and "](" not in bare
    rows = [line for line in bare.splitlines() if line.startswith("|")]
    assert {row.count("|") for row in rows} == {5}


def test_pages_of_different_students_never_share_a_file(tmp_path: Path) -> None:
    names = ("a b", "a_b", "a/b", "a?b", "..", "", "é", "e\u0301", "x" * 300, NASTY)
    records = [submission(name, source=f"{n}-{name}") for n, name in enumerate(names)]
    records += [submission("a b", "7"), submission("a b", "8")]
    files = [path for r in records for path in feedback.write_feedback(r, tmp_path)]
    assert len(set(files)) == 2 * len(records)
    assert len({str(path).casefold() for path in files}) == len(files)
    assert sorted(tmp_path.iterdir()) == sorted(files)
    assert all(len(path.name.encode()) < 250 for path in files)


def test_record_survives_the_file(tmp_path: Path) -> None:
    record = submission(problems=("a", "b"))
    write_record(tmp_path / "r.json", record)
    assert read_record(tmp_path / "r.json") == record


# ---- class report

CLASS = [
    submission("Ann", "1", ("done", "fail", "todo")),
    submission("Bob", "2", ("done", "fail", "done")),
    submission("Cid", "", ("done", "crash", "blocked")),
]


def test_report_counts_states_and_solve_rate(tmp_path: Path) -> None:
    page = assert_harmless(as_html(CLASS, tmp_path))
    rows = {row[0]: row for row in page.cells if row}
    assert rows["E01 title of E01"][1:9] == ["10", "100 %", "3", "", "", "", "", ""]
    assert rows["E02 title of E02"][1:9] == ["10", "0 %", "", "", "2", "", "", "1"]
    assert rows["E03 title of E03"][1:9] == ["10", "33 %", "1", "", "", "1", "1", ""]
    assert rows["Bob"][:3] == ["Bob", "2", "4"]
    assert "3 submissions, 6 points" in page.text
    assert "Median 2, lowest 2, highest 4" in page.text


def test_report_holds_its_picture_and_describes_it(tmp_path: Path) -> None:
    source = as_html(CLASS, tmp_path)
    png = base64.b64decode(re.search(r'src="data:image/png;base64,([^"]+)"', source)[1])
    height, width, _ = matplotlib.image.imread(io.BytesIO(png)).shape
    assert width > height > 200
    alt = re.search(r'<img alt="([^"]+)"', source)[1]
    assert "median is 2 of 6" in alt and "E02" in alt


def test_usual_mistakes_are_grouped_over_numbers_and_counted() -> None:
    texts = ["so 31 frames, not 30"] * 2 + [
        "so 7 frames, not 6",
        "no mask",
        "x",
        "y",
        "z",
    ]
    made = [exercise("E01", "fail", mistake=text) for text in texts]
    found = usual_mistakes([*made, exercise("E01", "done"), exercise("E01", "todo")])
    assert found[0] == ("so 31 frames, not 30", 3)
    assert [count for _, count in found] == [3, 1, 1]


def test_an_exception_is_counted_by_what_it_says() -> None:
    lines = ("E01  FAIL  x", "     got      TypeError: an int", "     why      -")
    where = ("the exception comes from a.py:3", "the exception comes from a.py:9 in f")
    made = [exercise("E01", "fail", lines=lines, mistake=text) for text in where]
    assert usual_mistakes(made) == [("TypeError: an int", 2)]


def test_report_links_to_the_pages_that_are_there(tmp_path: Path) -> None:
    feedback.write_feedback(CLASS[0], tmp_path / "feedback")
    source = write_report(CLASS, tmp_path).read_text(encoding="utf-8")
    assert assert_harmless(source).loads[1:] == ["feedback/Ann_1.html"]


@pytest.mark.parametrize("records", [[], [gradings.empty()], [gradings.nasty()]])
def test_report_of_an_odd_class(records: list, tmp_path: Path) -> None:
    assert_harmless(as_html(records, tmp_path))


# ---- grades.csv


def test_grades_open_in_a_spreadsheet_and_run_nothing(tmp_path: Path) -> None:
    names = (
        "=cmd|' /C calc'!A0",
        "+1",
        "-1",
        "@SUM(A1)",
        "\t=1",
        " =2",
        "\uff1d3",
        "Ann",
    )
    made = [submission(name, "12", STATES) for name in names]
    content = write_grades(made, tmp_path / "grades.csv").read_bytes()
    assert content.startswith(b"\xef\xbb\xbf"), "Excel takes UTF-8 for cp1252 without"
    text = content.decode("utf-8-sig")
    rows = list(csv.reader(io.StringIO(text, newline=""), delimiter=";"))
    assert rows[0][:4] == ["Name", "Identifier", "Points", "E01"]
    assert rows[1][1:6] == ["12", "2,5", "2", "0,5", "0"]
    assert [row[0][:1] for row in rows[1:]] == ["'"] * 7 + ["A"]
    assert all(len(row) == len(rows[0]) for row in rows)


def test_grades_with_a_decimal_point_have_commas_between() -> None:
    (head, row) = csv.reader(io.StringIO(as_csv([submission()], ".")))
    assert row[2] == "2.5" and len(head) == len(row)


def test_grades_of_submissions_that_failed_have_every_column() -> None:
    rows = as_csv([submission("A"), gradings.empty(), gradings.nasty()]).splitlines()
    assert len(rows) == 4
    assert len({len(next(csv.reader([row], delimiter=";"))) for row in rows}) == 1


def test_points_are_never_nan() -> None:
    values = (float("nan"), float("inf"), 1 / 3, 2.0, 10.0, 100.0, 0.0)
    numbers = [number_text(value) for value in values]
    assert numbers == ["0", "0", "0.33", "2", "10", "100", "0"]


def test_phrases_keep_their_fields() -> None:
    """A translation that loses a field would fail in the midst of an evening."""
    texts = {n: v for n, v in vars(phrases).items() if n.isupper() and type(v) is str}
    states = {f"STATES[{n}]": text for n, text in phrases.STATES.items()}
    for text in filter(None, {**texts, **states}.values()):
        assert list(string.Formatter().parse(text))
    assert set(phrases.STATES) == set(phrases.STATE_NAMES) == set(STATES)
    assert phrases.DECIMAL in (".", ",")
