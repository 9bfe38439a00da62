"""The promises of the embedded corpus, read with plain Python."""

from __future__ import annotations

import re
import unicodedata
from collections import Counter

import pytest
import soundfile
from data import BatchCollate, CharMap
from models import CTCModel, fits_ctc
from shared import ROOT

MINI = ROOT / "corpora" / "mini"
CLIPS = MINI / "fr" / "clips"
FOLDS = ("train", "dev", "test")
COLUMNS = (
    *("client_id", "path", "sentence_id", "sentence", "sentence_domain", "up_votes"),
    *("down_votes", "age", "gender", "accents", "variant", "locale", "segment"),
)

Rows = list[dict[str, str]]


def read(name: str) -> list[list[str]]:
    text = (MINI / "fr" / name).read_bytes().decode("utf-8")
    assert text.endswith("\n") and "\r" not in text
    return [line.split("\t") for line in text[:-1].split("\n")]


@pytest.fixture(scope="module")
def folds() -> dict[str, Rows]:
    """Read the rows of each fold."""
    tables = {fold: read(f"{fold}.tsv") for fold in FOLDS}
    assert all(tuple(table[0]) == COLUMNS for table in tables.values())
    assert {len(row) for table in tables.values() for row in table} == {13}
    return {
        fold: [dict(zip(COLUMNS, row)) for row in table[1:]]
        for fold, table in tables.items()
    }


@pytest.fixture(scope="module")
def durations() -> dict[str, int]:
    """Read the table of durations, in ms."""
    header, *rows = read("clip_durations.tsv")
    assert header == ["clip", "duration[ms]"]
    return {name: int(duration) for name, duration in rows}


def words_of(sentence: str) -> list[str]:
    """Cut a sentence into words: runs of letters without accents, or ``l'``."""
    text = sentence.lower().replace("œ", "oe").replace("’", "'")
    text = unicodedata.normalize("NFD", text.replace("aujourd'hui", "aujourdhui"))
    letters = "".join(c for c in text if not unicodedata.combining(c))
    return re.findall(r"[a-z]+'?", letters)


def test_every_clip_is_listed_once_and_is_48_khz_mono_as_long_as_its_table_says(
    folds: dict[str, Rows], durations: dict[str, int]
) -> None:
    listed = [row["path"] for rows in folds.values() for row in rows]
    present = {clip.name for clip in CLIPS.iterdir()}
    assert len(set(listed)) == len(listed)
    assert set(listed) == present == set(durations)
    for name, milliseconds in durations.items():
        info = soundfile.info(CLIPS / name)
        assert (info.samplerate, info.channels) == (48000, 1), name
        assert abs(1000 * info.duration - milliseconds) <= 2, name
        assert 1500 <= milliseconds <= 5000, name


def test_the_corpus_is_small_enough_for_the_repository() -> None:
    files = [path for path in MINI.rglob("*") if path.is_file()]
    assert sum(path.stat().st_size for path in files) < 12e6


def test_the_vocabulary_is_small_and_learnt_before_it_is_asked(
    folds: dict[str, Rows],
) -> None:
    counts = {
        fold: Counter(w for row in rows for w in words_of(row["sentence"]))
        for fold, rows in folds.items()
    }
    assert 150 <= len(counts["train"]) <= 250
    assert min(counts["train"].values()) >= 8
    for fold in ("dev", "test"):
        assert len(counts[fold]) > 50 and set(counts[fold]) <= set(counts["train"])


@pytest.mark.parametrize("column", ["sentence", "sentence_id", "client_id"])
def test_no_sentence_and_no_voice_is_in_two_folds(
    folds: dict[str, Rows], column: str
) -> None:
    sets = {fold: {row[column] for row in rows} for fold, rows in folds.items()}
    assert sum(map(len, sets.values())) == len(set.union(*sets.values()))


def test_every_sentence_has_its_letters_and_a_path_in_its_clip(
    folds: dict[str, Rows], durations: dict[str, int]
) -> None:
    charmap, cnn = CharMap(), CTCModel.build_cnn(dropout=0.0)
    processor = BatchCollate(20, augment=False).processor
    for row in (row for rows in folds.values() for row in rows):
        sentence = row["sentence"]
        assert "❌" not in charmap.decode(charmap.encode(sentence)), sentence
        n_samples = durations[row["path"]] * 16  # 16 kHz
        n_frames = processor.get_spectro_length(n_samples)
        assert fits_ctc(n_frames, sentence, cnn, charmap), sentence


def test_the_readme_counts_what_is_there(folds: dict[str, Rows]) -> None:
    text = (MINI / "README.md").read_text(encoding="utf-8")
    for fold, rows in folds.items():
        counted = re.search(rf"^\| {fold} \| (\d+) \|", text, re.M)
        assert counted and int(counted.group(1)) == len(rows)
