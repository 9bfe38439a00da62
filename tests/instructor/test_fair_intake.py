"""Nobody vanishes, nobody loses points for how the work was packed."""

from __future__ import annotations

import os
import shutil
import struct
import zipfile
from pathlib import Path
from typing import Any

import pytest
from autograder import phrases
from autograder.intake import find_one, find_submissions, submissions
from autograder.sandbox.client import places_of_packages
from helpers.submitted import REGIONS, SOLVED, STARTER, hand_in
from shared import ROOT

from test_implementation import EXERCISES

TABLE = [*EXERCISES.values()]
FILES = tuple(dict.fromkeys(script.name for script in REGIONS.values()))


def found_in(given: Path, remarks: list[str] | None = None) -> dict[str, Any]:
    """Read submissions, by name."""
    return {s.name: s for s in find_submissions(given, FILES, TABLE, remarks)}


def fill(folder: Path, count: int, suffix: str = ".txt") -> None:
    """Write empty files."""
    folder.mkdir(parents=True, exist_ok=True)
    for number in range(count):
        (folder / f"{number}{suffix}").touch()


# ---- a class


def test_each_student_may_have_as_many_files_as_the_limit(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(submissions, "MOST_MEMBERS", 40)
    names = [f"student{n:02}" for n in range(30)]
    for name in names:
        fill(hand_in(tmp_path / name, SOLVED) / "notes", 30)
        for foreign in ("corpora/mini", ".git/objects", "labkit", "my/env/lib"):
            fill(tmp_path / name / foreign, 5)
        (tmp_path / name / "my" / "env" / "pyvenv.cfg").touch()
    found = found_in(tmp_path)
    assert sorted(found) == names
    assert all(s.scripts == SOLVED and not s.problems for s in found.values())
    assert all(s.complete for s in found.values())


def test_too_many_files_of_one_student_are_said_and_cost_nobody_else(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(submissions, "MOST_MEMBERS", 40)
    fill(hand_in(tmp_path / "alice", SOLVED) / "a" / "b", 50)
    hand_in(tmp_path / "bob", SOLVED)
    found = found_in(tmp_path)
    assert all(s.scripts == SOLVED for s in found.values())
    assert found["alice"].problems == [phrases.TOO_MANY.format(count=40)]
    assert (found["alice"].complete, found["bob"].complete) == (False, True)


def test_an_environment_among_the_scripts_does_not_hide_them(tmp_path: Path) -> None:
    hand_in(tmp_path / "alice", SOLVED)
    (tmp_path / "alice" / "pyvenv.cfg").touch()
    hand_in(tmp_path / "bob" / "lab", SOLVED)
    (tmp_path / "bob" / "lab" / "pyvenv.cfg").touch()
    assert all(s.scripts == SOLVED for s in found_in(tmp_path).values())


@pytest.mark.skipif(os.name != "posix", reason="links")
def test_every_folder_and_archive_is_a_row_and_other_files_are_named(
    tmp_path: Path,
) -> None:
    given = tmp_path / "class"
    hand_in(given / "alice", SOLVED)
    (given / "empty").mkdir()
    fill(given / "only git" / ".git", 3)
    (given / "linked").symlink_to(given / "alice")
    (given / "broken.zip").write_bytes(b"PK no zip")
    (given / "packed.rar").write_bytes(b"Rar!")
    (given / "notes.ipynb").write_text("{}")
    remarks: list[str] = []
    found = found_in(given, remarks)
    rows = ["alice", "broken", "empty", "linked", "only git", "packed.rar"]
    assert sorted(found) == rows
    assert all(found[name].problems for name in rows[1:])
    assert remarks == [phrases.NO_STUDENT.format(file="notes.ipynb")]


def test_an_empty_folder_in_a_zip_of_all_is_a_student(tmp_path: Path) -> None:
    with zipfile.ZipFile(tmp_path / "all.zip", "w") as archive:
        archive.writestr("bob/", "")
        archive.writestr("carol/report.pdf", b"%PDF")
        for name, text in SOLVED.items():
            archive.writestr(f"alice/{name}", text)
    found = found_in(tmp_path / "all.zip")
    assert sorted(found) == ["alice", "bob", "carol"]
    assert found["bob"].problems[0] == phrases.NOTHING_FOUND
    assert "report.pdf" in found["carol"].problems[0]


def without_flag(path: Path, names: dict[str, str]) -> None:
    """Write a zip as macOS and 7-Zip do: names in UTF-8, and no flag that says so."""
    encoded = {}
    with zipfile.ZipFile(path, "w") as archive:
        for number, (name, text) in enumerate(names.items()):
            stand_in = chr(ord("A") + number) * len(name.encode())
            encoded[stand_in.encode()] = name.encode()
            archive.writestr(stand_in, text)
    content = path.read_bytes()
    for stand_in, name in encoded.items():
        content = content.replace(stand_in, name)
    path.write_bytes(content)


def test_names_in_a_zip_are_utf8_where_that_is_possible(tmp_path: Path) -> None:
    names = {f"Éloïse/{name}": text for name, text in SOLVED.items()}
    without_flag(tmp_path / "all.zip", {**names, "Zoé/data.py": SOLVED["data.py"]})
    with zipfile.ZipFile(tmp_path / "all.zip") as archive:
        assert all(info.flag_bits & 0x800 == 0 for info in archive.infolist())
    found = found_in(tmp_path / "all.zip")
    assert sorted(found) == ["Zoé", "Éloïse"]
    assert found["Éloïse"].scripts == SOLVED


def test_a_name_of_an_old_windows_is_read_as_before(tmp_path: Path) -> None:
    path = tmp_path / "all.zip"
    with zipfile.ZipFile(path, "w") as archive:
        for name in ("Zo_/data.py", "alice/data.py"):
            archive.writestr(name, SOLVED["data.py"])
    path.write_bytes(path.read_bytes().replace(b"Zo_/", "Zoé/".encode("cp437")))
    assert sorted(found_in(path)) == ["Zoé", "alice"]


# ---- one student


def one(given: Path) -> Any:  # noqa: ANN401
    """Read the submission of one student."""
    return find_one(given, FILES, TABLE)


def test_a_zip_that_cannot_be_read_is_no_empty_upload(tmp_path: Path) -> None:
    whole = tmp_path / "whole.zip"
    with zipfile.ZipFile(whole, "w") as archive:
        for name, text in SOLVED.items():
            archive.writestr(name, text)
    cut = tmp_path / "class" / "Frank.zip"
    cut.parent.mkdir()
    cut.write_bytes(whole.read_bytes()[:2000])
    names = ("Élodie", "Gaël")
    for name in names:
        shutil.copytree(hand_in(tmp_path / name, SOLVED), cut.parent / name)
    found = find_submissions(cut.parent, FILES, TABLE)
    assert [one.name for one in found] == ["Élodie", "Frank", "Gaël"]
    for broken in (found[1], one(cut)):
        (problem,) = broken.problems
        assert problem.startswith("Frank.zip: unreadable zip")


@pytest.mark.parametrize(
    "files, named",
    [
        ({"lab.ipynb": "{}"}, ["lab.ipynb", phrases.NOTEBOOKS]),
        ({"report.pdf": "%PDF"}, ["report.pdf"]),
        ({"a/x.txt": "", "b/y.txt": ""}, ["a/x.txt", "b/y.txt"]),
        ({}, [phrases.NOTHING_FOUND]),
        ({f"{n}.txt": "" for n in range(9)}, [phrases.AND_MORE.format(count=4)]),
    ],
)
@pytest.mark.parametrize("packed", [False, True])
def test_whatever_one_student_hands_in_is_a_submission(
    files: dict[str, str], named: list[str], packed: bool, tmp_path: Path
) -> None:
    given = tmp_path / "upload"
    given.mkdir()
    for name, text in files.items():
        (given / name).parent.mkdir(exist_ok=True)
        (given / name).write_text(text)
    if packed:
        with zipfile.ZipFile(tmp_path / "upload.zip", "w") as archive:
            for name, text in files.items():
                archive.writestr(name, text)
        given = tmp_path / "upload.zip"
    submission = one(given)
    assert submission.scripts == {}
    assert all(text in submission.problems[0] for text in named)


@pytest.mark.parametrize("name", ["report.pdf", "lab.ipynb", "broken.zip", "all.7z"])
def test_a_file_that_is_no_zip_is_named(name: str, tmp_path: Path) -> None:
    (tmp_path / name).write_bytes(b"something")
    submission = one(tmp_path / name)
    assert submission.scripts == {}
    assert any(name in problem for problem in submission.problems)


def test_two_folders_are_one_students_where_there_is_one_student(
    tmp_path: Path,
) -> None:
    first = {name: SOLVED[name] for name in FILES[:3]}
    hand_in(tmp_path / "a", first)
    hand_in(tmp_path / "b", {name: SOLVED[name] for name in FILES[3:]})
    assert one(tmp_path).scripts == SOLVED


# ---- several folders, and what lies beside the scripts


@pytest.mark.parametrize("names", [("v1", "v2-final"), ("final", "v1"), ("x", "a/b")])
def test_the_folder_with_most_work_is_graded_and_named(
    names: tuple[str, str], tmp_path: Path
) -> None:
    little, much = names if names[1] != "v1" else names[::-1]
    some = {**STARTER, "data.py": SOLVED["data.py"]}
    hand_in(tmp_path / little, STARTER)
    hand_in(tmp_path / much, some)
    submission = one(tmp_path)
    assert submission.scripts == some
    words = phrases.FULLER_FOLDER.format(folder=f"{much}/", others=f"{little}/")
    assert submission.problems == [words]


def test_fewer_scripts_with_more_in_them_are_fuller(tmp_path: Path) -> None:
    own = {name: SOLVED[name] for name in FILES[:4]}
    hand_in(tmp_path, STARTER)
    hand_in(tmp_path / "mine", own)
    submission = one(tmp_path)
    assert submission.scripts == {**STARTER, **own}
    assert "graded is mine/, in which more is written than in ./" in (
        submission.problems
    )


def test_the_students_own_modules_go_along(tmp_path: Path) -> None:
    own = {
        **SOLVED,
        "data.py": f"import tricks\nfrom sound.mel import bands\n{SOLVED['data.py']}",
    }
    beside = {
        "tricks.py": "import importlib\nmore = importlib.import_module('more')\n",
        "more.py": "x = 1\n",
        "sound/mel.py": "from . import scale\nbands = 20\n",
        "sound/scale.py": "UNIT = 1\n",
    }
    hand_in(tmp_path / "alice" / "lab" / "sound", {})
    others = {"unused.py": "x = 1\n", "test_implementation.py": "", "conftest.py": ""}
    hand_in(tmp_path / "alice" / "lab", {**own, **beside, **others})
    hand_in(tmp_path / "bob", SOLVED)
    found = found_in(tmp_path)
    assert found["alice"].scripts == {**own, **beside}
    assert found["bob"].scripts == SOLVED


def test_a_notebook_is_named_where_scripts_are_missing(tmp_path: Path) -> None:
    hand_in(tmp_path, {"data.py": SOLVED["data.py"], "models.ipynb": "{}"})
    submission = one(tmp_path)
    assert phrases.NOTEBOOK.format(file="models.ipynb") in submission.problems


def test_the_kit_itself_is_one_submission_without_the_reference() -> None:
    assert one(ROOT).scripts == STARTER


def test_a_zip_entry_that_claims_to_be_huge_is_an_unreadable_file(
    tmp_path: Path,
) -> None:
    path = tmp_path / "alice.zip"
    with zipfile.ZipFile(path, "w") as archive:
        archive.writestr("data.py", SOLVED["data.py"])
    content = bytearray(path.read_bytes())
    place = content.index(b"PK\x01\x02")
    content[place + 20 : place + 28] = struct.pack("<II", 1 << 30, 1 << 30)
    path.write_bytes(bytes(content))
    submission = one(path)
    assert "data.py" not in submission.scripts
    assert any("data.py" in problem for problem in submission.problems)


# ---- the slots


def test_the_server_finds_packages_where_this_process_does_but_not_the_lab(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    lab, packages = tmp_path / "lab", tmp_path / "packages"
    hidden = [str(lab / "instructor"), str(lab / "class")]
    entries = [lab, lab / "instructor", lab / "class" / "alice", packages, ""]
    monkeypatch.setattr("sys.path", [str(entry) for entry in entries])
    assert places_of_packages(hidden) == [str(packages.resolve())]
