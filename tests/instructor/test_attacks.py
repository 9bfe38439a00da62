"""What a student would try: none of it gains a point or stops the rest.

All attacks are one class, graded in one run beside honest submissions.
"""

from __future__ import annotations

import base64
import socket
import textwrap
import zipfile
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
import torch
from helpers.attacks import (
    AT_IMPORT,
    BETRAYAL,
    BIAS_ALONE,
    FORGER,
    IN_A_FUNCTION,
    KIT_CALLS,
    RUN_WHAT_WAS_FOUND,
    SEARCHES,
    STRAY,
    ZERO_WEIGHTS,
    betrayals,
)
from helpers.submitted import (
    SOLVED,
    STARTER,
    earned,
    exercise_of,
    grade,
    hand_in,
    records_of,
    solved_with,
    starter_with,
)
from shared import REFERENCE, ROOT

from labkit.base.desk import Lab
from labkit.exercises.exchange import to_bytes
from labkit.exercises.verdicts import run_probe
from test_implementation import EXERCISES

POINTS = sum(exercise.points for exercise in EXERCISES.values())
FUTURE = "from __future__ import annotations\n"
LARGEST_REPLAY = 200_000  # bytes of an outcome that an attack carries along


def replays() -> dict[str, list[bytes]]:
    """Bring back what right answers gave for other inputs."""
    lab, outcomes = Lab(REFERENCE), {}
    for id_, exercise in EXERCISES.items():
        inputs = [
            exercise.check.inputs(torch.Generator().manual_seed(n)) for n in range(3)
        ]
        contents = [
            to_bytes(run_probe(exercise.check.probe, lab, values)) for values in inputs
        ]
        known = all(content == contents[0] for content in contents)
        # What is the same for all inputs is no secret: to know it is the exercise.
        if not known and sum(map(len, contents)) < LARGEST_REPLAY:
            outcomes[id_] = contents
    return outcomes


def hostile() -> dict[str, list[bytes]]:
    """Think of bytes that could harm a reader."""
    length = (100).to_bytes(8, "big")
    huge = b'{"result": {"size": {"__tensor__": ["float32", [100000, 100000], 0]}}}'
    contents = {
        "E01": b"",
        "E02": b"\\x80\\x04\\x95cos\\nsystem\\n(S'touch pwned'\\ntR.",
        "E03": (1 << 20).to_bytes(8, "big") + b"[" * (1 << 20),
        "E04": len(huge).to_bytes(8, "big") + huge,
        "E05": length + b'{"result": {}}'.ljust(100),
        "E06": length + b'["result"]'.ljust(100),
        "E15": length
        + b'{"raised": 1, "message": 2, "blocked_by": 3, "place": 4}'.ljust(100),
        "E11": length + b'{"result": {"lab": ' + b"9" * 80 + b"}}",
        "E07": length + b'{"result": {"counts": Infinity}}'.ljust(100),
    }
    return {id_: [content] * 3 for id_, content in contents.items()}


def forger(outcomes: dict[str, list[bytes]]) -> dict[str, str]:
    """Write a submission that sends these outcomes for every exercise."""
    encoded = {
        id_: [base64.b64encode(content).decode() for content in contents]
        for id_, contents in outcomes.items()
    }
    bodies = dict.fromkeys(outcomes, "return None")
    scripts = starter_with(bodies)
    top = FORGER.format(forged=encoded)
    return {
        file: text.replace("from __future__ import annotations\n", f"\n{top}\n", 1)
        for file, text in scripts.items()
    }


def zip_of(path: Path, files: dict[str, bytes]) -> zipfile.ZipFile:
    """Write a zip file."""
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, content in files.items():
            archive.writestr(name, content)


def solved_bytes() -> dict[str, bytes]:
    """The scripts of the reference as bytes."""
    return {file: text.encode() for file, text in SOLVED.items()}


