"""Moodle's worksheet: two cells of a row are filled, and every other byte stays."""

from __future__ import annotations

import codecs
import csv
import io
import zipfile
from html.parser import HTMLParser
from pathlib import Path

import pytest
from autograder.output.feedback import write_feedback
from autograder.output.moodle import fill_worksheet, zip_feedback
from autograder.output.worksheet import Worksheet
from helpers import gradings
from helpers.gradings import submission

from labkit.base.errors import LabError

# Header and rows as Moodle 3.x and 4.x export them, in the language of the course.
ENGLISH = (
    'Identifier,"Full name","Email address",Status,Grade,"Maximum Grade",'
    '"Grade can be changed","Last modified (submission)","Last modified (grade)",'
    '"Feedback comments"\n'
    'Participant 101,"Zoé Lefèvre",z@x.org,"Submitted for grading - ",,12.00,Yes,'
    '"Monday, 5 October 2026, 10:00 AM",-,\n'
    'Participant 102,"O""Brien, Sinéad",s@x.org,"No submission",3.00,12.00,Yes,-,-,'
    '"<p>old, ""quoted""\ntwo lines</p>"\n'
    'Participant 103,"Li Wei",l@x.org,,,12.00,No,-,-,\n'
    'Participant 104,"Absent Student",a@x.org,,5.50,12.00,Yes,-,-,"keep, me"\n'
)
FRENCH = (
    'Identifiant,"Nom complet","Adresse de courriel",Statut,Note,"Note maximale",'
    '"La note peut être modifiée","Dernière modification (travail remis)",'
    '"Dernière modification (note)","Feedback par commentaires"\r\n'
    'Participant101,"Zoé Lefèvre",z@x.org,Remis,,"12,00",Oui,-,-,\r\n'
    'Participant102,"O\'Brien Sinéad",s@x.org,-,"3,00","12,00",Oui,-,-,"ancien"\r\n'
    'Participant103,"Li Wei",l@x.org,-,,"12,00",Non,-,-,\r\n'
)
GERMAN = (
    'ID,"Vollständiger Name",E-Mail-Adresse,Status,Gruppe,Bewertung,Bestwertung,'
    '"Bewertung kann geändert werden","Zuletzt geändert (Bewertung)",'
    '"Feedback als Kommentar"\n'
    'Teilnehmer/in101,"Zoé Lefèvre",z@x.org,-,A,,"12,00",Ja,-,\n'
    'Teilnehmer/in102,"Sinéad O\'Brien",s@x.org,-,B,"3,00","12,00",Ja,-,alt\n'
    'Teilnehmer/in103,"Li Wei",l@x.org,-,B,,"12,00",Nein,-,'
)
SPANISH = (
    '"Identificador","Nombre completo","Dirección de correo","Estado","Calificación",'
    '"Calificación máxima","La calificación puede ser cambiada",'
    '"Última modificación (entrega)","Última modificación (calificación)",'
    '"Comentarios de retroalimentación"\n'
    '"Participante 101","Zoé Lefèvre","z@x","Enviado","","12,00","Sí","-","-",""\n'
    '"Participante 102","Sinéad O\'Brien","s@x","-","3,00","12,00","Sí","-","-","a"\n'
    '"Participante 103","Li Wei","l@x","-","","12,00","No","-","-",""\n'
)
# A language that the grader does not know: columns are found by their order.
UNKNOWN = (
    "Tunniste,Koko nimi,Sposti,Tila,Arvosana,Enintään,Muutettavissa,Muokattu,Palaute\n"
    "Osallistuja 101,Zoé Lefèvre,z@x,-,,12.00,Kyllä,-,\n"
    "Osallistuja 102,Sinéad O'Brien,s@x,-,3.00,12.00,Kyllä,-,a\n"
)
SHEETS = {
    "en": (ENGLISH, "Grade", "Feedback comments", "6"),
    "fr": (FRENCH, "Note", "Feedback par commentaires", "6"),
    "de": (GERMAN, "Bewertung", "Feedback als Kommentar", "6"),
    "es": (SPANISH, "Calificación", "Comentarios de retroalimentación", "6"),
    "unknown": (UNKNOWN, "Arvosana", "Palaute", "6"),
}
HALF = ("done", "todo")  # 2 of 4 points
CLASS = (
    submission("Zoé Lefèvre", "101", HALF),
    submission(
        "Sinéad O'Brien", "102", ("done", "partial", "fail", "fail")
    ),  # 2.5 of 8
    submission("Li Wei", "103", HALF),
)


