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

from collections.abc import Callable
from itertools import groupby, product
from types import SimpleNamespace

import pytest
import torch
from torch import Generator, Tensor, nn
from torch.nn.utils.rnn import (
    PackedSequence,
    pack_padded_sequence,
    pack_sequence,
    pad_packed_sequence,
    pad_sequence,
)

from labkit.desk import Lab
from labkit.grading import (
    Exercise,
    Values,
    assert_registry,
    expect,
    expect_close,
    expect_that,
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
        why = "¶ (16), the folded sentence (é is e, J is j, ! is .), then ¦ (2)"
        expect(call, result["encoded"], SENTENCE_INDICES, why)
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

    SENTENCES = ("Le chat.", "Ça va?", "Non")

    def inputs(generator: Generator) -> Values:
        log_mels = [normal(generator, n, 6) * 10 - 20 for n in (30, 50, 40)]
        return {"log_mels": log_mels, "normalization": (-20.0, 10.0)}

    def probe(lab: Lab, inputs: Values) -> Values:
        def collate(augment: bool, chosen: list[int], seeds: list[int]) -> list:
            collate = lab.data.BatchCollate(6, augment, inputs["normalization"])
            utterances = [
                lab.data.Utterance(inputs["log_mels"][i], Collating.SENTENCES[i], seed)
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
        for log_mel, got in zip(inputs["log_mels"], spectrograms):
            why = "what the network reads is (log-mel - mean) / standard deviation"
            expect_close(call, got, (log_mel + 20) / 10, why)
        folded = ("¶le chat.¦", "¶ca va.¦", "¶non¦")
        for text, got in zip(folded, transcripts):
            why = f"the indices of {text}, as int64"
            expect(call, got, torch.tensor([ALPHABET.index(c) for c in text]), why)
        twice, alone = result["twice"], result["alone"]
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

    OTHERS = (((5, 3), (3, 1), (1, 1)), ((2, 3), (1, 2), (3, 0)))

    def probe(lab: Lab, inputs: Values) -> Values:
        def layers(geometries: tuple) -> nn.Sequential:
            convolutions = [nn.Conv2d(1, 1, *geometry) for geometry in geometries]
            between = [nn.BatchNorm2d(1), nn.Hardtanh(0, 20)]
            return nn.Sequential(convolutions[0], *between, convolutions[1])

        compute = lab.models.output_lengths
        return {
            "lab": compute(torch.arange(1, 201), layers(LAB_CONVOLUTIONS)),
            "others": compute(torch.arange(4, 201), list(layers(OutputLengths.OTHERS))),
        }

    def judge(inputs: Values, result: Values) -> None:
        why = "floor((T + 2 padding - kernel) / stride) + 1, layer after layer"
        cases = ("lab", 1, LAB_CONVOLUTIONS), ("others", 4, OutputLengths.OTHERS)
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
        return {"features": 100 * normal(generator, 8, 1, 122, 40)}

    def probe(lab: Lab, inputs: Values) -> Values:
        cnn = lab.models.CTCModel.build_cnn(0.3)
        layers = [m for m in cnn.modules() if isinstance(m, nn.Conv2d)]
        dropouts = [m for m in cnn.modules() if "Dropout" in type(m).__name__]
        with torch.no_grad():
            trained = cnn.train()(inputs["features"])  # (B, C, T', M')
            for module in cnn.modules():
                if isinstance(module, nn.BatchNorm2d):
                    module.weight.fill_(20.0)  # so that the bounds are reached
            evaluated = cnn.eval()(inputs["features"])
        return {
            "kinds": [type(module).__name__ for module in cnn],
            "layers": [
                (c.in_channels, c.out_channels, c.kernel_size, c.stride, c.padding)
                for c in layers
            ],
            "normalizations": sum(isinstance(m, nn.BatchNorm2d) for m in cnn.modules()),
            "dropouts": [float(module.p) for module in dropouts],
            "parameters": sum(p.numel() for p in cnn.parameters()),
            "shape": tuple(evaluated.shape),
            "bounds": (evaluated.min().item(), evaluated.max().item()),
            "dropped": (trained == 0).flatten(2).all(2).float().mean().item(),
        }

    def judge(inputs: Values, result: Values) -> None:
        call = "build_cnn(0.3)"
        channels = ((1, 32), (32, 32))
        layers = [(*c, *geometry) for c, geometry in zip(channels, LAB_CONVOLUTIONS)]
        why = "channels, kernel, stride and padding of the docstring's table"
        expect(f"{call}: convolutions", result["layers"], layers, why)
        why = "batch normalisation after each convolution"
        expect(f"{call}: BatchNorm2d", result["normalizations"], 2, why)
        count = 41 * 11 * 32 + 32 + 21 * 11 * 32 * 32 + 32 + 2 * 64
        why = "kernels, biases, and scale and shift of each normalisation"
        expect(f"{call}: parameters", result["parameters"], count, why)
        call = "build_cnn(0.3) on (8, 1, 122, 40)"
        why = "time is halved twice, the bands once"
        expect(f"{call}: shape", result["shape"], (8, 32, 31, 20), why)
        why = "Hardtanh(0, 20) comes after the normalisation"
        expect(f"{call}: smallest, largest value", result["bounds"], (0.0, 20.0), why)
        why = "the argument is the probability, after each of the two convolutions"
        expect("build_cnn(0.3): dropout", result["dropouts"], [0.3, 0.3], why)
        expect_that(
            0.15 < result["dropped"] < 0.45,
            f"{call}, training: share of channels that are 0",
            "about 0.3",
            round(result["dropped"], 3),
            "Dropout2d drops whole channels, Dropout single values",
        )
        kinds = ["Conv2d", "BatchNorm2d", "Hardtanh", "Dropout2d"] * 2
        why = "convolve() reads the layers one by one and masks after each Hardtanh"
        expect("build_cnn(0.3): its layers", result["kinds"], kinds, why)


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

    CASES = (("GRU", 3, 2, 0.4), ("LSTM", 2, 1, 0.4))  # cell, H, layers, dropout

    def inputs(generator: Generator) -> Values:
        return {"features": normal(generator, 6, 2, 5)}  # (T', B, n_features)

    def probe(lab: Lab, inputs: Values) -> Values:
        results = []
        for cell, nhidden, nlayers, dropout in Recurrent.CASES:
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
        for case, got in zip(Recurrent.CASES, result["cases"]):
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
        return {"frames": normal(generator, 2, 3, 10), "zero": torch.zeros(2, 3, 10)}

    def probe(lab: Lab, inputs: Values) -> Values:
        charlin = lab.models.CTCModel.build_charlin(5, 44)
        frames, zero = inputs["frames"], inputs["zero"]
        # A layer of another size could not even be called on frames of 2 H.
        count = sum(p.numel() for p in charlin.parameters())
        return {
            "type": "Sequential" if isinstance(charlin, nn.Sequential) else "other",
            "parameters": count,
            "once": charlin(frames) - charlin(zero) if count == 484 else zero,
            "double": charlin(2 * frames) - charlin(zero) if count == 484 else zero,
        }

    def judge(inputs: Values, result: Values) -> None:
        call = "build_charlin(5, 44)"
        why = "the checkpoints name its weights charlin.0.weight and charlin.0.bias"
        expect(f"{call}: type", result["type"], "Sequential", why)
        why = "2 H x V weights (two directions) and V biases"
        expect(f"{call}: parameters", result["parameters"], 10 * 44 + 44, why)
        shape = tuple(result["once"].shape)
        expect(f"{call} on (2, 3, 10): shape", shape, (2, 3, 44), "a score a symbol")
        why = "no activation: the loss takes the scores as they are"
        expect_close(f"{call} of 2 x", result["double"], 2 * result["once"], why)


def small_model(lab: Lab) -> nn.Module:
    """Build a CTCModel of the student's parts, its statistics away from 0 and 1."""
    torch.manual_seed(0)
    model = lab.models.CTCModel(lab.data.CharMap(), 6, 4, 2, "GRU", 0.3, l1=0.5)
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
        with torch.no_grad():
            together = model(pack_sequence(spectrograms, enforce_sorted=False))
            alone = [unpacked(model(pack_sequence([s])))[0] for s in spectrograms]
            parts = []
            for spectrogram in spectrograms:
                features = model.cnn(spectrogram[None, None])  # (1, C, T', M')
                frames = features[0].transpose(0, 1).flatten(1)  # (T', C M')
                outputs, _ = model.rnn(frames.unsqueeze(1))  # (T', 1, 2 H)
                parts.append(model.charlin(outputs)[:, 0])  # (T', V)
        model(pack_sequence(spectrograms[:1])).data.square().sum().backward()
        return {
            "together": unpacked(together),
            "alone": alone,
            "parts": parts,
            "unmoved": [n for n, p in model.named_parameters() if p.grad is None],
        }

    def judge(inputs: Values, result: Values) -> None:
        lengths = [len(scores) for scores in result["together"]]
        call = "forward of T = 61, 122, 5"
        why = "T' frames of each utterance, in the order of the inputs"
        expect(f"{call}: T'", lengths, [16, 31, 2], why)
        cases = (result[name] for name in ("together", "alone", "parts"))
        for T, together, alone, parts in zip(Forward.LENGTHS, *cases):
            why = "a frame is C M' numbers, channel by channel: permute, then flatten"
            got, want = alone.log_softmax(1), parts.log_softmax(1)
            expect_close(f"forward of T = {T} alone", got, want, why)
            why = "alone or not, the same: mind the axes; convolve() masks the padding"
            got, want = together.log_softmax(1), alone.log_softmax(1)
            expect_close(f"{call}, against T = {T} alone", got, want, why)
        why = "the gradient must reach every weight: no no_grad, no detach"
        call = "backward through forward: weights without a gradient"
        expect(call, result["unmoved"], [], why)


@exercise(
    *("E15", "an L1 penalty", 2, 15, 2, "models.py:CTCModel.penalty"),
    hint="weights 3, -4 and l1 = 0.5 give 3.5; a bias has one dimension, a matrix two",
    needs=("E11", "E12", "E13"),
)
class Penalty:
    """The L1 norm of the weights, differentiable."""

    def probe(lab: Lab, inputs: Values) -> Values:
        model = small_model(lab)
        value = model.penalty()
        value.backward()
        weights = [p for p in model.parameters() if p.dim() > 1]
        others = [p for p in model.parameters() if p.dim() <= 1]
        return {
            "value": value,
            "norm": sum(w.detach().double().abs().sum().item() for w in weights),
            "slopes": [
                w.grad.abs().max().item() for w in weights if w.grad is not None
            ],
            "weights": len(weights),
            "touched": sum(bool(p.grad is not None and p.grad.any()) for p in others),
        }

    def judge(inputs: Values, result: Values) -> None:
        call = "penalty() with l1 = 0.5"
        value = torch.tensor(0.5 * result["norm"])
        why = "l1 times the sum of the absolute values of all matrices and kernels"
        expect_close(call, result["value"], value, why, tolerance=1e-4 * value.item())
        expect(f"{call}: biases with a gradient", result["touched"], 0, "left free")
        why = "the gradient of l1 |w| is l1 times the sign of w, for every weight"
        slopes = [0.5] * result["weights"]
        expect(f"{call}: largest slope of each weight", result["slopes"], slopes, why)


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

    def probe(lab: Lab, inputs: Values) -> Values:
        options = SimpleNamespace(
            nmels=8,
            nhidden_rnn=5,
            nlayers_rnn=3,
            cell_type="LSTM",
            dropout=0.25,
            l1=0.125,
        )
        model = lab.main_ctc.build_model(options, lab.data.CharMap())
        return {
            "parameters": sum(p.numel() for p in model.parameters()),
            "dropouts": sorted(
                float(m.p) for m in model.modules() if isinstance(m, nn.Dropout2d)
            ),
            "l1": float(model.l1),
        }

    def judge(inputs: Values, result: Values) -> None:
        call = "build_model(nmels 8, LSTM 3 x 5, dropout 0.25, l1 0.125)"
        recurrent = recurrent_parameters(4, 32 * 4, 5, 3)
        count = 41 * 11 * 32 + 21 * 11 * 32 * 32 + 3 * 64 + recurrent + 11 * 44
        why = "convolutions, 3 LSTM layers of 2 x 5 units over 32 x 4, 44 symbols"
        expect(f"{call}: parameters", result["parameters"], count, why)
        expect(f"{call}: dropout", result["dropouts"], [0.25, 0.25], "args.dropout")
        expect(f"{call}: l1", result["l1"], 0.125, "args.l1")


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
                size = max(torch.stack(wanted)).item()
                expect_close(
                    f"{call}: losses", losses, torch.stack(wanted), why, 1e-4 * size
                )
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
            why = "the best symbol of each of its own frames, blanks included"
            expect(f"{call}: path {b}", path, want_path, why)
            why = "minus the sum of the log-probabilities along the path"
            got, want = torch.tensor(cost), torch.tensor(want_cost)
            expect_close(f"{call}: cost {b}", got, want, why, 1e-3)


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
    from labkit.exercises_cli import main

    raise SystemExit(main(EXERCISES, __doc__))
