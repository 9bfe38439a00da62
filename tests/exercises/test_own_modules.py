"""What stands beside the scripts, and what stands around the starter's raise."""

from __future__ import annotations

import re
import sys
import zipfile
from pathlib import Path

import pytest
from shared import REFERENCE, ROOT, Run

from labkit.base.desk import Lab
from labkit.exercises.registry import scripts_of
from labkit.exercises.verdicts import DONE, FAIL, TODO, Verdict, check
from test_implementation import EXERCISES

RAISE = 'raise NotImplementedError("E08")'
SQUEEZE = (
    "from itertools import groupby\n\n\n"
    "def squeeze(path, blank):\n"
    "    return [k for k, _ in groupby(path) if k != blank]\n"
)


def lab_with(folder: Path, e08: str, **beside: str) -> Path:
    """Write the reference with another body of E08, and files beside it."""
    for name in scripts_of(EXERCISES):
        text = (REFERENCE / name).read_text("utf-8")
        before, opening, rest = text.partition("    # >>> E08\n")
        if opening:
            _, closing, after = rest.partition("    # <<< E08\n")
            assert closing
            text = f"{before}{e08}\n{after}"
        (folder / name).write_text(text, encoding="utf-8")
    for name, text in beside.items():
        path = folder / name.replace("__", "/")
        path.parent.mkdir(exist_ok=True)
        path.with_suffix(".py").write_text(text, encoding="utf-8")
    return folder


def verdict_of(folder: Path) -> Verdict:
    return check(EXERCISES["E08"], Lab(folder), 0)


IMPORTS = {
    "a module": ("from tricks import squeeze", {"tricks": SQUEEZE}),
    "a package": (
        "from own.tricks import squeeze",
        {"own__tricks": "from .more import squeeze\n", "own__more": SQUEEZE},
    ),
    "a module of a module": (
        "from tricks import squeeze",
        {"tricks": "from more_tricks import squeeze\n", "more_tricks": SQUEEZE},
    ),
}


@pytest.mark.parametrize("line, beside", IMPORTS.values(), ids=IMPORTS)
def test_a_module_beside_the_scripts_is_found_and_handed_in(
    line: str, beside: dict[str, str], tmp_path: Path, run: Run
) -> None:
    body = f"    {line}\n\n    return squeeze(path, blank)"
    lab_with(tmp_path, body, **beside, unused="x = 1\n")
    before = set(sys.modules)
    assert verdict_of(tmp_path).state == DONE
    done = run("test_implementation.py", "--submit", "--lab", tmp_path)
    assert done.returncode == 0, done.stderr
    with zipfile.ZipFile(tmp_path / "submission.zip") as archive:
        names = set(archive.namelist())
    own = {f"{name.replace('__', '/')}.py" for name in beside}
    assert own <= names and "unused.py" not in names
    assert all(name in done.stdout for name in own)
    # Another lab does not get these modules.
    Lab(REFERENCE).activate()
    assert not {"tricks", "own", "more_tricks"} & (set(sys.modules) - before)


def test_a_module_of_one_lab_is_not_that_of_another(tmp_path: Path) -> None:
    body = "    from tricks import squeeze\n\n    return squeeze(path, blank)"
    right, wrong = tmp_path / "right", tmp_path / "wrong"
    right.mkdir()
    wrong.mkdir()
    lab_with(right, body, tricks=SQUEEZE)
    lab_with(wrong, body, tricks=SQUEEZE.replace("!=", "=="))
    states = [verdict_of(folder).state for folder in (right, wrong, right)]
    assert states == [DONE, FAIL, DONE]


def test_no_module_of_the_student_takes_the_place_of_the_kit(tmp_path: Path) -> None:
    lab_with(tmp_path, "    return []", labkit="raise ValueError\n", checks="x = 1\n")
    assert verdict_of(tmp_path).state == FAIL
    import checks

    assert Path(str(checks.__file__)).is_relative_to(ROOT)


@pytest.mark.parametrize(
    "body, state",
    [
        (RAISE, TODO),
        (f'"""Later."""\n    {RAISE}', TODO),
        (f"{RAISE}\n    return []", FAIL),
        (f"kept = []\n    {RAISE}", FAIL),
        (f"if path:\n        {RAISE}\n    return []", FAIL),
    ],
)
def test_code_around_the_starters_raise_is_told_to_delete_it(
    body: str, state: str, tmp_path: Path
) -> None:
    verdict = verdict_of(lab_with(tmp_path, f"    {body}"))
    assert verdict.state == state
    assert ("delete it" in "\n".join(verdict.lines)) == (state == FAIL)


@pytest.mark.parametrize(
    "body, places", [("return None", 0), ("return path.nothing", 1)]
)
def test_a_crash_in_a_probe_is_not_blamed_on_the_kit(
    body: str, places: int, tmp_path: Path
) -> None:
    verdict = verdict_of(lab_with(tmp_path, f"    {body}"))
    assert verdict.state == FAIL
    found = re.findall(r"\w+\.py:\d+", "\n".join(verdict.lines))
    assert len(found) == places and all("decoding.py" in place for place in found)
