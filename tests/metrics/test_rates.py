"""Properties of error rates."""

from __future__ import annotations

import pytest

from labkit.metrics import word_error_rate


@pytest.mark.parametrize(
    "reference, hypothesis, errors, total",
    [
        ("vraiment .", "vraiment.", 0, 1),
        ("vraiment.", "vraiment .", 0, 1),
        ("oui . non .", "oui. non", 1, 2),
        ("oui , non", "oui, non", 0, 2),
        ("a .b", "a .b", 0, 2),  # this mark does not stand alone
    ],
)
def test_a_mark_that_stands_alone_is_no_word(
    reference: str, hypothesis: str, errors: int, total: int
) -> None:
    found = word_error_rate([reference], [hypothesis])
    assert (found.errors, found.total) == (errors, total)
