"""The laws of ``main_ctc.py test``: decoders, comparisons, sweeps, alignment."""

from __future__ import annotations

import json
import re
from pathlib import Path

import main_ctc
import numpy as np
import pytest
import soundfile
import torch
from data import CharMap
from models import CTCModel
from torch.nn.utils.rnn import pack_sequence

from labkit import cli
from labkit.checkpoint import save_checkpoint
from labkit.errors import LabError
from labkit.search import log_posteriors

CHARMAP = CharMap()
RATE = 16000
NOISE = 0.1 * np.random.default_rng(0).standard_normal(2 * RATE)


@pytest.fixture
def model(tmp_path: Path) -> Path:
    """Write the checkpoint of a network that writes ``¶``, some a, and ``¦``."""
    torch.manual_seed(0)
    options = {"nmels": 8, "nhidden_rnn": 4, "nlayers_rnn": 1, "cell_type": "GRU"}
    network = CTCModel(CHARMAP, *options.values(), dropout=0.0)
    with torch.no_grad():
        for symbol, bias in {"¬": 5.0, "a": 5.0, " ": 4.0, "b": 2.0}.items():
            network.charlin[0].bias[CHARMAP.char2idx[symbol]] += bias
    content = {
        "architecture": {**options, "model": "CTCModel", "dropout": 0.0, "l1": 0.0},
        "alphabet": CHARMAP.idx2char,
        "normalization": (-30.0, 20.0),
        "metrics": {"dev_cer": 0.25},
    }
    path = tmp_path / "run" / "best_model.pt"
    save_checkpoint(path, network, content)
    return path


@pytest.fixture
def clip(tmp_path: Path) -> Path:
    """Write a clip of two seconds."""
    path = tmp_path / "a clip.wav"
    soundfile.write(path, NOISE, RATE)
    return path


class Heard:
    """Runs ``main_ctc.py test`` in this process; what it prints comes back."""

    def __init__(self, model: Path, capsys: pytest.CaptureFixture[str]) -> None:
        self.logs = model.parents[1] / "logs"
        self.model, self.capsys = model, capsys

    def __call__(self, *options: object) -> str:
        """Run the program."""
        logs = ("--baselogdir", self.logs, "--nthreads", 1)
        words = ("test", "--modelpath", self.model, "--device", "cpu", *logs, *options)
        self.capsys.readouterr()
        main_ctc.main(cli.parse(None, [str(word) for word in words]))
        return self.capsys.readouterr().out


@pytest.fixture
def heard(model: Path, capsys: pytest.CaptureFixture[str]) -> Heard:
    """Give what runs the program on the network."""
    return Heard(model, capsys)


def nbest(out: str) -> list[tuple[float, str]]:
    """Read the first n-best list."""
    table = out.split("Log prob    Sequence\n")[1]
    rows = re.findall(r"^ *(-?\d+\.\d\d)    (\S.*)$", table, re.M)
    return [(float(cost), text) for cost, text in rows]


def test_plain_and_batched_search_print_the_same_list(heard: Heard, clip: Path) -> None:
    lists = [
        nbest(heard("--audiofile", clip, "--decoder", name, "--beamwidth", 6))
        for name in ("prefix", "beam")
    ]
    assert len(lists[0]) == 6
    assert [text for _, text in lists[0]] == [text for _, text in lists[1]]
    costs = torch.tensor([[cost for cost, _ in one] for one in lists])
    assert torch.allclose(costs[0], costs[1], atol=0.011)


def test_nbest_shows_fewer_hypotheses_than_are_kept(heard: Heard, clip: Path) -> None:
    wide = nbest(heard("--audiofile", clip, "--beamsearch"))
    few = nbest(heard("--audiofile", clip, "--beamsearch", "--nbest", 3))
    assert len(wide) == 10 and few == wide[:3]


def test_a_language_model_is_shown_apart_and_prefers_french(
    heard: Heard, clip: Path
) -> None:
    plain = heard("--audiofile", clip, "--decoder", "beam")
    out = heard("--audiofile", clip, "--lm", "char", "--lm_weight", 2)
    assert "language model" not in plain and "language model" in out
    # No French sentence repeats a letter so often.
    assert nbest(out)[0][1].count("a") < nbest(plain)[0][1].count("a")


