"""Properties of the exercises: the starter scores 0, the reference everything."""

from __future__ import annotations

import re
import signal
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest
import torch
from shared import REFERENCE, ROOT, Run

from labkit.base.desk import Lab
from labkit.exercises.exchange import from_bytes, to_bytes
from labkit.exercises.registry import (
    Milestone,
    in_folder,
    scripts_of,
    split_parts,
)
from labkit.exercises.verdicts import (
    BLOCKED,
    DONE,
    FAIL,
    TODO,
    Verdict,
    check,
    render,
)
from test_implementation import EXERCISES, MILESTONES

POINTS = sum(exercise.points for exercise in EXERCISES.values())
SCRIPTS = scripts_of(EXERCISES)


def states_of(folder: Path) -> dict[str, str]:
    """Check every exercise of a folder."""
    lab = Lab(folder)
    return {id_: check(exercise, lab, 0).state for id_, exercise in EXERCISES.items()}


def markers() -> set[str]:
    """Read the ids of the regions of the reference."""
    texts = [(REFERENCE / name).read_text("utf-8") for name in SCRIPTS]
    return set(re.findall(r"# >>> (E\d\d)$", "\n".join(texts), re.M))


def test_markers_and_registry_name_the_same_exercises() -> None:
    assert markers() == set(EXERCISES)


def test_pytest_on_the_starter_scores_nothing_and_collects_cleanly(run: Run) -> None:
    done = run("tests/helpers/run_pytest.py", ROOT / "test_implementation.py")
    assert done.returncode == 1
    assert f"total 0/{POINTS}" in done.stdout
    assert f"{len(EXERCISES)} todo" in done.stdout
    assert "next: E01 in data.py question1" in done.stdout
    assert "Error" not in done.stdout


def test_pytest_on_the_reference_scores_everything(run: Run) -> None:
    checks = ROOT / "test_implementation.py"
    done = run("tests/helpers/run_pytest.py", checks, "--lab", REFERENCE)
    assert done.returncode == 0, done.stdout
    assert f"total {POINTS}/{POINTS}" in done.stdout


def test_a_desk_without_part_two_needs_part_one_alone(tmp_path: Path, run: Run) -> None:
    own, others = split_parts(SCRIPTS)
    for name in own:
        (tmp_path / name).write_bytes((REFERENCE / name).read_bytes())
    points = sum(e.points for e in EXERCISES.values() if e.file in own)
    checks = ROOT / "test_implementation.py"
    for script in ("tests/helpers/run_pytest.py", checks):
        first = [checks] if script != checks else []
        done = run(script, *first, "--lab", tmp_path)
        assert done.returncode == 0, done.stdout
        assert f"total {points}/{points}\n" in done.stdout
        assert (
            done.stdout.count(f"left out, as they are not here: {', '.join(others)}")
            == 1
        )
        assert "main_seq2seq.py " not in done.stdout and "all done" in done.stdout
    done = run(checks, "--lab", tmp_path, "--list")
    assert f" {points} points" in done.stdout and "E30" not in done.stdout
    # A part of which a script is there must be there whole.
    (tmp_path / others[0]).write_bytes((REFERENCE / others[0]).read_bytes())
    assert in_folder(EXERCISES, tmp_path) == (EXERCISES, [])


@pytest.mark.parametrize("chosen", ["E11", "output_lengths"])
def test_an_exercise_is_chosen_by_its_id_or_its_function(chosen: str, run: Run) -> None:
    checks = ROOT / "test_implementation.py"
    done = run("tests/helpers/run_pytest.py", checks, "--lab", REFERENCE, "-k", chosen)
    assert re.findall(r"^E\d\d", done.stdout, re.M) == ["E11"]
    assert "1 passed" in done.stdout


def test_the_script_and_pytest_agree(run: Run) -> None:
    done = run("test_implementation.py")
    assert done.returncode == 1 and f"total 0/{POINTS}" in done.stdout
    done = run("test_implementation.py", "--lab", REFERENCE)
    assert done.returncode == 0 and f"total {POINTS}/{POINTS}" in done.stdout


