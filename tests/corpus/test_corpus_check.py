"""The check of a corpus, on folders in which everything can be counted."""

from __future__ import annotations

import os
import re
import shlex
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
import soundfile
import torch
from data import get_dataloaders
from matplotlib import image
from shared import ROOT

from labkit.corpus import check as program
from labkit.corpus import inspection
from labkit.loading import open_corpus
from labkit.options import CTC, parse
from labkit.training.distributed import ALONE

Check = Callable[..., tuple[int, str, list[str]]]


@pytest.fixture
def check(
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> Check:
    """Run the check; give its exit code, what it said, and the lines of its errors."""
    monkeypatch.chdir(tmp_path)

    def call(*options: object) -> tuple[int, str, list[str]]:
        capsys.readouterr()
        code = program.main(["check", *map(str, options)])
        said = capsys.readouterr()
        return code, said.out, said.err.splitlines()

    return call


def cells(output: str, label: str) -> list[str]:
    """Return the words of the line that begins with ``label``."""
    lines = [line for line in output.splitlines() if line.startswith(f"{label} ")]
    assert len(lines) == 1, output
    return lines[0].split()[1:]


def edit(tsv: Path, old: str, new: str) -> None:
    text = tsv.read_text(encoding="utf-8")
    assert old in text
    tsv.write_text(text.replace(old, new), encoding="utf-8")


def test_a_sound_corpus_is_ready_and_its_command_is_one(
    check: Check, corpus: Path
) -> None:
    code, output, errors = check(corpus / "v")
    assert (code, errors) == (0, [])
    # Six clips of 1.5 to 1.75 s in each fold, of one speaker.
    hours = f"{sum(1.5 + 0.05 * i for i in range(6)) / 3600:.1f}"
    for fold in ("train", "dev", "test"):
        wanted = ["6", hours, "1", "0", "0", "6", "(100", "%)"]
        assert cells(output, fold) == wanted
    assert cells(output, "clips")[:4] == ["18", "listed;", "18", "files,"]
    assert "18 clips read: all sound" in output
    assert "18 of 16,000 Hz" in output
    assert "none in two folds" in output and "all in the alphabet" in output
    assert "6 of dev and 6 of test are in train" in " ".join(output.split())
    wanted = "of train: half of the clips last up to 1.6 s, 90 % up to 1.7 s, all up to"
    assert f"{wanted} 1.8 s" in output
    command = shlex.split(output.splitlines()[-1].partition("ready: ")[2])
    assert command[:2] == ["python", "main_ctc.py"]
    args = parse(CTC, None, command[2:])
    assert Path(args.datasetroot).samefile(corpus) and args.datasetversion == "v"


def test_the_lengths_are_drawn(check: Check, corpus: Path, tmp_path: Path) -> None:
    _, output, _ = check(corpus / "v")
    figure = tmp_path / "logs/figures/lengths_v_fr.png"
    assert f"figure: {figure.relative_to(tmp_path)}" in output
    all_kept = image.imread(figure)[..., :3]
    check(corpus / "v", "--min_duration", 1.6)
    some_kept = image.imread(figure)[..., :3]

    def grey(pixels: np.ndarray) -> int:
        return int((np.ptp(pixels, axis=2) < 0.01).sum())

    # What is left out is drawn in grey.
    assert all_kept.shape == some_kept.shape and grey(some_kept) > grey(all_kept)


def test_the_defaults_are_those_of_the_script() -> None:
    rows = CTC.rows
    names = ("lang", "min_duration", "max_duration")
    assert [rows[name].default for name in names] == [
        *(program.LANGUAGE, program.SHORTEST, program.LONGEST)
    ]


def test_what_is_wrong_is_counted_and_named(check: Check, corpus: Path) -> None:
    folder = corpus / "v" / "fr"
    clips = folder / "clips"
    durations = [f"{p.name}\t1600\n" for p in sorted(clips.iterdir())]
    (folder / "clip_durations.tsv").write_text("".join(durations), encoding="utf-8")
    (clips / "clip_train_0.mp3").unlink()
    (clips / "clip_train_1.mp3").write_bytes(b"")
    (clips / "clip_dev_0.mp3").write_bytes(b"")
    (clips / "clip_train_2.mp3").write_bytes(b"no audio" * 100)
    soundfile.write(clips / "clip_train_3.mp3", np.ones(8000) / 9, 8000)  # 1 of 1.6 s
    (clips / "clip_nobody.mp3").write_bytes(b"1")
    edit(folder / "train.tsv", "b e\tfr", "cinq € ou 5 $, 2 €\tfr")
    edit(folder / "test.tsv", "a d\tfr", "…\tfr")
    edit(folder / "test.tsv", "speaker2\tclip_test_5", "speaker0\tclip_test_5")
    code, output, errors = check(folder)
    assert (code, errors) == (0, [])
    assert cells(output, "train")[3:5] == ["1", "1"]
    assert cells(output, "dev")[3:5] == ["0", "1"]
    text = " ".join(output.split())
    assert "1 of them in no fold" in text
    assert "1 missing (5.6 %): clip_train_0.mp3" in text
    assert "2 empty (0 bytes) (11.1 %): clip_train_1.mp3 clip_dev_0.mp3" in text
    assert "15 clips read: 2 broken (13.3 %)" in text
    assert "clip_train_2.mp3: not readable as audio" in text
    assert "clip_train_3.mp3: 1.0 s of 1.6 s are there" in text
    assert "1 in train and test" in text
    assert "1 hold no word: clip_test_0.mp3" in text
    assert "1 sentences (5.6 %) hold 2 outside the alphabet" in text
    assert "€ 2 U+20AC euro sign: cinq € ou 5 $, 2 €" in text
    assert "$ 1 U+0024 dollar sign" in text
    assert "ready, without the clips that cannot be read: python" in text


def test_accents_quotes_and_their_decomposed_forms_are_in_the_alphabet(
    check: Check, corpus: Path
) -> None:
    edit(corpus / "v/fr/train.tsv", "a d\tfr", "« L’e\u0301te\u0301 — c\u0327a ! »\tfr")
    assert "all in the alphabet" in check(corpus / "v")[1]


def test_of_many_clips_a_sample_is_read_unless_all_are_wanted(
    check: Check, corpus: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    read: list[str] = []
    read_speech = inspection.read_speech

    def note(path: Path) -> tuple:
        read.append(path.name)
        return read_speech(path)

    monkeypatch.setattr(inspection, "read_speech", note)
    monkeypatch.setattr(inspection, "_SAMPLE", 5)
    samples = []
    for _ in range(2):
        assert "5 clips read as a sample" in check(corpus / "v")[1]
        samples.append(sorted(read))
        read.clear()
    assert samples[0] == samples[1] and len({*samples[0]}) == 5
    assert "18 clips read:" in check(corpus / "v", "--all")[1]
    assert len({*read}) == len(read) == 18


def test_folds_made_of_the_validated_clips_are_told(check: Check, corpus: Path) -> None:
    folder = corpus / "v" / "fr"
    lines = [
        (folder / f"{f}.tsv").read_text(encoding="utf-8") for f in ("train", "dev")
    ]
    rows = lines[0] + lines[1].partition("\n")[2]
    (folder / "validated.tsv").write_text(rows, encoding="utf-8")
    for fold in ("train", "dev"):
        (folder / f"{fold}.tsv").unlink()
    code, output, _ = check(corpus / "v")
    assert code == 0 and "made of validated.tsv, by speaker: train, dev" in output
    assert cells(output, "train")[0] == cells(output, "dev")[0] == "6"
    assert "measured_durations.tsv" in output


@pytest.mark.parametrize("place", ["", "v", "v/fr", "v/fr/clips"])
def test_a_folder_above_or_below_is_as_good(
    check: Check, corpus: Path, place: str
) -> None:
    code, output, _ = check(corpus / place)
    assert code == 0 and cells(output, "folder") == [str(corpus / "v/fr")]


def test_the_language_is_the_one_named_or_the_only_one(
    check: Check, corpus: Path
) -> None:
    (corpus / "v" / "fr").rename(corpus / "v" / "br")
    code, output, _ = check(corpus / "v")
    assert code == 0 and cells(output, "folder") == [str(corpus / "v/br")]
    assert "--lang br" in output.splitlines()[-1]
    assert check(corpus / "v", "--lang", "br")[0] == 0
    code, _, errors = check(corpus / "v", "--lang", "eo")
    assert code == 1 and "no eo; it holds br" in errors[0]


def no_clips(folder: Path) -> None:
    for clip in (folder / "clips").iterdir():
        clip.unlink()


def no_training_clips(folder: Path) -> None:
    for clip in (folder / "clips").glob("clip_train_*"):
        clip.unlink()


def no_dev_fold(folder: Path) -> None:
    (folder / "dev.tsv").unlink()


def damaged_fold(folder: Path) -> None:
    edit(folder / "dev.tsv", "clip_dev_3.mp3\t", "clip_dev_3.mp3")


def no_sound(folder: Path) -> None:
    for clip in (folder / "clips").iterdir():
        clip.write_bytes(b"no audio" * 100)


def no_tables(folder: Path) -> None:
    for tsv in folder.glob("*.tsv"):
        tsv.unlink()


def packed(folder: Path) -> None:
    no_tables(folder)
    (folder / "cv-corpus-25.0-fr.tar.gz").write_bytes(b"")


REFUSED = {
    no_clips: "no clips in",
    no_training_clips: "not one of the 6 clips of train is in",
    no_dev_fold: "dev.tsv: missing, as is validated.tsv",
    damaged_fold: "dev.tsv:5: 3 cells, not 4",
    no_sound: "not one of 18 clips can be read|none of 6 clips",
    no_tables: "no corpus here",
    packed: "no corpus here",
}


@pytest.mark.parametrize("spoil", REFUSED, ids=lambda spoil: spoil.__name__)
def test_what_cannot_be_trained_on_is_refused_in_two_lines(
    check: Check, corpus: Path, spoil: Callable[[Path], None]
) -> None:
    spoil(corpus / "v" / "fr")
    code, output, errors = check(corpus / "v" / "fr")
    assert code == 1 and len(errors) == 2 and "ready" not in output
    assert re.search(REFUSED[spoil], errors[0]), errors
    assert errors[1].startswith("to do: ")
    assert ("tar -xf" in errors[1]) == (spoil is packed)


@pytest.mark.parametrize(
    "place, cause, remedy",
    [
        ("nowhere", "no such folder", "give the folder of a release"),
        ("fr.tar.gz", "still packed", "tar -xf"),
        ("v/fr/train.tsv", "no such folder", "give the folder of a release"),
    ],
)
def test_what_is_no_folder_is_told(
    check: Check, corpus: Path, place: str, cause: str, remedy: str
) -> None:
    (corpus / "fr.tar.gz").write_bytes(b"")
    code, _, errors = check(corpus / place)
    assert code == 1 and len(errors) == 2
    assert errors[0].endswith(f"{place}: {cause}") and remedy in errors[1]


def test_hours_are_those_of_the_table(check: Check, corpus: Path) -> None:
    folder = corpus / "v" / "fr"
    ten_minutes = [f"{p.name}\t600000\n" for p in (folder / "clips").iterdir()]
    (folder / "clip_durations.tsv").write_text("".join(ten_minutes), encoding="utf-8")
    code, output, errors = check(corpus / "v", "--max_duration", 900)
    assert cells(output, "train")[1] == cells(output, "dev")[1] == "1.0"
    assert code == 1 and "not one of 18 clips can be read" in errors[0]


def test_durations_that_keep_nothing_are_refused(check: Check, corpus: Path) -> None:
    code, _, errors = check(corpus / "v", "--min_duration", 3)
    assert code == 1 and "none of 6 clips of train lasts 3 to 5 s" in errors[0]
    code, output, _ = check(corpus / "v", "--max_duration", 1.6)
    assert code == 0 and "--max_duration 1.6" in output.splitlines()[-1]


def test_the_program_runs_from_anywhere(corpus: Path, tmp_path: Path) -> None:
    command = [sys.executable, "-m", "labkit.corpus", "check", str(corpus / "v")]
    done = subprocess.run(
        command,
        cwd=tmp_path,
        capture_output=True,
        encoding="utf-8",
        timeout=100,
        env={**os.environ, "PYTHONPATH": str(ROOT), "PYTHONIOENCODING": "ascii"},
    )
    assert (done.returncode, done.stderr) == (0, "")
    assert done.stdout.splitlines()[-1].startswith("ready: python main_ctc.py train")


def test_help_answers_without_torch() -> None:
    command = [sys.executable, "-X", "importtime", "-m", "labkit.corpus", "check"]
    done = subprocess.run(
        [*command, "--help"], cwd=ROOT, capture_output=True, encoding="utf-8"
    )
    assert done.returncode == 0 and "--max_duration" in done.stdout
    assert re.search(r"\| +labkit\.corpus\.check$", done.stderr, re.M)
    assert not re.search(r"\| +(torch|numpy|matplotlib)\b", done.stderr)


def test_clips_in_folders_of_their_own_are_there(check: Check, corpus: Path) -> None:
    folder = corpus / "v/fr"
    for fold in ("train", "dev", "test"):
        (folder / "clips" / fold).mkdir()
        for clip in (folder / "clips").glob(f"clip_{fold}_*"):
            clip.rename(folder / "clips" / fold / clip.name)
        edit(folder / f"{fold}.tsv", "clip_", f"{fold}/clip_")
    code, output, errors = check(corpus / "v")
    assert code == 0, errors
    assert "18 listed; 18 files" in output and "in no fold" not in output


def test_a_table_of_no_length_tells_nothing(check: Check, corpus: Path) -> None:
    folder = corpus / "v/fr"
    rows = "".join(f"{path.name}\t0\n" for path in (folder / "clips").iterdir())
    (folder / "clip_durations.tsv").write_text(f"clip\tduration[ms]\n{rows}")
    code, output, errors = check(corpus / "v")
    assert code == 0, errors
    assert cells(output, "train")[-3:] == ["6", "(100", "%)"]


def test_a_clip_that_is_listed_again_is_told(
    check: Check, corpus: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    train, dev = (corpus / "v/fr" / f"{fold}.tsv" for fold in ("train", "dev"))
    row = train.read_text(encoding="utf-8").splitlines()[2] + "\n"
    for tsv in (train, train, dev):
        tsv.write_text(tsv.read_text(encoding="utf-8") + row, encoding="utf-8")
    told = "2 listed more than once in train", "1 of dev in train as well"
    code, output, _ = check(corpus / "v")
    assert code == 0 and all(what in output for what in told)
    options = ["--datasetroot", str(corpus), "--datasetversion", "v", "--nthreads", "1"]
    for debug, n_told in (([], 2), (["--debug"], 0)):
        args = parse(CTC, None, ["train", *options, *debug])
        args.device, args.world = torch.device("cpu"), ALONE
        open_corpus(args, get_dataloaders)
        said = capsys.readouterr().err
        assert [what in said for what in told].count(True) == n_told, said