def table(content: bytes) -> list[list[str]]:
    text = content.decode("utf-8-sig")
    return list(csv.reader(io.StringIO(text, newline="")))


@pytest.mark.parametrize("mark", [b"", b"\xef\xbb\xbf"], ids=["plain", "bom"])
@pytest.mark.parametrize("sheet", SHEETS)
def test_fills_two_cells_of_a_row_and_no_other_byte(
    sheet: str, mark: bytes, tmp_path: Path
) -> None:
    text, grade, feedback, half = SHEETS[sheet]
    path = tmp_path / "worksheet.csv"
    path.write_bytes(mark + text.encode())
    filled = fill_worksheet(path, CLASS, overwrite=True)
    assert path.read_bytes() == mark + text.encode(), "the original stays"
    assert filled.path == tmp_path / "worksheet.graded.csv"
    after = filled.path.read_bytes()
    assert filled.graded == 2
    before_rows, after_rows = table(mark + text.encode()), table(after)
    header = before_rows[0]
    free = {header.index(grade), header.index(feedback)}
    for number, (old, new) in enumerate(zip(before_rows, after_rows)):
        changed = {n for n, (a, b) in enumerate(zip(old, new)) if a != b}
        assert len(old) == len(new)
        assert changed == (free if number in (1, 2) else set())
    assert after_rows[1][header.index(grade)] == half
    # Put the old cells back, as they were: every other byte must be the same.
    assert restored(text, after[len(mark) :].decode(), free) == text
    assert after.startswith(mark) and not after[len(mark) :].startswith(mark or b"-")


def raw_cells(text: str) -> list[str]:
    """Cut a CSV text into cells and what is between them, quotes kept."""
    parts, quoted = [""], False
    for char in text:
        quoted ^= char == '"'
        if char in ",\r\n" and not quoted:
            parts += [char, ""]
        else:
            parts[-1] += char
    return parts


def restored(before: str, after: str, free: set[int]) -> str:
    old, new = raw_cells(before), raw_cells(after)
    assert len(old) == len(new)
    column, result = 0, []
    for a, b in zip(old, new):
        separator = a in (",", "\r", "\n")
        assert separator == (b in (",", "\r", "\n"))
        result.append(a if column in free and not separator else b)
        column = 0 if a in ("\r", "\n") else column + (a == ",")
    return "".join(result)


@pytest.mark.parametrize(
    "sheet, want", [("en", "3.75"), ("fr", "3,75"), ("de", "3,75"), ("es", "3,75")]
)
def test_points_are_scaled_and_keep_the_decimal_separator(
    sheet: str, want: str, tmp_path: Path
) -> None:
    text, grade, *_ = SHEETS[sheet]
    path = tmp_path / "w.csv"
    path.write_bytes(text.encode())
    rows = table(fill_worksheet(path, CLASS, overwrite=True).path.read_bytes())
    assert rows[2][rows[0].index(grade)] == want  # 2.5 of 8 points, 12 at most


def test_the_numbers_in_the_sheet_tell_more_than_its_language(tmp_path: Path) -> None:
    path = tmp_path / "w.csv"
    text = FRENCH.replace('"12,00"', "12.00").replace('"3,00"', "3.00")
    path.write_bytes(text.encode())
    rows = table(fill_worksheet(path, CLASS, overwrite=True).path.read_bytes())
    assert rows[2][4] == "3.75"


