"""What a student would try: none of it gains a point or stops the rest.

All attacks are one class, graded in one run beside honest submissions.
"""

from __future__ import annotations

import base64
import hashlib
import socket
import textwrap
import zipfile
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
import torch
from shared import REFERENCE, ROOT
from submitted import (
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

from labkit.base.desk import Lab
from labkit.exercises.exchange import to_bytes
from labkit.exercises.verdicts import run_probe
from test_implementation import EXERCISES

POINTS = sum(exercise.points for exercise in EXERCISES.values())
STRAY = "86421"  # seconds that a left-over process sleeps: its mark
LARGEST_REPLAY = 200_000  # bytes of an outcome that an attack carries along

# Code for the body of E01, which has one right answer that none of these returns.
IN_A_FUNCTION = {
    "exit in a function": "import os; os._exit(0)",
    "sys.exit in a function": "import sys; sys.exit(0)",
    "endless loop": "while True: pass",
    "endless sleep": "import time; time.sleep(100000)",
    "fork bomb": "import os\nwhile True: os.fork()",
    "fork bomb that goes on": """
        import os
        while True:
            try:
                os.fork()
            except OSError:
                pass
        """,
    "threads": """
        import threading, time
        while True:
            threading.Thread(target=time.sleep, args=(1000,)).start()
        """,
    "20 GB": "return len(bytearray(20 << 30)) and -1",
    "20 GB of tensors": "import torch; return torch.ones(5 << 30).sum()",
    "memory bit by bit": "kept = []\nwhile True: kept.append(bytearray(1 << 20))",
    "shared memory": """
        import mmap
        kept = []
        while True:
            kept.append(mmap.mmap(-1, 16 << 20))
            for place in range(0, 16 << 20, 4096):
                kept[-1][place] = 1
        """,
    "a gigabyte printed": "for _ in range(1 << 10): print('x' * (1 << 20))",
    "a gigabyte written": """
        with open("large", "wb") as file:
            for _ in range(1 << 10):
                file.write(bytes(1 << 20))
        """,
    "many files": """
        for number in range(10 ** 6):
            open(f"file{number}", "w").close()
        """,
    "segmentation fault": "import ctypes; ctypes.string_at(0)",
    "too deep": """
        import sys
        sys.setrecursionlimit(10 ** 9)
        def deeper(): return deeper()
        deeper()
        """,
    "kills everyone": """
        import os, signal
        for target in (os.getppid(), 1, -1, 0):
            try:
                os.kill(target, signal.SIGKILL)
            except OSError:
                pass
        """,
    "leaves a process": f"""
        import os
        if os.fork() == 0:
            os.setsid()
            if os.fork() == 0:
                os.execv("/bin/sleep", ["sleep", "{STRAY}"])
        return -1
        """,
    "equal to everything": """
        class Equal(int):
            def __eq__(self, other): return True
            def __ne__(self, other): return False
            __hash__ = int.__hash__
        return Equal(0)
        """,
}

AT_IMPORT = {
    "exit at import": "import os; os._exit(0)",
    "sys.exit at import": "import sys; sys.exit(0)",
    "loop at import": "while True: pass",
    "patches pytest": """
        import pytest
        pytest.fail = lambda *a, **k: None
        pytest.raises = lambda *a, **k: None
        """,
    "patches the kit": """
        import labkit.exercises.verdicts as grading
        grading.expect = grading.expect_close = lambda *a, **k: None
        grading.expect_that = grading.MismatchError = lambda *a, **k: None
        grading.judge_outcome = lambda *a: grading.Verdict("done", share=1.0)
        grading.judge_parts = grading.judge_outcome
        """,
    "patches torch": """
        import torch
        torch.equal = torch.allclose = lambda *a, **k: True
        torch.Tensor.__eq__ = lambda a, b: torch.ones((), dtype=torch.bool)
        torch.Tensor.__le__ = torch.Tensor.__eq__
        """,
    "patches assert": """
        import builtins
        builtins.AssertionError = type("Quiet", (Exception,), {})
        builtins.isinstance = lambda *a: True
        """,
}

# Bodies of E20 that look for its solution, and run it.
SEARCHES = {
    "reads the solutions": f"""
        import re
        text = open({str(REFERENCE / "decoding.py")!r}).read()
        """,
    "looks for the solutions": """
        import os, re
        text = ""
        places = ["/proc/1/root", "/proc/self/root", "..", "../..", "/tmp", "/work",
                  "/home", "/root", "/autograder", "/mnt", "/opt", "/srv", "/var"]
        for place in places:
            for folder, folders, files in os.walk(place):
                skip = ("proc", "site-packages")
                folders[:] = [f for f in folders if f not in skip][:200]
                if "decoding.py" in files:
                    try:
                        found = open(os.path.join(folder, "decoding.py")).read()
                    except OSError:
                        continue
                    if "if i == 0 or k != path[i - 1]" in found:
                        text = found
        """,
    "reads what is in memory": """
        import gc, re
        text = ""
        for thing in gc.get_objects():
            if isinstance(thing, dict):
                for value in list(thing.values()):
                    if isinstance(value, str) and "k != path[i - 1]" in value:
                        text = value
        for module in ("test_implementation", "make_starter", "autograder.engine"):
            try:
                __import__(module)
            except ImportError:
                pass
        """,
}
RUN_WHAT_WAS_FOUND = """
region = re.search(r"def collapse.*?\\n\\n\\n", text, re.S)
scope = {"Sequence": list}
exec(region.group().replace(": Sequence[int]", "").replace("list[int]", "list"), scope)
return scope["collapse"](path, blank)
"""

# Writes outcomes of its own into the channel, and ends: whatever the exercise is.
FORGER = """
import base64, os, sys
FORGED = {forged!r}
def forge():
    frame = sys._getframe()
    while frame is not None and "stream" not in frame.f_locals:
        frame = frame.f_back
    if frame is None or frame.f_locals["job"]["id"] not in FORGED:
        return
    stream, job = frame.f_locals["stream"], frame.f_locals["job"]
    for content in FORGED[job["id"]][: job["seeds"]]:
        frame.f_globals["frames"].send(stream, base64.b64decode(content))
    os._exit(0)
forge()
"""


def replays() -> dict[str, list[bytes]]:
    """Bring back what right answers gave for other inputs."""
    lab, outcomes = Lab(REFERENCE), {}
    for id_, exercise in EXERCISES.items():
        inputs = [exercise.inputs(torch.Generator().manual_seed(n)) for n in range(3)]
        contents = [to_bytes(run_probe(exercise, lab, values)) for values in inputs]
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
        "E07": length
        + b'{"raised": 1, "message": 2, "blocked_by": 3, "place": 4}'.ljust(100),
        "E08": length + b'{"result": {"lab": ' + b"9" * 80 + b"}}",
        "E09": length + b'{"result": {"counts": Infinity}}'.ljust(100),
    }
    return {id_: [content] * 3 for id_, content in contents.items()}


