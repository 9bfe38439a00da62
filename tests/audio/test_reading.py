"""Reading what recorders, telephones and the web make of a clip."""

from __future__ import annotations

import io
import os
import threading
from pathlib import Path

import numpy as np
import pytest
import soundfile
import torch

from labkit.audio import AudioError, duration_of, read_audio, why_inaudible, why_partial
from labkit.corpus.inspection import read_clips

RATE = 16000
SPEECH = 0.2 * np.sin(np.arange(2 * RATE) * 0.05)


def encoded(samples: np.ndarray, kind: str) -> bytes:
    """Encode samples as the bytes of a file."""
    buffer = io.BytesIO()
    soundfile.write(buffer, samples, RATE, format=kind)
    return buffer.getvalue()


def of_unknown_length() -> bytes:
    """Make a FLAC whose header leaves the number of its samples open."""
    flac = bytearray(encoded(SPEECH, "FLAC"))
    flac[21] &= 0xF0  # 36 bits of the first block: 8 of marker and header before it
    flac[22:26] = bytes(4)
    return bytes(flac)


def of_guessed_length() -> bytes:
    """Make an MP3 of a quiet half, in small frames, and a loud one."""
    quiet, loud = np.zeros(RATE), np.random.default_rng(0).uniform(-0.5, 0.5, 3 * RATE)
    parts = []
    for samples, quality in ((quiet, 0.9), (loud, 0.1)):
        buffer = io.BytesIO()
        kind = {"format": "MP3", "bitrate_mode": "CONSTANT"}
        with soundfile.SoundFile(
            buffer, "w", RATE, 1, compression_level=quality, **kind
        ) as file:
            file.write(samples)
        parts.append(buffer.getvalue())
    return b"".join(parts)


def test_a_flac_of_unknown_length_is_read_to_its_end(tmp_path: Path) -> None:
    path = tmp_path / "x.flac"
    path.write_bytes(of_unknown_length())
    assert soundfile.info(path).frames > 1e12
    waveform, rate = read_audio(path)
    assert (waveform.shape, rate) == ((1, len(SPEECH)), RATE)
    assert duration_of(path) == 2.0


def test_a_length_that_an_mp3_does_not_tell_is_counted(tmp_path: Path) -> None:
    path = tmp_path / "x.mp3"
    path.write_bytes(of_guessed_length())
    waveform, rate = read_audio(path)
    seconds = waveform.shape[1] / rate
    assert abs(soundfile.info(path).duration - seconds) > 1  # libsndfile guesses
    assert duration_of(path) == pytest.approx(seconds)


KINDS = {"wav": "WAV", "flac": "FLAC", "ogg": "OGG", "mp3": "MP3"}


def assert_read_whole(path: Path, seconds: float) -> None:
    """Check that what is read, and what is said to last, are so many seconds."""
    waveform, rate = read_audio(path)
    assert waveform.shape[1] / rate == pytest.approx(seconds, abs=0.1)
    assert duration_of(path) == pytest.approx(seconds, abs=0.1)
    assert why_partial(path, waveform.shape[1] / rate) is None


@pytest.mark.parametrize("kind", ["flac", "ogg", "mp3"])
def test_recordings_that_are_joined_are_all_read(tmp_path: Path, kind: str) -> None:
    path, whole = tmp_path / f"x.{kind}", encoded(SPEECH, KINDS[kind])
    for n in (1, 2, 3):
        path.write_bytes(n * whole)
        assert_read_whole(path, 2.0 * n)
    path.write_bytes(whole + encoded(np.stack([SPEECH, SPEECH], 1), KINDS[kind]))
    if kind != "mp3":  # libsndfile itself reads on in an MP3
        with pytest.raises(AudioError, match="several rates or channels are joined"):
            read_audio(path)


@pytest.mark.parametrize("kind", KINDS)
def test_a_tag_at_the_end_is_no_sound(tmp_path: Path, kind: str) -> None:
    path = tmp_path / f"x.{kind}"
    path.write_bytes(encoded(SPEECH, KINDS[kind]) + b"TAG" + bytes(125))
    assert_read_whole(path, 2.0)


@pytest.mark.parametrize("said", [0, 20_000, 0x7FFFFFFF, 0xFFFFFFFF])
def test_a_wav_that_was_not_closed_is_read_to_its_end(
    tmp_path: Path, said: int
) -> None:
    wav = bytearray(encoded(SPEECH, "WAV"))
    place = wav.index(b"data") + 4
    wav[place : place + 4] = said.to_bytes(4, "little")
    (tmp_path / "x.wav").write_bytes(wav)
    assert_read_whole(tmp_path / "x.wav", 2.0)


