"""Bad input: one line of cause, one of remedy, an exit code, nothing lost."""

from __future__ import annotations

import errno
import re
import signal
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
import pytest
import soundfile
import torch
from shared import REFERENCE, ROOT, Run
from torch import nn

from labkit.base import atomic, write_atomically
from labkit.base.errors import LabError
from labkit.training.guard import checked_penalty

MAIN = REFERENCE / "main_ctc.py"
TINY = ("--nlayers_rnn", "1", "--nhidden_rnn", "4", "--batch_size", "3")


def assert_two_lines(
    done: subprocess.CompletedProcess, code: int, cause: str, remedy: str
) -> None:
    """Check that a program failed as users are promised."""
    assert done.returncode == code, done.stderr
    assert "Traceback" not in done.stderr
    lines = [
        line for line in done.stderr.splitlines() if not line.startswith("left out")
    ]
    assert len(lines) == 2, done.stderr
    assert lines[0].startswith("error: ") and re.search(cause, lines[0])
    assert lines[1].startswith("to do: ") and re.search(remedy, lines[1])


def train(run: Run, corpus: Path, *options: object) -> subprocess.CompletedProcess:
    """Train a tiny network for one epoch."""
    where = ("--datasetroot", corpus, "--datasetversion", "v")
    return run(MAIN, "train", *where, *TINY, "--num_epochs", 1, *options)


def test_a_missing_corpus_names_what_was_looked_for_and_the_ways_out(
    run: Run, tmp_path: Path
) -> None:
    done = run(MAIN, "train", "--datasetroot", tmp_path, "--datasetversion", "v99")
    cause = r"looked for .*v99/fr/train.tsv"
    assert_two_lines(done, 1, cause, "--datasetroot.*COMMONVOICE_ROOT.*embedded")


def test_a_wrong_root_in_the_environment_is_named(run: Run, tmp_path: Path) -> None:
    done = run(MAIN, "train", COMMONVOICE_ROOT=str(tmp_path))
    assert_two_lines(done, 1, "looked for", "COMMONVOICE_ROOT")


def test_a_missing_column_is_named(run: Run, corpus: Path) -> None:
    (corpus / "v/fr/train.tsv").write_text("client_id\tpath\nx\ty.mp3\n")
    done = train(run, corpus)
    assert_two_lines(done, 1, "train.tsv: no column named sentence", "client_id, path")


def test_broken_clips_are_left_out_named_and_the_run_goes_on(
    run: Run, corpus: Path
) -> None:
    clips = corpus / "v/fr/clips"
    (clips / "clip_train_0.mp3").unlink()
    (clips / "clip_train_1.mp3").write_bytes(b"")
    (clips / "clip_train_2.mp3").write_bytes(b"no audio at all" * 100)
    soundfile.write(clips / "clip_train_3.mp3", np.zeros(0), 16000, format="MP3")
    done = train(run, corpus)
    assert done.returncode == 0, done.stderr
    left_out = [line for line in done.stderr.splitlines() if "left out" in line]
    assert len(left_out) == 4
    for i, why in enumerate(
        ("no such clip", "0 bytes", "not readable", "clip_train_3")
    ):
        assert f"clip_train_{i}.mp3" in left_out[i] and why in left_out[i]
    assert "2 training" in done.stdout and "4 left out" in done.stdout


def test_a_fold_of_broken_clips_stops_the_run(run: Run, corpus: Path) -> None:
    for clip in (corpus / "v/fr/clips").glob("clip_train_*"):
        clip.write_bytes(b"")
    assert_two_lines(train(run, corpus), 1, "none of the 6 clips", "check the folder")


def test_a_clip_too_short_for_its_transcript_is_counted(run: Run, corpus: Path) -> None:
    tsv = corpus / "v/fr/train.tsv"
    tsv.write_text(tsv.read_text().replace("\ta d\t", "\t" + "abcdefgh " * 9 + "\t"))
    done = train(run, corpus)
    assert done.returncode == 0, done.stderr
    assert "clip_train_0.mp3: too short for its transcript" in done.stderr
    assert "1 left out" in done.stdout


@pytest.mark.parametrize("rate, channels", [(8000, 1), (44100, 2)])
def test_any_rate_and_channel_count_is_read(
    run: Run, corpus: Path, rate: int, channels: int
) -> None:
    time_axis = np.arange(2 * rate)[:, None] / rate
    tone = np.repeat(0.2 * np.sin(2000 * time_axis), channels, axis=1)
    for clip in (corpus / "v/fr/clips").glob("clip_train_*"):
        soundfile.write(clip, tone, rate, format="MP3")
    done = train(run, corpus)
    assert done.returncode == 0, done.stderr
    assert "6 training" in done.stdout


