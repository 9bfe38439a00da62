"""Properties of the intervals of error rates."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest
from shared import Run

from labkit.metrics import Heard, bootstrap, intervals


def test_the_rate_is_that_of_all_utterances() -> None:
    heard = [
        Heard("a", "bonjour a tous", "bonjour a tous"),
        Heard("b", "oui", "non"),
        Heard("b", "il pleut", "il peut"),
    ]
    cer, wer = intervals(heard)
    assert cer.rate == pytest.approx(4 / 25)
    assert wer.rate == pytest.approx(2 / 6)
    assert cer.low <= cer.rate <= cer.high and wer.low <= wer.rate <= wer.high


def test_one_speaker_leaves_no_doubt_and_equal_speakers_neither() -> None:
    assert bootstrap([1, 2], [10, 20], ["a", "a"]) == pytest.approx((0.1,) * 3)
    assert bootstrap([1, 2], [10, 20], ["a", "b"]) == pytest.approx((0.1,) * 3)


def test_bounds_are_those_of_the_normal_law_where_speakers_are_many() -> None:
    generator = np.random.default_rng(1)
    errors = generator.binomial(100, 0.3, size=400)
    names = [str(n) for n in range(400)]
    found = bootstrap(errors.tolist(), [100] * 400, names)
    deviation = errors.std() / 100 / 20
    assert found.low == pytest.approx(found.rate - 1.96 * deviation, abs=5e-4)
    assert found.high == pytest.approx(found.rate + 1.96 * deviation, abs=5e-4)


def test_utterances_of_one_speaker_count_as_one() -> None:
    errors, names = [10, 30] * 50, [str(n) for n in range(100)]
    apart = bootstrap(errors, [100] * 100, names)
    together = bootstrap(errors, [100] * 100, ["a", "b"] * 50)
    assert together.high - together.low > 2 * (apart.high - apart.low)
    assert bootstrap(errors, [100] * 100, names) == apart  # seeded


def test_the_program_reads_what_test_writes(run: Run, tmp_path: Path) -> None:
    rows = [{"clip": "a.mp3", "reference": "Où es-tu", "text": "ou es tu"}]
    (tmp_path / "fold.json").write_text(json.dumps(rows), encoding="utf-8")
    (tmp_path / "test.tsv").write_text("client_id\tpath\nx\ta.mp3\n", encoding="utf-8")
    program = "instructor/error_intervals.py"
    result = run(program, "fold.json", "test.tsv")
    assert result.returncode == 0, result.stderr
    assert "1 utterances of 1 speakers" in result.stdout
    assert "WER 0.0 %" in result.stdout
    (tmp_path / "test.tsv").write_text("client_id\tpath\nx\tb.mp3\n", encoding="utf-8")
    result = run(program, "fold.json", "test.tsv")
    assert result.returncode != 0 and "not the transcripts" in result.stderr
    (tmp_path / "test.tsv").write_text("path\tsentence\na.mp3\tou\n", encoding="utf-8")
    result = run(program, "fold.json", "test.tsv")
    assert result.returncode == 1 and "a row without client_id" in result.stderr
