"""Checks of ``data.py``: the alphabet, log-mels, packing, minibatches."""

from __future__ import annotations

import torch
from torch import Generator, Tensor
from torch.nn.utils.rnn import PackedSequence, pack_sequence

from checks.drawing import normal
from checks.oracles import mel_filters
from checks.tools import ALPHABET, unpacked
from labkit.base import Lab
from labkit.exercises import Check, Values, expect, expect_close, expect_that, part

SENTENCE_INDICES = [
    *(16, 27, 22, 1, 39, 18, 26, 36, 1, 30, 3, 22, 20, 29, 18, 37, 22, 35, 1, 18, 39),
    *(22, 20, 1, 21, 22, 36, 1, 35, 31, 31, 36, 5, 2),
]


class VocabularySize(Check):
    """The number of symbols, from a CharMap."""

    @staticmethod
    def probe(lab: Lab, inputs: Values) -> Values:
        return {"size": lab.data.question1()}

    @staticmethod
    def judge(inputs: Values, result: Values) -> None:
        why = "26 letters, 10 digits, space, ' , . and 4 marks, one of them the blank"
        expect("question1()", result["size"], len(ALPHABET), why)


class Encoding(Check):
    """The indices of the lab's sentence, and the text decoded from them."""

    @staticmethod
    def probe(lab: Lab, inputs: Values) -> Values:
        encoded, decoded = lab.data.question2()
        return {"encoded": list(encoded), "decoded": decoded}

    @staticmethod
    def judge(inputs: Values, result: Values) -> None:
        call = "question2()"
        with part("encoded"):
            why = "¶ (16), the normalised sentence (é is e, J is j, ! is .), then ¦ (2)"
            expect(call, result["encoded"], SENTENCE_INDICES, why)
        with part("decoded"):
            why = "decoding gives the normalised text: case, accents and ! are lost"
            text = "".join(ALPHABET[index] for index in SENTENCE_INDICES)
            expect(call, result["decoded"], text, why)


class LogMel(Check):
    """A mel spectrogram of power, in decibels."""

    ARGUMENTS = (16000, 640, 160, 20), (8000, 512, 100, 12)

    @staticmethod
    def inputs(generator: Generator) -> Values:
        loud = normal(generator, 1, 4000)
        return {"waveforms": torch.cat([loud, 1e-4 * loud.flip(1)])}  # (B, samples)

    @staticmethod
    def probe(lab: Lab, inputs: Values) -> Values:
        build = lab.data.WaveformProcessor.build_tospectro
        transforms = [build(*arguments) for arguments in LogMel.ARGUMENTS]
        return {
            "spectrograms": [t(inputs["waveforms"]) for t in transforms],
        }

    @staticmethod
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
            why = "10 log10 of the power in each band"
            decibels = 10 * power.clamp(min=1e-10).log10()
            if isinstance(got, Tensor) and got.shape != decibels.shape:
                why = "(B, M, T): check hop_length, the samples from frame to frame"
                if got.shape[1:2] != decibels.shape[1:2]:
                    why = "(B, M, T): check n_mels, the number of bands"
            if LogMel.has_floor(got, decibels):
                why = "top_db cuts what is far below the loudest of the batch: leave "
                why += "it out, so that an utterance is the same alone and in a batch"
            expect_close(call, got, decibels, why, tolerance=0.05)

    @staticmethod
    def has_floor(got: object, decibels: Tensor) -> bool:
        """Check whether values are right but for a floor under all of them."""
        if not isinstance(got, Tensor) or got.shape != decibels.shape:
            return False
        floored = decibels.clamp(min=got.min().item())
        return bool((got - floored).abs().max() < 0.05)


