"""Properties of the feature cache: the same features, whatever happens to it."""

from __future__ import annotations

import itertools
import json
import os
import shutil
import signal
import subprocess
import sys
from collections import namedtuple
from pathlib import Path

import numpy as np
import pytest
import soundfile
import torch
import torchaudio
from data import BatchCollate, load_dataset
from helpers.loading import loaders_of
from shared import REFERENCE

from labkit.base.errors import LabError
from labkit.corpus.commonvoice import DatasetFilter
from labkit.loading import cache, shards
from labkit.loading.cache import FeatureCache
from labkit.loading.clips import PLAIN, SPEEDS, ClipReader
from labkit.loading.utterances import UtteranceSet

CLIPS = Path("v/fr/clips")


@pytest.fixture(autouse=True)
def small_shards(monkeypatch: pytest.MonkeyPatch) -> None:
    """Make three shards of the six clips of a fold."""
    monkeypatch.setattr(cache, "_ROWS", 2)


@pytest.fixture
def reads(monkeypatch: pytest.MonkeyPatch) -> list[int]:
    """List the indices of the clips that are read."""
    seen: list[int] = []
    read = ClipReader.read

    def noted(reader: ClipReader, index: int, speeds: list[float]) -> object:
        seen.append(index)
        return read(reader, index, speeds)

    monkeypatch.setattr(ClipReader, "read", noted)
    return seen


def reader_of(root: Path, fold: str = "train", nmels: int = 20) -> ClipReader:
    """Read the clips of the small corpus."""
    clips = DatasetFilter(load_dataset(fold, str(root), "v"), 1, 5)
    return ClipReader(clips, BatchCollate(nmels, False).processor.log_mel)


def open_cache(root: Path, folder: Path, **options: object) -> FeatureCache:
    return FeatureCache(folder, reader_of(root, **options), [PLAIN], 20, 0)


def contents(folder: Path) -> dict[str, bytes]:
    """Return what a cache holds, without its description."""
    files = (p for p in folder.rglob("*") if p.suffix in (".f32", ".index"))
    return {str(p.relative_to(folder)): p.read_bytes() for p in files}


def test_batches_from_the_cache_are_those_from_memory_to_the_bit(
    corpus: Path, tmp_path: Path
) -> None:
    for fold in ("train", "dev"):
        (corpus / CLIPS / f"clip_{fold}_2.mp3").write_bytes(b"no audio" * 99)
    few = corpus / CLIPS / "clip_train_4.mp3"
    soundfile.write(few, np.sin(np.arange(16800) * 0.1), 16000, format="MP3")
    fits = min_frames_120
    for options in ({"batch_size": 2}, {"batch_frames": 420}):
        options = {**options, "speed_perturbation": True, "train_augment": True}
        kept, mapped = (
            loaders_of(corpus, fits=fits, cache=c, **options)
            for c in (None, str(tmp_path / "cache"))
        )
        for ours, theirs in zip(mapped, kept):
            for epoch in range(4):
                ours.batch_sampler.set_epoch(epoch)
                theirs.batch_sampler.set_epoch(epoch)
                batches = list(itertools.zip_longest(ours, theirs))
                assert len(batches) >= 2
                for packed, wanted in itertools.chain(*(zip(*b) for b in batches)):
                    assert torch.equal(packed.data, wanted.data)
                    assert torch.equal(packed.batch_sizes, wanted.batch_sizes)
                    assert torch.equal(packed.sorted_indices, wanted.sorted_indices)
            assert ours.dataset.skipped == theirs.dataset.skipped
        assert len(mapped[0].dataset) == 4 and len(mapped[0].dataset.skipped) == 2


def min_frames_120(n_frames: int, sentence: str) -> bool:
    return n_frames >= 120


def test_a_cache_that_is_complete_needs_no_clip(
    corpus: Path, tmp_path: Path, reads: list[int]
) -> None:
    first = open_cache(corpus, tmp_path / "cache")
    before = [first[i, 0].clone() for i in range(6)]
    assert sorted(reads) == list(range(6))
    table = "".join(f"clip_train_{i}.mp3\t2000\n" for i in range(6))
    (corpus / "v/fr/clip_durations.tsv").write_text(table, encoding="utf-8")
    for clip in (corpus / CLIPS).glob("clip_train_*"):
        clip.unlink()
    again = open_cache(corpus, tmp_path / "cache")
    assert len(reads) == 6
    assert all(torch.equal(again[i, 0], before[i]) for i in range(6))


