"""Input that no user gives on purpose, and some file one day holds."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
import soundfile
import torch
from data import BatchCollate, CharMap
from helpers.runs import one_utterance, run_on
from models import LinearModel
from shared import REFERENCE, ROOT

from labkit.audio.reading import AudioError, read_audio
from labkit.base import PARTS
from labkit.base.errors import LabError, as_lab_error, run_program
from labkit.corpus.commonvoice import CommonVoice, DatasetFilter, newest_version
from labkit.corpus.durations import durations_of
from labkit.loading.utterances import UtteranceSet
from labkit.metrics import FoldScore
from labkit.options import CTC, parse
from labkit.training.checkpoint import load_checkpoint, load_weights
from labkit.training.runfolder import RunFolder

RATE = 16000


@pytest.mark.parametrize(
    "value, rate, cause",
    [
        (np.nan, RATE, "NaN or infinite"),
        (np.inf, RATE, "NaN or infinite"),
        (0.1, 11, "sampling rate"),
    ],
)
def test_what_is_no_sound_is_refused(
    tmp_path: Path, value: float, rate: int, cause: str
) -> None:
    samples = np.full(RATE, value, dtype="float32")
    soundfile.write(tmp_path / "x.wav", samples, rate, subtype="FLOAT")
    with pytest.raises(AudioError, match=cause):
        read_audio(tmp_path / "x.wav")


@pytest.mark.parametrize("name", ["x.raw", "n" * 300 + ".mp3"])
def test_odd_names_are_refused_in_one_line(tmp_path: Path, name: str) -> None:
    if len(name) < 100:
        (tmp_path / name).write_bytes(b"\0" * 4000)
    with pytest.raises(AudioError):
        read_audio(tmp_path / name)


def test_an_odd_rate_is_resampled_without_gigabytes(tmp_path: Path) -> None:
    tone = 0.1 * np.sin(np.arange(44101) * 0.05)
    soundfile.write(tmp_path / "x.wav", tone, 44101)
    collate = BatchCollate(20, augment=False)
    log_mel = collate.processor.log_mel(*read_audio(tmp_path / "x.wav"))
    assert log_mel.shape == (101, 20)


def test_a_tsv_that_is_not_utf8_is_named_and_a_mark_is_read_over(corpus: Path) -> None:
    tsv = corpus / "v/fr/train.tsv"
    text = tsv.read_text(encoding="utf-8")
    tsv.write_bytes(b"\xef\xbb\xbf" + text.replace("client_id\t", "", 1).encode())
    tsv.write_text(text, encoding="utf-8-sig")
    assert len(CommonVoice("train", str(corpus), "v", "fr")) == 6
    tsv.write_bytes(text.encode() + b"\xe9\n")
    with pytest.raises(LabError, match=r"train.tsv: not UTF-8 \(byte \d+\)"):
        CommonVoice("train", str(corpus), "v", "fr")


def test_garbage_in_the_durations_is_passed_over(tmp_path: Path) -> None:
    rows = ("clip\tduration[ms]", "123", "a\tabc\t12", "b\t²", "c\t-5", "d\t2500")
    (tmp_path / "clip_durations.tsv").write_text("\n".join(rows), encoding="utf-8")
    assert list(durations_of(tmp_path, ["a", "b", "c", "d"])) == [0, 0, 0, 2.5]


def test_a_root_that_is_no_folder_has_no_version(tmp_path: Path) -> None:
    assert newest_version(str(tmp_path / ("n" * 300))) == "*"


def utterances(corpus: Path, limit: int | None = None) -> UtteranceSet:
    """Open the training fold of the small corpus."""
    clips = DatasetFilter(CommonVoice("train", str(corpus), "v", "fr"), 1, 5)
    to_log_mel = BatchCollate(20, augment=False).processor.log_mel
    return UtteranceSet(clips, to_log_mel, None, 20, limit, 1, seed=0)


def test_silence_alone_cannot_be_normalised(corpus: Path) -> None:
    for clip in (corpus / "v/fr/clips").glob("clip_train_*"):
        soundfile.write(clip, np.zeros(2 * RATE), RATE, format="WAV")
    with pytest.raises(LabError, match="silent"):
        utterances(corpus).normalization()


def test_a_limit_holds_for_a_corpus_too_large_for_memory(
    corpus: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    two_clips = 2 * 2 * 100 * 20 * 4  # of 2 s: frames, bands and bytes
    monkeypatch.setattr("labkit.loading.utterances._MEMORY_BUDGET", two_clips)
    assert not utterances(corpus).in_memory
    limited = utterances(corpus, limit=2)
    limited.prepare()
    assert len(limited) == 2


def test_a_network_whose_dev_loss_is_nan_is_never_kept(tmp_path: Path) -> None:
    record = run_on([one_utterance()], tmp_path).record
    good, broken = FoldScore(1, 35.0), FoldScore(1, float("nan"))
    for score in (good, broken):
        score.compare([("ab", "")])
    assert not record.keep_if_best(broken, {"epoch": 1})
    assert record.keep_if_best(good, {"epoch": 2})
    assert not record.keep_if_best(broken, {"epoch": 3})
    assert load_checkpoint(record.best_model)["metrics"] == {"epoch": 2}


def test_weights_that_hold_nan_are_refused(tmp_path: Path) -> None:
    model = LinearModel(CharMap(), 20)
    weights = {name: value * torch.nan for name, value in model.state_dict().items()}
    with pytest.raises(LabError, match="NaN"):
        load_weights(model, weights, tmp_path)


@pytest.mark.parametrize(
    "content", [{"weights": {1: 2}}, {"weights": {}, "format": 1}, {1: torch.ones(1)}]
)
def test_half_a_checkpoint_is_refused(tmp_path: Path, content: dict) -> None:
    torch.save(content, tmp_path / "x.pt")
    with pytest.raises(LabError, match="it holds no network"):
        load_checkpoint(tmp_path / "x.pt")


@pytest.mark.parametrize(
    "options",
    [
        ("--base_lr", "nan"),
        ("--base_lr", "inf"),
        ("--seed", str(2**32)),
        ("--nhidden_rnn", "2000000"),
        ("--nthreads", "999999"),
        ("--normalization", "nan", "1"),
        ("--normalization", "0", "inf"),
        ("--logname", "../x"),
        ("--logname", ""),
        ("--logname", "a/b"),
    ],
)
def test_an_impossible_value_is_a_wrong_command_line(options: tuple[str, ...]) -> None:
    with pytest.raises(SystemExit) as stopped:
        parse(CTC, None, ["train", *options])
    assert stopped.value.code == 2


def test_a_full_disk_is_told_though_the_error_names_no_file() -> None:
    shown = as_lab_error(OSError(28, "No space left on device"))
    assert shown and "No space left" in shown.cause and "disk" in shown.remedy


def test_an_output_that_nobody_reads_is_no_traceback() -> None:
    code = (
        f"import sys; sys.path.insert(0, {str(ROOT)!r})\n"
        "from labkit.base import run_program\n"
        "def main():\n    while True: print('x' * 1000)\n"
        "raise SystemExit(run_program(main))"
    )
    process = subprocess.Popen(
        [sys.executable, "-c", code], stdout=subprocess.PIPE, stderr=subprocess.PIPE
    )
    process.stdout.readline()
    process.stdout.close()
    assert b"Traceback" not in process.stderr.read()
    process.stderr.close()
    assert process.wait(timeout=30) == 1


def test_a_closed_output_is_borne(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sys, "stdout", None)
    assert run_program(lambda: None) == 0


def test_two_runs_of_one_instant_get_folders_of_their_own(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    make = Path.mkdir

    def beaten(path: Path, **options: bool) -> None:
        # Another run takes the name between our look and our making.
        if path.name == "run_0":
            monkeypatch.undo()
            make(path)
        make(path, **options)

    monkeypatch.setattr(Path, "mkdir", beaten)
    run = RunFolder(tmp_path, "run")
    run.close()
    assert run.path == tmp_path / "run_1"


def test_making_the_starter_keeps_solved_scripts_beside_it(tmp_path: Path) -> None:
    for script in REFERENCE.glob("*.py"):
        (tmp_path / script.name).write_bytes(script.read_bytes())
    maker = [sys.executable, str(ROOT / "instructor/make_starter.py")]
    for _ in range(2):  # the second time, there is no work to lose
        subprocess.run([*maker, "--output", tmp_path], check=True, capture_output=True)
    scripts = {f"{name}.py.bak" for part in PARTS for name in part}
    assert {p.name for p in tmp_path.glob("*.bak*")} == scripts
    kept = (tmp_path / "models.py.bak").read_bytes()
    assert kept == (REFERENCE / "models.py").read_bytes()
