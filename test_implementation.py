"""The exercises of the lab: their registry and their checks.

    pytest                                      check your scripts
    pytest -k E08                               check one exercise
    python test_implementation.py               the same without pytest
    python test_implementation.py --list        what there is to do, how long it takes
    python test_implementation.py --hint E08    a hint
    python test_implementation.py --doctor      see whether this computer is ready
    python test_implementation.py --submit      zip your scripts, to hand them in

A check has two halves: ``probe`` calls your code, ``judge`` compares what came out
with an oracle. Axis letters: T frames, T' frames after the convolutions, B utterances,
M mel bands, C channels, H hidden units, V symbols, U characters of a transcript.
"""

from __future__ import annotations

import sys

from labkit import doctor

if __name__ == "__main__" and "--doctor" in sys.argv:
    raise SystemExit(doctor.main())  # before torch is imported: it may not be there

import math
from collections.abc import Callable
from itertools import combinations, groupby, product
from types import SimpleNamespace

import pytest
import torch
import torch.nn.functional as F
from torch import Generator, Tensor, nn
from torch.nn.utils.rnn import (
    PackedSequence,
    pack_padded_sequence,
    pack_sequence,
    pad_packed_sequence,
    pad_sequence,
)

from labkit.base import Lab
from labkit.decoding import Automaton, Fusion, Hypothesis
from labkit.exercises import (
    Exercise,
    Values,
    assert_registry,
    expect,
    expect_close,
    expect_that,
    part,
)

ALPHABET = "¬ ¦',.0123456789¶❌abcdefghijklmnopqrstuvwxyz"
SENTENCE_INDICES = [
    *(16, 27, 22, 1, 39, 18, 26, 36, 1, 30, 3, 22, 20, 29, 18, 37, 22, 35, 1, 18, 39),
    *(22, 20, 1, 21, 22, 36, 1, 35, 31, 31, 36, 5, 2),
]

EXERCISES: dict[str, Exercise] = {}


def exercise(
    id_: str,
    title: str,
    points: int,
    minutes: int,
    difficulty: int,
    where: str,
    hint: str,
    needs: tuple[str, ...] = (),
) -> Callable[[type], type]:
    """Register a class whose ``inputs``, ``probe`` and ``judge`` check an exercise."""

    def register(check: type) -> type:
        if id_ in EXERCISES:
            raise ValueError(f"{id_} is defined twice")
        EXERCISES[id_] = Exercise(
            id_,
            title,
            points,
            minutes,
            difficulty,
            where,
            needs,
            hint,
            inputs=getattr(check, "inputs", lambda generator: {}),
            probe=check.probe,
            judge=check.judge,
        )
        return check

    return register


def normal(generator: Generator, *shape: int) -> Tensor:
    """Draw standard normal values."""
    return torch.randn(*shape, generator=generator)


def whole(generator: Generator, low: int, high: int) -> int:
    """Draw a whole number from ``low`` to ``high``."""
    return int(torch.randint(low, high + 1, (), generator=generator))


def pack(padded: Tensor, lengths: Tensor) -> PackedSequence:
    """Pack (L, B, ...) in whatever order it comes."""
    return pack_padded_sequence(padded, lengths, enforce_sorted=False)


def unpacked(packed: PackedSequence) -> list[Tensor]:
    """Cut a packed sequence into its B sequences, without padding."""
    if not isinstance(packed, PackedSequence):
        raise TypeError(f"a {type(packed).__name__}, not a PackedSequence")
    padded, lengths = pad_packed_sequence(packed)
    return [padded[:length, b] for b, length in enumerate(lengths.tolist())]


def collapsed(path: tuple[int, ...], blank: int) -> tuple[int, ...]:
    """Collapse a CTC path (the oracle): one symbol a run, then no blanks."""
    return tuple(symbol for symbol, _ in groupby(path) if symbol != blank)


# ---- data.py


@exercise(
    *("E01", "the size of the alphabet", 1, 3, 1, "data.py:question1"),
    hint="which attribute of a CharMap counts its symbols, the blank among them?",
)
class VocabularySize:
    """The number of symbols, from a CharMap."""

    def probe(lab: Lab, inputs: Values) -> Values:
        return {"size": lab.data.question1()}

    def judge(inputs: Values, result: Values) -> None:
        why = "26 letters, 10 digits, space, ' , . and 4 marks, one of them the blank"
        expect("question1()", result["size"], len(ALPHABET), why)


@exercise(
    *("E02", "encoding a sentence", 1, 5, 1, "data.py:question2"),
    hint="a CharMap does both; what do É, the capitals and ! become, and why?",
)
class Encoding:
    """The indices of the lab's sentence, and the way back."""

    def probe(lab: Lab, inputs: Values) -> Values:
        encoded, decoded = lab.data.question2()
        return {"encoded": list(encoded), "decoded": decoded}

    def judge(inputs: Values, result: Values) -> None:
        call = "question2()"
        with part("encoded"):
            why = "¶ (16), the folded sentence (é is e, J is j, ! is .), then ¦ (2)"
            expect(call, result["encoded"], SENTENCE_INDICES, why)
        with part("decoded"):
            why = "the way back gives the folded text: case, accents and ! are lost"
            text = "".join(ALPHABET[index] for index in SENTENCE_INDICES)
            expect(call, result["decoded"], text, why)


