"""Properties of normalising each utterance by itself, and of strong masks."""

from __future__ import annotations

from pathlib import Path

import pytest
import torch
from data import BatchCollate, WaveformProcessor, unpack_minibatch
from shared import REFERENCE, Run

from labkit.audio import NormalizeAndMask
from labkit.audio.finishing import normalize_log_mel
from labkit.loading import Utterance
from labkit.options import CTC, parse
from labkit.training.checkpoint import load_checkpoint

MAIN = REFERENCE / "main_ctc.py"


def speech(n_frames: int = 300, seed: int = 0) -> torch.Tensor:
    """Make something like a log-mel (T, M) in dB."""
    generator = torch.Generator().manual_seed(seed)
    return 6 * torch.randn(n_frames, 20, generator=generator) - 30


def normalized(log_mel: torch.Tensor) -> torch.Tensor:
    return normalize_log_mel(log_mel, "utterance")


def test_each_band_has_mean_0_and_deviation_1() -> None:
    found, zeros, ones = normalized(speech()), torch.zeros(20), torch.ones(20)
    torch.testing.assert_close(found.mean(dim=0), zeros, rtol=0, atol=1e-5)
    deviation = found.std(dim=0, correction=0)
    torch.testing.assert_close(deviation, ones, rtol=0, atol=1e-5)


def test_neither_loudness_nor_the_microphone_matters() -> None:
    tilt = torch.linspace(-9, 9, 20)  # dB of each band
    heard = normalized(speech())
    torch.testing.assert_close(normalized(speech() - 17), heard, rtol=1e-4, atol=1e-4)
    torch.testing.assert_close(normalized(speech() + tilt), heard, rtol=1e-4, atol=1e-4)


def test_digital_silence_decides_nothing() -> None:
    whole, quiet = speech(), speech()
    whole[:30], quiet[:30] = -100.0, -180.0
    assert not torch.equal(whole, quiet)
    quietest = whole[30:].max() - 80
    assert quietest > -100  # both are below the floor
    assert torch.equal(normalized(whole), normalized(quiet))
    silence = normalized(torch.full((50, 20), -100.0))
    assert torch.equal(silence, torch.zeros(50, 20))  # and no NaN
    assert torch.equal(normalized(torch.randn(1, 20)), torch.zeros(1, 20))


def test_the_other_normalizations_are_as_before() -> None:
    assert torch.equal(normalize_log_mel(speech(), None), speech())
    given = normalize_log_mel(speech(), (-30.0, 6.0))
    assert torch.equal(given, (speech() + 30) / 6)


def test_an_utterance_is_the_same_alone_and_in_a_batch() -> None:
    collate = BatchCollate(20, augment=False, spectro_normalization="utterance")
    utterances = [Utterance(speech(n, n), "a", 0) for n in (50, 300, 120)]
    together = unpack_minibatch(collate.collate(utterances))
    for utterance, (spectrogram, _) in zip(utterances, together):
        ((alone, _),) = unpack_minibatch(collate.collate([utterance]))
        assert torch.equal(spectrogram, alone)
        assert torch.equal(alone, normalized(utterance.log_mel))


def test_strong_masks_are_more_and_wider() -> None:
    plain, strong = (
        WaveformProcessor(16000, 0.04, 0.01, 20, augment, "utterance")
        for augment in (True, "strong")
    )
    shares = []
    for made in (plain, strong):
        masked = [made.finish(speech(900), seed) for seed in range(200)]
        shares.append(sum((one == 0).float().mean().item() for one in masked) / 200)
    assert shares[0] < 0.15 < 0.2 < shares[1] < 0.4
    assert torch.equal(strong.finish(speech(), 5), strong.finish(speech(), 5))


@pytest.mark.parametrize("n_frames", [1, 5, 149, 150])
def test_an_utterance_may_be_shorter_than_strong_masks(n_frames: int) -> None:
    finish = NormalizeAndMask(None, "strong", 20, 0.01)
    masked = [finish(torch.ones(n_frames, 20), seed) for seed in range(50)]
    assert all(one.shape == (n_frames, 20) for one in masked)
    gone = sum(int((one == 0).all(dim=1).sum()) for one in masked)  # frames
    assert (gone > 0) == (n_frames > 1)  # a mask is shorter than the utterance


@pytest.mark.parametrize(
    "words, normalization, augment",
    [
        ("train --normalization utterance --train_augment strong", 0, "strong"),
        ("--normalization utterance --train_augment train", 0, True),
        ("--train_augment strong --normalization utterance train", 0, "strong"),
        ("--normalization -31 32 train", [-31.0, 32.0], False),
        ("train", None, False),
    ],
)
def test_the_options(words: str, normalization: object, augment: object) -> None:
    args = parse(CTC, None, words.split())
    assert args.command == "train"
    assert args.normalization == ("utterance" if normalization == 0 else normalization)
    assert args.train_augment == augment


@pytest.mark.parametrize("words", ["3", "3 utterance", "3 0", "nan 1", "1 2 3", "a b"])
def test_wrong_normalizations(words: str, capsys: pytest.CaptureFixture) -> None:
    with pytest.raises(SystemExit):
        parse(CTC, None, f"train --normalization {words}".split())
    assert "--normalization: " in capsys.readouterr().err


def test_a_checkpoint_carries_it(run: Run, corpus: Path, tmp_path: Path) -> None:
    where = ("--datasetroot", corpus, "--datasetversion", "v", "--nthreads", 1)
    train = run(
        *(MAIN, "train", *where, "--normalization", "utterance", "--num_epochs", 1),
        *("--nhidden_rnn", 4, "--nmels", 8, "--train_augment", "strong"),
    )
    assert train.returncode == 0, train.stderr
    checkpoint = load_checkpoint(tmp_path / "logs" / "ctc_0" / "best_model.pt")
    assert checkpoint["normalization"] == "utterance"
    test = run(MAIN, "test", *where, "--fold", "test")
    assert test.returncode == 0, test.stderr
