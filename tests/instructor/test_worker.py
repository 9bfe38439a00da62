"""Judges in a process of their own: what they take is limited, and they go on."""

from __future__ import annotations

import os
from collections.abc import Iterator

import pytest
import torch
from autograder.marking.judging import Judge
from autograder.sandbox import Worker

from labkit.exercises import to_bytes
from test_implementation import EXERCISES

pytestmark = pytest.mark.skipif(os.name != "posix", reason="needs fork and limits")


def compute(parts: list[bytes]) -> list[bytes]:
    """Do what the first part asks for."""
    if parts[0] == b"memory":
        return [bytes(1 << 30)]
    while parts[0] == b"time":
        pass
    if parts[0] == b"exit":
        os._exit(77 - 1)
    return [part[::-1] for part in parts]


@pytest.mark.parametrize("kind", [b"memory", b"time", b"exit"])
def test_too_much_is_no_result_and_the_next_is_right(kind: bytes) -> None:
    worker = Worker(compute, memory=100 << 20)
    try:
        assert worker.ask([b"ab", b"cd"], 10) == [b"ba", b"dc"]
        assert worker.ask([kind], 0.3) is None
        assert worker.ask([b"ab"], 10) == [b"ba"]
    finally:
        worker.close()


@pytest.fixture(scope="module")
def judge() -> Iterator[Judge]:
    judge = Judge(EXERCISES)
    yield judge
    judge.close()


def forged_convolutions() -> dict:
    """Claim a right build_cnn, of kernels that make the oracle's features huge."""
    shape, many = (2, 32, 31, 20), 20_000
    evaluated = torch.zeros(shape)
    evaluated[0, 0, 0, 0] = 20.0
    kernel = torch.zeros(many, 1, 1, 1)
    return {
        "kinds": ["Conv2d", "BatchNorm2d", "Hardtanh", "Dropout2d"] * 2,
        "layers": [
            (1, 32, (41, 11), (2, 2), (20, 5)),
            (32, 32, (21, 11), (2, 1), (10, 5)),
        ],
        "normalizations": 2,
        "parameters": 41 * 11 * 32 + 32 + 21 * 11 * 32 * 32 + 32 + 2 * 64,
        "weights": [kernel, *[torch.zeros(many)] * 3, *[torch.zeros(1)] * 4],
        "evaluated": evaluated,
        "biases": 2,
        "names": [f"{n}" for n in range(8)],
    }


def test_shapes_are_judged_before_anything_is_computed(judge: Judge) -> None:
    generator = torch.Generator().manual_seed(5)
    inputs = EXERCISES["E17"].check.inputs(generator)
    forged = forged_convolutions()
    dropout = inputs["dropout"]
    forged = {**forged, "dropouts": [dropout, dropout], "dropped": dropout}
    verdict, _ = judge.judge("E17", [5], [to_bytes({"result": forged})])
    assert "shapes of the weights" in "\n".join(verdict.lines)
    inputs = EXERCISES["E19"].check.inputs(torch.Generator().manual_seed(5))
    nhidden, n_symbols = inputs["sizes"]
    forged = {
        "type": "Sequential",
        "parameters": (2 * nhidden + 1) * n_symbols,
        "scores": torch.zeros(2, 3, n_symbols),
        "weights": [torch.ones(n_symbols, 2 * nhidden), torch.zeros(50_000, 1, 1, 1)],
    }
    verdict, _ = judge.judge("E19", [5], [to_bytes({"result": forged})])
    assert "weights" in verdict.lines[1] and "(50000, 1, 1, 1)" in verdict.lines[3]


@pytest.mark.parametrize("content", [b"", b"[" * 100, b"\0" * 8, b"\xff" * 8])
def test_bytes_of_any_kind_are_a_failure(judge: Judge, content: bytes) -> None:
    verdict, judged = judge.judge("E01", [1], [content])
    assert (verdict.state, judged) == ("fail", False)
    assert "unreadable result" in "\n".join(verdict.lines)
