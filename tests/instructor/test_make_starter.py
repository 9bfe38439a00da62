"""Properties of the tool that cuts the exercises."""

from __future__ import annotations

import ast
import subprocess
import sys
from pathlib import Path

import make_starter
import pytest
from shared import REFERENCE, ROOT
from starter import Script, find_functions, generate, load, split_lines

from labkit.base.errors import LabError

PROGRAM = ROOT / "instructor" / "make_starter.py"

SMALL = '''\
def plain(x: int) -> int:
    """Add one."""
    # >>> E01
    #: useful: the plus sign
    y = x + 1

    for _ in range(3):
        #: deep: éà
        y += 0  # nothing
    return y
    # <<< E01


class Box:
    @staticmethod
    @functools.cache
    def pack(
        x: int,
    ) -> int:
        """Pack.

        Now.
        """
        # >>> E02
        return x
        # <<< E02

    # A comment of the class.
    def bare(self):
        # >>> E03
        return {
            "a": 1,
        }
        # <<< E03

    def outer(self):
        def inner():
            """Nest."""
            # >>> E04
            return 1
            # <<< E04

        return inner()
'''

UNSOLVED = """\
    # useful: the plus sign
    # deep: éà
    raise NotImplementedError("E01")
"""


def run(*arguments: object) -> subprocess.CompletedProcess:
    """Run the tool as a person does."""
    command = [sys.executable, PROGRAM, *map(str, arguments)]
    return subprocess.run(command, capture_output=True, text=True, encoding="utf-8")


def write(path: Path, text: str) -> Path:
    """Write a script as it is, its folder too."""
    path.parent.mkdir(exist_ok=True)
    path.write_bytes(text.encode())
    return path


def script(tmp_path: Path, text: str) -> Script:
    """Read ``text`` as a reference script."""
    return Script(write(tmp_path / "reference" / "data.py", text))


def solved(text: str) -> str:
    """Do by plain text what solving every exercise must give."""
    lines = (line for line in text.splitlines(True) if "# >>>" not in line)
    return "".join(line for line in lines if "# <<<" not in line).replace("#:", "#")


def folders(tmp_path: Path) -> tuple[Path, Path]:
    """Make a reference and its desk."""
    source, desk = tmp_path / "reference", tmp_path / "desk"
    write(source / "data.py", SMALL)
    assert run("--source", source, "--output", desk).returncode == 0
    return source, desk


def test_a_cut_body_keeps_its_marked_comments_alone(tmp_path: Path) -> None:
    cut = script(tmp_path, SMALL).render(["E01", "E02", "E03", "E04"])
    assert f'    """Add one."""\n{UNSOLVED}\n\nclass Box:' in cut
    assert '    """\n        raise NotImplementedError("E02")\n\n    # A comm' in cut
    assert '    def bare(self):\n        raise NotImplementedError("E03")\n' in cut
    assert '        """Nest."""\n            raise NotImplementedError("E04")\n' in cut
    assert "return x" not in cut and ">>>" not in cut and "<<<" not in cut
    ast.parse(cut)


def test_cutting_nothing_removes_only_the_markers(tmp_path: Path) -> None:
    assert script(tmp_path, SMALL).render([]) == solved(SMALL)


def test_line_endings_stay_those_of_the_reference(tmp_path: Path) -> None:
    windows = script(tmp_path, SMALL.replace("\n", "\r\n")).render(["E01"])
    assert windows == script(tmp_path, SMALL).render(["E01"]).replace("\n", "\r\n")


BODY = "    # >>> E01\n    return 1\n    # <<< E01\n"
HEAD = 'def f():\n    """Say."""\n'


@pytest.mark.parametrize(
    "text, line, what",
    [
        (HEAD + BODY.replace("return 1", "# >>> E02"), 4, "E02 opens inside E01"),
        (
            HEAD + BODY + HEAD.replace("f()", "g()") + BODY,
            8,
            "E01 is on line 3 already",
        ),
        (HEAD + BODY.replace("    # <<< E01\n", ""), 3, "E01 is never closed"),
        (HEAD + BODY.replace("# >>> E01", "# x"), 5, "closes what was never opened"),
        (HEAD + BODY.replace("<<< E01", "<<< E02"), 5, "E02 closes E01"),
        (HEAD + BODY.replace(">>> E01", ">>> E1"), 3, "malformed marker"),
        (HEAD + BODY.replace(">>> E01", ">>> E01 now"), 3, "malformed marker"),
        (HEAD + BODY.replace("# >>> E01", "#>>> E01"), 3, "malformed marker"),
        (HEAD + BODY.replace("return 1", "return 1  # >>> E02"), 4, "malformed"),
        (HEAD + "    x = 1\n" + BODY, 4, "not the whole body"),
        (HEAD + BODY + "    return 2\n", 3, "not the whole body"),
        (HEAD + BODY + "    # a last word\n", 3, "not the whole body"),
        (HEAD + BODY.replace("    return 1\n", ""), 3, "not the whole body"),
        (HEAD + BODY.replace("    # >>>", "  # >>>"), 3, "not the whole body"),
        ('def f():\n    """S."""; x = 1\n' + BODY, 3, "not the whole body"),
        ("def f(\n" + BODY.replace("    re", "  a):\n    re"), 2, "not the whole body"),
        ("class A:\n" + BODY.replace("return", "x ="), 2, "not the whole body"),
        ("# >>> E01\nx = 1\n# <<< E01\n", 1, "not the whole body"),
        ("def f(:\n", 1, "syntax"),
    ],
)
def test_a_wrong_reference_is_refused_with_its_line(
    tmp_path: Path, text: str, line: int, what: str
) -> None:
    path = write(tmp_path / "reference" / "data.py", text)
    with pytest.raises(LabError) as caught:
        load(path.parent)
    assert caught.value.cause.startswith(f"{path}:{line}: ")
    assert what in caught.value.cause
    assert caught.value.remedy and caught.value.exit_code == 1


