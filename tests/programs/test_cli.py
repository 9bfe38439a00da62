"""Properties of the command lines: options, tables, pictures, the zip, the doctor."""

from __future__ import annotations

import re
import shutil
import sys
import time
import zipfile
from pathlib import Path

import main_ctc
import numpy as np
import pytest
import soundfile
import torch
from data import CharMap
from models import CTCModel
from shared import REFERENCE, ROOT, Run

from labkit import doctor
from labkit.exercises import program, split_parts
from labkit.exercises.registry import scripts_of
from labkit.options import CTC, parse
from labkit.training.checkpoint import save_checkpoint
from test_implementation import EXERCISES, MILESTONES
from test_implementation import __doc__ as description

MAIN = REFERENCE / "main_ctc.py"
TRAIN = (
    *("--batch_size 3 --num_epochs 4 --base_lr 0.1 --grad_clip 2 --scheduler").split(),
    *("--debug --seed 5 --device cpu --datasetroot r --datasetversion v").split(),
    *("--nthreads 2 --min_duration 0.5 --max_duration 9 --nmels 8").split(),
    *("--nlayers_rnn 3 --nhidden_rnn 6 --cell_type LSTM --train_augment").split(),
    *("--weight_decay 0.2 --dropout 0.3 --baselogdir b --logname n").split(),
)
TEST = "--modelpath m --audiofile a --beamsearch --beamwidth 7".split()


def test_every_option_is_read_before_and_after_the_command() -> None:
    wanted = {
        **{"batch_size": 3, "num_epochs": 4, "base_lr": 0.1, "grad_clip": 2.0},
        **{"scheduler": True, "debug": True, "seed": 5, "device": "cpu"},
        **{"datasetroot": "r", "datasetversion": "v", "nthreads": 2, "nmels": 8},
        **{"min_duration": 0.5, "max_duration": 9.0, "nlayers_rnn": 3},
        **{"nhidden_rnn": 6, "cell_type": "LSTM", "train_augment": True},
        **{"weight_decay": 0.2, "dropout": 0.3, "baselogdir": "b", "logname": "n"},
    }
    for argv in (
        ["train", *TRAIN],
        [*TRAIN, "train"],
        [*TRAIN[:4], "train", *TRAIN[4:]],
    ):
        args = vars(parse(CTC, None, argv))
        assert args["command"] == "train"
        assert {name: args[name] for name in wanted} == wanted
    for argv in (["test", *TEST], [*TEST, "test"]):
        args = parse(CTC, None, argv)
        assert (args.command, args.modelpath, args.audiofile) == ("test", "m", ["a"])
        assert (args.beamsearch, args.beamwidth) == (True, 7)


def test_debug_has_defaults_of_its_own_and_options_win_over_both() -> None:
    plain, debug = (parse(CTC, None, ["train", *o]) for o in ((), ("--debug",)))
    assert (plain.debug, debug.debug) == (False, True)
    assert debug.num_epochs > plain.num_epochs and debug.dropout == 0 < plain.dropout
    assert parse(CTC, None, ["train", "--debug", "--num_epochs", "3"]).num_epochs == 3


def test_help_names_every_option_and_answers_without_torch(run: Run) -> None:
    done = run(MAIN, "--help", PYTHONPROFILEIMPORTTIME="1", COLUMNS="200")
    assert done.returncode == 0
    for option in (o for o in (*TRAIN, *TEST) if o.startswith("--")):
        assert re.search(rf"^  {option}\b", done.stdout, re.M), option
    assert "recurrent layers (default: 2, with --debug 1)" in done.stdout
    assert re.search(r"\| +labkit\.options$", done.stderr, re.M)
    assert not re.search(r"\| +(torch|numpy|matplotlib)\b", done.stderr)


# ---- test


