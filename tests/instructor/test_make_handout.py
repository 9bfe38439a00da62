"""Properties of the students' archive."""

from __future__ import annotations

import shutil
import sys
import zipfile
from collections import Counter
from pathlib import Path

import pytest
from bundles.handout import CLOSING, NEEDED_FILES, OPENING, cut_regions
from make_handout import main, make_handout
from shared import REFERENCE, ROOT
from starter import generate, load

from labkit.base.errors import LabError

THERE = REFERENCE.relative_to(ROOT)
FOR_ALL = (
    *("README.md", "LICENSE", "answers.md"),
    *("docs/lab.md", "docs/figures/a.en.png"),
)
KIT = (
    "labkit/__init__.py",
    "labkit/deep/more.py",
    "labkit/page/files/page.js",
    "checks/data.py",
    "corpora/mini/fr/clips/a.mp3",
)
NOT_FOR_STUDENTS = (
    *("docs/instructors.md", "docs/instructors/notes.md", "docs/.hidden/x.md"),
    *("docs/maintainers.md", "instructor/handout/AGENTS.md"),
    *("docs/figures/draw.py", "docs/figures/drawing/sums.py"),
    "docs/figures/data/spikes.json",
    *("instructor/corpus/make_corpus.py", "tests/test_x.py", "benchmarks/b.py"),
    "Makefile",
    *(".git/config", ".ci/run.yaml", "logs/run/summary.txt", "models.py"),
    *("labkit/__pycache__/a.cpython-39.pyc", "labkit/notes.txt", "corpora/.DS_Store"),
    *("corpora/mini/fr/x.pyc", "checks/notes.txt", "docs/__pycache__/draw.py"),
)


@pytest.fixture
def root(tmp_path: Path) -> Path:
    """Make a repository with the true reference and, in each other file, its name."""
    folder = tmp_path / "repository"
    shutil.copytree(REFERENCE, folder / THERE)
    for name in (*FOR_ALL, *NEEDED_FILES, *KIT, *NOT_FOR_STUDENTS):
        path = folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(f"{name}\n", encoding="utf-8")
    return folder


def pack(root: Path, name: str = "lab.zip") -> dict[str, bytes]:
    """Make the archive of ``root``, and read its files."""
    archive = root.parent / name
    make_handout(root, archive)
    with zipfile.ZipFile(archive) as source:
        return {entry: source.read(entry) for entry in source.namelist()}


def test_the_archive_holds_what_students_need_and_nothing_else(root: Path) -> None:
    desk = {*generate(load(root / THERE), []), "demo.py"}
    wanted = {*FOR_ALL, *NEEDED_FILES, *KIT, *desk, "AGENTS.md"}
    assert list(pack(root)) == sorted(f"asr-lab/{name}" for name in wanted)


def test_the_desk_is_that_of_the_reference_not_that_of_the_root(root: Path) -> None:
    exercises = load(root / THERE)
    files = pack(root)
    for name, text in generate(exercises, exercises).items():
        assert files[f"asr-lab/{name}"] == text.encode()


def test_no_line_of_a_solution_leaves_with_the_desk(root: Path) -> None:
    # A line that the reference also has outside its exercises is given, no secret.
    files = pack(root)
    solutions, given, handed = Counter(), Counter(), Counter()
    for script in {*load(root / THERE).values()}:
        inside = False
        for line in map(str.strip, script.lines):
            inside = (inside or line.startswith("# >>>")) and line[:5] != "# <<<"
            (solutions if inside and line[0:1] != "#" else given)[line] += 1
        handed.update(
            map(str.strip, files[f"asr-lab/{script.name}"].decode().split("\n"))
        )
    long = [line for line in solutions if len(line) > 20]
    assert len(long) > 30
    assert [line for line in long if handed[line] > given[line]] == []


def test_part_one_is_handed_out_alone(root: Path) -> None:
    shutil.copy(ROOT / "answers.md", root)
    whole = pack(root)
    archive = root.parent / "one.zip"
    make_handout(root, archive, part=1)
    with zipfile.ZipFile(archive) as source:
        left_out = set(whole) - set(source.namelist())
        answers = source.read("asr-lab/answers.md").decode()
    assert "(part two)" in whole["asr-lab/answers.md"].decode()
    assert "## Q1" in answers and "part two" not in answers
    scripts = ("seq2seq", "hybrid", "main_seq2seq")
    assert left_out == {f"asr-lab/{name}.py" for name in scripts}