@pytest.mark.parametrize("id_", EXERCISES)
def test_cutting_one_exercise_blocks_those_that_need_it(
    id_: str, tmp_path: Path, cut_only: Callable[[str, Path], None]
) -> None:
    cut_only(id_, tmp_path)
    states = states_of(tmp_path)
    assert states.pop(id_) == TODO
    blocked = {other for other, state in states.items() if state == BLOCKED}
    assert blocked == {n for n, e in EXERCISES.items() if id_ in e.needs}
    assert {s for n, s in states.items() if n not in blocked} == {DONE}


@pytest.mark.parametrize("id_", EXERCISES)
def test_a_probe_in_another_process_leads_to_the_same_verdict(id_: str) -> None:
    apart = check(EXERCISES[id_], Lab(REFERENCE), 3)
    assert apart.state == DONE, "\n".join(apart.lines)


def test_an_unwritten_exercise_is_todo_or_blocked_from_another_process_too(
    tmp_path: Path, cut_only: Callable[[str, Path], None]
) -> None:
    cut_only("E16", tmp_path)
    lab = Lab(tmp_path)
    assert check(EXERCISES["E16"], lab, 0).state == TODO
    verdict = check(EXERCISES["E20"], lab, 0)
    assert (verdict.state, verdict.waits_for) == (BLOCKED, "E16")


def test_a_blocked_exercise_names_the_function_that_it_waits_for() -> None:
    verdicts = {"E20": Verdict(BLOCKED, waits_for="E16")}
    lines = render(EXERCISES, verdicts)
    assert lines[1].strip() == "waits for mask_padding (E16)"
    assert lines[-3].startswith("next: E16 in models.py mask_padding")
    assert lines[-2] == f"hint: {EXERCISES['E16'].hint}"


def verdicts_of(done: set[str]) -> dict[str, Verdict]:
    """Make verdicts of every exercise: done or todo."""
    return {id_: Verdict(DONE if id_ in done else TODO) for id_ in EXERCISES}


@pytest.mark.parametrize("milestone", MILESTONES, ids=lambda one: one.upto)
def test_a_milestone_is_announced_once_its_exercises_are_done(
    milestone: Milestone,
) -> None:
    line = f"reached: {milestone.what}: {milestone.command}"
    needs = milestone.needs(EXERCISES)
    assert line in render(EXERCISES, verdicts_of({*needs}), MILESTONES)
    for id_ in needs:
        almost = render(EXERCISES, verdicts_of({*needs} - {id_}), MILESTONES)
        assert line not in almost
    # A run of a few exercises knows nothing of the others.
    few = {id_: Verdict(DONE) for id_ in needs[1:]}
    assert line not in render(EXERCISES, few, MILESTONES)


def test_values_survive_the_way_between_processes() -> None:
    values = {"a": [1, 2.5, None, True, "é"], "b": (torch.arange(3), {"c": ()})}
    back = from_bytes(to_bytes(values))
    assert back["a"] == values["a"]
    assert torch.equal(back["b"][0], values["b"][0]) and back["b"][1] == {"c": ()}
    with pytest.raises(TypeError, match="cannot leave"):
        to_bytes({"f": print})


def test_a_folder_without_a_script_fails_and_finds_no_other(tmp_path: Path) -> None:
    for name in ("models", "decoding", "main_ctc"):
        (tmp_path / f"{name}.py").write_bytes((REFERENCE / f"{name}.py").read_bytes())
    verdict = check(EXERCISES["E01"], Lab(tmp_path), 0)
    assert verdict.state == FAIL
    assert "no data.py in" in "\n".join(verdict.lines)


def test_a_syntax_error_is_named_with_its_line_and_hurts_its_file_alone(
    tmp_path: Path,
) -> None:
    for name in SCRIPTS:
        (tmp_path / name).write_bytes((REFERENCE / name).read_bytes())
    with (tmp_path / "main_ctc.py").open("a") as script:
        script.write("def broken(:\n")
    lab = Lab(tmp_path)
    assert check(EXERCISES["E20"], lab, 0).state == DONE
    verdict = check(EXERCISES["E10"], lab, 0)
    assert verdict.state == FAIL
    last = len((tmp_path / "main_ctc.py").read_text("utf-8").splitlines())
    assert f"main_ctc.py:{last}" in "\n".join(verdict.lines)


