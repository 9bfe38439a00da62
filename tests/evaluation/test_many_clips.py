"""Several clips in one command, some of them odd."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import soundfile
from shared import Run

from labkit.audio import read_audio
from labkit.base.errors import LabError
from labkit.evaluation.transcribe import transcribe
from labkit.evaluation.transcripts import Names
from labkit.options import CTC, parse

MAIN = "LabsSolutions/02-pytorch-asr/main_ctc.py"
RATE = 16000
NOISE = 0.1 * np.random.default_rng(0).standard_normal(RATE)


def test_several_clips_follow_one_option() -> None:
    words = "test --audiofile a b --nbest 2 --audiofile c --no_figures".split()
    args = parse(CTC, None, words)
    assert args.audiofile == ["a", "b", "c"] and args.no_figures
    with pytest.raises(SystemExit):
        parse(CTC, None, ["test", "--audiofile", ""])


def test_a_web_address_is_printed_as_it_is_given() -> None:
    with pytest.raises(LabError, match=r"https://host/a\.mp3: a web address"):
        read_audio("https://host/a.mp3")


def test_long_names_leave_room_for_what_follows() -> None:
    names = Names()
    for _ in range(3):
        for long in ("n" * 255, "अ" * 85):
            name = names.take(long)
            assert 220 < len(name.encode()) <= 235
    assert names.take("short") == "short"


def test_all_clips_but_the_bad_ones_are_transcribed(run: Run, tmp_path: Path) -> None:
    """A name of 251 bytes, a folder, a web page, silence, and what comes after."""
    long = "n" * 247 + ".wav"
    for name in (long, "last.wav"):
        soundfile.write(tmp_path / name, NOISE, RATE)
    soundfile.write(tmp_path / "mute.wav", 0 * NOISE, RATE)
    (tmp_path / "page.mp3").write_text("<!DOCTYPE html>")
    (tmp_path / "folder").mkdir()
    clips = (long, "folder", "page.mp3", "mute.wav", "last.wav")
    done = run(MAIN, "test", "--audiofile", *clips, "--output", "txt")
    assert done.returncode == 1
    assert "2 of 5 clips are not transcribed" in done.stderr
    assert "warning: mute.wav: the clip is silent" in done.stderr
    assert len(done.stderr.splitlines()) == 7, done.stderr
    written = sorted(
        path.name[:4] for path in (tmp_path / "logs/transcripts").iterdir()
    )
    assert written == ["last", "mute", "nnnn"]
    assert len(list((tmp_path / "logs/figures").iterdir())) == 3


def test_an_error_of_any_kind_ends_one_clip_alone(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture, tmp_path: Path
) -> None:
    class Stub:
        args = parse(CTC, None, ["test", "--audiofile", *"abc"])

        def make_search(self, *_: object) -> None: ...

        def read_clip(self, name: str) -> str:
            if name == "b":
                raise ValueError("array is too big")
            return name

    def note(_: object, clip: str, *__: object) -> None:
        seen.append(clip)

    seen: list[str] = []
    monkeypatch.chdir(tmp_path)
    monkeypatch.setitem(transcribe.__globals__, "_transcribe_one", note)
    with pytest.raises(LabError, match="1 of 3 clips"):
        transcribe(Stub())  # pyright: ignore[reportArgumentType] (a stub)
    assert seen == ["a", "c"]
    assert "error: b: ValueError: array is too big" in capsys.readouterr().err
    Stub.args.audiofile = ["b"]
    with pytest.raises(ValueError, match="too big"):
        transcribe(Stub())  # pyright: ignore[reportArgumentType] (a stub)
