"""Properties of reading a corpus: its files, and the loaders of its folds."""

from __future__ import annotations

import os
import random
import runpy
import subprocess
import sys
import tracemalloc
from collections.abc import Callable, Sequence
from itertools import chain
from pathlib import Path

import numpy as np
import pytest
import soundfile
import torch
from data import CharMap, load_dataset, unpack_minibatch
from helpers.loading import loaders_of
from shared import REFERENCE, ROOT
from torch import Tensor
from torch.utils.data import DataLoader

from labkit import audio
from labkit.base.errors import LabError
from labkit.corpus import durations
from labkit.corpus.commonvoice import (
    CommonVoice,
    DatasetFilter,
    default_location,
    newest_version,
)
from labkit.loading import utterances

CHARMAP = CharMap()


def fold_of(tmp_path: Path, lines: Sequence[str], end: str = "\n") -> CommonVoice:
    """Write a training fold, byte by byte, and open it."""
    folder = tmp_path / "v" / "fr"
    (folder / "clips").mkdir(parents=True, exist_ok=True)
    text = "".join(line + end for line in lines)
    (folder / "train.tsv").write_bytes(text.encode("utf-8"))
    return CommonVoice("train", str(tmp_path), "v", "fr")


@pytest.mark.parametrize("end", ["\n", "\r\n"])
def test_sentences_are_read_to_the_letter_whatever_the_columns_and_line_ends(
    tmp_path: Path, end: str
) -> None:
    sentences = ['"Non, dit-il.', '"Oui"', "un\u2028deux\u0085trois\u00a0!", "l'«été»"]
    rows = [f"x\t{text}\tfr\tclip_{i}.mp3" for i, text in enumerate(sentences)]
    clips = fold_of(tmp_path, ["new_column\tsentence\tlocale\tpath", *rows], end)
    assert [clips.row(i)["sentence"] for i in range(len(clips))] == sentences
    assert clips.row(3)["path"] == "clip_3.mp3" and clips.row(3)["locale"] == "fr"


def test_a_path_without_suffix_is_that_of_an_mp3(tmp_path: Path) -> None:
    clips = fold_of(tmp_path, ["path\tsentence", "abc\tun", "d.mp3\tdeux"])
    soundfile.write(tmp_path / "v/fr/clips/abc.mp3", np.zeros(8000), 8000)
    assert [clips.clip_path(i).name for i in range(2)] == ["abc.mp3", "d.mp3"]
    waveform, rate, row = clips[0]
    assert (tuple(waveform.shape), rate) == ((1, 8000), 8000)
    assert row["sentence"] == "un"


@pytest.mark.parametrize("above", ["a.mp3\tun\tfr", ""])
def test_a_row_with_a_missing_cell_is_named_by_its_line(
    tmp_path: Path, above: str
) -> None:
    lines = ["path\tsentence\tlocale", "a.mp3\tun\tfr", above, "b.mp3\tdeux"]
    with pytest.raises(LabError, match=r"train\.tsv:4: 2 cells, not 3"):
        fold_of(tmp_path, lines)


TABLES = {
    "clip_durations.tsv": "clip\tduration[ms]\n",
    "times.txt": "clip\tduration\n",
}
SECONDS = [0.999, 1.0, 3.0, 5.0, 5.001]


@pytest.mark.parametrize("header", [True, False])
@pytest.mark.parametrize("name", TABLES)
def test_a_table_of_durations_is_believed_and_no_clip_is_opened(
    tmp_path: Path, name: str, header: bool
) -> None:
    rows = [f"{i}.mp3\tun" for i in range(len(SECONDS))]
    clips = fold_of(tmp_path, ["path\tsentence", *rows])  # without any clip
    table = "".join(f"{i}.mp3\t{round(1000 * s)}\n" for i, s in enumerate(SECONDS))
    text = header * TABLES[name] + table
    (clips.folder / name).write_text(text, encoding="utf-8")
    kept = DatasetFilter(clips, 1, 5)
    assert len(kept) == 3 and list(kept.durations) == [1.0, 3.0, 5.0]
    assert [kept.clip_path(i).name for i in range(3)] == ["1.mp3", "2.mp3", "3.mp3"]
    with pytest.raises(LabError, match="none of 5 clips lasts 6 to 7 s"):
        DatasetFilter(clips, 6, 7)