@pytest.fixture
def model(tmp_path: Path) -> Path:
    """Write the checkpoint of a network that finds mostly one ``a``."""
    torch.manual_seed(0)
    charmap = CharMap()
    # In the order of the constructor.
    options = {"nmels": 8, "nhidden_rnn": 4, "nlayers_rnn": 1, "cell_type": "GRU"}
    network = CTCModel(charmap, *options.values(), dropout=0.0)
    with torch.no_grad():
        network.charlin[0].bias[charmap.char2idx["a"]] += 9
    content = {
        "architecture": {**options, "model": "CTCModel", "dropout": 0.0, "l1": 0.0},
        "alphabet": charmap.idx2char,
        "normalization": (-30.0, 20.0),
        "metrics": {"dev_cer": 0.25},
    }
    path = tmp_path / "run" / "best_model.pt"
    save_checkpoint(path, network, content)
    return path


def recognise(model: Path, capsys: pytest.CaptureFixture[str], *options: object) -> str:
    """Run ``main_ctc.py test`` in this process; what it prints comes back."""
    logs = ("--baselogdir", model.parents[1] / "logs", "--nthreads", 1)
    words = ("test", "--modelpath", model, "--device", "cpu", *logs, *options)
    capsys.readouterr()
    main_ctc.main(parse(CTC, None, [str(word) for word in words]))
    return capsys.readouterr().out


def tables(out: str) -> list[list[tuple[float, str]]]:
    """Read the n-best lists of every clip."""
    parts = out.split("Log prob    Sequence\n")[1:]
    rows = [re.findall(r"^ *(\d+\.\d\d)    (.*)$", part, re.M) for part in parts]
    return [[(float(cost), text) for cost, text in table] for table in rows]