def test_what_it_hands_out_can_be_written_to_and_stays_what_it_was(
    corpus: Path, tmp_path: Path
) -> None:
    opened = open_cache(corpus, tmp_path)
    before = opened[1, 0].clone()
    opened[1, 0].zero_()
    assert torch.equal(open_cache(corpus, tmp_path)[1, 0], before)


KILLED = """
import os, signal, sys
sys.path[:0] = [{reference!r}, {here!r}, {tests!r}]
import torch
torch.set_num_threads(1)
import test_cache
from labkit.loading import cache, shards
from labkit.loading.clips import ClipReader
cache._ROWS = 2
read, left = ClipReader.read, int(sys.argv[3])
def dying(*arguments):
    global left
    left -= 1
    if left < 0:
        os.kill(os.getpid(), signal.SIGKILL)
    return read(*arguments)
ClipReader.read = dying
test_cache.open_cache(test_cache.Path(sys.argv[1]), test_cache.Path(sys.argv[2]))
"""


@pytest.mark.skipif(sys.platform == "win32", reason="there is no SIGKILL")
def test_after_kill_9_the_finished_shards_are_kept_and_the_rest_is_computed(
    corpus: Path, tmp_path: Path, reads: list[int]
) -> None:
    whole, broken_off = tmp_path / "whole", tmp_path / "broken_off"
    open_cache(corpus, whole)
    reads.clear()
    here = Path(__file__).parent
    script = KILLED.format(
        reference=str(REFERENCE), here=str(here), tests=str(here.parent)
    )
    command = [sys.executable, "-c", script, str(corpus), str(broken_off), "5"]
    done = subprocess.run(command, capture_output=True, encoding="utf-8", timeout=100)
    assert done.returncode == -signal.SIGKILL, done.stderr
    assert len(contents(broken_off)) == 4  # two shards of three
    open_cache(corpus, broken_off)
    assert len(reads) == 2
    assert contents(broken_off) == contents(whole)