def hand_in_files(folder: Path) -> None:
    """Hand in what attacks the reading of files, not the checks."""
    zip_of(folder / "path.zip", {f"../../{f}": t for f, t in solved_bytes().items()})
    zip_of(folder / "absolute.zip", {"/tmp/escaped.py": b"", "C:/data.py": b"x = 1"})
    zip_of(folder / "bomb.zip", {"data.py": bytes(200 << 20)})
    (folder / "broken.zip").write_bytes(b"PK\x03\x04 and then nothing")
    (folder / "rar.rar").write_bytes(b"Rar!")
    link = zipfile.ZipInfo("data.py")
    link.create_system, link.external_attr = 3, 0o120777 << 16
    with zipfile.ZipFile(folder / "link in a zip.zip", "w") as archive:
        archive.writestr(link, str(REFERENCE / "data.py"))
    linked = hand_in(folder / "links", {"notes.txt": ""})
    for name in SOLVED:
        (linked / name).symlink_to(REFERENCE / name)
    one_mistake = solved_with({"E08": "return list(path)"})
    zip_of(
        folder / "Zoe\u0301 d’Été (1).zip",
        {f"mon  TP/{f}": t.encode() for f, t in one_mistake.items()},
    )
    own = {
        "conftest.py": "import os; os._exit(0)",
        "pytest.ini": "[pytest]\naddopts = -k nothing\n",
    }
    own["sitecustomize.py"] = "import os; os._exit(0)"
    lab = hand_in(folder / "own files", {**starter_with({"E01": "return -1"}), **own})
    hand_in(lab / "labkit", {"__init__.py": "", "grading.py": "raise SystemExit"})


@dataclass
class Graded:
    """The class after it was graded.

    Attributes:
        records: By name.
        output: What the program printed.
        code: Its exit code.
        isolated: Whether files and network are out of sight here.
        connections: How many the network attack made.
        results: Where the results are.
    """

    records: dict[str, Any]
    output: str
    code: int
    isolated: bool
    connections: int
    results: Path


@pytest.fixture(scope="module")
def graded(tmp_path_factory: pytest.TempPathFactory) -> Graded:
    """Grade all attacks, and two honest students, in one run."""
    folder = tmp_path_factory.mktemp("class")
    results = tmp_path_factory.mktemp("graded") / "results"
    results.mkdir()
    listener = socket.create_server(("127.0.0.1", 0))
    listener.settimeout(0.1)
    for name, body in IN_A_FUNCTION.items():
        hand_in(folder / name, starter_with({"E01": body}))
    for name, top in AT_IMPORT.items():
        import_time = "\n".join(line.strip() for line in top.strip().splitlines())
        hand_in(folder / name, starter_with({"E01": "return -1"}, import_time))
    for name, body in SEARCHES.items():
        whole = textwrap.dedent(body).strip() + RUN_WHAT_WAS_FOUND
        hand_in(folder / name, starter_with({"E08": whole}))
    port = listener.getsockname()[1]
    call = f"import socket; socket.create_connection(('127.0.0.1', {port}), 1)"
    hand_in(folder / "calls home", starter_with({"E01": call}))
    targets = [
        str(results / "grades.csv"),
        str(ROOT / "pwned.txt"),
        str(ROOT / "labkit/pwned.py"),
    ]
    write = f"""
        for path in {targets!r}:
            try:
                open(path, "w").write("Mallory,100")
            except OSError:
                pass
        return -1
        """
    hand_in(folder / "writes files", starter_with({"E01": write}))
    hand_in(folder / "forger of replays", forger(replays()))
    hand_in(folder / "forger of bytes", forger(hostile()))
    needs = {id_: exercise.needs for id_, exercise in EXERCISES.items()}
    hand_in(folder / "tells what it saw", starter_with(betrayals(needs)))
    hand_in(folder / "calls the kit", starter_with(KIT_CALLS))
    zeros = starter_with({"E20": BIAS_ALONE})
    line, zeroing = ZERO_WEIGHTS
    assert line in zeros["models.py"]
    zeros["models.py"] = zeros["models.py"].replace(line, line + zeroing)
    hand_in(folder / "zero weights", zeros)
    ends = {
        f: t.replace(FUTURE, f"{FUTURE}import os; os._exit(0)\n")
        for f, t in SOLVED.items()
    }
    hand_in(folder / "ends at import, all right", ends)
    hand_in_files(folder)
    done = grade(folder, results, "-j", 2, "--seconds", 1, "--memory", 200, seconds=580)
    connections = 0
    try:
        while True:
            listener.accept()
            connections += 1
    except TimeoutError:
        pass
    finally:
        listener.close()
    isolated = "no network" in done.stdout and "no file but" in done.stdout
    output = done.stdout + done.stderr
    return Graded(
        records_of(results), output, done.returncode, isolated, connections, results
    )


WITHOUT_POINTS = (
    *IN_A_FUNCTION,
    *AT_IMPORT,
    *(
        "tells what it saw",
        "calls the kit",
        "writes files",
        "calls home",
        "forger of replays",
        "forger of bytes",
    ),
    *("path", "absolute", "bomb", "broken", "rar.rar", "link in a zip", "links"),
    "own files",
)