def test_an_id_in_two_scripts_is_refused(tmp_path: Path) -> None:
    source = write(tmp_path / "reference" / "data.py", HEAD + BODY).parent
    second = write(source / "models.py", "x = 1\n" + HEAD + BODY)
    result = run("--source", source, "--output", tmp_path / "desk")
    assert result.returncode == 1
    assert f"error: {second}:4: E01 is in data.py already\n" in result.stderr
    assert not (tmp_path / "desk").exists()


def test_one_exercise_cut_differs_only_inside_its_function() -> None:
    for exercise, owner in load(REFERENCE).items():
        name = owner.owners[exercise]
        whole, cut = (split_lines(owner.render(ids)) for ids in ([], [exercise]))
        a, b = (find_functions(lines, "")[name] for lines in (whole, cut))
        assert whole[: a.body - 1] == cut[: b.body - 1]
        assert whole[a.last :] == cut[b.last :]
        assert cut[b.last - 1].strip() == f'raise NotImplementedError("{exercise}")'


def test_only_and_keep_are_opposite(tmp_path: Path) -> None:
    source, _ = folders(tmp_path)
    only, keep = tmp_path / "only", tmp_path / "keep"
    common = ("--source", source, "--output")
    result = run(*common, only, "--only", "E01", "--only", "E03")
    assert result.stdout == "data.py: 2 exercises cut\n"
    assert run(*common, keep, "--keep", "E02", "--keep", "E04").returncode == 0
    text = (only / "data.py").read_bytes()
    assert text == (keep / "data.py").read_bytes()
    assert [b"E0%d" % n in text for n in (1, 2, 3, 4)] == [True, False, True, False]
    assert run(*common, keep, "--only=E01", "--only=E03", "--check").returncode == 0
    assert run(*common, keep, "--only=E01", "--check").returncode == 1


def test_only_scripts_with_exercises_are_copied(tmp_path: Path) -> None:
    write(tmp_path / "reference" / "labkit.py", "x = 1\n")
    _, desk = folders(tmp_path)
    assert [path.name for path in desk.iterdir()] == ["data.py"]


def test_check_names_each_script_that_drifted(tmp_path: Path) -> None:
    source, desk = folders(tmp_path)
    write(source / "models.py", (HEAD + BODY).replace("E01", "E09"))
    common = ("--check", "--source", source, "--output", desk)
    text = (student := desk / "data.py").read_bytes()
    result = run(*common)
    assert result.returncode == 1 and "models.py: missing" in result.stdout
    assert "data.py" not in result.stdout and not (desk / "models.py").exists()
    (source / "models.py").unlink()
    assert run(*common).stdout == "as the reference gives them: data.py\n"
    for drifted, line in (
        (text.replace(b"one", b"two"), 2),
        (text + b"\n", len(text.splitlines()) + 1),
        (text[:-1], len(text.splitlines())),
        (text.replace(b"\n", b"\r\n"), 1),
    ):
        student.write_bytes(drifted)
        assert f"{student}:{line}: differs" in run(*common).stdout
        assert student.read_bytes() == drifted


def test_the_tool_does_not_import_torch() -> None:
    code = "import sys, make_starter; assert 'torch' not in sys.modules"
    subprocess.run([sys.executable, "-c", code], cwd=PROGRAM.parent, check=True)


@pytest.mark.parametrize("option", ["--only", "--keep", "--reset"])
def test_an_unknown_id_is_a_wrong_command_line(tmp_path: Path, option: str) -> None:
    source, desk = folders(tmp_path)
    result = run(option, "E99", "--source", source, "--output", desk)
    remedy = "to do: the exercises are: E01 E02 E03 E04"
    assert result.stderr.splitlines() == ["error: no exercise E99", remedy]
    assert result.returncode == 2


def test_a_command_line_that_contradicts_itself_is_refused(tmp_path: Path) -> None:
    source, desk = folders(tmp_path)
    common = ("--source", source, "--output")
    for wrong in (
        (*common, source),
        (*common, source, "--reset", "E01"),
        (*common, desk, "--only", "E01", "--keep", "E02"),
        (*common, desk, "--reset", "E01", "--check"),
        (*common, desk, "--nonsense"),
    ):
        result = run(*wrong)
        assert (result.returncode, result.stderr.count("\n")) == (2, 2)
    assert (source / "data.py").read_bytes() == SMALL.encode()