def test_exercises_may_be_handed_out_solved(root: Path) -> None:
    archive = root.parent / "some.zip"
    make_handout(root, archive, keep=["E05"])
    with zipfile.ZipFile(archive) as source:
        data = source.read("asr-lab/data.py").decode()
    assert 'NotImplementedError("E05")' not in data
    assert 'NotImplementedError("E04")' in data
    with pytest.raises(LabError, match="no exercise E99"):
        make_handout(root, archive, keep=["E05", "E99"])


def test_what_is_kept_may_be_named_in_several_options(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    archive = tmp_path / "some.zip"
    words = ["make_handout.py", "--output", str(archive)]
    monkeypatch.setattr(sys, "argv", [*words, "--keep", "E04", "--keep", "E05", "E06"])
    main()
    with zipfile.ZipFile(archive) as source:
        data = source.read("asr-lab/data.py").decode()
    unsolved = [f"E{n:02}" for n in range(1, 7) if f'Error("E{n:02}")' in data]
    assert unsolved == ["E01", "E02", "E03"]


def test_the_same_files_give_the_same_bytes(root: Path) -> None:
    pack(root, "a.zip")
    copy = root.parent / "elsewhere" / "copy"
    shutil.copytree(root, copy, copy_function=shutil.copyfile)  # other times
    (copy / "LICENSE").chmod(0o755)
    pack(copy, "b.zip")
    first, second = root.parent / "a.zip", copy.parent / "b.zip"
    assert first.read_bytes() == second.read_bytes()
    with zipfile.ZipFile(first) as archive:
        assert {entry.external_attr >> 16 for entry in archive.infolist()} == {0o100644}


def test_what_may_be_missing_may_be_missing(root: Path) -> None:
    (root / "LICENSE").unlink()
    shutil.rmtree(root / "docs")
    assert not [name for name in pack(root) if "LICENSE" in name or "docs" in name]


def test_what_coding_assistants_are_asked_is_the_choice_of_the_instructor(
    root: Path,
) -> None:
    text = pack(root)["asr-lab/AGENTS.md"]
    assert text == (root / "instructor" / "handout" / "AGENTS.md").read_bytes()
    make_handout(root, root.parent / "lab.zip", agents=False)
    with zipfile.ZipFile(root.parent / "lab.zip") as archive:
        assert "asr-lab/AGENTS.md" not in archive.namelist()


def test_needed_files_that_are_missing_are_named(root: Path) -> None:
    (root / "conftest.py").unlink()
    shutil.rmtree(root / "corpora")
    with pytest.raises(LabError, match=r"missing: conftest\.py, corpora/$"):
        pack(root)
    assert not (root.parent / "lab.zip").exists()


def test_the_readme_of_students_lacks_what_is_not_for_them(root: Path) -> None:
    text = f"# Lab\n\n{OPENING}\nsecret\n{CLOSING}\n\nRead.\n"
    (root / "README.md").write_text(text)
    assert pack(root)["asr-lab/README.md"] == b"# Lab\n\nRead.\n"


@pytest.mark.parametrize(
    "text, rest",
    [
        ("a\n\n[\nx\n]\n\nb\n", "a\n\nb\n"),
        ("a\n\n[\nx\n]\n\n[\n\ny\n]\n\n\nb\n", "a\n\nb\n"),
        ("a\n[\nx\n]\nb\n", "a\nb\n"),
        ("[\nx\n]\n\na\n", "a\n"),
        ("a\n\n  [\nx\n  ]\n", "a\n"),
        ("a\n\n\nb\n", "a\n\n\nb\n"),  # what no cut has touched stays
        ("[\nx\n]\na\n\n\nb\n", "a\n\n\nb\n"),
        ("a\n", "a\n"),
    ],
)
def test_a_cut_leaves_no_blank_lines_behind(text: str, rest: str) -> None:
    text = text.replace("[", OPENING).replace("]", CLOSING)
    assert cut_regions(text, "README.md") == rest


@pytest.mark.parametrize(
    "text, line",
    [
        ("a\n[\nx\n", 2),
        ("[\n\n[\n]\n]\n", 3),
        ("a\n]\n", 2),
        ("[\n]\n]\n", 3),
        ("a [\n]\n", 1),
        ("[\nx ]\n", 2),
    ],
)
def test_a_wrong_readme_is_refused_with_its_line(text: str, line: int) -> None:
    text = text.replace("[", OPENING).replace("]", CLOSING)
    with pytest.raises(LabError, match=rf"^README\.md:{line}: ") as caught:
        cut_regions(text, "README.md")
    assert OPENING in caught.value.remedy
