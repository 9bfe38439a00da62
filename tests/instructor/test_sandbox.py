"""The sandbox: nothing crosses from one job to the next, and nothing hidden is read."""

from __future__ import annotations

import sys
import textwrap
from collections.abc import Iterator

import pytest
from autograder.marking import open_material
from autograder.program import open_sandbox
from autograder.sandbox import Limits, Reply, Sandbox
from helpers.stores import MARK, STORES, THEFTS, THEFTS_BY_LIBRARIES, all_of
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


def test_nothing_crosses_from_one_job_to_the_next(sandbox: Sandbox) -> None:
    keep = all_of({name: codes[0] for name, codes in STORES.items()})
    assert MARK in found(run(sandbox, keep))
    reply = run(sandbox, all_of({name: codes[1] for name, codes in STORES.items()}))
    assert reply.outcomes and MARK not in found(reply)


def test_the_reference_is_out_of_reach(sandbox: Sandbox) -> None:
    if not sandbox.slots[0].measures["files"]:
        pytest.skip("this system hides no files")
    reply = run(sandbox, all_of({**THEFTS, **THEFTS_BY_LIBRARIES}))
    assert reply.outcomes and "def collapse" not in found(reply)


def test_python_alone_refuses_what_it_can() -> None:
    """Without measures of the system, a hook of Python is left."""
    without = ("namespaces", "user", "kernel")
    limits = Limits(seconds=3, wall=6)
    sandbox = open_sandbox(open_material(ROOT), ROOT, limits, 1, without=without)
    try:
        reply = run(sandbox, all_of(THEFTS))
        assert reply.outcomes and "def collapse" not in found(reply)
    finally:
        sandbox.close()


def test_files_of_any_kind_end_no_slot(sandbox: Sandbox) -> None:
    connection = sandbox.slots[0].connection
    code = "import os\nos.mkdir('outcome'); os.mkfifo('trace'); os.chmod('.', 0)"
    assert found(run(sandbox, code)) == "{'size': 1}"
    assert found(run(sandbox, "return 2")) == "{'size': 2}"
    assert sandbox.slots[0].connection is connection


def test_files_that_are_hard_to_remove_are_gone_all_the_same(sandbox: Sandbox) -> None:
    run(sandbox, "import os\nfor _ in range(3000):\n    os.mkdir('d'); os.chdir('d')")
    left = run(sandbox, "import os\nreturn str(os.listdir('.'))")
    assert found(left) == "{'size': '[]'}"