def test_quotes_in_a_cell_are_doubled() -> None:
    sheet = Worksheet(ENGLISH.encode())
    cell = sheet.rows[0][sheet.columns["grade"]]
    (row,) = csv.reader([sheet.written(cell, 'a "b", c')])
    assert row == ['a "b", c']


def test_without_a_maximum_points_are_the_grade(tmp_path: Path) -> None:
    path = tmp_path / "w.csv"
    path.write_text("Identifier,Grade\nParticipant 101,\n", encoding="utf-8")
    filled = fill_worksheet(path, CLASS[:1])
    assert (
        filled.path.read_text(encoding="utf-8").splitlines()[1] == "Participant 101,2"
    )
    assert any("no column for comments" in remark for remark in filled.remarks)


def test_names_every_row_and_student_without_a_match(tmp_path: Path) -> None:
    path = tmp_path / "w.csv"
    path.write_bytes(ENGLISH.encode())
    others = (submission("Stranger", "999"), submission("Nobody Here"))
    remarks = "\n".join(fill_worksheet(path, (*CLASS, *others)).remarks)
    for name in ("Stranger", "Nobody Here", "Absent Student", "Li Wei"):
        assert name in remarks
    assert "Zoé" not in remarks


def test_a_grade_that_is_there_stays_without_a_flag(tmp_path: Path) -> None:
    path = tmp_path / "w.csv"
    path.write_bytes(ENGLISH.encode())
    filled = fill_worksheet(path, CLASS)
    before, after = table(ENGLISH.encode()), table(filled.path.read_bytes())
    assert after[2:] == before[2:] and filled.graded == 1
    (remark,) = (text for text in filled.remarks if "Brien" in text)
    assert "3.00" in remark and "3.75" in remark and "--overwrite" in remark


def test_a_comment_that_is_there_stays_without_a_flag(tmp_path: Path) -> None:
    path = tmp_path / "w.csv"
    path.write_bytes(ENGLISH.replace(",3.00,", ",,").encode())
    filled = fill_worksheet(path, CLASS)
    row = table(filled.path.read_bytes())[2]
    assert (row[4], row[9]) == ("3.75", '<p>old, "quoted"\ntwo lines</p>')
    assert any("Brien" in text and "comment" in text for text in filled.remarks)


@pytest.mark.parametrize(
    "name", ["Lefèvre Zoé", "ZOE LEFEVRE", "Zoe\u0301 Lefe\u0300vre", "Lefevre_Zoé"]
)
def test_matches_a_name_however_it_is_written(name: str, tmp_path: Path) -> None:
    path = tmp_path / "w.csv"
    path.write_bytes(FRENCH.encode())
    filled = fill_worksheet(path, [submission(name, states=HALF)])
    rows = table(filled.path.read_bytes())
    assert rows[1][4] == "6"


def test_two_students_of_one_name_are_not_guessed(tmp_path: Path) -> None:
    path = tmp_path / "w.csv"
    text = ENGLISH.replace("Li Wei", "Zoé Lefèvre").replace(",No,", ",Yes,")
    path.write_bytes(text.encode())
    filled = fill_worksheet(path, [submission("Zoé Lefèvre", states=HALF)])
    assert filled.graded == 0
    assert any("two students" in remark for remark in filled.remarks)
    same = [submission("Zoé Lefèvre", number, HALF) for number in ("101", "103")]
    assert fill_worksheet(path, same, overwrite=True).graded == 2


def test_second_submission_of_a_student_does_not_overwrite(tmp_path: Path) -> None:
    path = tmp_path / "w.csv"
    path.write_bytes(ENGLISH.encode())
    both = [CLASS[0], submission("Zoé Lefèvre", "101", ("todo",))]
    filled = fill_worksheet(path, both, overwrite=True)
    assert filled.graded == 1
    assert table(filled.path.read_bytes())[1][4] == "6"
    assert any("two submissions" in remark for remark in filled.remarks)


class _Tags(HTMLParser):
    def __init__(self) -> None:
        super().__init__()
        self.tags: set[str] = set()

    def handle_starttag(self, tag: str, attrs: list) -> None:
        self.tags.add(tag)


