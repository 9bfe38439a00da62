"""Reading many files at once: libsndfile works without Python's lock."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from typing import TypeVar

from labkit.device import available_cores

_CHUNK = 64  # items given to a thread at a time

Item = TypeVar("Item")
Result = TypeVar("Result")


def map_in_threads(
    function: Callable[[Item], Result], items: Sequence[Item]
) -> Iterator[Result]:
    """Call ``function`` on every item, in threads; yield the results in order.

    Whoever stops listening, by Ctrl-C too, stops the threads after their chunk.
    """

    def call(start: int) -> list[Result]:
        return [function(item) for item in items[start : start + _CHUNK]]

    pool = ThreadPoolExecutor(available_cores())
    try:
        for results in pool.map(call, range(0, len(items), _CHUNK)):
            yield from results
    finally:
        pool.shutdown(wait=True, cancel_futures=True)