def mel_filters(n_fft: int, nmels: int, rate: int) -> Tensor:
    """Build triangular filters, evenly spaced on the mel scale (the oracle)."""

    def mel(hertz: float) -> float:
        return 2595 * torch.log10(torch.tensor(1 + hertz / 700)).item()

    edges = torch.linspace(0, mel(rate / 2), nmels + 2)
    edges = 700 * (10 ** (edges / 2595) - 1)  # Hz
    hertz = torch.linspace(0, rate / 2, n_fft // 2 + 1)
    rows = []
    for low, peak, high in zip(edges, edges[1:], edges[2:]):
        rising, falling = (hertz - low) / (peak - low), (high - hertz) / (high - peak)
        rows.append(torch.minimum(rising, falling).clamp(min=0))
    return torch.stack(rows)  # (M, n_fft // 2 + 1)


@exercise(
    *("E03", "the log-mel transform", 2, 15, 2),
    where="data.py:WaveformProcessor.build_tospectro",
    hint="16000 samples with a step of 160 give 101 frames; what turns power 100 "
    "into 20?",
)
class LogMel:
    """A mel spectrogram of power, in decibels."""

    ARGUMENTS = (16000, 640, 160, 20), (8000, 512, 100, 12)

    def inputs(generator: Generator) -> Values:
        loud = normal(generator, 1, 4000)
        return {"waveforms": torch.cat([loud, 1e-4 * loud.flip(1)])}  # (B, samples)

    def probe(lab: Lab, inputs: Values) -> Values:
        build = lab.data.WaveformProcessor.build_tospectro
        transforms = [build(*arguments) for arguments in LogMel.ARGUMENTS]
        return {
            "steps": len(transforms[0]),
            "spectrograms": [t(inputs["waveforms"]) for t in transforms],
        }

    def judge(inputs: Values, result: Values) -> None:
        for arguments, got in zip(LogMel.ARGUMENTS, result["spectrograms"]):
            rate, n_fft, hop_length, nmels = arguments
            spectrum = torch.stft(
                inputs["waveforms"],
                n_fft,
                hop_length,
                window=torch.hann_window(n_fft),
                return_complex=True,
            )
            power = mel_filters(n_fft, nmels, rate) @ spectrum.abs().square()
            call = f"build_tospectro{arguments} on (B=2, 4000 samples)"
            why = "10 log10 of the power in each band, each utterance by itself"
            decibels = 10 * power.clamp(min=1e-10).log10()
            expect_close(call, got, decibels, why, tolerance=0.05)
        why = "the lab names its two steps: the mel spectrogram, the decibels"
        expect("len(build_tospectro(...))", result["steps"], 2, why)


@exercise(
    *("E04", "packing sequences of different lengths", 2, 15, 2),
    where="data.py:pack_sequences",
    hint="lengths 5, 9, 2 come back as 5, 9, 2: which argument of "
    "pack_padded_sequence asks for an order that you do not have?",
)
class Packing:
    """Packing keeps the order and the values."""

    def inputs(generator: Generator) -> Values:
        lengths = [3, 7, 1, 7, 5]
        return {
            "frames": [normal(generator, n, 4) for n in lengths],
            "indices": [torch.arange(n) + 10 * n for n in lengths],
        }

    def probe(lab: Lab, inputs: Values) -> Values:
        result = {}
        for name, sequences in inputs.items():
            packed = lab.data.pack_sequences(list(sequences))
            if not isinstance(packed, PackedSequence):
                raise TypeError(f"a {type(packed).__name__}, not a PackedSequence")
            alive = packed.batch_sizes.tolist()
            # What is packed along the wrong axis may not even come apart again.
            whole = alive == [5, 4, 4, 3, 3, 2, 2]
            result[name] = unpacked(packed) if whole else []
            result[f"alive {name}"] = alive
        return result

    def judge(inputs: Values, result: Values) -> None:
        for name, sequences in inputs.items():
            call = f"pack_sequences of lengths 3, 7, 1, 7, 5 ({name})"
            alive = [sum(len(s) > t for s in sequences) for t in range(7)]
            why = "so many have a frame 0, 1, 2, ...: own lengths, axes (L, B, ...)"
            expect(f"{call}: batch_sizes", result[f"alive {name}"], alive, why)
            lengths = [len(sequence) for sequence in result[name]]
            why = "each sequence keeps its own length and its place"
            expect(f"{call}, unpacked", lengths, [3, 7, 1, 7, 5], why)
            for want, got in zip(sequences, result[name]):
                expect(call, got, want, "packing changes no value and no order")


@exercise(
    *("E05", "collating a minibatch", 2, 20, 3, "data.py:BatchCollate.collate"),
    hint="three lists in a row: utterances, their spectrograms, their transcripts; "
    "what does self.processor.finish do with one log-mel?",
    needs=("E03", "E04"),
)
class Collating:
    """Each utterance is finished and encoded alone, then packed."""

    SENTENCES = (
        *(("Le chat.", "¶le chat.¦"), ("Ça va?", "¶ca va.¦"), ("Non", "¶non¦")),
        *(("À demain", "¶a demain¦"), ("Où, ici?", "¶ou, ici.¦"), ("Dix", "¶dix¦")),
    )

    def inputs(generator: Generator) -> Values:
        log_mels = [normal(generator, n, 6) * 10 - 20 for n in (30, 50, 40)]
        drawn = torch.randperm(len(Collating.SENTENCES), generator=generator)[:3]
        pairs = [Collating.SENTENCES[i] for i in drawn.tolist()]
        return {
            "log_mels": log_mels,
            "normalization": (-20.0, 10.0),
            "sentences": [sentence for sentence, _ in pairs],
        }

    def probe(lab: Lab, inputs: Values) -> Values:
        def collate(augment: bool, chosen: list[int], seeds: list[int]) -> list:
            collate = lab.data.BatchCollate(6, augment, inputs["normalization"])
            utterances = [
                lab.data.Utterance(inputs["log_mels"][i], inputs["sentences"][i], seed)
                for i, seed in zip(chosen, seeds)
            ]
            spectrograms, transcripts = collate.collate(utterances)
            return [unpacked(spectrograms), unpacked(transcripts)]

        return {
            "plain": collate(False, [0, 1, 2], [1, 2, 3]),
            "twice": collate(True, [0, 1, 1, 2], [1, 2, 3, 4])[0],
            "alone": collate(True, [1], [2])[0],
        }

    def judge(inputs: Values, result: Values) -> None:
        spectrograms, transcripts = result["plain"]
        call = "collate of 3 utterances, normalisation (-20, 10)"
        with part("spectrograms"):
            for log_mel, got in zip(inputs["log_mels"], spectrograms):
                why = "what the network reads is (log-mel - mean) / standard deviation"
                expect_close(call, got, (log_mel + 20) / 10, why)
        folded = [dict(Collating.SENTENCES)[text] for text in inputs["sentences"]]
        with part("transcripts"):
            for text, got in zip(folded, transcripts):
                why = f"the indices of {text}, as int64"
                expect(call, got, torch.tensor([ALPHABET.index(c) for c in text]), why)
        twice, alone = result["twice"], result["alone"]
        with part("spectrograms"):
            call = "collate in training, one log-mel with two seeds"
            why = "each utterance draws masks of its own: pass its seed to finish"
            differ = not torch.equal(twice[1], twice[2])
            expect_that(differ, call, "different masks", "the same masks", why)
            call = "collate in training, the same utterance alone and in a batch"
            why = "finish draws an utterance's masks from its seed: pass u.seed"
            expect_close(call, twice[1], alone[0], why)


@exercise(
    *("E06", "taking a minibatch apart", 2, 15, 2, "data.py:unpack_minibatch"),
    hint="pad_packed_sequence also gives the lengths: where does utterance b end?",
)
class Unpacking:
    """Utterances come back without padding, in their order."""

    def inputs(generator: Generator) -> Values:
        return {
            "spectrograms": [normal(generator, n, 3) for n in (4, 9, 6)],
            "transcripts": [torch.arange(n) + 1 for n in (5, 2, 7)],
        }

    def probe(lab: Lab, inputs: Values) -> Values:
        minibatch = [pack_sequence(inputs[k], enforce_sorted=False) for k in inputs]
        pairs = lab.data.unpack_minibatch(tuple(minibatch))
        return {"pairs": [tuple(pair) for pair in pairs]}

    def judge(inputs: Values, result: Values) -> None:
        wanted = list(zip(inputs["spectrograms"], inputs["transcripts"]))
        call = "unpack_minibatch of T = 4, 9, 6 and U = 5, 2, 7"
        expect(call, len(result["pairs"]), 3, "one pair an utterance")
        for want, got in zip(wanted, result["pairs"]):
            shapes = [tuple(part.shape) for part in got]
            why = "spectrogram (T_i, M) and transcript (U_i,), no padding left"
            expect(f"{call}: shapes", shapes, [tuple(p.shape) for p in want], why)
            for one, other in zip(want, got):
                expect(call, other, one, "the values of the same utterance")


# ---- models.py

LAB_CONVOLUTIONS = (((41, 11), (2, 2), (20, 5)), ((21, 11), (2, 1), (10, 5)))


@exercise(
    *("E07", "the size after the convolutions", 1, 5, 2, "models.py:question3"),
    hint="a convolution gives floor((T + 2 padding - kernel) / stride) + 1: "
    "what is that for T = 5, kernel 41, stride 2, padding 20?",
)
class SizeAfterConvolutions:
    """The shape that (1, 1, 122, 80) becomes."""

    def probe(lab: Lab, inputs: Values) -> Values:
        return {"size": tuple(lab.models.question3())}

    def judge(inputs: Values, result: Values) -> None:
        features = torch.zeros(1, 1, 122, 80)
        for kernel, stride, padding in LAB_CONVOLUTIONS:
            layer = nn.Conv2d(features.shape[1], 32, kernel, stride, padding)
            features = layer(features)
        why = "122 -> 61 -> 31 frames, 80 -> 40 bands, 32 channels"
        expect("question3()", result["size"], tuple(features.shape), why)


@exercise(
    *("E08", "lengths after the convolutions", 2, 20, 3, "models.py:output_lengths"),
    hint="T = 5 gives 3, then 2: does a stride of 2 round up or down here, and what "
    "decides it?",
)
class OutputLengths:
    """The law of lengths, for every T from 1 to 200 and other layers too."""

    def inputs(generator: Generator) -> Values:
        kernel, stride = whole(generator, 3, 6), whole(generator, 2, 4)
        padding = whole(generator, 1, 3)
        return {
            "others": (
                ((kernel, 3), (stride, 1), (1, 1)),
                ((2, 3), (1, 2), (padding, 0)),
            )
        }

    def probe(lab: Lab, inputs: Values) -> Values:
        def layers(geometries: tuple) -> nn.Sequential:
            convolutions = [nn.Conv2d(1, 1, *geometry) for geometry in geometries]
            between = [nn.BatchNorm2d(1), nn.Hardtanh(0, 20)]
            return nn.Sequential(convolutions[0], *between, convolutions[1])

        compute = lab.models.output_lengths
        return {
            "lab": compute(torch.arange(1, 201), layers(LAB_CONVOLUTIONS)),
            "others": compute(torch.arange(4, 201), list(layers(inputs["others"]))),
        }

    def judge(inputs: Values, result: Values) -> None:
        why = "floor((T + 2 padding - kernel) / stride) + 1, layer after layer"
        cases = ("lab", 1, LAB_CONVOLUTIONS), ("others", 4, inputs["others"])
        for name, first, geometries in cases:
            got = result[name]
            wanted = range(first, 201)
            kernels, strides, paddings = (
                tuple(geometry[i][0] for geometry in geometries) for i in range(3)
            )
            layers = f"kernels {kernels}, strides {strides}, paddings {paddings}"
            size = tuple(got.shape)
            expect(f"output_lengths, {name}: shape", size, (len(wanted),), "one a clip")
            for T, length in zip(wanted, got.tolist()):
                features = torch.zeros(1, 1, T, 11)
                for kernel, stride, padding in geometries:
                    features = nn.Conv2d(1, 1, kernel, stride, padding)(features)
                call = f"output_lengths({T}) of Conv2d {layers}"
                expect(call, length, features.shape[2], why)


@exercise(
    *("E09", "the frames that a transcript needs", 2, 10, 2),
    where="models.py:required_frames",
    hint="'elle' needs 5 frames: what must stand between the two l?",
)
class RequiredFrames:
    """The length of the shortest CTC path, found by trying all paths."""

    def inputs(generator: Generator) -> Values:
        drawn = torch.randint(1, 3, (6, 4), generator=generator).tolist()
        return {"transcripts": [[], [1], [1, 1], [2, 2, 2], [1, 2, 1], *drawn]}

    def probe(lab: Lab, inputs: Values) -> Values:
        return {
            "counts": [
                lab.models.required_frames(list(t)) for t in inputs["transcripts"]
            ]
        }

    def judge(inputs: Values, result: Values) -> None:
        for transcript, got in zip(inputs["transcripts"], result["counts"]):
            shortest = next(
                n
                for n in range(9)
                for path in product((0, 1, 2), repeat=n)
                if collapsed(path, blank=0) == tuple(transcript)
            )
            why = "one frame a symbol, and a blank between two that are equal"
            expect(f"required_frames({transcript})", got, shortest, why)


@exercise(
    *("E10", "masking the padding", 2, 15, 3, "models.py:mask_padding"),
    hint="with lengths 2 and 3, frames 0 1 2: which of the six are inside? compare "
    "(T,) with (B, 1)",
)
class Masking:
    """What lies past an utterance's end is zero, the rest untouched."""

    def inputs(generator: Generator) -> Values:
        return {
            "features": normal(generator, 4, 2, 7, 3),  # (B, C, T, M)
            "lengths": torch.tensor([7, 1, 4, 6]),
        }

    def probe(lab: Lab, inputs: Values) -> Values:
        features = inputs["features"].clone()
        return {"masked": lab.models.mask_padding(features, inputs["lengths"])}

    def judge(inputs: Values, result: Values) -> None:
        wanted = inputs["features"].clone()
        for b, length in enumerate(inputs["lengths"].tolist()):
            wanted[b, :, length:] = 0
        call = "mask_padding((4, 2, 7, 3), lengths 7, 1, 4, 6)"
        why = "frames t >= length of utterance b are 0, in all channels and bands"
        expect_close(call, result["masked"], wanted, why, tolerance=0)


@exercise(
    *("E11", "the convolutions", 2, 20, 2, "models.py:CTCModel.build_cnn"),
    hint="the table of the docstring has a row a convolution; what follows each, and "
    "which of nn.Dropout and nn.Dropout2d drops a whole channel?",
)
class Convolutions:
    """Two convolutions, each with its normalisation, bound and dropout."""

    def inputs(generator: Generator) -> Values:
        dropout = (2 * whole(generator, 12, 17) + 1) / 100
        return {
            "features": 100 * normal(generator, 8, 1, 122, 40),
            "dropout": dropout,
        }

    def probe(lab: Lab, inputs: Values) -> Values:
        cnn = lab.models.CTCModel.build_cnn(inputs["dropout"])
        layers = [m for m in cnn.modules() if isinstance(m, nn.Conv2d)]
        dropouts = [m for m in cnn.modules() if "Dropout" in type(m).__name__]
        with torch.no_grad():
            trained = cnn.train()(inputs["features"])  # (B, C, T', M')
            for module in cnn.modules():
                if isinstance(module, nn.BatchNorm2d):
                    module.reset_running_stats()
                    module.weight.fill_(20.0)  # so that the bounds are reached
            evaluated = cnn.eval()(inputs["features"][:2])
        return {
            "kinds": [type(module).__name__ for module in cnn],
            "layers": [
                (c.in_channels, c.out_channels, c.kernel_size, c.stride, c.padding)
                for c in layers
            ],
            "normalizations": sum(isinstance(m, nn.BatchNorm2d) for m in cnn.modules()),
            "dropouts": [float(module.p) for module in dropouts],
            "parameters": sum(p.numel() for p in cnn.parameters()),
            "weights": list(cnn.parameters()),
            "evaluated": evaluated,
            "dropped": (trained == 0).flatten(2).all(2).float().mean().item(),
        }

    def judge(inputs: Values, result: Values) -> None:
        dropout, features = inputs["dropout"], inputs["features"][:2]
        call = f"build_cnn({dropout})"
        channels = ((1, 32), (32, 32))
        layers = [(*c, *geometry) for c, geometry in zip(channels, LAB_CONVOLUTIONS)]
        why = "channels, kernel, stride and padding of the docstring's table"
        expect(f"{call}: convolutions", result["layers"], layers, why)
        why = "batch normalisation after each convolution"
        expect(f"{call}: BatchNorm2d", result["normalizations"], 2, why)
        count = 41 * 11 * 32 + 32 + 21 * 11 * 32 * 32 + 32 + 2 * 64
        why = "kernels, biases, and scale and shift of each normalisation"
        expect(f"{call}: parameters", result["parameters"], count, why)
        shape, got = tuple(features.shape), result["evaluated"]
        why = "time is halved twice, the bands once"
        expect(f"{call} on {shape}: shape", tuple(got.shape), (2, 32, 31, 20), why)
        bounds = (got.min().item(), got.max().item())
        why = "Hardtanh(0, 20) comes after the normalisation"
        expect(f"{call} on {shape}: smallest, largest value", bounds, (0.0, 20.0), why)
        kinds = ["Conv2d", "BatchNorm2d", "Hardtanh", "Dropout2d"] * 2
        wanted = [dropout, dropout]
        why = "the argument is the probability, after each of the two convolutions"
        expect(f"{call}: dropout", result["dropouts"], wanted, why)
        expect_that(
            dropout / 2 < result["dropped"] < 1.5 * dropout,
            f"{call} on (8, 1, 122, 40), training: share of channels that are 0",
            f"about {dropout}",
            round(result["dropped"], 3),
            "Dropout2d drops whole channels, Dropout single values",
        )
        why = "convolve() reads the layers one by one and masks after each Hardtanh"
        expect(f"{call}: its layers", result["kinds"], kinds, why)
        why = "convolution, normalisation and bound, twice, in this order"
        wanted = convolved(features, result["weights"], mean=0.0)
        expect_close(f"{call} on {shape}, evaluation", got, wanted, why, 1e-2)


def convolved(features: Tensor, weights: list[Tensor], mean: float) -> Tensor:
    """Compute what leaves the lab's convolutions in evaluation (the oracle).

    Args:
        features: (B, 1, T, M).
        weights: Kernel, bias, scale and shift of each convolution.
        mean: The running mean of both normalisations; their variance is 1.

    Returns:
        The features (B, C, T', M').
    """
    for n, (_, stride, padding) in enumerate(LAB_CONVOLUTIONS):
        kernel, bias, scale, shift = weights[4 * n : 4 * n + 4]
        features = F.conv2d(features, kernel, bias, stride, padding) - mean
        features = features / (1 + 1e-5) ** 0.5 * scale[:, None, None]
        features = (features + shift[:, None, None]).clamp(0, 20)
    return features


def recurrent_parameters(gates: int, n_inputs: int, nhidden: int, nlayers: int) -> int:
    """Count the parameters of a bidirectional stack (the oracle)."""
    count = 0
    for layer in range(nlayers):
        inputs = n_inputs if layer == 0 else 2 * nhidden
        count += 2 * gates * nhidden * (inputs + nhidden + 2)
    return count


@exercise(
    *("E12", "the recurrent layers", 2, 15, 2, "models.py:CTCModel.build_rnn"),
    hint="(T', B, n_features) goes in; with H = 4 and two directions, what is the "
    "size of a frame that comes out?",
)
class Recurrent:
    """A bidirectional stack, of either cell."""

    def inputs(generator: Generator) -> Values:
        nhidden, dropout = whole(generator, 3, 9), whole(generator, 35, 45) / 100
        cases = [("GRU", nhidden, 2, dropout), ("LSTM", nhidden - 1, 1, dropout)]
        features = normal(generator, 6, 2, 5)  # (T', B, n_features)
        return {"features": features, "cases": cases}  # cell, H, layers, dropout

    def probe(lab: Lab, inputs: Values) -> Values:
        results = []
        for cell, nhidden, nlayers, dropout in inputs["cases"]:
            build = lab.models.CTCModel.build_rnn
            rnn = build(5, nhidden, nlayers, cell, dropout)
            features = inputs["features"].clone().requires_grad_()
            output = rnn.eval()(features)[0]
            output[0, 0].sum().backward()
            with torch.no_grad():
                runs = [rnn.train()(features)[0] for _ in range(4)]
            results.append(
                {
                    "shape": tuple(output.shape),
                    "parameters": sum(p.numel() for p in rnn.parameters()),
                    "reach": features.grad.abs().sum(dim=2) > 0,  # (T', B)
                    "random": not all(torch.equal(runs[0], run) for run in runs),
                    "dropout": float(rnn.dropout),
                }
            )
        return {"cases": results}

    def judge(inputs: Values, result: Values) -> None:
        expect("cases", len(result["cases"]), 2, "a GRU and an LSTM")
        for case, got in zip(inputs["cases"], result["cases"]):
            cell, nhidden, nlayers, dropout = case
            call = f"build_rnn(5, {nhidden}, {nlayers}, '{cell}', {dropout})"
            why = "two directions: each frame comes out with 2 H numbers"
            expect(f"{call}: shape", got["shape"], (6, 2, 2 * nhidden), why)
            gates = {"GRU": 3, "LSTM": 4}[cell]
            count = recurrent_parameters(gates, 5, nhidden, nlayers)
            why = "gates of the cell x directions x layers, each with 2 biases"
            expect(f"{call}: parameters", got["parameters"], count, why)
            reach = torch.tensor([[True, False]] * 6)
            why = "frame 0 hears every frame of its own utterance, and no other's"
            expect(f"{call}: (frame, utterance) heard", got["reach"], reach, why)
            why = "dropout stands between two layers: one layer has none"
            expect(f"{call}: random in training", got["random"], nlayers > 1, why)
            if nlayers > 1:
                why = "the argument is the probability"
                expect(f"{call}: dropout", got["dropout"], dropout, why)


@exercise(
    *("E13", "the output layer", 1, 5, 1, "models.py:CTCModel.build_charlin"),
    hint="each frame comes out of the recurrent layers with 2 H numbers: why 2?",
)
class OutputLayer:
    """One linear layer from both directions to the symbols."""

    def inputs(generator: Generator) -> Values:
        nhidden, n_symbols = whole(generator, 4, 9), whole(generator, 30, 50)
        frames = normal(generator, 2, 3, 2 * nhidden)
        return {"frames": frames, "sizes": (nhidden, n_symbols)}

    def probe(lab: Lab, inputs: Values) -> Values:
        charlin = lab.models.CTCModel.build_charlin(*inputs["sizes"])
        nhidden, n_symbols = inputs["sizes"]
        # A layer of another size could not even be called on frames of 2 H.
        count = sum(p.numel() for p in charlin.parameters())
        fits = count == (2 * nhidden + 1) * n_symbols
        return {
            "type": "Sequential" if isinstance(charlin, nn.Sequential) else "other",
            "parameters": count,
            "weights": list(charlin.parameters()),
            "scores": charlin(inputs["frames"]) if fits else inputs["frames"],
        }

    def judge(inputs: Values, result: Values) -> None:
        nhidden, n_symbols = inputs["sizes"]
        call = f"build_charlin({nhidden}, {n_symbols})"
        why = "the checkpoints name its weights charlin.0.weight and charlin.0.bias"
        expect(f"{call}: type", result["type"], "Sequential", why)
        why = "2 H x V weights (two directions) and V biases"
        count = 2 * nhidden * n_symbols + n_symbols
        expect(f"{call}: parameters", result["parameters"], count, why)
        shape, wanted = tuple(result["scores"].shape), (2, 3, n_symbols)
        expect(f"{call} on (2, 3, 2 H): shape", shape, wanted, "a score a symbol")
        weight, bias = result["weights"]
        why = "no activation: the loss takes the scores as they are"
        scores = inputs["frames"] @ weight.T + bias
        expect_close(f"{call} on (2, 3, 2 H)", result["scores"], scores, why)
        expect_that(bool(weight.any()), call, "weights", "zeros", "drawn at random")


def small_model(lab: Lab, l1: float = 0.5) -> nn.Module:
    """Build a CTCModel of the student's parts, its statistics away from 0 and 1."""
    torch.manual_seed(0)
    model = lab.models.CTCModel(lab.data.CharMap(), 6, 4, 2, "GRU", 0.3, l1=l1)
    for module in model.modules():
        if isinstance(module, nn.BatchNorm2d):
            # A mean below 0 shifts the padding away from 0.
            module.running_mean.fill_(-0.5)
    return model.eval()


@exercise(
    *("E14", "the forward pass", 4, 40, 4, "models.py:CTCModel.forward"),
    hint="print the shape after every step: which steps need (B, C, T, M), which a "
    "packed sequence, and whose lengths does each packing take?",
    needs=("E08", "E10", "E11", "E12", "E13"),
)
class Forward:
    """The parts in a row; alone as in a batch; in the order of the inputs."""

    LENGTHS = (61, 122, 5)

    def inputs(generator: Generator) -> Values:
        return {"spectrograms": [normal(generator, T, 6) for T in Forward.LENGTHS]}

    def probe(lab: Lab, inputs: Values) -> Values:
        model, spectrograms = small_model(lab), inputs["spectrograms"]
        parts = (model.cnn, model.rnn, model.charlin)
        weights = [[p.detach().clone() for p in part.parameters()] for part in parts]
        with torch.no_grad():
            together = model(pack_sequence(spectrograms, enforce_sorted=False))
            alone = [unpacked(model(pack_sequence([s])))[0] for s in spectrograms]
        model(pack_sequence(spectrograms[:1])).data.square().sum().backward()
        return {
            "together": unpacked(together),
            "alone": alone,
            "weights": weights,
            "unmoved": [n for n, p in model.named_parameters() if p.grad is None],
        }

    def judge(inputs: Values, result: Values) -> None:
        lengths = [len(scores) for scores in result["together"]]
        call = "forward of T = 61, 122, 5"
        why = "T' frames of each utterance, in the order of the inputs"
        expect(f"{call}: T'", lengths, [16, 31, 2], why)
        wanted = Forward.parts_in_a_row(inputs["spectrograms"], result["weights"])
        with part("one utterance"):
            for T, alone, parts in zip(Forward.LENGTHS, result["alone"], wanted):
                why = "a frame is C M' numbers by channel: permute, then flatten"
                got, want = alone.log_softmax(1), parts.log_softmax(1)
                expect_close(f"forward of T = {T} alone", got, want, why)
        with part("a batch"):
            pairs = zip(Forward.LENGTHS, result["together"], wanted)
            for T, together, parts in pairs:
                why = "alone or not, the same: axes? convolve() masks the padding"
                got, want = together.log_softmax(1), parts.log_softmax(1)
                expect_close(f"{call}, against T = {T} alone", got, want, why)
        why = "the gradient must reach every weight: no no_grad, no detach"
        call = "backward through forward: weights without a gradient"
        expect(call, result["unmoved"], [], why)

    def parts_in_a_row(
        spectrograms: list[Tensor], weights: list[list[Tensor]]
    ) -> list[Tensor]:
        """Compute the scores of each utterance by itself (the oracle)."""
        kernels, recurrent, output = weights
        rnn = nn.GRU(32 * 3, 4, 2, bidirectional=True)
        shapes = [
            [tuple(w.shape) for w in group]
            for group in (recurrent, [*rnn.parameters()], output, kernels[::4])
        ]
        layers = [(44, 8), (44,)], [(32, 1, 41, 11), (32, 32, 21, 11)]
        right = shapes[0] == shapes[1] and (shapes[2], shapes[3]) == layers
        why = "forward needs the layers that the docstrings ask for"
        call = "CTCModel: its convolutions, recurrent and output layers"
        expect_that(right, call, "as E11, E12 and E13 have them", "others", why)
        scores = []
        with torch.no_grad():
            for ours, theirs in zip(rnn.parameters(), recurrent):
                ours.copy_(theirs)
            for spectrogram in spectrograms:
                features = convolved(spectrogram[None, None], kernels, mean=-0.5)
                frames = features[0].transpose(0, 1).flatten(1)  # (T', C M')
                outputs, _ = rnn(frames.unsqueeze(1))  # (T', 1, 2 H)
                scores.append(outputs[:, 0] @ output[0].T + output[1])  # (T', V)
        return scores


@exercise(
    *("E15", "an L1 penalty", 2, 15, 2, "models.py:CTCModel.penalty"),
    hint="weights 3, -4 and l1 = 0.5 give 3.5; a bias has one dimension, a matrix two",
    needs=("E11", "E12", "E13"),
)
class Penalty:
    """The L1 norm of the weights, differentiable."""

    def inputs(generator: Generator) -> Values:
        return {"l1": whole(generator, 32, 255) / 256}

    def probe(lab: Lab, inputs: Values) -> Values:
        model = small_model(lab, inputs["l1"])
        value = model.penalty()
        value.backward()
        weights = [p for p in model.parameters() if p.dim() > 1]
        others = [p for p in model.parameters() if p.dim() <= 1]
        return {
            "value": value,
            "matrices": weights,
            "slopes": [
                w.grad.abs().max().item() for w in weights if w.grad is not None
            ],
            "touched": sum(bool(p.grad is not None and p.grad.any()) for p in others),
        }

    def judge(inputs: Values, result: Values) -> None:
        l1 = inputs["l1"]
        call = f"penalty() with l1 = {l1}"
        norm = sum(w.double().abs().sum().item() for w in result["matrices"])
        value = torch.tensor(l1 * norm)
        why = "l1 times the sum of the absolute values of all matrices and kernels"
        expect_close(call, result["value"], value, why, tolerance=1e-4 * value.item())
        expect(f"{call}: biases with a gradient", result["touched"], 0, "left free")
        why = "the gradient of l1 |w| is l1 times the sign of w, for every weight"
        slopes = [l1] * len(result["matrices"])
        expect(f"{call}: largest slope of each weight", result["slopes"], slopes, why)
        expect_that(norm > 0, call, "weights", "none", "those of a CTCModel")


# ---- main_ctc.py


@exercise(
    *("E16", "the CTC loss", 3, 25, 3, "main_ctc.py:ctc_losses"),
    hint="F.ctc_loss takes log-probabilities (T', B, V), targets (B, U) and two "
    "vectors of lengths; what does it return by default, and what do you want?",
)
class CTCLoss:
    """The loss of each utterance, against the sum over all paths."""

    def inputs(generator: Generator) -> Values:
        return {
            "scores": 2 * normal(generator, 5, 3, 4),  # (T', B, V)
            "n_frames": torch.tensor([4, 5, 2]),
            "transcripts": [torch.tensor(t) for t in ([1, 1], [3, 1, 0], [3, 3])],
        }

    def probe(lab: Lab, inputs: Values) -> Values:
        scores = inputs["scores"].clone().requires_grad_()
        transcripts = pack_sequence(inputs["transcripts"], enforce_sorted=False)
        packed = pack(scores, inputs["n_frames"])
        losses = lab.main_ctc.ctc_losses(packed, transcripts, 2)
        return {"losses": losses, "learns": getattr(losses, "requires_grad", False)}

    def judge(inputs: Values, result: Values) -> None:
        log_probs = inputs["scores"].double().log_softmax(2)
        wanted = []
        for b, transcript in enumerate(inputs["transcripts"]):
            n = int(inputs["n_frames"][b])
            paths = [
                log_probs[torch.arange(n), b, torch.tensor(path)].sum()
                for path in product(range(4), repeat=n)
                if collapsed(path, blank=2) == tuple(transcript.tolist())
            ]
            none = torch.tensor(-torch.inf, dtype=torch.float64)
            wanted.append(-torch.stack([none, *paths]).logsumexp(0))
        got = result["losses"]
        call = "ctc_losses of T' = 4, 5, 2 and U = 2, 3, 2, blank 2"
        expect(
            f"{call}: shape", tuple(got.shape), (3,), "no reduction: one an utterance"
        )
        why = "infinite where no path fits into the utterance's own T' frames"
        finite = [loss.isfinite().item() for loss in wanted]
        expect(f"{call}: finite", got.isfinite().tolist(), finite, why)
        why = "-log of the sum over all paths: log-softmax over V, the blank as given"
        expect_close(call, got[:2], torch.stack(wanted[:2]), why)
        why = "training goes back from the losses to the scores: keep them tensors"
        expect(f"{call}: differentiable", result["learns"], True, why)


@exercise(
    *("E17", "building the network", 1, 5, 1, "main_ctc.py:build_model"),
    hint="which option of --help goes with each argument of CTCModel?",
    needs=("E11", "E12", "E13"),
)
class BuildModel:
    """A CTCModel of the size that the options ask for."""

    def inputs(generator: Generator) -> Values:
        return {
            "nmels": 2 * whole(generator, 3, 8),
            "nhidden_rnn": whole(generator, 3, 9),
            "nlayers_rnn": whole(generator, 3, 4),
            "cell_type": "LSTM",
            "dropout": whole(generator, 1, 7) / 16,
            "l1": whole(generator, 1, 7) / 8,
        }

    def probe(lab: Lab, inputs: Values) -> Values:
        options = SimpleNamespace(**inputs)
        model = lab.main_ctc.build_model(options, lab.data.CharMap())
        return {
            "parameters": sum(p.numel() for p in model.parameters()),
            "dropouts": sorted(
                float(m.p) for m in model.modules() if isinstance(m, nn.Dropout2d)
            ),
            "l1": float(model.l1),
        }

    def judge(inputs: Values, result: Values) -> None:
        nmels, nhidden, nlayers = (
            inputs[name] for name in ("nmels", "nhidden_rnn", "nlayers_rnn")
        )
        dropout, l1 = inputs["dropout"], inputs["l1"]
        call = f"build_model(nmels {nmels}, LSTM {nlayers} x {nhidden}, ...)"
        recurrent = recurrent_parameters(4, 32 * (nmels // 2), nhidden, nlayers)
        output = (2 * nhidden + 1) * 44
        count = 41 * 11 * 32 + 21 * 11 * 32 * 32 + 3 * 64 + recurrent + output
        why = (
            f"convolutions, {nlayers} LSTM layers of 2 x {nhidden} units over "
            f"32 x {nmels // 2}, 44 symbols"
        )
        expect(f"{call}: parameters", result["parameters"], count, why)
        wanted = [dropout, dropout]
        expect(f"{call}: dropout", result["dropouts"], wanted, "args.dropout")
        expect(f"{call}: l1", result["l1"], l1, "args.l1")


@exercise(
    *("E18", "the optimiser", 1, 5, 1, "main_ctc.py:build_optimizer"),
    hint="AdamW shrinks the weights apart from the gradient: which two options does "
    "it take?",
)
class Optimizer:
    """One update, against the formula of AdamW."""

    def inputs(generator: Generator) -> Values:
        return {"weight": normal(generator, 3, 2), "slope": normal(generator, 3, 2)}

    def probe(lab: Lab, inputs: Values) -> Values:
        model = nn.Linear(2, 3)
        options = SimpleNamespace(base_lr=0.1, weight_decay=0.5)
        optimizer = lab.main_ctc.build_optimizer(model, options)
        with torch.no_grad():
            model.weight.copy_(inputs["weight"])
            before = model.bias.clone()
        model.weight.grad = inputs["slope"].clone()
        model.bias.grad = torch.ones(3)
        optimizer.step()
        return {"weight": model.weight, "moved": model.bias - before}

    def judge(inputs: Values, result: Values) -> None:
        # The first step of Adam is the sign of the gradient (Loshchilov 2019).
        step = inputs["slope"] / (inputs["slope"].abs() + 1e-8)
        wanted = inputs["weight"] * (1 - 0.1 * 0.5) - 0.1 * step
        why = "w (1 - lr decay) - lr sign(gradient): AdamW with the two options"
        expect_close("one step, lr 0.1, decay 0.5", result["weight"], wanted, why)
        moved = bool(result["moved"].abs().min() > 0)
        expect(
            "one step: the bias moves too", moved, True, "every parameter is updated"
        )


@exercise(
    *("E19", "one training step", 3, 25, 3, "main_ctc.py:train_step"),
    hint="a second call must give what a fresh start from the same weights gives: "
    "what is left over from the first?",
)
class TrainStep:
    """Two updates, against gradients computed by hand."""

    LR, CLIPS, PENALTY = 0.1, (1e6, 0.5), 0.3

    def inputs(generator: Generator) -> Values:
        return {
            "weight": normal(generator, 4, 3),
            "spectrograms": [normal(generator, T, 3) for T in (5, 2)],
            "transcripts": [torch.tensor([1, 2]), torch.tensor([3])],
        }

    def losses(scores: PackedSequence, transcripts: PackedSequence) -> Tensor:
        """Stand for a loss: the squares of an utterance's scores, and its symbols."""
        values = [s.square().sum() for s in unpacked(scores)]
        return torch.stack(values) * torch.stack(
            [t.sum().float() for t in unpacked(transcripts)]
        )

    def probe(lab: Lab, inputs: Values) -> Values:
        class Frames(nn.Module):
            def __init__(self) -> None:
                super().__init__()
                self.layer = nn.Linear(3, 4, bias=False)

            def forward(self, packed: PackedSequence) -> PackedSequence:
                return packed._replace(data=self.layer(packed.data))

        names = ("spectrograms", "transcripts")
        batch = tuple(pack_sequence(inputs[n], enforce_sorted=False) for n in names)
        runs = []
        for clip in TrainStep.CLIPS:
            model = Frames()
            with torch.no_grad():
                model.layer.weight.copy_(inputs["weight"])
            optimizer = torch.optim.SGD(model.parameters(), lr=TrainStep.LR)

            def penalty(weight: Tensor = model.layer.weight) -> Tensor:
                return TrainStep.PENALTY * weight.square().sum()

            steps = []
            for _ in range(2):
                losses, extra, scores = lab.main_ctc.train_step(
                    model, TrainStep.losses, penalty, optimizer, batch, clip
                )
                weight = model.layer.weight.detach().clone()
                steps.append([losses, extra, unpacked(scores), weight])
            runs.append(steps)
        return {"runs": runs}

    def judge(inputs: Values, result: Values) -> None:
        for clip, steps in zip(TrainStep.CLIPS, result["runs"]):
            weight = inputs["weight"].double()
            name = "the update" if clip > 1 else "the clipping"
            for n, (losses, extra, scores, updated) in enumerate(steps, 1):
                frames = [s.double() for s in inputs["spectrograms"]]
                outputs = [f @ weight.T for f in frames]
                factors = [t.sum().item() for t in inputs["transcripts"]]
                wanted = [f * o.square().sum() for f, o in zip(factors, outputs)]
                slope = 2 * TrainStep.PENALTY * weight
                for factor, f, o in zip(factors, frames, outputs):
                    slope = slope + factor * (o.T @ f)  # half of 2: a mean of two
                norm = slope.norm().item()
                call = f"train_step {n}, grad_clip {clip:g}"
                why = "the loss of each utterance, before the update"
                returned = torch.stack(wanted)
                size = returned.max().item()
                # After a wrong update all else is wrong: a mistake costs once.
                with part("what it returns" if n == 1 else name):
                    expect_close(f"{call}: losses", losses, returned, why, 1e-4 * size)
                    value = TrainStep.PENALTY * weight.square().sum()
                    why = "what penalty() returned, before the update"
                    expect_close(f"{call}: penalty", extra, value, why, 1e-3)
                    why = "the packed scores that the network gave"
                    expect_close(f"{call}: scores", scores[0], outputs[0], why, 1e-3)
                weight = weight - TrainStep.LR * slope * min(1.0, clip / norm)
                why = "update with the gradient of losses.mean() + penalty"
                if clip < norm:
                    why = "clip the norm of the gradient to grad_clip, then update"
                elif n == 2:
                    why = "the gradient of the first step is still there: zero it"
                size = max(1.0, weight.abs().max().item())
                with part(name):
                    expect_close(f"{call}: weights", updated, weight, why, 1e-3 * size)


# ---- decoding.py


@exercise(
    *("E20", "collapsing a path", 2, 10, 2, "decoding.py:collapse"),
    hint="1 2 2 0 0 0 2 1 becomes 1 2 2 1 (0 is the blank): which 2 merge?",
)
class Collapse:
    """Merge, then drop the blanks."""

    def inputs(generator: Generator) -> Values:
        drawn = torch.randint(0, 4, (12, 8), generator=generator).tolist()
        cases = [[1, 2, 2, 0, 0, 0, 2, 1], [2, 2, 2], [0, 0, 0], [], [0, 1, 0, 1, 1]]
        return {"paths": cases + drawn}

    def probe(lab: Lab, inputs: Values) -> Values:
        run = lab.decoding.collapse
        return {
            f"{blank}": [list(run(list(p), blank)) for p in inputs["paths"]]
            for blank in (0, 3)
        }

    def judge(inputs: Values, result: Values) -> None:
        for blank in (0, 3):
            for path, got in zip(inputs["paths"], result[f"{blank}"]):
                why = f"equal neighbours merge first; then the blanks, {blank}, go"
                want = list(collapsed(tuple(path), blank))
                expect(f"collapse({path}, blank={blank})", got, want, why)


@exercise(
    *("E21", "the best path of each utterance", 2, 20, 3, "decoding.py:best_paths"),
    hint="a batch of T' = 2 and 5: how many indices has the first path, and how many "
    "log-probabilities add up to its cost?",
)
class BestPaths:
    """The best symbol of each frame, utterance by utterance."""

    def inputs(generator: Generator) -> Values:
        return {
            "scores": 3 * normal(generator, 6, 3, 5),  # (T', B, V)
            "lengths": torch.tensor([2, 6, 4]),
        }

    def probe(lab: Lab, inputs: Values) -> Values:
        found = lab.decoding.best_paths(pack(inputs["scores"], inputs["lengths"]))
        return {
            "types": [
                (type(cost).__name__, type(path).__name__) for cost, path in found
            ],
            "found": [(float(cost), [int(k) for k in path]) for cost, path in found],
        }

    def judge(inputs: Values, result: Values) -> None:
        call = "best_paths of T' = 2, 6, 4"
        expect(f"{call}: utterances", len(result["found"]), 3, "one path an utterance")
        why = "plain numbers, not tensors: .item(), .tolist()"
        expect(f"{call}: types", result["types"], [("float", "list")] * 3, why)
        for b, (cost, path) in enumerate(result["found"]):
            want_cost, want_path = 0.0, []
            for t in range(int(inputs["lengths"][b])):
                probabilities = inputs["scores"][t, b].double().softmax(0).tolist()
                best = max(probabilities)
                want_path.append(probabilities.index(best))
                want_cost -= torch.tensor(best).log().item()
            with part("paths"):
                why = "the best symbol of each of its own frames, blanks included"
                expect(f"{call}: path {b}", path, want_path, why)
            with part("costs"):
                why = "minus the sum of the log-probabilities along the path"
                got, want = torch.tensor(cost), torch.tensor(want_cost)
                expect_close(f"{call}: cost {b}", got, want, why, 1e-3)


Sums = dict[tuple[int, ...], tuple[float, float]]
START: Sums = {(): (0.0, -math.inf)}  # before the first frame: the empty path
NEVER = -1e4  # minus infinity, however it is written


def representative(prefix: tuple[int, ...], blank: int) -> tuple[int, ...]:
    """Write a path that collapses to ``prefix`` and ends with its last symbol."""
    return tuple(k for symbol in prefix for k in (blank, symbol))


def longer_paths(beam: Sums, frame: list[float], blank: int) -> Sums:
    """Lengthen paths by one frame, and collapse each of them (the oracle)."""
    ways: dict[tuple[int, ...], tuple[list[float], list[float]]] = {}
    for prefix, ends in beam.items():
        path = representative(prefix, blank)
        for start, mass in zip(((*path, blank), path), ends):
            for symbol, log_prob in enumerate(frame):
                longer = collapsed((*start, symbol), blank)
                pair = ways.setdefault(longer, ([], []))
                pair[symbol != blank].append(mass + log_prob)
    return possible({p: tuple(map(log_sum, pair)) for p, pair in ways.items()})


def log_sum(values: list[float]) -> float:
    """Add probabilities that are given as logarithms."""
    return torch.tensor(values, dtype=torch.float64).logsumexp(0).item()


def possible(sums: Sums) -> Sums:
    """Leave out prefixes that no path collapses to: who lists them is right too."""
    return {p: ends for p, ends in sums.items() if not max(ends) <= NEVER}


@exercise(
    *("E22", "longer paths, merged", 4, 40, 5, "decoding.py:advance"),
    hint="the paths « a » and « a¬ » meet another a: which of them becomes « aa », "
    "and what does the other one stay?",
)
class Advance:
    """Extend and merge: every prefix once, with the sum of all its paths."""

    def inputs(generator: Generator) -> Values:
        frames = normal(generator, 4, 4).log_softmax(1)  # (T', V)
        sums = normal(generator, 6, 2) - 5
        late = (sums[1:] - 800).tolist()
        # A pruned beam: the prefix (1,) that (1, 1) and (1, 2) came from is gone.
        pruned = list(zip([[1, 1], [1, 2], [3], [2, 1, 2], []], late))
        alone = [([1], sums[0].tolist())]
        return {"frames": frames.tolist(), "alone": alone, "pruned": pruned}

    def probe(lab: Lab, inputs: Values) -> Values:
        def advance(beam: Sums, frame: list[float], blank: int) -> Sums:
            longer = lab.decoding.advance(dict(beam), frame, blank)
            return {
                tuple(int(k) for k in prefix): (float(ends[0]), float(ends[1]))
                for prefix, ends in longer.items()
            }

        result = {}
        for name in ("alone", "pruned"):
            beam = {tuple(prefix): tuple(ends) for prefix, ends in inputs[name]}
            result[name] = [*advance(beam, inputs["frames"][3], 0).items()]
        for blank in (0, 2):
            beam, result[f"{blank}"] = START, []
            for frame in inputs["frames"][:3]:
                beam = advance(beam, frame, blank)
                result[f"{blank}"].append([*beam.items()])
        return result

    def judge(inputs: Values, result: Values) -> None:
        last = inputs["frames"][3]
        alone = {tuple(prefix): tuple(ends) for prefix, ends in inputs["alone"]}
        call = "advance of a beam of one prefix, (1,)"
        Advance.compare(call, result["alone"], alone, last, 0)
        for blank in (0, 2):
            beam = START
            for t, frame in enumerate(inputs["frames"][:3]):
                call = f"frame {t + 1} from the empty path, blank={blank}"
                Advance.compare(call, result[f"{blank}"][t], beam, frame, blank)
                beam = longer_paths(beam, frame, blank)
        pruned = {tuple(prefix): tuple(ends) for prefix, ends in inputs["pruned"]}
        call = "advance of a pruned beam, so late that exp() of the sums is 0"
        Advance.compare(call, result["pruned"], pruned, last, 0)

    def compare(
        call: str, pairs: list, beam: Sums, frame: list[float], blank: int
    ) -> None:
        """Require the same prefixes, each with the same two sums."""
        got = possible({tuple(prefix): tuple(ends) for prefix, ends in pairs})
        wanted = longer_paths(beam, frame, blank)
        why = "every prefix as it is, and with each symbol but the blank"
        expect(f"{call}: prefixes", sorted(got), sorted(wanted), why)
        for prefix, want in wanted.items():
            ends, name = got[prefix], f"{call}: prefix {prefix}"
            text = "log-probabilities, at most 0"
            why = "each sum is a probability, as a logarithm"
            expect_that(max(ends) < 1e-6, name, text, ends, why)
            same = [Advance.alike(*pair) for pair in zip(ends, want)]
            why = Advance.way(prefix, beam, "symbol" if same[0] else "blank")
            if all(Advance.alike(*pair) for pair in zip(ends, reversed(want))):
                why = "(ends with a blank, ends with its last symbol), in this order"
            numbers = [f"({a:.5g}, {b:.5g})" for a, b in (want, ends)]
            expect_that(all(same), name, *numbers, why)

    def alike(a: float, b: float) -> bool:
        """Compare two logarithms."""
        return abs(max(a, NEVER) - max(b, NEVER)) < 1e-3

    def way(prefix: tuple[int, ...], beam: Sums, end: str) -> str:
        """Say which paths belong to a sum of a prefix."""
        if end == "blank":
            return "first sum: all its paths (log_add), a blank after each; no others"
        grown = prefix[:-1] in beam
        if prefix in beam and grown:
            return "second sum: two ways lead to it; their sums add up (log_add)"
        if prefix in beam:
            return "second sum: its last symbol goes on, in the paths that end with it"
        if prefix[-2:-1] == prefix[-1:]:
            return "a symbol twice in a row: only paths that end with a blank grow"
        return "second sum: all paths of the prefix before (log_add), then a new symbol"


@exercise(
    *("E23", "pruning the beam", 1, 10, 2, "decoding.py:prune"),
    hint="sorted() takes a key and a direction; how long is the result for 3 "
    "candidates and a beam of 10?",
)
class Prune:
    """The best candidates, best first."""

    def inputs(generator: Generator) -> Values:
        scores = normal(generator, 6)
        scores[0] -= 9  # the best sums, and a language model that objects
        return {"scores": scores.tolist()}

    def probe(lab: Lab, inputs: Values) -> Values:
        sums = {(k, 7): (-float(k), -9.0) for k in range(6)}
        scores = {prefix: inputs["scores"][prefix[0]] for prefix in reversed(sums)}
        kept = {}
        for size in (1, 4, 6, 10):
            beam = lab.decoding.prune(dict(sums), dict(scores), size)
            kept[f"{size}"] = [(list(p), ends) for p, ends in beam.items()]
        kept["tie"] = len(lab.decoding.prune(sums, dict.fromkeys(sums, -1.0), 4))
        return kept

    def judge(inputs: Values, result: Values) -> None:
        left = list(inputs["scores"])
        order = []
        while max(left) > -math.inf:
            order.append(left.index(max(left)))
            left[order[-1]] = -math.inf
        for size in (1, 4, 6, 10):
            call = f"prune of 6 candidates, beam_size={size}"
            got = [prefix for prefix, _ in result[f"{size}"]]
            want = [[k, 7] for k in order[:size]]
            expect(f"{call}: prefixes", got, want, "the highest scores, best first")
            sums = [ends for _, ends in result[f"{size}"]]
            want_sums = [(-float(k), -9.0) for k in order[:size]]
            expect(f"{call}: sums", sums, want_sums, "what is kept stays as it was")
        call = "prune of 6 candidates with the same score, beam_size=4: how many"
        expect(call, result["tie"], 4, "beam_size of them, whichever: no more, no less")


@exercise(
    *("E24", "the language model's say", 3, 30, 4, "decoding.py:fuse_language_model"),
    hint="« a » lasted five frames and is still « a »: how often has the model spoken? "
    "And where is the state to ask for the b of « ab »?",
)
class ListenToLanguage:
    """Once for each symbol: weighted, and a bonus for each space."""

    SPACE = 1
    SETTINGS = ((0.7, 0.0), (1.3, 0.9), (0.0, 2.0))
    # Scored already: (3, 1) is pruned since, and so is the parent of (3, 3).
    KNOWN = ((), (2,), (2, 1), (3, 3), (3, 1))
    CANDIDATES = (
        *((), (2,), (2, 1), (3, 3)),  # they stay
        *((1,), (3,), (2, 2), (2, 3), (2, 1, 3), (3, 3, 3), (3, 3, 1), (2, 1, 1)),
    )

    def inputs(generator: Generator) -> Values:
        steps = torch.randint(1, 5, (5, 4), generator=generator)
        inputs = {
            # (S, V): to any state but the same
            "next": (torch.arange(5).unsqueeze(1) + steps) % 5,
            "gain": normal(generator, 5, 4).log_softmax(1),
            "final": normal(generator, 5) - 2,
        }
        inputs["known"] = [
            [
                (prefix, ListenToLanguage.gain(inputs, prefix, *setting))
                for prefix in ListenToLanguage.KNOWN
            ]
            for setting in ListenToLanguage.SETTINGS
        ]
        return inputs

    def gain(
        inputs: Values, prefix: tuple[int, ...], weight: float, bonus: float
    ) -> tuple[float, int]:
        """Find the gain of a whole prefix, and the state after it (the oracle)."""
        total, state = bonus * prefix.count(ListenToLanguage.SPACE), 0
        for symbol in prefix:
            total += weight * inputs["gain"][state, symbol].item()
            state = inputs["next"][state, symbol].item()
        return total, state

    def probe(lab: Lab, inputs: Values) -> Values:
        lm = Automaton(0, inputs["next"], inputs["gain"], inputs["final"])
        result = []
        for setting, known in zip(ListenToLanguage.SETTINGS, inputs["known"]):
            heard = lab.decoding.fuse_language_model(
                dict.fromkeys(ListenToLanguage.CANDIDATES, (-1.0, -2.0)),
                {tuple(prefix): tuple(pair) for prefix, pair in known},
                Fusion(lm, *setting, ListenToLanguage.SPACE),
            )
            result.append(
                [
                    (tuple(int(k) for k in prefix), (float(gain), float(state)))
                    for prefix, (gain, state) in heard.items()
                ]
            )
        return {"heard": result}

    def judge(inputs: Values, result: Values) -> None:
        space = ListenToLanguage.SPACE
        for setting, pairs in zip(ListenToLanguage.SETTINGS, result["heard"]):
            call = "lm_weight={}, word_bonus={}".format(*setting)
            heard = {tuple(prefix): pair for prefix, pair in pairs}
            missing = [p for p in ListenToLanguage.CANDIDATES if p not in heard]
            expect(f"{call}: candidates left out", missing, [], "each candidate counts")
            for prefix in ListenToLanguage.CANDIDATES:
                gain, state = heard[prefix]
                want, then = ListenToLanguage.gain(inputs, prefix, *setting)
                why = "what its parent gained, plus lm_weight * ln p in its parent's "
                why += "state, "
                is_space = prefix[-1:] == (space,)
                why += "plus the bonus of a space" if is_space else "no space, no bonus"
                if not prefix:
                    why = "no symbol yet: nothing gained"
                elif prefix in ListenToLanguage.KNOWN:
                    why = "scored at an earlier frame: the model has spoken already"
                close = abs(gain - want) < 1e-4
                if close:
                    why = "the state after the last symbol, which lm.step returns"
                texts = [f"({a:.5g}, {b:g})" for a, b in ((want, then), (gain, state))]
                name = f"{call}: (gain, state) of {prefix}"
                expect_that(close and state == then, name, *texts, why)


def flawed_search(flaw: str) -> Callable[[Tensor, int, int], list[Hypothesis]]:
    """Make a search over all paths, exact or with one flaw (the oracle of E25)."""

    def collapse_wrongly(path: tuple[int, ...], blank: int) -> tuple[int, ...]:
        return collapsed(tuple(k for k in path if k != blank), blank)

    def search(log_probs: Tensor, beam_size: int, blank: int) -> list[Hypothesis]:
        table = log_probs.tolist()
        spell = collapse_wrongly if flaw == "blanks dropped first" else collapsed
        sums: dict[tuple[int, ...], list[float]] = {}
        for path in product(range(len(table[0])), repeat=len(table)):
            mass = math.exp(sum(table[t][k] for t, k in enumerate(path)))
            sums.setdefault(spell(path, blank), []).append(mass)
        total = max if flaw == "the best path only" else sum
        pairs = [(total(masses), list(p)) for p, masses in sums.items()]
        if flaw == "a transcript twice":
            p, indices = max(pairs)
            pairs = [pair for pair in pairs if pair[1] != indices]
            pairs += [(p / 2, indices), (p / 2, list(indices))]
        if flaw == "a transcript twice, one as probable never":
            first, other = next(
                (a, b) for a, b in combinations(pairs, 2) if math.isclose(a[0], b[0])
            )
            pairs[pairs.index(other)] = (other[0], list(first[1]))
        if flaw == "a transcript lost":
            pairs.remove(sorted(pairs)[len(pairs) // 2])
        pairs.sort(reverse=flaw != "the worst first")
        sign = -1 if flaw == "costs, not scores" else 1
        scores = [sign * math.log(p) for p, _ in pairs]
        if flaw == "two transcripts exchanged":
            (p, indices), (q, others) = pairs[1], pairs[-1]
            pairs[1], pairs[-1] = (p, others), (q, indices)
        if flaw == "the beam kept too small":
            beam_size = len(pairs) // 2
        if flaw == "nothing found":
            pairs = []
        found = [Hypothesis(s, indices) for s, (_, indices) in zip(scores, pairs)]
        return found[:beam_size]

    return search


@exercise(
    *("E25", "a law that finds broken searches", 3, 30, 4, "decoding.py:is_exact"),
    hint="what do the probabilities of all transcripts add up to, and which broken "
    "search would pass if you looked at that sum alone?",
)
class Law:
    """A predicate that is tried on right searches and on broken ones."""

    FLAWS = (
        *("", "the best path only", "two transcripts exchanged"),
        *("blanks dropped first", "a transcript twice", "a transcript lost"),
        *("a transcript twice, one as probable never", "the worst first"),
        *("costs, not scores", "the beam kept too small", "nothing found"),
    )

    def inputs(generator: Generator) -> Values:
        # (T', V); with either blank, two symbols are as probable as each other
        log_probs = normal(generator, 3, 2)[:, [0, 1, 1, 0]].log_softmax(1)
        cases = list(product(Law.FLAWS, (0, 2)))
        order = torch.randperm(len(cases), generator=generator).tolist()
        # What each search finds, not the search: code cannot be asked for its flaw.
        found = [(blank, Law.listed(flaw, log_probs, blank)) for flaw, blank in cases]
        return {"log_probs": log_probs, "searches": [found[i] for i in order]}

    def probe(lab: Lab, inputs: Values) -> Values:
        answers = []
        for blank, listed in inputs["searches"]:
            found = [Hypothesis(score, list(p)) for score, p in listed]

            def search(
                log_probs: Tensor, beam_size: int, blank: int, found: list = found
            ) -> list[Hypothesis]:
                return found[:beam_size]

            answer = lab.decoding.is_exact(search, inputs["log_probs"], blank)
            answers.append(answer if answer is None else bool(answer))
        return {"answers": answers}

    def judge(inputs: Values, result: Values) -> None:
        searches, answers = inputs["searches"], result["answers"]
        expect("is_exact: answers", len(answers), len(searches), "one a search")
        given = [(blank, list(map(list, listed))) for blank, listed in searches]
        for flaw, blank in product(Law.FLAWS, (0, 2)):
            listed = Law.listed(flaw, inputs["log_probs"], blank)
            answer = answers[given.index((blank, list(map(list, listed))))]
            name = f"a search with a flaw: {flaw}" if flaw else "an exact search"
            why = "with room for all transcripts, each score is minus the CTC loss of "
            why += "the whole transcript, and the probabilities add up to 1"
            why = "the law must find the flaw" if flaw else why
            call = f"is_exact of {name}, blank={blank}"
            expect(call, answer, not flaw, why)

    def listed(flaw: str, log_probs: Tensor, blank: int) -> list:
        """List score and indices of all that a search with a flaw finds."""
        room = log_probs.shape[1] ** len(log_probs)
        found = flawed_search(flaw)(log_probs, room, blank)
        return [(one.score, one.indices) for one in found]


assert_registry(EXERCISES)


def test_platform_not_your_code_ask_your_instructor() -> None:
    """Torch itself computes what the checks rely on."""
    log_probs = torch.full((2, 1, 2), 0.5).log()
    loss = nn.functional.ctc_loss(
        log_probs, torch.tensor([[1]]), torch.tensor([2]), torch.tensor([1])
    )
    # Three of the four paths collapse to the one symbol.
    assert abs(loss.exp().item() - 4 / 3) < 1e-5, "not your code: ask your instructor"
    padded = pad_sequence([torch.ones(2), torch.ones(1)])
    assert padded.tolist() == [[1, 1], [1, 0]], "not your code: ask your instructor"


@pytest.mark.parametrize("exercise", EXERCISES.values(), ids=list(EXERCISES))
def test_exercise(exercise: Exercise, report: Callable[[Exercise], None]) -> None:
    """Check one exercise; ``report`` (labkit) turns its verdict into pytest's."""
    report(exercise)


if __name__ == "__main__":
    from labkit.exercises import main

    raise SystemExit(main(EXERCISES, __doc__))