def test_an_unwritten_exercise_is_named_without_traceback(run: Run) -> None:
    done = run(ROOT / "main_ctc.py", "train")
    assert_two_lines(done, 1, r"exercise E21 is not written.*main_ctc.py:\d+", "-k E21")


def test_verbose_shows_the_traceback(run: Run) -> None:
    done = run(ROOT / "main_ctc.py", "train", "--verbose")
    assert done.returncode == 1 and "Traceback" in done.stderr


def test_a_missing_checkpoint_is_named(run: Run, tmp_path: Path) -> None:
    done = run(MAIN, "test", "--modelpath", "none.pt", "--audiofile", "x.mp3")
    assert_two_lines(done, 2, "none.pt: no such checkpoint", "main_ctc.py train")


def test_without_a_run_the_network_of_the_kit_hears(run: Run) -> None:
    clip = ROOT / "corpora/mini/fr/clips/mini_fr_00452.mp3"
    done = run(MAIN, "test", "--audiofile", clip)
    assert done.returncode == 0, done.stderr
    assert "the network of the kit" in done.stdout
    # It has only met this voice before it met people.
    assert re.search(r"Sequence\n +\d+\.\d\d    ¶[a-z', .]{20,50}\.¦\n", done.stdout)


def test_what_is_no_checkpoint_is_told(run: Run, tmp_path: Path) -> None:
    contents = {"text.pt": b"hello", "empty.pt": b""}
    for name, content in contents.items():
        (tmp_path / name).write_bytes(content)
    torch.save({"a": 1}, tmp_path / "other.pt")
    torch.save(nn.Linear(2, 2), tmp_path / "pickled.pt")
    for name in (*contents, "other.pt", "pickled.pt"):
        done = run(MAIN, "test", "--modelpath", name, "--fold", "test")
        assert_two_lines(
            done, 1, f"{name}: (not a checkpoint|it holds no)", "best_model"
        )


def test_a_checkpoint_of_other_flags_and_a_missing_clip_are_told(
    run: Run, corpus: Path, tmp_path: Path
) -> None:
    assert train(run, corpus).returncode == 0
    (model,) = tmp_path.glob("logs/*/best_model.pt")
    test = ("test", "--modelpath", model)
    done = run(MAIN, *test, "--nhidden_rnn", 8, "--fold", "test")
    assert_two_lines(done, 2, "nhidden_rnn 8 contradicts.*is 4", "leave out")
    done = run(MAIN, *test, "--audiofile", "none.mp3")
    assert_two_lines(done, 1, "none.mp3: no such clip", "check the path")
    done = run(MAIN, *test, "--audiofile", model)
    assert_two_lines(done, 1, "not readable as audio", "ffmpeg")
    weights = torch.load(model, weights_only=True)["weights"]
    torch.save(weights, tmp_path / "bare.pt")
    bare = ("test", "--modelpath", "bare.pt", "--fold", "test")
    done = run(MAIN, *bare)
    assert_two_lines(done, 2, "without their normalisation", "--normalization MEAN STD")
    done = run(MAIN, *bare, "--normalization", -30, 20, "--nhidden_rnn", 8)
    assert_two_lines(
        done, 2, "not those of the network", "--nlayers_rnn 1 --nhidden_rnn 4"
    )


def test_a_loss_that_is_not_finite_stops_the_run(
    run: Run, corpus: Path, tmp_path: Path
) -> None:
    done = train(run, corpus, "--base_lr", "1e30", "--num_epochs", 20)
    assert_two_lines(done, 1, "loss is not finite in epoch", "lower --base_lr")
    (summary,) = tmp_path.glob("logs/*/summary.txt")
    assert "--base_lr 1e30" in summary.read_text()


@pytest.mark.skipif(sys.platform == "win32", reason="no SIGINT to a child there")
def test_ctrl_c_leaves_a_usable_run(corpus: Path, tmp_path: Path, run: Run) -> None:
    where = ("--datasetroot", str(corpus), "--datasetversion", "v")
    command = [
        sys.executable,
        str(MAIN),
        "train",
        *where,
        *TINY,
        "--num_epochs",
        "9999",
    ]
    process = subprocess.Popen(
        command,
        cwd=tmp_path,
        stderr=subprocess.PIPE,
        stdout=subprocess.DEVNULL,
    )
    try:
        metrics = tmp_path / "logs/ctc_0/metrics.csv"
        deadline = time.monotonic() + 120
        while not (metrics.exists() and metrics.read_text().count("\n") > 3):
            assert process.poll() is None and time.monotonic() < deadline
            time.sleep(0.2)
        process.send_signal(signal.SIGINT)
        errors = process.communicate(timeout=60)[1].decode()
    finally:
        process.kill()
    assert process.returncode == 130 and "Traceback" not in errors
    assert all(line.count(",") == 8 for line in metrics.read_text().splitlines())
    done = run(MAIN, "test", "--fold", "test", *where)
    assert done.returncode == 0 and "CER" in done.stdout


