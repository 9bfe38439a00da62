"""The laws of reading a corpus: its files, and the loaders of its folds."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Callable, Sequence
from itertools import chain
from pathlib import Path

import numpy as np
import pytest
import soundfile
import torch
from data import CharMap, get_dataloaders, load_dataset, unpack_minibatch
from shared import REFERENCE, ROOT
from torch import Tensor
from torch.utils.data import DataLoader

from labkit import utterances
from labkit.commonvoice import CommonVoice, DatasetFilter, default_location
from labkit.errors import LabError

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
        return get_dataloaders(str(corpus), "v", cuda=False, **options)

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
from labkit import utterances

def batches(**budget):
    vars(utterances).update(budget)
    train, _, _ = get_dataloaders(
        {corpus!r}, "v", False, batch_size=2, n_threads=2, train_augment=True,
        normalization=(-30.0, 10.0),
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