def test_a_hot_word_is_heard(heard: Heard, clip: Path) -> None:
    plain = nbest(heard("--audiofile", clip, "--beamsearch"))[0][1]
    out = heard("--audiofile", clip, "--hotwords", "Bà", "--hotword_weight", 30)
    assert "ba" not in plain and "ba" in nbest(out)[0][1].split()


@pytest.mark.parametrize("decoder", ["greedy", "prefix", "beam", "flashlight"])
def test_every_output_has_the_same_text_and_times_within_the_clip(
    heard: Heard, clip: Path, decoder: str
) -> None:
    if decoder == "flashlight":
        pytest.importorskip("flashlight")
    folder = heard.logs / "transcripts"
    for kind in ("txt", "json", "srt"):
        out = heard("--audiofile", clip, "--decoder", decoder, "--output", kind)
        assert f"transcript: {folder / 'a clip'}.{kind}\n" in out
    found = json.loads((folder / "a clip.json").read_text("utf-8"))
    text = (folder / "a clip.txt").read_text("utf-8").strip()
    assert text and found["text"] == text == found["hypotheses"][0]["text"]
    assert found["decoder"] == decoder and found["duration"] == 2.0
    times = [t for w in found["hypotheses"][0]["words"] for t in (w["start"], w["end"])]
    assert times == sorted(times) and 0 <= times[0] and times[-1] <= 2
    subtitles = (folder / "a clip.srt").read_text("utf-8")
    lines = [line for line in subtitles.splitlines() if line and "-->" not in line]
    spoken = " ".join(line for line in lines if not line.isdigit())
    assert spoken.split() == text.split()


def test_a_transcript_is_found_in_time(heard: Heard, clip: Path) -> None:
    out = heard("--audiofile", clip, "--transcript", "Ab, bà!")
    assert [text for _, text in nbest(out)] == ["¶ab, ba.¦"]
    words = re.findall(r"^ +(\S+) +(\d\.\d\d) s +(\d\.\d\d) s +\d+ %$", out, re.M)
    assert [word for word, _, _ in words] == ["ab,", "ba."]
    times = [float(time) for _, *both in words for time in both]
    assert times == sorted(times) and times[-1] <= 2
    assert (heard.logs / "figures" / "a clip.wav.png").is_file()


@pytest.mark.parametrize(
    "transcript, cause",
    [("a" * 30, "frames"), ("5 €", "outside the alphabet: .*5 ❌")],
)
def test_a_transcript_that_cannot_be_aligned_is_refused(
    heard: Heard, clip: Path, transcript: str, cause: str
) -> None:
    with pytest.raises(LabError, match=cause):
        heard("--audiofile", clip, "--transcript", transcript)


@pytest.fixture
def fold(corpus: Path) -> tuple[object, ...]:
    """Give the options of a fold of six clips."""
    where = ("--datasetroot", corpus, "--datasetversion", "v", "--batch_size", 4)
    return ("--fold", "test", *where)


def test_several_decoders_are_compared_in_one_table(
    heard: Heard, fold: tuple[object, ...]
) -> None:
    out = heard(*fold, "--compare", "greedy", "beam", "prefix", "beam+char")
    rows = dict(re.findall(r"^(\S+) +(\d+\.\d %  +\d+\.\d %)", out, re.M))
    assert list(rows) == ["greedy", "beam", "prefix", "beam+char"]
    assert rows["beam"] == rows["prefix"]
    # The same rates as when it is scored alone.
    alone = heard(*fold, "--decoder", "beam", "--lm", "char")
    rates = re.findall(r"^[CW]ER (\d+\.\d %)", alone, re.M)
    assert rows["beam+char"].split("  ") == rates


def test_a_comparison_without_names_takes_all_decoders_there_are(
    heard: Heard, fold: tuple[object, ...]
) -> None:
    out = heard(*fold, "--compare")
    names = re.findall(r"^([a-z+]+) +\d+\.\d %", out, re.M)
    assert names[:4] == ["greedy", "prefix", "beam", "beam+char"]