@pytest.mark.parametrize(
    "options, cause, remedy",
    [
        (("train", "--batchsize", "3"), "unrecognized", "did you mean --batch_size"),
        (("train", "--batch_size", "0"), "0 is not at least 1", "--help"),
        (("train", "--fold", "test"), "--fold is no option of train", "--help"),
        (("test",), "needs --audiofile", "--help"),
        (("test", "--fold", "dev", "--modelpath", ""), "--modelpath: is empty", "--"),
        (("test", "--fold", "test", "--beamwidth", "3"), "--beamsearch", "--help"),
        (("--seed", "1"), "command", "--help"),
    ],
)
def test_a_wrong_command_line_says_what_to_do(
    run: Run, options: tuple[str, ...], cause: str, remedy: str
) -> None:
    assert_two_lines(run(MAIN, *options), 2, cause, remedy)


class Penalised(nn.Linear):
    """A layer whose penalty is whatever a test wants."""

    def __init__(self, result: object) -> None:
        super().__init__(2, 2)
        self.result = result

    def penalty(self) -> object:
        """Return the result, or compute it."""
        return self.result(self) if callable(self.result) else self.result


@pytest.mark.parametrize(
    "result, cause",
    [
        (0.5, "returns a float"),
        (None, "returns a NoneType"),
        (lambda m: m.weight.abs(), r"Tensor\(2, 2\), not a scalar"),
        (torch.tensor(1.0), "does not depend on the weights"),
        (lambda m: m.weight.sum() / 0, "returns (inf|-inf|nan)"),
    ],
)
def test_a_broken_penalty_is_reported(result: object, cause: str) -> None:
    with pytest.raises(LabError, match=cause):
        checked_penalty(Penalised(result))


def test_a_mistake_inside_penalty_is_not_swallowed() -> None:
    with pytest.raises(AttributeError, match="wieght"):
        checked_penalty(Penalised(lambda m: m.wieght.sum()))


def test_a_model_without_penalty_is_trained_without() -> None:
    assert checked_penalty(nn.Linear(2, 2))().item() == 0


def test_a_clip_too_short_for_its_transcript_still_counts_in_a_score(
    run: Run, corpus: Path
) -> None:
    assert train(run, corpus).returncode == 0
    tsv = corpus / "v/fr/test.tsv"
    tsv.write_text(tsv.read_text().replace("\ta d\t", "\t" + "abcdefgh " * 9 + "\t"))
    where = ("--datasetroot", corpus, "--datasetversion", "v")
    done = run(MAIN, "test", "--fold", "test", *where)
    assert done.returncode == 0, done.stderr
    assert "clips: 6 test; 0 left out" in done.stdout and "6 clips" in done.stdout


def test_a_release_without_a_fold_or_with_an_empty_one_is_damaged(
    run: Run, corpus: Path
) -> None:
    tsv = corpus / "v/fr/train.tsv"
    tsv.write_text("")
    assert_two_lines(train(run, corpus), 1, f"{tsv}: it is empty", "unpack")
    tsv.unlink()
    done = train(run, corpus)
    assert_two_lines(done, 1, f"{tsv}: missing, as is validated.tsv", "unpack")


def test_a_clip_whose_name_no_file_can_have_is_left_out(run: Run, corpus: Path) -> None:
    tsv = corpus / "v/fr/train.tsv"
    header, first, *rest = tsv.read_text().split("\n")
    cells = first.split("\t")
    cells[header.split("\t").index("path")] = "a\0b.mp3"
    tsv.write_text("\n".join([header, "\t".join(cells), *rest]))
    done = train(run, corpus)
    assert done.returncode == 0, done.stderr
    assert "Traceback" not in done.stderr


def test_a_file_that_cannot_be_written_is_named_as_the_user_knows_it(
    tmp_path: Path,
) -> None:
    def fill(temporary: Path, error: OSError) -> None:
        temporary.write_text("half")
        raise error

    target = tmp_path / "model.pt"
    full = OSError(errno.ENOSPC, "No space left on device")
    for error in (full, PermissionError(errno.EACCES, "Permission denied", target)):
        with pytest.raises(OSError, match=r"model\.pt"):
            write_atomically(target, lambda path, error=error: fill(path, error))
    denied = PermissionError(errno.EACCES, "Permission denied")
    with pytest.raises(PermissionError) as found, atomic(target) as temporary:
        denied.filename = temporary
        raise denied
    assert str(found.value.filename) == str(target)
    assert not [*tmp_path.iterdir()]