def forger(outcomes: dict[str, list[bytes]]) -> dict[str, str]:
    """Write a submission that sends these outcomes for every exercise."""
    encoded = {
        id_: [base64.b64encode(content).decode() for content in contents]
        for id_, contents in outcomes.items()
    }
    bodies = {id_: "return None" for id_ in outcomes}
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
    zip_of(
        folder / "Zoe\u0301 d’Été (1).zip",
        {f"mon  TP/{f}": t for f, t in solved_bytes().items()},
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


def digest(folder: Path) -> str:
    """Sum up what student code must not change."""
    whole = hashlib.sha256()
    files = [*folder.glob("*"), *(folder / "labkit").glob("*"), *REFERENCE.glob("*")]
    for path in sorted(path for path in files if path.is_file()):
        whole.update(str(path).encode() + path.read_bytes())
    return whole.hexdigest()


@pytest.fixture(scope="module")
def graded(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Graded]:
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
        hand_in(folder / name, starter_with({"E20": whole}))
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
    hand_in(folder / "honest", SOLVED)
    hand_in(folder / "honest, one mistake", solved_with({"E20": "return list(path)"}))
    hand_in_files(folder)
    done = grade(folder, results, "-j", 2, "--seconds", 2, "--memory", 200)
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
    yield Graded(
        records_of(results), output, done.returncode, isolated, connections, results
    )


WITHOUT_POINTS = (
    *IN_A_FUNCTION,
    *AT_IMPORT,
    *("writes files", "calls home", "forger of replays", "forger of bytes"),
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
    assert earned(graded.records["honest"]) == POINTS
    mistaken = graded.records["honest, one mistake"]
    assert POINTS - earned(mistaken) == EXERCISES["E20"].points
    assert earned(graded.records["Zoé d’Été (1)"]) == POINTS


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
    ("name", "problem"),
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