def test_comment_is_harmless_html_on_one_line(tmp_path: Path) -> None:
    path = tmp_path / "w.csv"
    path.write_bytes(ENGLISH.encode())
    filled = fill_worksheet(path, [submission("x", "101", exercises=())])
    record = gradings.nasty("Zoé Lefèvre")
    filled = fill_worksheet(path, [record])
    comment = table(filled.path.read_bytes())[1][9]
    tags = _Tags()
    tags.feed(comment)
    assert tags.tags == {"p", "ul", "li"}
    assert "\n" not in comment and comment.startswith("<p>")
    assert len(comment) < 9000


def test_comment_says_what_failed_and_what_is_left(tmp_path: Path) -> None:
    path = tmp_path / "w.csv"
    path.write_bytes(ENGLISH.encode())
    states = ("done", "fail", "todo", "blocked", "todo")
    filled = fill_worksheet(path, [submission("x", "101", states)])
    comment = table(filled.path.read_bytes())[1][9]
    assert "2 of 10 points" in comment and "E01" not in comment
    assert "E02 title of E02: wrong (the order is that of the batch)" in comment
    assert "E04 title of E04: waits for E02" in comment
    assert "not attempted: E03, E05" in comment


@pytest.mark.parametrize("separator", [";", "\t"])
def test_other_separators_and_encodings_stay(separator: str, tmp_path: Path) -> None:
    path = tmp_path / "w.csv"
    head = ["Identifiant", "Nom complet", "Note", "Note maximale"]
    row = ["Participant101", "Zoé Lefèvre", "", "12,00"]
    text = "\r\n".join(separator.join(cells) for cells in (head, row))
    path.write_bytes(text.encode("cp1252"))
    filled = fill_worksheet(path, [submission("x", "101", ("partial", "todo"))])
    after = filled.path.read_bytes().decode("cp1252")
    row[2] = "1,5"
    assert after == "\r\n".join(separator.join(cells) for cells in (head, row))


@pytest.mark.parametrize(
    "text, cause",
    [
        ("", "no columns"),
        ("just some words\n", "no columns"),
        ("Color,Shape\nred,round\n", "Color, Shape"),
        ('Identifier,Grade\n"Participant 1,2\n', "never closed"),
        ("Identifier,Grade,Scale\nParticipant 1,,good\n", "scale"),
    ],
)
def test_no_worksheet_is_an_error_that_says_why(
    text: str, cause: str, tmp_path: Path
) -> None:
    path = tmp_path / "w.csv"
    path.write_text(text, encoding="utf-8")
    with pytest.raises(LabError, match=cause):
        fill_worksheet(path, CLASS, overwrite=True)
    assert list(tmp_path.iterdir()) == [path]


def test_a_damaged_worksheet_is_named(tmp_path: Path) -> None:
    path = tmp_path / "w.csv"
    path.write_bytes(codecs.BOM_UTF16_LE + b"\0garb")
    with pytest.raises(LabError, match="damaged"):
        fill_worksheet(path, CLASS, overwrite=True)


def test_feedback_zip_is_named_as_moodle_wants(tmp_path: Path) -> None:
    records = [*CLASS, submission("Jean_Paul/../x", "104"), submission("No Number")]
    for record in records:
        write_feedback(record, tmp_path / "feedback")
    path = zip_feedback(records, tmp_path / "feedback", tmp_path / "feedback.zip")
    with zipfile.ZipFile(path) as archive:
        names = archive.namelist()
    numbers = set()
    for name in names:
        folder, file = name.split("/")
        # Moodle cuts at underscores: name, number, plug-in's type and name.
        _, number, kind, plugin, rest = folder.split("_", 4)
        assert (kind, plugin, rest) == ("assignfeedback", "file", "")
        assert file == "feedback.html"
        numbers.add(number)
    assert numbers == {"101", "102", "103", "104"}
    assert len(names) == 4
    nobody = [submission("No Number")]
    assert zip_feedback(nobody, tmp_path / "feedback", tmp_path / "n.zip") is None
