"""What a program says about where it computes."""

from __future__ import annotations

import pytest

from labkit.training.device import choose_device


@pytest.mark.parametrize("number, said", [(1, "1 thread\n"), (2, "2 threads\n")])
def test_threads_are_counted_in_english(
    capsys: pytest.CaptureFixture[str], number: int, said: str
) -> None:
    choose_device("cpu", number)
    assert capsys.readouterr().out == f"device: cpu, {said}"
    choose_device("cpu", 1)
