"""What a judge requires, and how a mismatch is reported."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from contextvars import ContextVar

import torch
from torch import Tensor

from labkit.exercises import phrases

_SHOWN_VALUES = 200  # characters of a value in a failure


class MismatchError(Exception):
    """A mismatch that a judge found: called, expected, got, why."""

    def __init__(self, called: str, expected: str, got: str, why: str) -> None:
        super().__init__(why)
        self.called, self.expected, self.got, self.why = called, expected, got, why


PARTS: ContextVar[dict[str, list[Exception]] | None] = ContextVar("parts", default=None)


@contextmanager
def part(name: str) -> Iterator[None]:
    """Mark what a judge requires in this block as one part of the exercise.

    In grading, the judge goes on after a wrong part, and each part that is right
    earns its share of the points; a mistake outside of all parts costs all of them.
    A student sees the first mistake in either case. Blocks of the same name are one
    part.
    """
    parts = PARTS.get()
    if parts is None:
        yield
        return
    wrong = parts.setdefault(name, [])
    try:
        yield
    except Exception as error:
        wrong.append(error)


def _size(value: Tensor) -> str:
    return phrases.A_TENSOR.format(shape=tuple(value.shape))


def shown(value: object) -> str:
    """Write a value on one line, cut where it is long."""
    if isinstance(value, Tensor) and value.dtype.is_floating_point:
        numbers = ", ".join(f"{number:.5g}" for number in value.flatten().tolist())
        few = f"[{numbers}]" if value.dim() else numbers
        text = few if value.numel() <= 4 else _size(value)
    elif isinstance(value, Tensor):
        few = value.numel() <= 12
        text = str(value.tolist()) if few else _size(value)
    else:
        text = str(value)
    text = " ".join(text.split())
    return text if len(text) <= _SHOWN_VALUES else text[:_SHOWN_VALUES] + " ..."


def expect(called: str, got: object, expected: object, why: str) -> None:
    """Require that ``got`` equals ``expected`` exactly."""
    if isinstance(got, Tensor) and isinstance(expected, Tensor):
        alike = got.shape == expected.shape and got.dtype == expected.dtype
        same = alike and bool((got == expected).all())
    else:
        same = type(got) is type(expected) and got == expected
    if not same:
        kinds = [
            phrases.OF_TYPE.format(type=v.dtype) if isinstance(v, Tensor) else ""
            for v in (expected, got)
        ]
        want, have = shown(expected), shown(got)
        if kinds[0] == kinds[1]:
            kinds = ["", ""]
            if want == have:  # 44 and "44"
                kinds = [
                    phrases.OF_TYPE.format(type=type(v).__name__)
                    for v in (expected, got)
                ]
        raise MismatchError(called, want + kinds[0], have + kinds[1], why)


def expect_that(holds: bool, called: str, expected: str, got: object, why: str) -> None:
    """Require that ``holds`` is true; ``expected`` says in words what should be."""
    if not holds:
        raise MismatchError(called, expected, shown(got), why)


def expect_close(
    called: str, got: object, expected: Tensor, why: str, tolerance: float = 1e-4
) -> None:
    """Require a tensor of the same shape and, up to ``tolerance``, the same values."""
    if not isinstance(got, Tensor):
        raise MismatchError(called, _size(expected), shown(got), why)
    if got.shape != expected.shape:
        want, have = (
            phrases.A_SHAPE.format(shape=tuple(x.shape)) for x in (expected, got)
        )
        raise MismatchError(called, want, have, why)
    apart = (got.double() - expected.double()).abs()
    apart = apart.masked_fill(got == expected, 0.0)  # both infinite
    if not bool((apart <= tolerance).all()):
        worst = apart.nan_to_num(torch.inf).flatten().argmax()
        words = phrases.EXPECTED_AT_WORST, phrases.GOT_AT_WORST
        want, have = (
            text.format(value=shown(x), number=f"{x.flatten()[worst]:.5g}")
            if x.dim()
            else shown(x)  # a scalar has one place only
            for text, x in zip(words, (expected, got))
        )
        raise MismatchError(called, want, have, why)