def test_without_a_table_durations_come_from_the_clips(tmp_path: Path) -> None:
    names = ["0.wav", "1.flac", "2.ogg", "3.wav", "4.wav"]
    clips = fold_of(tmp_path, ["path\tsentence", *(f"{n}\tun" for n in names)])
    for name, seconds in zip(names, SECONDS):
        samples = np.zeros(round(seconds * 8000))
        soundfile.write(clips.folder / "clips" / name, samples, 8000)
    kept = DatasetFilter(clips, 1, 5)
    assert list(kept.durations) == [1.0, 3.0, 5.0]
    # A clip that its table has forgotten is asked itself.
    (clips.folder / "times.txt").write_text("1.flac\t9000\n", encoding="utf-8")
    assert list(DatasetFilter(clips, 1, 5).durations) == [3.0, 5.0]


def test_the_default_corpus_is_the_newest_of_the_environment_or_the_embedded_one(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for version, when in (("a", 2000), ("b", 3000), ("c", 1000), ("other", 9000)):
        folder = tmp_path / version / ("de" if version == "other" else "fr")
        folder.mkdir(parents=True)
        (folder / "train.tsv").write_text("path\tsentence\n", encoding="utf-8")
        os.utime(folder / "train.tsv", (when, when))
    monkeypatch.setenv("COMMONVOICE_ROOT", str(tmp_path))
    assert default_location() == (str(tmp_path), "b")
    for unset in (True, False):  # an empty variable is none
        if unset:
            monkeypatch.delenv("COMMONVOICE_ROOT")
        else:
            monkeypatch.setenv("COMMONVOICE_ROOT", "")
        root, version = default_location()
        assert (Path(root) / version).samefile(ROOT / "corpora" / "mini")


# ---- releases

RELEASES = {
    "1": "client_id path sentence up_votes down_votes age gender accent",
    "5.0": "sentence path client_id locale segment up_votes down_votes accent",
    "6.1": "client_id path sentence up_votes down_votes age gender accent locale "
    "segment",
    "15": "client_id path sentence up_votes down_votes age gender accents variant "
    "locale segment",
    "25": "client_id path sentence_id sentence sentence_domain up_votes down_votes "
    "age gender accents variant locale segment",
}
Rows = Sequence[tuple[str, str]]  # speaker and clip


def write_tsv(folder: Path, name: str, rows: Rows, release: str = "25") -> None:
    """Write a table as a release has it; the sentence is the name of the clip."""
    folder.mkdir(parents=True, exist_ok=True)
    columns = RELEASES[release].split()
    lines = ["\t".join(columns)]
    for speaker, clip in rows:
        cells = {"client_id": speaker, "path": clip, "sentence": f"« {clip} »"}
        lines.append("\t".join(cells.get(column, "") for column in columns))
    text = "\n".join(lines) + "\n"
    (folder / f"{name}.tsv").write_text(text, encoding="utf-8")


@pytest.mark.parametrize("lang", ["fr", "br"])
@pytest.mark.parametrize("release", RELEASES)
def test_every_release_is_read_by_the_names_of_its_columns(
    tmp_path: Path, release: str, lang: str
) -> None:
    clip = "0123abcd" if release == "1" else "common_voice_17.mp3"
    write_tsv(tmp_path / "v" / lang, "train", [("anna", clip), ("bob", "b")], release)
    clips = CommonVoice("train", str(tmp_path), "v", lang)
    file = tmp_path / "v" / lang / "clips" / f"{clip.partition('.')[0]}.mp3"
    assert clips.clip_path(0) == file and clips.clip_names() == [file.name, "b.mp3"]
    assert clips.column("client_id") == ["anna", "bob"]
    assert clips.row(0)["sentence"] == f"« {clip} »"
    assert [*clips.row(1)] == RELEASES[release].split()
    assert clips.column("no such") == []


def pool_of(n_speakers: int, seed: int = 0) -> list[tuple[str, str]]:
    """Draw clips of speakers, some of whom speak a lot."""
    draw = random.Random(seed)
    clips = [
        (f"speaker{who}", f"{who}_{n}.mp3")
        for who in range(n_speakers)
        for n in range(draw.choice([1, 2, 30]))
    ]
    return draw.sample(clips, len(clips))


def folds_of(root: Path) -> dict[str, list[tuple[str, str]]]:
    """Read speaker and clip of the rows of all three folds."""
    folds = {}
    for fold in ("train", "dev", "test"):
        clips = CommonVoice(fold, str(root), "v", "fr")
        folds[fold] = [*zip(clips.column("client_id"), clips.column("path"))]
    return folds


def speakers(rows: Rows) -> set[str]:
    return {speaker for speaker, _ in rows}


@pytest.mark.parametrize("n_speakers", [3, 4, 10, 200])
def test_folds_are_made_of_the_validated_clips_by_speaker(
    tmp_path: Path, n_speakers: int
) -> None:
    rows = pool_of(n_speakers)
    write_tsv(tmp_path / "v/fr", "validated", rows)
    folds = folds_of(tmp_path)
    assert sorted(chain(*folds.values())) == sorted(rows)
    assert sum(len(speakers(fold)) for fold in folds.values()) == n_speakers
    sizes = [len(speakers(folds[fold])) for fold in ("dev", "test")]
    assert sizes == [max(1, n_speakers // 10)] * 2
    # Who goes where does not depend on the order of the rows.
    write_tsv(tmp_path / "v/fr", "validated", sorted(rows))
    again = folds_of(tmp_path)
    assert {name: sorted(fold) for name, fold in folds.items()} == again
    # Nor, but for a few at the bounds, on the others: a later release agrees.
    write_tsv(tmp_path / "v/fr", "validated", pool_of(n_speakers + 10))
    later = speakers(folds_of(tmp_path)["train"])
    moved = speakers(folds["train"]) - later
    assert n_speakers < 200 or len(moved) < 10


def test_another_process_makes_the_same_folds(tmp_path: Path) -> None:
    write_tsv(tmp_path / "v/fr", "validated", pool_of(20))
    code = (
        "import sys; from labkit.corpus import CommonVoice; "
        "print(*CommonVoice('dev', sys.argv[1], 'v', 'fr').column('path'))"
    )
    done = subprocess.run(
        [sys.executable, "-c", code, str(tmp_path)],
        cwd=ROOT,
        env={**os.environ, "PYTHONHASHSEED": "7"},
        capture_output=True,
        encoding="utf-8",
        timeout=60,
    )
    assert done.stdout.split() == [clip for _, clip in folds_of(tmp_path)["dev"]]


@pytest.mark.parametrize("empty", [False, True])
def test_a_fold_that_is_there_stays_and_keeps_its_speakers(
    tmp_path: Path, empty: bool
) -> None:
    rows, folder = pool_of(60), tmp_path / "v/fr"
    mine = {f"speaker{n}" for n in range(0, 60, 3)}
    write_tsv(folder, "validated", rows)
    own = [row for row in rows if row[0] in mine][:9]
    write_tsv(folder, "test", own)
    if empty:  # the tables of small languages hold their header alone
        write_tsv(folder, "train", [])
    folds = folds_of(tmp_path)
    assert folds["test"] == own
    rest = [row for row in rows if row[0] not in speakers(own)]
    assert sorted(folds["train"] + folds["dev"]) == sorted(rest)
    assert not speakers(folds["train"]) & speakers(folds["dev"])
    assert len(speakers(folds["train"])) > 5 * len(speakers(folds["dev"])) > 0


def test_speakers_that_are_too_few_are_told(tmp_path: Path) -> None:
    write_tsv(tmp_path / "v/fr", "validated", pool_of(2))
    with pytest.raises(LabError, match="2 speakers are free for train, dev, test"):
        CommonVoice("train", str(tmp_path), "v", "fr")
    write_tsv(tmp_path / "v/fr", "train", pool_of(2))
    assert len(CommonVoice("train", str(tmp_path), "v", "fr")) == len(pool_of(2))
    with pytest.raises(LabError, match="0 speakers are free for dev, test"):
        CommonVoice("dev", str(tmp_path), "v", "fr")
    fold_of(tmp_path, ["path\tsentence", "a\tun"])
    with pytest.raises(LabError, match=r"train\.tsv: no column named client_id"):
        CommonVoice("dev", str(tmp_path), "v", "fr")


def test_a_whole_release_goes_before_a_delta_segment(tmp_path: Path) -> None:
    names = ("cv-corpus-24.0-2025-12-05", "cv-corpus-25.0-delta-2026-03-09", "made")
    for when, (name, fold) in enumerate(zip(names, ("train", "train", "validated"))):
        write_tsv(tmp_path / name / "fr", fold, [("anna", "a")])
        os.utime(tmp_path / name / "fr" / f"{fold}.tsv", (when, when))
    for name in (names[0], names[1], names[2]):
        assert newest_version(str(tmp_path)) == name
        (tmp_path / name / "fr").rename(tmp_path / name / "de")
    with pytest.raises(LabError) as raised:
        CommonVoice("train", str(tmp_path), names[0], "fr")
    assert f"{names[0]}/de" in raised.value.remedy


# ---- durations


def never(*_: object) -> float:
    raise AssertionError("a clip was opened")


@pytest.fixture
def short_clips(tmp_path: Path) -> CommonVoice:
    """Make a fold of a clip of 2 s, one of 0.3 s, one broken and one missing."""
    names = ("long clip.wav", "short.wav", "broken.wav", "missing.wav")
    clips = fold_of(tmp_path, ["path\tsentence", *(f"{n}\tun" for n in names)])
    for name, seconds in (("long clip.wav", 2.0004), ("short.wav", 0.3)):
        samples = np.zeros(round(seconds * 10000))
        soundfile.write(clips.folder / "clips" / name, samples, 10000)
    (clips.folder / "clips" / "broken.wav").write_bytes(b"RIFF")
    return clips


def test_durations_are_measured_once_and_kept_beside(
    short_clips: CommonVoice, monkeypatch: pytest.MonkeyPatch
) -> None:
    asked: list[str] = []

    def ask(path: str, duration_of: Callable = audio.duration_of) -> float:
        asked.append(Path(path).name)
        return duration_of(path)

    monkeypatch.setattr(audio, "duration_of", ask)
    first = DatasetFilter(short_clips, 1, 5)
    assert list(first.durations) == [2.0, 0, 0]  # those that are no clips are kept
    assert sorted(asked) == sorted(short_clips.clip_names())
    asked.clear()
    again = DatasetFilter(short_clips, 1, 5)
    assert list(again.durations) == list(first.durations)
    assert list(again.indices) == list(first.indices) == [0, 2, 3]
    assert sorted(asked) == ["broken.wav", "missing.wav"]  # may have been repaired
    # A clip that was replaced, even by one of as many bytes, is measured again.
    clip = short_clips.folder / "clips" / "short.wav"
    content = clip.read_bytes()
    soundfile.write(clip, np.zeros(3000), 1000)
    os.utime(clip, ns=(1, 1))
    assert clip.stat().st_size == len(content)
    assert list(DatasetFilter(short_clips, 1, 5).durations) == [2.0, 3.0, 0, 0]
    clip.write_bytes(content)
    assert list(DatasetFilter(short_clips, 1, 5).durations) == [2.0, 0, 0]
    # A table that says nothing of the clips is not trusted.
    measured = short_clips.folder / durations.MEASURED
    measured.write_text("clip\tduration[ms]\nshort.wav\t2000\n", encoding="utf-8")
    assert list(DatasetFilter(short_clips, 1, 5).durations) == [2.0, 0, 0]
    # The table of a release knows better than what was measured.
    table = short_clips.folder / "times.txt"
    table.write_text("short.wav 4000\nbroken.wav 9000\n", encoding="utf-8")
    assert list(DatasetFilter(short_clips, 1, 5).durations) == [2.0, 4.0, 0]


def test_durations_of_a_folder_that_cannot_be_written_stay_in_memory(
    short_clips: CommonVoice, monkeypatch: pytest.MonkeyPatch
) -> None:
    def refuse(*_: object) -> None:
        raise PermissionError(13, "Permission denied")

    monkeypatch.setattr(durations, "write_atomically", refuse)
    for _ in range(2):
        assert list(DatasetFilter(short_clips, 1, 5).durations) == [2.0, 0, 0]
    assert sorted(p.name for p in short_clips.folder.iterdir()) == [
        *("clips", "train.tsv")
    ]


def test_what_was_measured_outlives_an_interruption(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    names = [f"{n:04d}.mp3" for n in range(2500)]
    rows = ["path\tsentence", *(f"{name}\tun" for name in names)]
    clips = fold_of(tmp_path, rows)

    def interrupted(path: str) -> float:
        if path.endswith("2000.mp3"):
            raise RuntimeError
        return 3.0

    monkeypatch.setattr(audio, "duration_of", interrupted)
    with pytest.raises(RuntimeError):
        DatasetFilter(clips, 1, 5)
    kept = (clips.folder / durations.MEASURED).read_text().splitlines()[1:]
    assert 1000 < len(kept) <= 2000
    assert {line.split("\t")[1] for line in kept} == {"3000"}
    monkeypatch.setattr(audio, "duration_of", lambda path: 2.0)
    assert {*DatasetFilter(clips, 1, 5).durations} == {2.0, 3.0}


def test_the_index_of_a_release_opens_no_clip_and_is_small(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    benchmark = runpy.run_path(str(ROOT / "benchmarks" / "index.py"))
    n_clips = 20_000
    benchmark["write_release"](tmp_path / "v/fr", n_clips)
    (tmp_path / "v/fr/clips").mkdir()
    monkeypatch.setattr(soundfile, "info", never)
    monkeypatch.setattr(soundfile, "read", never)
    monkeypatch.setattr(audio, "duration_of", never)
    tracemalloc.start()
    clips = CommonVoice("train", str(tmp_path), "v", "fr")
    kept = DatasetFilter(clips, 1, 5)
    _, peak = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    names = clips.clip_names()
    listed = durations.durations_of(clips.folder, names)
    wanted = [name for name, seconds in zip(names, listed) if 1 <= seconds <= 5]
    assert [kept.clip_path(i).name for i in range(len(kept))] == wanted
    assert len(clips) == n_clips and 0.3 < len(kept) / n_clips < 0.5
    # 1 GB for the largest release, half of which torch takes.
    assert peak / n_clips < 0.5e9 / benchmark["CLIPS"]


# ---- loaders

Open = Callable[..., tuple[DataLoader, DataLoader, DataLoader]]
Epoch = list[list[tuple[int, str]]]  # batches of (frames, transcript)


@pytest.fixture
def loaders(corpus: Path) -> Open:
    """Open the small corpus, batches of two; each fold says its name."""
    for name in ("dev", "test"):
        tsv = corpus / "v" / "fr" / f"{name}.tsv"
        text = tsv.read_text(encoding="utf-8").replace("\tfr", f" {name}\tfr")
        tsv.write_text(text, encoding="utf-8")

    def open_corpus(**options: object) -> tuple[DataLoader, DataLoader, DataLoader]:
        options = {"batch_size": 2, "n_threads": 0, **options}
        return loaders_of(corpus, **options)

    return open_corpus


def epoch_of(loader: DataLoader, epoch: int = 0) -> Epoch:
    """Go through a loader once."""
    loader.batch_sampler.set_epoch(epoch)
    return [
        [(len(s), CHARMAP.decode(t.tolist())) for s, t in unpack_minibatch(batch)]
        for batch in loader
    ]


def test_every_utterance_comes_exactly_once_an_epoch(
    loaders: Open, corpus: Path
) -> None:
    for fold, loader in zip(("train", "dev", "test"), loaders(batch_size=4)):
        clips = load_dataset(fold, str(corpus), "v")
        wanted = [
            (clips[i][0].shape[1] // 160 + 1, f"¶{clips.row(i)['sentence']}¦")
            for i in range(6)
        ]
        assert len(set(wanted)) == 6
        for epoch in (0, 1):
            batches = epoch_of(loader, epoch)
            assert [len(b) for b in batches] in ([4, 2], [2, 4])
            assert sorted(chain(*batches)) == sorted(wanted)


def test_the_order_changes_with_the_epoch_and_depends_on_the_seed_alone(
    loaders: Open,
) -> None:
    first, again, other = (
        [epoch_of(loaders(seed=seed)[0], epoch) for epoch in range(4)]
        for seed in (3, 3, 4)
    )
    assert first == again != other
    assert any(epoch != first[0] for epoch in first)
    _, dev, _ = loaders()
    assert epoch_of(dev, 0) == epoch_of(dev, 1)  # a fold to score keeps its order


def test_a_small_experiment_is_one_batch_the_same_in_all_three(loaders: Open) -> None:
    found = [epoch_of(loader) for loader in loaders(small_experiment=True)]
    assert [len(batches) for batches in found] == [1, 1, 1]
    assert len(found[0][0]) == 2
    assert sorted(found[0][0]) == sorted(found[1][0]) == sorted(found[2][0])


def values(loader: DataLoader) -> Tensor:
    return torch.cat([batch[0].data for batch in loader])  # (frames, M)


def test_normalisation_is_the_one_given_or_that_of_the_training_fold(
    loaders: Open,
) -> None:
    raw = [values(loader) for loader in loaders(normalize=False)]
    given = [values(loader) for loader in loaders(normalization=(-20.0, 4.0))]
    neither = loaders(normalize=False, normalization=(-20.0, 4.0))
    assert torch.equal(values(neither[1]), raw[1])
    for plain, scaled in zip(raw, given):
        wanted = ((plain + 20) / 4).sort(dim=0).values
        assert torch.allclose(scaled.sort(dim=0).values, wanted, atol=1e-4)
    train, dev, _ = map(values, loaders())
    assert abs(train.mean()) < 1e-2 and abs(train.std() - 1) < 1e-2
    wanted = (raw[1] - raw[0].mean()) / raw[0].std()
    assert torch.allclose(dev.sort(0).values, wanted.sort(0).values, atol=1e-2)


STREAMED = """
import sys
sys.path.insert(0, {reference!r})
import torch
from data import get_dataloaders
from labkit.loading import Loading, utterances

def batches(**budget):
    vars(utterances).update(budget)
    train, _, _ = get_dataloaders(
        {corpus!r}, "v", False, batch_size=2, n_threads=2, train_augment=True,
        loading=Loading(normalization=(-30.0, 10.0)),
    )
    print("workers", train.num_workers)
    for epoch in (1, 2):
        train.batch_sampler.set_epoch(epoch)
        yield from train

if __name__ == "__main__":
    torch.set_num_threads(1)
    torch.multiprocessing.set_start_method("spawn")
    kept, streamed = list(batches()), list(batches(_MEMORY_BUDGET=0))
    assert len(kept) == len(streamed) == 6
    for one, other in zip(kept, streamed):
        for a, b in zip(one, other):
            assert torch.equal(a.data, b.data)
            assert torch.equal(a.batch_sizes, b.batch_sizes)
    assert any((spectrograms.data == 0).any() for spectrograms, _ in kept)
    print("the same")
"""


def test_spawned_workers_stream_what_is_kept_in_memory_masks_included(
    corpus: Path, tmp_path: Path
) -> None:
    script = tmp_path / "stream.py"
    text = STREAMED.format(reference=str(REFERENCE), corpus=str(corpus))
    script.write_text(text, encoding="utf-8")
    command = [sys.executable, str(script)]
    done = subprocess.run(command, capture_output=True, encoding="utf-8", timeout=200)
    assert done.returncode == 0, done.stderr
    assert done.stdout.split("\n")[:3] == ["workers 0", "workers 2", "the same"]


def test_a_broken_clip_is_left_out_of_a_stream(
    loaders: Open,
    corpus: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    monkeypatch.setattr(utterances, "_MEMORY_BUDGET", 0)
    sizes = [len(batch) for batch in epoch_of(loaders()[0])]
    (corpus / "v/fr/clips/clip_train_1.mp3").write_bytes(b"no audio" * 100)
    train, _, _ = loaders()
    found = epoch_of(train)
    assert sum(sizes) == 6 and sum(map(len, found)) == 5
    assert "clip_train_1.mp3" in capsys.readouterr().err
    train, _, _ = loaders(batch_size=1)  # the clip is a batch of its own
    assert sum(batch is None for batch in train) == 1


def test_the_test_fold_is_not_read_before_it_is_used(
    loaders: Open, corpus: Path
) -> None:
    for clip in (corpus / "v/fr/clips").glob("clip_test_*"):
        clip.unlink()
    train, dev, test = loaders()
    assert sum(map(len, epoch_of(train))) == sum(map(len, epoch_of(dev))) == 6
    with pytest.raises(LabError, match="none of the 6 clips of test"):
        epoch_of(test)
