"""Properties of the intervals of error rates."""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import pytest
from error_intervals import bootstrap
from shared import Run

from labkit.metrics import ErrorRate


def of(errors: Sequence[int], total: int) -> list[ErrorRate]:
    """Make the error rates of utterances of ``total`` symbols each."""
    return [ErrorRate(substitutions=n, total=total) for n in errors]


def test_one_speaker_leaves_no_doubt_and_equal_speakers_neither() -> None:
    rates = [*of([1], 10), *of([2], 20)]
    assert bootstrap(rates, ["a", "a"]) == pytest.approx((0.1,) * 3)
    assert bootstrap(rates, ["a", "b"]) == pytest.approx((0.1,) * 3)


def test_bounds_are_those_of_the_normal_law_where_speakers_are_many() -> None:
    generator = np.random.default_rng(1)
    errors = generator.binomial(100, 0.3, size=400)
    names = [str(n) for n in range(400)]
    found = bootstrap(of(errors.tolist(), 100), names)
    deviation = errors.std() / 100 / 20
    assert found.low == pytest.approx(found.rate - 1.96 * deviation, abs=5e-4)
    assert found.high == pytest.approx(found.rate + 1.96 * deviation, abs=5e-4)


def test_utterances_of_one_speaker_count_as_one() -> None:
    rates, names = of([10, 30] * 50, 100), [str(n) for n in range(100)]
    apart = bootstrap(rates, names)
    together = bootstrap(rates, ["a", "b"] * 50)
    assert together.high - together.low > 2 * (apart.high - apart.low)
    assert bootstrap(rates, names) == apart  # seeded


def test_the_program_reads_what_test_writes(run: Run, tmp_path: Path) -> None:
    rows = [
        {"clip": "a.mp3", "reference": "Où es-tu", "text": "ou es tu"},
        {"clip": "b.mp3", "reference": "oui", "text": "non"},
    ]
    (tmp_path / "fold.json").write_text(json.dumps(rows), encoding="utf-8")
    (tmp_path / "test.tsv").write_text(
        "client_id\tpath\nx\ta.mp3\ny\tb.mp3\n", encoding="utf-8"
    )
    program = "instructor/error_intervals.py"
    result = run(program, "fold.json", "test.tsv")
    assert result.returncode == 0, result.stderr
    assert "2 utterances of 2 speakers" in result.stdout
    assert "WER 25.0 % (0.0 to 100.0 %)" in result.stdout
    (tmp_path / "test.tsv").write_text("client_id\tpath\nx\tb.mp3\n", encoding="utf-8")
    result = run(program, "fold.json", "test.tsv")
    assert result.returncode != 0 and "not the transcripts" in result.stderr
    (tmp_path / "test.tsv").write_text("path\tsentence\na.mp3\tou\n", encoding="utf-8")
    result = run(program, "fold.json", "test.tsv")
    assert result.returncode == 1 and "no column named client_id" in result.stderr