def test_the_run_ends_well(graded: Graded) -> None:
    assert graded.code == 0, graded.output
    assert "Traceback" not in graded.output


@pytest.mark.parametrize("name", WITHOUT_POINTS)
def test_attack_gains_nothing(graded: Graded, name: str) -> None:
    record = graded.records[name]
    marks = {e["id"]: e["earned"] for e in record["exercises"] if e["earned"]}
    assert marks == {}
    assert len(record["exercises"]) == len(EXERCISES)


@pytest.mark.parametrize("name", SEARCHES)
def test_no_solution_is_in_sight(graded: Graded, name: str) -> None:
    if not graded.isolated:
        pytest.skip("this system hides no files")
    assert earned(graded.records[name]) == 0


def test_the_honest_are_graded_as_if_they_were_alone(graded: Graded) -> None:
    honest = graded.records["Zoé d’Été (1)"]
    assert POINTS - earned(honest) == EXERCISES["E08"].points


def test_no_page_shows_what_a_student_saw_beside_the_reference(graded: Graded) -> None:
    states = {
        id_: exercise_of(graded.records["tells what it saw"], id_)["alone"]
        for id_ in ("E05", "E20", "E21", "E22", "E33", "E34")
    }
    assert set(states.values()) <= {"fail", "crash"}  # it was there, and it told
    for path in graded.results.rglob("*"):
        if path.is_file():
            assert BETRAYAL.encode() not in path.read_bytes(), path
    assert BETRAYAL not in graded.output


def test_a_network_without_weights_is_no_forward_pass(graded: Graded) -> None:
    forward = exercise_of(graded.records["zero weights"], "E20")
    assert (forward["alone"], forward["earned"]) == ("fail", 0)


def test_scripts_that_cannot_be_imported_are_named(graded: Graded) -> None:
    record = graded.records["ends at import, all right"]
    # Each function is tried alone, beside no more than what it needs.
    assert {e["alone"] for e in record["exercises"]} == {"done"}
    assert earned(record) == POINTS
    named = {text.split(" cannot be imported")[0] for text in record["problems"]}
    assert named == set(SOLVED)
    table = (graded.results / "grades.csv").read_text("utf-8-sig")
    row = next(x for x in table.splitlines() if x.startswith("ends at import"))
    assert "data.py cannot be imported" in row


def test_nothing_is_written_outside(graded: Graded) -> None:
    assert not (ROOT / "pwned.txt").exists()
    assert not (ROOT / "labkit" / "pwned.py").exists()
    assert "Mallory" not in (graded.results / "grades.csv").read_text("utf-8-sig")
    assert not Path("/tmp/escaped.py").exists()


def test_nobody_is_called(graded: Graded) -> None:
    if not graded.isolated:
        pytest.skip("this system has a network for all")
    assert graded.connections == 0


def test_no_process_is_left(graded: Graded) -> None:
    if not Path("/proc/self").exists():
        pytest.skip("no /proc")
    commands = []
    for folder in Path("/proc").glob("[0-9]*"):
        try:
            commands.append((folder / "cmdline").read_bytes())
        except OSError:
            continue
    assert not [c for c in commands if STRAY.encode() in c and b"sleep" in c]


@pytest.mark.parametrize(
    "name",
    ["exit in a function", "endless loop", "endless sleep", "segmentation fault"],
)
def test_a_crash_is_named_with_its_line(graded: Graded, name: str) -> None:
    first = exercise_of(graded.records[name], "E01")
    assert first["state"] == "crash"
    text = "\n".join(first["lines"])
    if name != "exit in a function":  # which leaves no trace
        line = STARTER["data.py"].partition('raise NotImplementedError("E01")')[0]
        assert f"data.py:{line.count(chr(10)) + 1} in question1" in text


@pytest.mark.parametrize(
    "name, problem",
    [
        ("path", "leads out of the zip"),
        ("absolute", "leads out of the zip"),
        ("bomb", "larger than"),
        ("broken", "unreadable zip"),
        ("rar.rar", "not a zip"),
        ("link in a zip", "a link"),
        ("links", "a link"),
    ],
)
def test_what_is_wrong_with_the_files_is_said(
    graded: Graded, name: str, problem: str
) -> None:
    assert any(problem in text for text in graded.records[name]["problems"])