def reset(desk: Path, text: str, exercise: str = "E01") -> str:
    """Unsolve an exercise in a student's file ``text``, and read that file."""
    student = write(desk / "data.py", text)
    make_starter.reset(script(desk, SMALL), exercise, desk)
    return student.read_bytes().decode()


@pytest.mark.parametrize("name", generate(load(REFERENCE), []))
def test_a_reset_undoes_each_solution_and_keeps_it(tmp_path: Path, name: str) -> None:
    owner = Script(REFERENCE / name)
    starter = owner.render(owner.regions)
    for number, exercise in enumerate(owner.regions):
        written = owner.render({*owner.regions} - {exercise})
        student = write(tmp_path / name, written)
        make_starter.reset(owner, exercise, tmp_path)
        assert student.read_bytes().decode() == starter != written
        backup = tmp_path / f"{name}.bak{number or ''}"  # the older ones are kept
        assert backup.read_bytes().decode() == written


PLAIN = 'def plain(x):\n    """Mine."""  # yes\n'


@pytest.mark.parametrize("ending", ["\n", "\r\n"])
@pytest.mark.parametrize(
    "before, attempt, after",
    [
        (PLAIN, "    return x\n", "\n\nx = 'é'\n\n\n\n"),
        ('\ufeff"""é\u2028"""\n\n\n' + PLAIN, "\n    # useful\n    return x\n", ""),
        (PLAIN, "    if x:\n        return 0\n\n    # old\n", "# mine\nx=1"),
        ("import os\n@dec(\n 1)\n" + PLAIN, "    return '''\n\n'''\n", "\n#:\n"),
        (PLAIN + "    return 0\n" + PLAIN, "    return x ; x\n", "def g(): plain(1)"),
        (PLAIN, "", "\ny = 1\n"),
        ("def g():\n\tpass\n" + PLAIN, "    def h(): pass\n    return h\n", "x\n"),
    ],
)
def test_a_reset_leaves_every_other_byte(
    tmp_path: Path, before: str, attempt: str, after: str, ending: str
) -> None:
    text, wanted = (
        (before + body + after).replace("\n", ending) for body in (attempt, UNSOLVED)
    )
    assert reset(tmp_path, text) == wanted
    assert reset(tmp_path, wanted) == wanted  # a second one finds nothing to do
    assert len(list(tmp_path.glob("*.bak*"))) == 1


@pytest.mark.parametrize(
    "attempt", ["return x", "\n    return x", "'a'", "\n    'a'; x"]
)
def test_a_reset_without_docstring_brings_the_whole_function(
    tmp_path: Path, attempt: str
) -> None:
    starter = script(tmp_path, SMALL).render(["E01"])
    function = starter[starter.index("def plain") : starter.index("\n\n\nclass")]
    assert reset(tmp_path, f"def plain(x): {attempt}") == function


def test_a_reset_completes_a_last_line_without_ending(tmp_path: Path) -> None:
    assert reset(tmp_path, PLAIN[:-1]) == (PLAIN + UNSOLVED)[:-1]


def test_a_reset_takes_the_indentation_of_the_student(tmp_path: Path) -> None:
    head = "class Box:\n\t@staticmethod\n\tdef pack(x):\n\t\t'''D.'''\n"
    wanted = head + '\t\traise NotImplementedError("E02")\n'
    assert reset(tmp_path, head + "\t\treturn x\n", "E02") == wanted
    head = "class Box:\n\t@staticmethod\n\t@functools.cache\n\tdef pack(\n\t    x: int"
    bare = "class Box:\n\t@mine\n\tdef pack(x):\n\t\treturn 1\n"
    assert reset(tmp_path, bare, "E02").startswith(head)


@pytest.mark.parametrize(
    "text, what",
    [("x = 1\n", ": E01 has lost its function plain"), ("x = 1\nx = = 2\n", ":2: ")],
)
def test_a_reset_that_cannot_be_done_changes_nothing(
    tmp_path: Path, text: str, what: str
) -> None:
    with pytest.raises(LabError) as caught:
        reset(tmp_path, text)
    assert f"{tmp_path / 'data.py'}{what}" in caught.value.cause
    assert (tmp_path / "data.py").read_text() == text
    assert not list(tmp_path.glob("*.bak*"))


def test_a_reset_says_where_the_solution_went(tmp_path: Path) -> None:
    source, desk = folders(tmp_path)
    student = write(desk / "data.py", solved(SMALL))
    command = ("--source", source, "--output", desk, "--reset", "E02")
    assert "data.py: E02 (Box.pack) is unsolved; what" in run(*command).stdout
    assert student.read_text("utf-8") == script(tmp_path, SMALL).render(["E02"])
    student.write_bytes(b"# \xe9\n")
    assert "data.py: not UTF-8" in run(*command).stderr