def test_two_runs_at_once_share_the_work_and_agree(
    corpus: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    open_cache(corpus, tmp_path / "alone")
    read, n_reads = ClipReader.read, itertools.count(1)

    def interrupted(*arguments: object) -> object:
        if next(n_reads) == 4:  # another run comes and does all that is left
            open_cache(corpus, tmp_path / "both")
        return read(*arguments)

    monkeypatch.setattr(ClipReader, "read", interrupted)
    opened = open_cache(corpus, tmp_path / "both")
    # Only the shard that was in the making is made twice.
    assert next(n_reads) <= 6 + 2 + 1
    assert contents(tmp_path / "both") == contents(tmp_path / "alone")
    assert all(len(opened[i, 0]) for i in range(6))


@pytest.mark.parametrize("suffix", [".f32", ".index"])
@pytest.mark.parametrize("damage", ["cut", "gone", "nonsense"])
def test_a_damaged_shard_is_made_again(
    corpus: Path, tmp_path: Path, reads: list[int], suffix: str, damage: str
) -> None:
    open_cache(corpus, tmp_path)
    whole = contents(tmp_path)
    victim = sorted(tmp_path.rglob(f"*{suffix}"))[1]
    if damage == "gone":
        victim.unlink()
    else:
        half = victim.read_bytes()[: victim.stat().st_size // 2]
        victim.write_bytes(half if damage == "cut" else b'{"rows": 3}')
    reads.clear()
    open_cache(corpus, tmp_path)
    assert sorted(reads) == [2, 3]
    assert contents(tmp_path) == whole


def test_wider_bounds_compute_only_the_clips_they_add(
    corpus: Path, tmp_path: Path, reads: list[int]
) -> None:
    clips = DatasetFilter(load_dataset("train", str(corpus), "v"), 1.52, 1.7)
    assert 0 < len(clips) < 6
    narrow = ClipReader(clips, BatchCollate(20, False).processor.log_mel)
    FeatureCache(tmp_path / "cache", narrow, [PLAIN], 20, 0)
    reads.clear()
    opened = open_cache(corpus, tmp_path / "cache")
    assert sorted(reads) == sorted(set(range(6)) - set(clips.indices))
    assert len(list((tmp_path / "cache").iterdir())) == 1
    alone = open_cache(corpus, tmp_path / "alone")
    assert all(torch.equal(opened[i, 0], alone[i, 0]) for i in range(6))


def test_other_features_are_other_entries_that_tell_what_they_are(
    corpus: Path, tmp_path: Path, reads: list[int]
) -> None:
    plain = reader_of(corpus)

    def quieter(waveform: torch.Tensor, rate: int) -> torch.Tensor:
        return plain.to_log_mel(0.9 * waveform, rate)

    others = [
        (plain, [PLAIN], 20, 1),
        (reader_of(corpus, "dev"), [PLAIN], 20, 2),
        (reader_of(corpus, nmels=24), [PLAIN], 24, 3),
        (ClipReader(plain.dataset, quieter), [PLAIN], 20, 4),
        (plain, SPEEDS, 20, 6),  # one of the three is there
    ]
    folder = tmp_path / "cache"
    for reader, speeds, n_mels, n_entries in others:
        for wanted in (6, 0):  # a second time, none is computed
            reads.clear()
            FeatureCache(folder, reader, speeds, n_mels, 0)
            assert len(reads) == wanted * (2 if speeds == SPEEDS else 1)
        assert len(list(folder.iterdir())) == n_entries
    for path in folder.rglob("key.json"):
        key = json.loads(path.read_text(encoding="utf-8"))
        assert {"folder", "fold", "speed", "dtype", "torch"} <= set(key)


def test_the_size_is_foretold_and_a_disk_too_small_is_told_before_any_work(
    corpus: Path,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
    reads: list[int],
) -> None:
    usage = namedtuple("usage", "free")
    with monkeypatch.context() as patch:
        patch.setattr("shutil.disk_usage", lambda folder: usage(50_000))
        with pytest.raises(LabError, match=r"log-mels of train take.*MB are free"):
            open_cache(corpus, tmp_path)
    assert not reads and not list(tmp_path.rglob("*.f32"))
    open_cache(corpus, tmp_path)
    foreseen = float(capsys.readouterr().out.split("about ")[1].split(" MB")[0])
    size = sum(p.stat().st_size for p in tmp_path.rglob("*.f32")) / 1e6
    assert size <= foreseen + 0.05 <= 1.1 * size + 0.1


def test_a_disk_that_becomes_full_is_one_line_and_nothing_is_lost(
    corpus: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, reads: list[int]
) -> None:
    write, n_writes = Path.write_bytes, itertools.count(1)

    def full(path: Path, content: bytes) -> int:
        if next(n_writes) == 3:  # the second shard, after log-mels and index
            write(path, bytes(content)[:100])
            raise OSError(28, "No space left on device")
        return write(path, content)

    with monkeypatch.context() as patch:
        patch.setattr(Path, "write_bytes", full)
        with pytest.raises(LabError, match="the disk is full") as error:
            open_cache(corpus, tmp_path)
    assert "kept" in error.value.remedy
    assert len(contents(tmp_path)) == 2 and not list(tmp_path.rglob("*.tmp"))
    reads.clear()
    open_cache(corpus, tmp_path)
    assert len(reads) == 4 and len(contents(tmp_path)) == 6


def folds(root: Path, folder: Path) -> UtteranceSet:
    reader = reader_of(root)
    made = UtteranceSet(
        reader.dataset, reader.to_log_mel, None, 20, None, 0, 0, cache=folder
    )
    made.prepare()
    return made


def test_broken_clips_are_named_alike_each_time_until_they_are_mended(
    corpus: Path, tmp_path: Path, reads: list[int]
) -> None:
    good = (corpus / CLIPS / "clip_train_3.mp3").read_bytes()
    (corpus / CLIPS / "clip_train_1.mp3").write_bytes(b"")
    (corpus / CLIPS / "clip_train_3.mp3").write_bytes(b"no audio" * 99)
    (corpus / CLIPS / "clip_train_5.mp3").unlink()
    first, again = folds(corpus, tmp_path), folds(corpus, tmp_path)
    assert len(reads) == 6
    assert first.skipped == again.skipped and len(first.skipped) == 3
    assert "clip_train_1.mp3: the file is empty" in first.skipped[0]
    assert list(first.usable) == list(again.usable) == [0, 2, 4]
    (corpus / CLIPS / "clip_train_3.mp3").write_bytes(good)
    for _ in range(2):
        repaired = folds(corpus, tmp_path)
        assert list(repaired.usable) == [0, 2, 3, 4] and len(repaired.skipped) == 2
    assert reads[6:] == [3]


def test_a_clip_that_is_another_one_now_is_read_again(
    corpus: Path, tmp_path: Path, reads: list[int]
) -> None:
    open_cache(corpus, tmp_path)
    noise = np.random.default_rng(0).uniform(-0.1, 0.1, 30000)
    soundfile.write(corpus / CLIPS / "clip_train_3.mp3", noise, 16000, format="MP3")
    reads.clear()
    for _ in range(2):
        opened = open_cache(corpus, tmp_path)
        assert len(opened[3, 0]) == 30000 // 160 + 1
    assert reads == [3]


def assert_as_uncached(root: Path, folder: Path) -> None:
    """Check that a cache gives each clip the log-mel that it has without one."""
    opened, reader = open_cache(root, folder), reader_of(root)
    for i in range(6):
        assert torch.equal(opened[i, 0], reader.read(i, [PLAIN])[0]), i


@pytest.mark.parametrize("days", [-1, 0, 1])
def test_no_date_of_a_shard_gives_a_clip_the_features_of_another(
    corpus: Path, tmp_path: Path, days: int
) -> None:
    folder, clips = tmp_path / "cache", corpus / CLIPS
    open_cache(corpus, folder)
    for replaced in (0, 3, 5, 3):
        for n, index in enumerate(sorted(folder.rglob("*.index"))):
            then = index.stat().st_mtime + 86_400 * days + n
            os.utime(index, (then, then))
        other = clips / f"clip_train_{(replaced + 1) % 6}.mp3"
        shutil.copy(other, clips / f"clip_train_{replaced}.mp3")
        assert_as_uncached(corpus, folder)
        assert_as_uncached(corpus, folder)


def test_every_clip_that_is_replaced_is_noticed_by_size_or_time(
    corpus: Path, tmp_path: Path, reads: list[int]
) -> None:
    open_cache(corpus, tmp_path / "cache")
    for i in range(6):
        clip = corpus / CLIPS / f"clip_train_{i}.mp3"
        before = clip.stat()
        clip.write_bytes(clip.read_bytes()[::-1])  # as many bytes
        os.utime(clip, ns=(before.st_atime_ns, before.st_mtime_ns + 1))
        reads.clear()
        open_cache(corpus, tmp_path / "cache")
        assert reads == [i]
        with clip.open("ab") as file:  # written at the same time
            file.write(b"x")
        os.utime(clip, ns=(before.st_atime_ns, before.st_mtime_ns + 1))
        reads.clear()
        open_cache(corpus, tmp_path / "cache")
        assert reads == [i]


def test_a_clip_that_changes_while_it_is_read_is_read_again_the_next_time(
    corpus: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    read, clips = ClipReader.read, corpus / CLIPS

    def changing(reader: ClipReader, index: int, speeds: list[float]) -> object:
        found, clip = read(reader, index, speeds), clips / f"clip_train_{index}.mp3"
        shutil.copy(clips / f"clip_dev_{index}.mp3", clip)
        os.utime(clip, ns=(index, index))
        return found

    with monkeypatch.context() as patch:
        patch.setattr(ClipReader, "read", changing)
        with pytest.raises(LabError, match="clips of train change while they are read"):
            open_cache(corpus, tmp_path)
    assert_as_uncached(corpus, tmp_path)


@pytest.mark.parametrize("damage", ["bit", "zeros", "NaN", "cut", "gone"])
def test_a_damaged_log_mel_is_read_from_its_clip_and_made_again(
    corpus: Path,
    tmp_path: Path,
    reads: list[int],
    damage: str,
    capsys: pytest.CaptureFixture[str],
) -> None:
    opened = open_cache(corpus, tmp_path)
    whole, before = contents(tmp_path), [opened[i, 0].clone() for i in range(6)]
    victim = sorted(tmp_path.rglob("*.f32"))[1]
    content = bytearray(victim.read_bytes())
    half = len(content) // 2
    if damage == "bit":
        content[half] ^= 1
    elif damage != "cut":
        content[half : half + 400] = {"zeros": b"\0", "NaN": b"\xff", "gone": b""}[
            damage
        ] * 400
    if damage == "gone":
        victim.unlink()
    else:
        victim.write_bytes(content[:half] if damage == "cut" else content)
    if damage in ("bit", "zeros", "NaN"):
        opened = open_cache(corpus, tmp_path)  # the size tells nothing
    reads.clear()
    for _ in range(2):
        assert all(torch.equal(opened[i, 0], before[i]) for i in range(6))
    assert reads and {*reads} <= {2, 3}
    assert capsys.readouterr().err.count(f"{victim}: damaged") == 1
    reads.clear()
    open_cache(corpus, tmp_path)
    assert reads == [2, 3] and contents(tmp_path) == whole


def test_no_bit_of_an_index_can_flip_unnoticed(corpus: Path, tmp_path: Path) -> None:
    open_cache(corpus, tmp_path)
    index = sorted(tmp_path.rglob("*.index"))[1]
    content = index.read_bytes()
    for n in range(8 * len(content)):
        damaged = bytearray(content)
        damaged[n // 8] ^= 1 << n % 8
        index.write_bytes(damaged)
        assert shards.read_shard(index, 20) is None, n
    for other in (b"", b"[1, 2]", b"{}", b"\n", content[:-1], content + b"\n"):
        index.write_bytes(other)
        assert shards.read_shard(index, 20) is None
    index.write_bytes(content)
    found = shards.read_shard(index, 20)
    assert found and found.rows.tolist() == [2, 3]


def test_a_folder_that_cannot_be_made_is_told(corpus: Path, tmp_path: Path) -> None:
    (tmp_path / "file").write_text("no folder", encoding="utf-8")
    with pytest.raises(OSError, match="file"):  # run_program prints it in two lines
        open_cache(corpus, tmp_path / "file")


def test_abandoned_temporary_files_are_removed_and_young_ones_are_not(
    corpus: Path, tmp_path: Path
) -> None:
    open_cache(corpus, tmp_path / "cache")
    (entry,) = (tmp_path / "cache").iterdir()
    old, young = entry / ".1.f32.7.tmp", entry / ".1.f32.8.tmp"
    old.write_bytes(b"x")
    young.write_bytes(b"x")
    os.utime(old, (1, 1))
    next(entry.glob("*.index")).unlink()
    open_cache(corpus, tmp_path / "cache")
    assert young.exists() and not old.exists()


# ---- speed perturbation


@pytest.mark.parametrize("rate", [16000, 32000, 44100, 48000])
@pytest.mark.parametrize("speed", SPEEDS)
def test_a_speed_is_that_of_torchaudio(tmp_path: Path, speed: float, rate: int) -> None:
    noise = np.random.default_rng(rate).standard_normal(2 * rate) * 0.1
    folder = tmp_path / "v" / "fr" / "clips"
    folder.mkdir(parents=True)
    soundfile.write(folder / "a.wav", noise, rate, subtype="FLOAT")
    tsv = "path\tsentence\na.wav\tun\n"
    (folder.parent / "train.tsv").write_text(tsv, encoding="utf-8")
    (log_mel,) = reader_of(tmp_path).read(0, [speed])
    waveform = torch.from_numpy(noise).float()[None]
    played, _ = torchaudio.functional.speed(waveform, rate, speed)
    wanted = BatchCollate(20, False).processor.log_mel(played, rate)
    assert abs(len(log_mel) - len(wanted)) <= 1
    assert abs(len(log_mel) - 200 / speed) <= 1
    n = min(len(log_mel), len(wanted)) - 5  # frames at the edges differ
    bands = slice(0, 18)  # two filters in a row cut the highest
    difference = log_mel[5:n, bands] - wanted[5:n, bands]
    assert difference.abs().mean() < 0.3  # dB


def speeds_by_epoch(
    corpus: Path, folder: Path | None, seed: int = 0, epochs: int = 40
) -> list[list[int]]:
    reader = reader_of(corpus)
    made = UtteranceSet(
        reader.dataset, reader.to_log_mel, None, 20, None, 0, seed, SPEEDS, folder
    )
    made.prepare()
    return [[len(made[e, i].log_mel) for i in range(6)] for e in range(epochs)]


def test_each_epoch_draws_speeds_that_the_seed_decides(
    corpus: Path, tmp_path: Path
) -> None:
    found = speeds_by_epoch(corpus, None)
    assert found == speeds_by_epoch(corpus, tmp_path / "cache")
    assert found != speeds_by_epoch(corpus, None, seed=1)
    by_clip = list(zip(*found))
    for i, lengths in enumerate(by_clip):
        assert len(set(lengths)) == 3
        assert all(lengths.count(n) >= 4 for n in set(lengths))
        samples = 24000 + 800 * i
        wanted = {round(samples / speed) // 160 + 1 for speed in SPEEDS}
        assert all(
            abs(a - b) <= 1 for a, b in zip(sorted(set(lengths)), sorted(wanted))
        )
    assert len(set(map(tuple, by_clip))) == 6  # not the same draw for all


def test_a_clip_too_short_when_played_fast_is_played_as_it_is(corpus: Path) -> None:
    reader = reader_of(corpus)
    n_plain = len(reader.read(5, [PLAIN])[0])

    def fits(n_frames: int, sentence: str) -> bool:
        return n_frames >= n_plain

    made = UtteranceSet(reader.dataset, reader.to_log_mel, fits, 20, None, 0, 0, SPEEDS)
    made.prepare()
    assert list(made.usable) == [5]
    lengths = {len(made[epoch, 5].log_mel) for epoch in range(40)}
    assert n_plain in lengths and min(lengths) >= n_plain and len(lengths) == 2