def test_a_script_that_cannot_be_imported_is_told_once(
    tmp_path: Path, run: Run
) -> None:
    for name in SCRIPTS:
        (tmp_path / name).write_bytes((REFERENCE / name).read_bytes())
    with (tmp_path / "models.py").open("a") as script:
        script.write("nn.Conv3\n")
    checks = ROOT / "test_implementation.py"
    done = run("tests/helpers/run_pytest.py", checks, "--lab", tmp_path)
    assert re.findall(r"^(E\d\d)  FAIL", done.stdout, re.M) == ["E07"]
    assert "has no attribute 'Conv3'" in done.stdout
    stopped = re.findall(r"^(E\d\d) .* blocked ", done.stdout, re.M)
    assert {"E11", "E20"} < set(stopped) and "E01" not in stopped
    said = f"next: mend models.py, which cannot be imported; it stops E07 {stopped[0]} "
    assert said in done.stdout


def test_an_endless_loop_is_stopped_and_found(
    tmp_path: Path,
    cut_only: Callable[[str, Path], None],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr("labkit.exercises.verdicts.LONGEST_CHECK", 0.5)
    cut_only("E01", tmp_path)
    script = tmp_path / "data.py"
    text = script.read_text("utf-8").replace(
        'raise NotImplementedError("E01")', "while True:\n        pass"
    )
    script.write_text(text, "utf-8")
    before = signal.getsignal(signal.SIGALRM)
    verdict = check(EXERCISES["E01"], Lab(tmp_path), 0)
    last = text[: text.index("while True")].count("\n") + 1
    said = "\n".join(verdict.lines)
    assert verdict.state == FAIL and "an endless loop, or far too slow?" in said
    assert re.search(rf"data.py:({last}|{last + 1}) in question1", said)
    assert signal.getsignal(signal.SIGALRM) == before
    assert signal.getitimer(signal.ITIMER_REAL) == (0, 0)
    with ThreadPoolExecutor(1) as pool:  # no limit, and no error
        answer = pool.submit(check, EXERCISES["E02"], Lab(tmp_path), 0)
        assert answer.result().state == DONE


@pytest.mark.parametrize("chosen", ["E99", "forwrd"])
def test_a_name_that_no_exercise_has_is_told(chosen: str, run: Run) -> None:
    checks = ROOT / "test_implementation.py"
    done = run("tests/helpers/run_pytest.py", checks, "-k", chosen)
    assert done.stdout.count("no exercise matches; python test_implementation.py") == 1


def test_a_failure_is_one_block_and_suspects_what_it_needs(
    tmp_path: Path, run: Run
) -> None:
    for name in SCRIPTS:
        text = (REFERENCE / name).read_text("utf-8")
        text = text.replace("// layer.stride[0] + 1", "// layer.stride[0]")
        (tmp_path / name).write_text(text, encoding="utf-8")
    checks = ROOT / "test_implementation.py"
    done = run("tests/helpers/run_pytest.py", checks, "--lab", tmp_path)
    lines = done.stdout.splitlines()
    start = next(i for i, line in enumerate(lines) if line.startswith("E11  FAIL"))
    heads = [line.split()[0] for line in lines[start : start + 6]]
    assert heads == ["E11", "called", "expected", "got", "why", "re-run"]
    suspicion = "perhaps from output_lengths (E11)"
    assert any("E20  FAIL" in line and suspicion in line for line in lines)


def test_the_list_ends_with_what_to_do_next() -> None:
    lab = Lab(ROOT)
    verdicts = {id_: check(e, lab, 0) for id_, e in EXERCISES.items()}
    lines = render(EXERCISES, verdicts)
    assert lines[-3].startswith("next: E01 in data.py question1")
    assert lines[-2] == f"hint: {EXERCISES['E01'].hint}"
    assert lines[-1] == "text: docs/lab.md#e01"
