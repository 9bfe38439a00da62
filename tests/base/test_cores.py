"""Properties of the count of cores: what the environment says bounds them."""

from __future__ import annotations

import pytest

from labkit.base import available_cores, cores_of_process


@pytest.mark.parametrize("asked, most", [("1", 1), ("1,2", 1), ("0", 1), ("9999", 0)])
def test_threads_that_the_environment_names_bound_the_cores(
    monkeypatch: pytest.MonkeyPatch, asked: str, most: int
) -> None:
    monkeypatch.setenv("OMP_NUM_THREADS", asked)
    assert cores_of_process() == (most or available_cores())


@pytest.mark.parametrize("asked", ["", "many", "-1"])
def test_what_is_no_number_bounds_nothing(
    monkeypatch: pytest.MonkeyPatch, asked: str
) -> None:
    monkeypatch.setenv("OMP_NUM_THREADS", asked)
    assert cores_of_process() == available_cores()


def test_processes_of_torchrun_share_the_cores_whatever_it_sets(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setenv("OMP_NUM_THREADS", "1")  # as torchrun does for each of several
    monkeypatch.setenv("LOCAL_WORLD_SIZE", "2")
    assert cores_of_process() == max(1, available_cores() // 2)