def test_a_fold_is_written_clip_by_clip(heard: Heard, fold: tuple[object, ...]) -> None:
    heard(*fold, "--output", "txt")
    heard(*fold, "--output", "json", "--beamsearch", "--nbest", 2)
    folder = heard.logs / "transcripts"
    lines = (folder / "test.txt").read_text("utf-8").splitlines()
    clips = [f"clip_test_{i}.mp3" for i in range(6)]
    assert sorted(line.split("\t")[0] for line in lines) == clips
    found = json.loads((folder / "test.json").read_text("utf-8"))
    assert sorted(one["clip"] for one in found) == clips
    assert {one["reference"] for one in found} >= {"a d", "b e"}
    assert all(len(one["hypotheses"]) == 2 for one in found)


def test_a_sweep_prints_the_best_points_and_draws_them(
    heard: Heard, fold: tuple[object, ...]
) -> None:
    out = heard(*fold, "--tune", "--lm", "char")
    table = out.split("--lm_weight   --word_bonus\n")[1]
    rows = re.findall(r"^ +(\S+) % +(\S+) % +(\S+) +(\S+)$", table, re.M)
    rates = [(float(wer), float(cer)) for wer, cer, _, _ in rows]
    assert len(rows) == 5 and rates == sorted(rates)
    *_, weight, bonus = rows[0]
    best = ("--lm_weight", weight, "--word_bonus", bonus)
    again = heard(*fold, "--lm", "char", *best)
    assert f"WER {rows[0][0]} %" in again
    assert (heard.logs / "figures" / "tune_beam_char.png").is_file()


def test_a_minute_of_speech_is_decoded(heard: Heard, tmp_path: Path) -> None:
    soundfile.write(tmp_path / "long.wav", np.tile(NOISE, 30), RATE)
    out = heard("--audiofile", tmp_path / "long.wav", "--lm", "char", "--nbest", 1)
    assert len(nbest(out)[0][1]) > 30


@pytest.mark.parametrize(
    "options, cause",
    [
        ("--audiofile a --lm char --decoder greedy", "--lm goes with --beamsearch"),
        ("--audiofile a --beamsearch --decoder prefix", "contradicts"),
        ("--audiofile a --beamsearch --beamwidth 0", "at least 1"),
        ("--audiofile a --nbest 0", "at least 1"),
        ("--audiofile a --lm_weight 1", "--lm_weight goes with --lm"),
        ("--audiofile a --word_bonus 1 --decoder beam", "--word_bonus goes with --lm"),
        ("--audiofile a --hotwords x --decoder flashlight", "--decoder beam"),
        ("--audiofile a --hotword_weight 1 --decoder beam", "--hotwords"),
        ("--audiofile a --lexicon x --decoder beam", "--decoder flashlight"),
        ("--audiofile a --audiofile b --transcript x", "one --audiofile"),
        ("--fold dev --transcript x", "goes with --audiofile"),
        ("--fold dev --output srt", "--output srt goes with --audiofile"),
        ("--fold dev --tune", "--tune goes with --lm"),
        ("--fold dev --compare --lm char", "--compare names"),
        ("--fold dev --compare sphinx", "sphinx is no decoder"),
        ("--fold dev --compare greedy+char", "hears no language model"),
        ("--audiofile a --compare", "--compare goes with --fold"),
    ],
)
def test_options_that_cannot_go_together_are_refused(
    options: str, cause: str, capsys: pytest.CaptureFixture[str]
) -> None:
    with pytest.raises(SystemExit) as stop:
        cli.parse(None, ["test", *options.split()])
    error, remedy = capsys.readouterr().err.splitlines()
    assert stop.value.code == 2
    assert error.startswith("error: ") and cause in error
    assert remedy.startswith("to do: ")


@pytest.mark.parametrize("options", ["--lm none.arpa", "--lm char --hotwords 5€"])
def test_files_and_words_that_cannot_be_used_are_named(
    heard: Heard, clip: Path, options: str
) -> None:
    with pytest.raises((LabError, OSError), match=r"none\.arpa|5€"):
        heard("--audiofile", clip, *options.split())


def test_scores_that_are_not_numbers_are_refused_before_any_search() -> None:
    scores = torch.zeros(3, 44)
    scores[1, 2] = torch.nan
    with pytest.raises(LabError, match="NaN"):
        log_posteriors(pack_sequence([scores]))