def test_clips_of_every_format_are_transcribed_and_drawn(
    model: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    sound = 0.1 * np.random.default_rng(0).standard_normal(24000)
    clips = []
    for suffix in ("mp3", "wav", "flac", "ogg"):
        clip = tmp_path / f"as_{suffix}.{suffix}"
        soundfile.write(clip, sound, 16000)
        clips += ["--audiofile", clip]
    out = recognise(model, capsys, *clips)
    assert "dev CER 25.0 %" in out
    greedy = tables(out)
    assert [len(table) for table in greedy] == [1, 1, 1, 1]
    assert {table[0][1] for table in greedy} == {"a"}
    pictures = sorted((model.parents[1] / "logs" / "figures").glob("*.png"))
    names = [f"as_{suffix}.{suffix}.png" for suffix in ("flac", "mp3", "ogg", "wav")]
    assert [picture.name for picture in pictures] == names
    assert all(p.read_bytes().startswith(b"\x89PNG") for p in pictures)

    for width in (1, 4):
        beams = ("--beamsearch", "--beamwidth", width)
        found = tables(recognise(model, capsys, *clips[:4], *beams))
        assert [len(table) for table in found] == [width, width]
        for table, ((cost, text),) in zip(found, greedy):
            assert table == sorted(table) and len({t for _, t in table}) == width
            # The same text has more paths than the best one alone.
            assert {t: c for c, t in table}[text] <= cost


def test_a_fold_is_scored_and_its_worst_utterances_named(
    model: Path, corpus: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    where = ("--datasetroot", corpus, "--datasetversion", "v", "--batch_size", 4)
    out = recognise(model, capsys, "--fold", "test", *where)
    # "a" for each of "a d", "b e", "c d", "a e", "b d", "c e":
    # 4 x 3 + 2 x 2 errors in 18 characters, 4 x 2 + 2 x 1 in 12 words.
    assert "6 clips\n" in out
    assert re.search(r"^CER 88\.9 %", out, re.M) and re.search(r"^WER 83\.3", out, re.M)
    worst = re.findall(r"clip_test_(\d)\.mp3  CER (\S+) %\n +reference +(.*)\n", out)
    assert [rate for _, rate, _ in worst] == ["100.0"] * 4 + ["66.7"]
    assert {i for i, _, _ in worst} > {"1", "2", "4", "5"}
    assert all(
        text.split() == ["abc"[int(i) % 3], "de"[int(i) % 2]] for i, _, text in worst
    )
    same = recognise(model, capsys, "--fold", "test", *where, "--beamsearch")
    assert re.search(r"^CER 88\.9 %", same, re.M)


def test_a_narrow_terminal_shows_question_marks_and_no_traceback(
    model: Path, tmp_path: Path, run: Run
) -> None:
    checkpoint = torch.load(model, weights_only=True)
    checkpoint["weights"]["charlin.0.bias"][CharMap().char2idx["¶"]] += 30
    torch.save(checkpoint, model)
    soundfile.write(tmp_path / "été.wav", np.zeros(16000), 16000)
    clip = ("--audiofile", "été.wav", "--modelpath", model)
    done = run(MAIN, "test", *clip, PYTHONIOENCODING="ascii")
    assert done.returncode == 0 and "Traceback" not in done.stderr, done.stderr
    assert re.search(r"^ *-?\d+\.\d\d    \?$", done.stdout, re.M)
    assert (tmp_path / "logs" / "figures" / "été.wav.png").is_file()


# ---- test_implementation.py


def exercises(monkeypatch: pytest.MonkeyPatch, *options: object) -> int:
    """Run ``test_implementation.py`` in this process."""
    argv = [ROOT / "test_implementation.py", *options]
    monkeypatch.setattr(sys, "argv", [str(word) for word in argv])
    return program.main(EXERCISES, MILESTONES, description)


@pytest.fixture
def work(tmp_path: Path) -> tuple[object, ...]:
    """Make a student's scripts and two runs; give the options that hand them in."""
    folder, logs = tmp_path / "scripts", tmp_path / "logs"
    folder.mkdir()
    for name in scripts_of(EXERCISES):
        (folder / name).write_text(f"# {name}\n", encoding="utf-8")
    for name, rates in (("ctc_0", (0.9, 0.2, 0.5)), ("ctc_1", (0.4, 0.3))):
        (logs / name).mkdir(parents=True)
        table = "epoch,dev_cer\n" + "".join(f"{i},{r}\n" for i, r in enumerate(rates))
        (logs / name / "metrics.csv").write_text(table, encoding="utf-8")
        (logs / name / "summary.txt").write_text(name, encoding="utf-8")
    return ("--submit", "--lab", folder, "--baselogdir", logs)


def test_the_zip_to_hand_in_is_the_scripts_and_the_best_run_the_same_twice(
    work: tuple[object, ...], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    packed = tmp_path / "scripts" / "submission.zip"
    assert exercises(monkeypatch, *work) == 0
    first = packed.read_bytes()
    with zipfile.ZipFile(packed) as archive:
        members = {name: archive.read(name).decode() for name in archive.namelist()}
    scripts = {name: f"# {name}\n" for name in scripts_of(EXERCISES)}
    table = (tmp_path / "logs" / "ctc_0" / "metrics.csv").read_text(encoding="utf-8")
    assert members == {**scripts, "summary.txt": "ctc_0", "metrics.csv": table}
    for script in (tmp_path / "scripts").glob("*.py"):
        script.touch()  # another date, the same words
    with monkeypatch.context() as later:
        later.setattr(time, "time", lambda: 2e9)
        assert exercises(monkeypatch, *work) == 0
    assert packed.read_bytes() == first


def test_answers_in_words_are_handed_in_and_counted(
    work: tuple[object, ...],
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    answers = tmp_path / "scripts" / "answers.md"
    assert exercises(monkeypatch, *work) == 0
    assert "no answers.md beside the scripts" in capsys.readouterr().out
    text = "## Q1 One\n\n**Answer**\n\nÉté.\n\n## Q2 Two\n\n**Answer**\n"
    answers.write_text(text, encoding="utf-8")
    assert exercises(monkeypatch, *work) == 0
    assert "answers.md: 1 of 2 questions answered\n" in capsys.readouterr().out
    with zipfile.ZipFile(tmp_path / "scripts" / "submission.zip") as archive:
        assert archive.read("answers.md").decode() == text


def test_a_run_that_overfits_one_minibatch_is_not_the_best_run(
    work: tuple[object, ...],
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    debug = tmp_path / "logs" / "debug_ctc_0"
    debug.mkdir()
    (debug / "metrics.csv").write_text("epoch,dev_cer\n1,\n2,0.0\n", encoding="utf-8")
    (debug / "summary.txt").write_text("debug", encoding="utf-8")
    assert exercises(monkeypatch, *work) == 0
    with zipfile.ZipFile(tmp_path / "scripts" / "submission.zip") as archive:
        assert archive.read("summary.txt") == b"ctc_0"
    assert "--debug run" not in capsys.readouterr().out
    for name in ("ctc_0", "ctc_1"):
        shutil.rmtree(tmp_path / "logs" / name)
    assert exercises(monkeypatch, *work) == 0
    assert "debug_ctc_0\nit is a --debug run" in capsys.readouterr().out


def test_what_is_not_written_yet_is_told_before_it_is_handed_in(
    work: tuple[object, ...],
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    assert exercises(monkeypatch, *work) == 0
    assert "not written yet" not in capsys.readouterr().out
    script = (ROOT / "trellis.py").read_text(encoding="utf-8")
    (tmp_path / "scripts" / "trellis.py").write_text(script, encoding="utf-8")
    assert exercises(monkeypatch, *work) == 0
    assert "\nnot written yet: E09 E27 E28\n" in capsys.readouterr().out


def test_a_missing_script_or_exercise_is_told(
    work: tuple[object, ...],
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    (tmp_path / "scripts" / "models.py").unlink()
    assert exercises(monkeypatch, *work) == 1
    assert "models.py: no such script" in capsys.readouterr().err
    assert not (tmp_path / "scripts" / "submission.zip").exists()
    assert exercises(monkeypatch, "--hint", "E99") == 2
    assert "no exercise E99" in capsys.readouterr().err


def test_a_part_that_a_student_does_not_have_is_said_and_not_handed_in(
    work: tuple[object, ...],
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    _, part_two = split_parts(scripts_of(EXERCISES))
    for name in part_two:
        (tmp_path / "scripts" / name).unlink()
    packed = tmp_path / "scripts" / "submission.zip"
    assert exercises(monkeypatch, *work) == 0
    out = capsys.readouterr().out
    assert f"not here, so not handed in: {', '.join(part_two)}\n" in out
    assert "scripts: data.py, " in out
    with zipfile.ZipFile(packed) as archive:
        assert not {*part_two} & {*archive.namelist()}
    for name in part_two:
        (tmp_path / "scripts" / name).write_text("# mine\n", encoding="utf-8")
    assert exercises(monkeypatch, *work) == 0
    with zipfile.ZipFile(packed) as archive:
        assert archive.read("seq2seq.py") == b"# mine\n"


def test_the_list_says_after_how_long_there_is_what_to_see(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    assert exercises(monkeypatch, "--list") == 0
    lines = capsys.readouterr().out.splitlines()
    for milestone in MILESTONES:
        needs = milestone.needs(EXERCISES)
        place = next(n for n, line in enumerate(lines) if line.startswith(needs[-1]))
        hours, minutes = divmod(sum(EXERCISES[id_].minutes for id_ in needs), 60)
        reached = f"after {hours} h {minutes:02} min: {milestone.what}"
        assert lines[place + 1].strip() == f"{reached}: {milestone.command}"


def test_list_and_hint_say_what_the_registry_holds(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    assert exercises(monkeypatch, "--list") == 0
    listed = capsys.readouterr().out
    for id_, stated in EXERCISES.items():
        (line,) = re.findall(rf"^{id_} .*$", listed, re.M)
        assert stated.title in line and stated.function in line
        assert exercises(monkeypatch, "--hint", id_) == 0
        said = f"{stated.hint}\ntext: {stated.section}\n"
        assert capsys.readouterr().out == said
    points = sum(stated.points for stated in EXERCISES.values())
    assert f"{len(EXERCISES)} exercises, {points} points" in listed
    for name in ("e11", "output_lengths", "OUTPUT_LENGTHS"):
        assert exercises(monkeypatch, "--hint", name) == 0
        assert EXERCISES["E11"].hint in capsys.readouterr().out
    assert exercises(monkeypatch, "--hint", "forward") == 0
    said = capsys.readouterr().out
    assert EXERCISES["E20"].hint in said and EXERCISES["E34"].hint in said


# ---- the doctor


def test_the_doctor_answers_without_torch(run: Run) -> None:
    done = run("test_implementation.py", "--doctor", PYTHONPROFILEIMPORTTIME="1")
    assert done.returncode in (0, 1) and "Traceback" not in done.stderr
    assert done.stdout.startswith(f"Python {sys.version_info[0]}.{sys.version_info[1]}")
    assert re.search(r"^  torch +\d", done.stdout, re.M)
    assert re.search(r"\| +labkit\.doctor$", done.stderr, re.M)
    assert not re.search(r"\| +(torch|numpy)\b", done.stderr)


def no_card() -> None:
    """Stand for a computer without a card."""


def test_the_doctor_says_where_packages_come_from_that_are_not_this_pythons(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    about = tmp_path / "torch-9.9.dist-info"
    about.mkdir()
    (about / "METADATA").write_text(
        "Metadata-Version: 2.1\nName: torch\nVersion: 9.9\n"
    )
    doctor.main()
    assert str(tmp_path) not in capsys.readouterr().out
    monkeypatch.syspath_prepend(str(tmp_path))
    doctor.main()
    assert str(tmp_path.resolve()) in capsys.readouterr().out


def test_the_doctor_names_what_does_not_fit_and_how_to_install_it(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    pins = doctor.requirements()
    assert {"torch", "torchaudio", "torchvision", "soundfile", "jiwer"} <= set(pins)
    monkeypatch.setattr(doctor, "nvidia_card", no_card)
    found = {name: re.findall(r"[\d.]+", pin)[0] for name, pin in pins.items()}
    monkeypatch.setattr(doctor, "installed", found.get)
    assert doctor.main() == 0
    assert capsys.readouterr().out.endswith("ready\n")

    found.update(torch="1.13.1+cu117")
    del found["jiwer"]
    assert doctor.main() == 1
    error, remedy = capsys.readouterr().err.splitlines()
    assert f"torch 1.13.1+cu117, needed {pins['torch']}" in error
    assert "jiwer missing" in error and "numpy" not in error
    assert remedy.startswith("to do: ") and f"torch{pins['torch']}" in remedy


def test_a_driver_too_old_for_the_pins_is_named(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(doctor, "nvidia_card", lambda: ("Old", 6.1, 470))
    assert doctor.main() == 1
    error = capsys.readouterr().err
    assert "driver 470" in error and "Old: too old" in error and "cu126" in error


@pytest.mark.parametrize(
    "version, specifier, fits",
    [
        ("2.11.0", "==2.11.0", True),
        ("2.11.0+cu130", "==2.11.0", True),
        ("2.11+cu130", "==2.11", True),
        ("2.11", "==2.11.0", True),
        ("2.11.1", "==2.11.0", False),
        ("2.1.0", ">=2.11", False),
        ("1.26.4", ">=1.26,<3", True),
        ("1.9", ">=1.26,<3", False),
        ("2.4.1", ">=1.26,<3", True),
        ("3.0.0", ">=1.26,<3", False),
        ("3", "<3", False),
        ("10.0", ">=8.4,<10", False),
        ("9.12", ">=8.4, <10", True),
        ("0.2.10", "==0.2.10", True),
        ("0.2.1", "==0.2.10", False),
        ("1.0", "", True),
    ],
)
def test_versions_are_compared_as_numbers(
    version: str, specifier: str, fits: bool
) -> None:
    assert doctor.satisfies(version, specifier) is fits