class Packing(Check):
    """Packing keeps the order and the values."""

    @staticmethod
    def inputs(generator: Generator) -> Values:
        lengths = [3, 7, 1, 7, 5]
        return {
            "frames": [normal(generator, n, 4) for n in lengths],
            "indices": [torch.arange(n) + 10 * n for n in lengths],
        }

    @staticmethod
    def probe(lab: Lab, inputs: Values) -> Values:
        result = {}
        for name, sequences in inputs.items():
            packed = lab.data.pack_sequences(list(sequences))
            if not isinstance(packed, PackedSequence):
                raise TypeError(f"a {type(packed).__name__}, not a PackedSequence")
            alive = packed.batch_sizes.tolist()
            # A sequence packed along the wrong axis may fail to unpack.
            whole = alive == [5, 4, 4, 3, 3, 2, 2]
            result[name] = unpacked(packed) if whole else []
            result[f"alive {name}"] = alive
        return result

    @staticmethod
    def judge(inputs: Values, result: Values) -> None:
        for name, sequences in inputs.items():
            call = f"pack_sequences of lengths 3, 7, 1, 7, 5 ({name})"
            alive = [sum(len(s) > t for s in sequences) for t in range(7)]
            why = "how many have a frame 0, 1, 2, ...: own lengths, axes (L, B, ...)"
            expect(f"{call}: batch_sizes", result[f"alive {name}"], alive, why)
            lengths = [len(sequence) for sequence in result[name]]
            why = "each sequence keeps its own length and its place"
            expect(f"{call}, unpacked", lengths, [3, 7, 1, 7, 5], why)
            for want, got in zip(sequences, result[name]):
                expect(call, got, want, "packing changes no value and no order")


class Collating(Check):
    """Each utterance is finished and encoded alone, then packed."""

    SENTENCES = (
        *(("Le chat.", "¶le chat.¦"), ("Ça va?", "¶ca va.¦"), ("Non", "¶non¦")),
        *(("À demain", "¶a demain¦"), ("Où, ici?", "¶ou, ici.¦"), ("Dix", "¶dix¦")),
    )

    @staticmethod
    def inputs(generator: Generator) -> Values:
        log_mels = [normal(generator, n, 6) * 10 - 20 for n in (30, 50, 40)]
        drawn = torch.randperm(len(Collating.SENTENCES), generator=generator)[:3]
        pairs = [Collating.SENTENCES[i] for i in drawn.tolist()]
        return {
            "log_mels": log_mels,
            "normalization": (-20.0, 10.0),
            "sentences": [sentence for sentence, _ in pairs],
        }

    @staticmethod
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
            "alone": [
                collate(True, [i], [s])[0][0] for i, s in ((0, 1), (1, 2), (2, 4))
            ],
        }

    @staticmethod
    def judge(inputs: Values, result: Values) -> None:
        spectrograms, transcripts = result["plain"]
        call = "collate of 3 utterances, normalisation (-20, 10)"
        with part("spectrograms"):
            for log_mel, got in zip(inputs["log_mels"], spectrograms):
                why = "the network reads (log-mel - mean) / standard deviation"
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
            for place, got in zip((0, 1, 3), alone):
                expect_close(call, twice[place], got, why)


class Unpacking(Check):
    """Utterances come back without padding, in their order."""

    @staticmethod
    def inputs(generator: Generator) -> Values:
        return {
            "spectrograms": [normal(generator, n, 3) for n in (4, 9, 6)],
            "transcripts": [torch.arange(n) + 1 for n in (5, 2, 7)],
        }

    @staticmethod
    def probe(lab: Lab, inputs: Values) -> Values:
        minibatch = [pack_sequence(inputs[k], enforce_sorted=False) for k in inputs]
        pairs = lab.data.unpack_minibatch(tuple(minibatch))
        return {"pairs": [tuple(pair) for pair in pairs]}

    @staticmethod
    def judge(inputs: Values, result: Values) -> None:
        wanted = list(zip(inputs["spectrograms"], inputs["transcripts"]))
        call = "unpack_minibatch of T = 4, 9, 6 and U = 5, 2, 7"
        expect(call, len(result["pairs"]), 3, "one pair for each utterance")
        for want, got in zip(wanted, result["pairs"]):
            shapes = [tuple(part.shape) for part in got]
            why = "spectrogram (T_i, M) and transcript (U_i,), no padding left"
            expect(f"{call}: shapes", shapes, [tuple(p.shape) for p in want], why)
            for one, other in zip(want, got):
                expect(call, other, one, "the values of the same utterance")