@pytest.mark.parametrize("kind", ["wav", "mp3"])
def test_a_clip_that_was_cut_is_said_to_be(
    tmp_path: Path, kind: str, capfd: pytest.CaptureFixture
) -> None:
    content, path = encoded(SPEECH, KINDS[kind]), tmp_path / f"x.{kind}"
    path.write_bytes(content[: len(content) // 2])
    waveform, rate = read_audio(path)
    assert 0.5 < waveform.shape[1] / rate < 1.2
    assert "of 2.0 s are there" in str(why_partial(path, waveform.shape[1] / rate))
    assert capfd.readouterr().err == ""  # the codec is silent
    (broken,) = read_clips(tmp_path, {path.name: 0.0}, every=True).broken
    assert broken.startswith(f"{path.name}: ") and "are there" in broken


@pytest.mark.parametrize("bits", [15, 23, 31])
def test_floats_that_are_integers_are_scaled(tmp_path: Path, bits: int) -> None:
    samples = (SPEECH * 2.0**bits).round()
    soundfile.write(tmp_path / "x.wav", samples, RATE, subtype="FLOAT")
    waveform, _ = read_audio(tmp_path / "x.wav")
    assert waveform.abs().max().item() == pytest.approx(0.2, rel=1e-3)
    soundfile.write(tmp_path / "x.wav", 2 * SPEECH / 0.2, RATE, subtype="FLOAT")
    waveform, _ = read_audio(tmp_path / "x.wav")
    assert waveform.abs().max().item() == pytest.approx(2.0, rel=1e-3)  # only loud


@pytest.mark.parametrize("n_channels", [2, 4])
def test_channels_that_cancel_are_not_averaged(tmp_path: Path, n_channels: int) -> None:
    signs = np.tile([1.0, -1.0], n_channels // 2)
    soundfile.write(tmp_path / "x.wav", SPEECH[:, None] * signs, RATE)
    waveform, _ = read_audio(tmp_path / "x.wav")
    assert waveform.abs().max() == pytest.approx(0.2, rel=1e-2)


def test_other_channels_are_averaged(tmp_path: Path) -> None:
    noise = np.random.default_rng(0).uniform(-0.1, 0.1, (RATE, 2))
    one_sided = noise * [1, 0]
    for samples in (noise, one_sided):
        soundfile.write(tmp_path / "x.wav", samples, RATE, subtype="FLOAT")
        expected = torch.from_numpy(samples.astype("float32").mean(axis=1))
        torch.testing.assert_close(read_audio(tmp_path / "x.wav")[0][0], expected)


def test_what_cannot_be_heard_is_said() -> None:
    tone = torch.from_numpy(SPEECH)[None]
    assert why_inaudible(tone) is None and why_inaudible(tone / 10) is None
    assert "too quiet (peak -64 dB)" in str(why_inaudible(tone / 316))
    assert "silent" in str(why_inaudible(0 * tone))
    assert "silent" in str(why_inaudible(0 * tone + 0.3))  # a microphone shifts it
    assert "too quiet" in str(why_inaudible(tone / 316 + 0.3))
    click = 0 * tone
    click[0, 7:40] = 1.0
    assert "silent" in str(why_inaudible(click))


def test_a_silent_clip_is_broken(tmp_path: Path) -> None:
    soundfile.write(tmp_path / "a.wav", 0 * SPEECH, RATE)
    soundfile.write(tmp_path / "b.wav", SPEECH, RATE)
    audio = read_clips(tmp_path, {"a.wav": 2.0, "b.wav": 2.0}, every=True)
    assert audio.broken == ["a.wav: the clip is silent"]


def test_a_pipe_is_read(tmp_path: Path) -> None:
    path = tmp_path / "pipe"
    os.mkfifo(path)
    writer = threading.Thread(target=path.write_bytes, args=[encoded(SPEECH, "WAV")])
    writer.start()
    waveform, _ = read_audio(path)
    writer.join()
    assert waveform.shape == (1, len(SPEECH))


@pytest.mark.parametrize(
    "name, start, cause",
    [
        ("x.mp3", b"\0\0\0\x20ftypM4A ", "m4a"),
        ("x.mp3", b"\x1aE\xdf\xa3", "webm"),
        ("x.mp3", b"version https://git-lfs.github.com/spec/v1\n", "git lfs pull"),
        ("x.mp3", b"<!DOCTYPE html>", "a web page"),
        ("x.mp3", b"\x01\x02", "no frame of sound"),
        (os.fsdecode(b"caf\xe9.mp3"), b"\x01\x02", "its name is not UTF-8"),
    ],
)
def test_the_reason_is_the_right_one(
    tmp_path: Path, capfd: pytest.CaptureFixture, name: str, start: bytes, cause: str
) -> None:
    path = tmp_path / name
    path.write_bytes(start + bytes(3000))
    with pytest.raises(AudioError, match=cause) as caught:
        read_audio(path)
    assert "does not exist" not in caught.value.cause
    assert capfd.readouterr().err == ""  # the codec is silent


def test_a_folder_is_no_clip(tmp_path: Path) -> None:
    with pytest.raises(AudioError, match="is a folder") as caught:
        read_audio(tmp_path)
    assert "--audiofile" in caught.value.remedy
