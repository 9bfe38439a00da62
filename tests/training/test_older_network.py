"""A network of the older lab: a bare ``state_dict``, without its options."""

from __future__ import annotations

import math
from pathlib import Path

import pytest
import torch
from data import CharMap, WaveformProcessor, pack_sequences
from decoding import greedy_decode
from models import CTCModel
from shared import REFERENCE, ROOT, Run
from torch import Tensor

from labkit.audio import read_audio
from labkit.training.checkpoint import load_checkpoint

MAIN = REFERENCE / "main_ctc.py"
CLIP = ROOT / "corpora/mini/fr/clips/mini_fr_00452.mp3"
FLAGS = "--nlayers_rnn {layers} --nhidden_rnn {units} --normalization -31 32"
N_MELS, N_SYMBOLS, N_CHANNELS = 20, 44, 32


def older_shapes(layers: int, units: int) -> dict[str, tuple[int, ...]]:
    """List the keys of the older lab's network, and their shapes, in order."""
    shapes: dict[str, tuple[int, ...]] = {}

    def normalised_convolution(first: int, n_inputs: int, *kernel: int) -> None:
        shapes[f"cnn.{first}.weight"] = (N_CHANNELS, n_inputs, *kernel)
        shapes[f"cnn.{first}.bias"] = (N_CHANNELS,)
        for name in ("weight", "bias", "running_mean", "running_var"):
            shapes[f"cnn.{first + 1}.{name}"] = (N_CHANNELS,)
        shapes[f"cnn.{first + 1}.num_batches_tracked"] = ()

    normalised_convolution(0, 1, 41, 11)
    normalised_convolution(4, N_CHANNELS, 21, 11)
    for layer in range(layers):
        n_inputs = 2 * units if layer else N_CHANNELS * N_MELS // 2
        for end in (f"l{layer}", f"l{layer}_reverse"):
            shapes[f"rnn.weight_ih_{end}"] = (3 * units, n_inputs)
            shapes[f"rnn.weight_hh_{end}"] = (3 * units, units)
            shapes[f"rnn.bias_ih_{end}"] = shapes[f"rnn.bias_hh_{end}"] = (3 * units,)
    shapes["charlin.0.weight"] = (N_SYMBOLS, 2 * units)
    shapes["charlin.0.bias"] = (N_SYMBOLS,)
    return shapes


def random_weights(layers: int, units: int) -> dict[str, Tensor]:
    torch.manual_seed(0)
    weights = {
        name: torch.randn(shape) / math.sqrt(max(1, math.prod(shape[1:])))
        for name, shape in older_shapes(layers, units).items()
    }
    for name in weights:
        if name.endswith("running_var"):
            weights[name] = torch.rand(N_CHANNELS) + 0.5
        elif name.endswith("num_batches_tracked"):
            weights[name] = torch.tensor(70_000)
    return weights


def test_it_has_the_shapes_of_the_lab_s_network_and_65_million_weights() -> None:
    with torch.device("meta"):  # nothing is allocated
        model = CTCModel(CharMap(), N_MELS, 1024, 4, "GRU", dropout=0.1)
    found = {name: tuple(value.shape) for name, value in model.state_dict().items()}
    assert list(found.items()) == list(older_shapes(4, 1024).items())
    assert sum(p.numel() for p in model.parameters()) == 65_271_116


def test_it_transcribes_with_the_flags_of_its_training(
    run: Run, tmp_path: Path
) -> None:
    weights = random_weights(4, 12)
    torch.save(weights, tmp_path / "best_ctc_42077.pt")
    flags = FLAGS.format(layers=4, units=12).split()
    done = run(
        MAIN, "test", "--modelpath", "best_ctc_42077.pt", *flags, "--audiofile", CLIP
    )
    assert done.returncode == 0, done.stderr
    charmap = CharMap()
    model = CTCModel(charmap, N_MELS, 12, 4, "GRU", dropout=0.1)
    model.load_state_dict(weights)
    processor = WaveformProcessor(16000, 0.04, 0.01, N_MELS, False, None)
    log_mel = processor.log_mel(*read_audio(CLIP))
    with torch.inference_mode():
        scores = model.eval()(pack_sequences([(log_mel + 31) / 32]))
        ((cost, text),) = greedy_decode(scores, charmap)
    assert f"  {cost:.2f}    {charmap.plain(text)}" in done.stdout


def test_without_its_flags_the_error_names_them(run: Run, tmp_path: Path) -> None:
    torch.save(random_weights(4, 12), tmp_path / "older.pt")
    test = ("test", "--modelpath", "older.pt", "--audiofile", CLIP)
    done = run(MAIN, *test)
    assert done.returncode == 2
    assert "--normalization MEAN STD" in done.stderr
    assert "--cell_type GRU --nlayers_rnn 4 --nhidden_rnn 12" in done.stderr


@pytest.mark.parametrize("prefix", ["module.", "_orig_mod.", "_orig_mod.module."])
def test_wrapped_weights_are_loaded(tmp_path: Path, prefix: str) -> None:
    weights = random_weights(1, 4)
    torch.save({prefix + n: w for n, w in weights.items()}, tmp_path / "w.pt")
    assert [*load_checkpoint(tmp_path / "w.pt")["weights"]] == [*weights]


def test_weights_of_a_compiled_part_are_loaded(tmp_path: Path) -> None:
    weights = random_weights(1, 4)
    torch.save(
        {n.replace("cnn.", "cnn._orig_mod."): w for n, w in weights.items()},
        tmp_path / "w.pt",
    )
    assert [*load_checkpoint(tmp_path / "w.pt")["weights"]] == [*weights]


@pytest.mark.parametrize("page", ["README.md", "pretrained/README.md"])
def test_the_pages_say_how(page: str) -> None:
    flags = FLAGS.format(layers=4, units=1024)
    text = (ROOT / page).read_text(encoding="utf-8")
    command = f"main_ctc.py test --modelpath best_ctc_42077.pt {flags} --audiofile"
    assert command in text
