"""The sandbox: nothing crosses from one job to the next, and nothing hidden is read."""

from __future__ import annotations

import sys
import textwrap
from collections.abc import Iterator
from pathlib import Path

import pytest
from autograder.marking import open_material
from autograder.program import open_sandbox
from autograder.sandbox import Limits, Reply, Sandbox
from helpers.stores import MARK, STORES, THEFTS, THEFTS_BY_LIBRARIES
from shared import ROOT

from labkit.exercises import from_bytes, to_bytes

pytestmark = pytest.mark.skipif(sys.platform != "linux", reason="Linux's measures")

WITHOUT = {
    "all measures": (),
    "no namespaces": ("namespaces",),
    "no namespaces, as oneself": ("namespaces", "user"),
}


@pytest.fixture(scope="module", params=WITHOUT)
def sandbox(request: pytest.FixtureRequest) -> Iterator[Sandbox]:
    limits = Limits(seconds=3, wall=6)
    without = WITHOUT[request.param]
    sandbox = open_sandbox(open_material(ROOT), ROOT, limits, 1, without=without)
    sandbox.start(sandbox.slots)
    yield sandbox
    sandbox.close()


def run(sandbox: Sandbox, code: str) -> Reply:
    """Run code as the body of a student's question1()."""
    slot, body = sandbox.slots[0], textwrap.indent(code.strip(), "    ")
    folder = slot.lab / "as_is"
    folder.mkdir(exist_ok=True)
    script = f"MARK = {MARK!r}\n\ndef question1():\n{body}\n    return 1\n"
    (folder / "data.py").write_text(script, encoding="utf-8")
    return slot.run("E01", folder, [to_bytes({})], wall=6)


def found(reply: Reply) -> str:
    """Return what the code returned or raised; "" if it ended."""
    outcome = from_bytes(reply.outcomes[0]) if reply.outcomes else {}
    return str(outcome.get("result", outcome))


@pytest.mark.parametrize("name", STORES)
def test_nothing_crosses_from_one_job_to_the_next(sandbox: Sandbox, name: str) -> None:
    keep, find = STORES[name]
    run(sandbox, keep)
    reply = run(sandbox, find)
    assert MARK not in found(reply)
    assert MARK not in reply.trace


@pytest.mark.parametrize("name", {**THEFTS, **THEFTS_BY_LIBRARIES})
def test_the_reference_is_out_of_reach(sandbox: Sandbox, name: str) -> None:
    if not sandbox.slots[0].measures["files"]:
        pytest.skip("this system hides no files")
    code = {**THEFTS, **THEFTS_BY_LIBRARIES}[name]
    assert "def collapse" not in found(run(sandbox, code))


@pytest.mark.parametrize("kind", ["mkdir", "mkfifo", "symlink"])
def test_files_of_any_kind_end_no_slot(sandbox: Sandbox, kind: str) -> None:
    make = {
        "mkdir": "os.mkdir(name)",
        "mkfifo": "os.mkfifo(name)",
        "symlink": "os.symlink('/etc/passwd', name)",
    }
    connection = sandbox.slots[0].connection
    code = f"import os\nfor name in ('outcome', 'trace'):\n    {make[kind]}"
    assert found(run(sandbox, code))
    assert sandbox.slots[0].connection is connection


def test_files_that_are_hard_to_remove_are_gone_all_the_same(sandbox: Sandbox) -> None:
    run(sandbox, "import os\nfor _ in range(3000):\n    os.mkdir('d'); os.chdir('d')")
    left = run(sandbox, "import os\nreturn str(os.listdir('.'))")
    assert found(left) == "{'size': '[]'}"


def test_no_kernel_memory_outlives_its_job(sandbox: Sandbox) -> None:
    def shared() -> int:
        rows = Path("/proc/sysvipc/shm").read_text().splitlines()[1:]
        memory = Path("/proc/meminfo").read_text()
        pages = next(x for x in memory.splitlines() if x.startswith("Shmem:"))
        return len(rows) * (1 << 20) + int(pages.split()[1])

    keep = STORES["shared memory"][0].replace("4096", str(200 << 20), 2)
    before = shared()
    run(sandbox, f"{keep}\nctypes.memset(at, 1, {200 << 20})")
    assert shared() < before + (100 << 10)  # kB
