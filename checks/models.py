"""Checks of ``models.py``: lengths, masks, the forward pass, the penalty."""

from __future__ import annotations

import math
from itertools import chain, product

import torch
import torch.nn.functional as F
from torch import Generator, Tensor, nn
from torch.nn.utils.rnn import pack_sequence

from checks.drawing import normal, small_weights, whole
from checks.network import give_weights, small_model, weights_given
from checks.oracles import collapsed, parts_in_a_row
from checks.tools import LAB_CONVOLUTIONS, old_lengths_named, unpacked
from labkit.base import Lab
from labkit.exercises import Check, Values, expect, expect_close, expect_that, part


class ConvolutionSize(Check):
    """The shape that (1, 1, 122, 80) becomes."""

    @staticmethod
    def probe(lab: Lab, inputs: Values) -> Values:
        return {"size": tuple(lab.models.question3())}

    @staticmethod
    def judge(inputs: Values, result: Values) -> None:
        features = torch.zeros(1, 1, 122, 80)
        for kernel, stride, padding in LAB_CONVOLUTIONS:
            layer = nn.Conv2d(features.shape[1], 32, kernel, stride, padding)
            features = layer(features)
        why = "122 -> 61 -> 31 frames, 80 -> 40 bands, 32 channels"
        expect("question3()", result["size"], tuple(features.shape), why)


class OutputLengths(Check):
    """The formula of lengths, for every T from 1 to 200, and for other layers too.

    Some T are so large that no convolution can be tried on them here: a period of the
    strides more is one frame more.
    """

    FAR = 8_000_000

    @staticmethod
    def inputs(generator: Generator) -> Values:
        kernel, stride = whole(generator, 3, 6), whole(generator, 2, 4)
        padding = whole(generator, 1, 3)
        return {
            "others": (
                ((kernel, 3), (stride, 1), (1, 1)),
                ((2, 3), (1, 2), (padding, 0)),
            )
        }

    @staticmethod
    def probe(lab: Lab, inputs: Values) -> Values:
        def layers(geometries: tuple) -> nn.Sequential:
            convolutions = [nn.Conv2d(1, 1, *geometry) for geometry in geometries]
            between = [nn.BatchNorm2d(1), nn.Hardtanh(0, 20)]
            return nn.Sequential(convolutions[0], *between, convolutions[1])

        def frames(first: int, given: nn.Sequential | list[nn.Module]) -> Tensor:
            convolutions = [one for one in given if isinstance(one, nn.Conv2d)]
            period = math.prod(one.stride[0] for one in convolutions)
            few = torch.arange(first, 201)
            far = OutputLengths.FAR // period * period
            return torch.cat([few, few[-9:] + far])

        compute = lab.models.output_lengths
        ours, others = layers(LAB_CONVOLUTIONS), list(layers(inputs["others"]))
        given = frames(1, ours)
        return {
            "lab": compute(given, ours),
            "others": compute(frames(4, others), others),
            "given": given[:200],
        }

    @staticmethod
    def judge(inputs: Values, result: Values) -> None:
        cases = ("lab", 1, LAB_CONVOLUTIONS), ("others", 4, inputs["others"])
        why = OutputLengths.mistake(cases, result)
        for name, first, geometries in cases:
            got = result[name]
            period = geometries[0][1][0] * geometries[1][1][0]
            cases_of = [(T, 0) for T in range(first, 201)]
            cases_of += [(T, OutputLengths.FAR // period) for T in range(192, 201)]
            layers = " then ".join(
                "Conv2d(kernel={}, stride={}, padding={})".format(*geometry)
                for geometry in geometries
            )
            size = tuple(got.shape)
            expect(
                f"output_lengths, {name}: shape",
                size,
                (len(cases_of),),
                "one for each clip",
            )
            given = [T + periods * period for T, periods in cases_of]
            for (T, _), first, length in zip(cases_of, given, got.tolist()):
                features, steps, more = torch.zeros(1, 1, T, 11), [first], first - T
                for kernel, stride, padding in geometries:
                    features = nn.Conv2d(1, 1, kernel, stride, padding)(features)
                    more //= stride[0]
                    steps.append(features.shape[2] + more)
                wanted = steps[-1]
                text = f"{wanted}, as T goes {' -> '.join(map(str, steps))}"
                same = type(length) is int and length == wanted
                call = f"output_lengths({first}) of {layers}"
                expect_that(same, call, text, length, why)
        call = "output_lengths(1, ..., 200): its argument, afterwards"
        why = "the caller's tensor must stay as it was: no += or other change in place"
        expect(call, result["given"], torch.arange(1, 201), why)

    @staticmethod
    def mistake(cases: tuple, result: Values) -> str:
        """Say which law was broken, if it is a usual mistake."""
        others = {
            "of each pair, (time, bands), that of time is entry 0": (
                lambda layers: [[pair[::-1] for pair in layer] for layer in layers]
            ),
            "each convolution changes T, the last one too": lambda layers: layers[:1],
            "T / stride, rounded up, holds for some layers only: kernel? padding?": (
                lambda layers: [((1, 1), stride, (0, 0)) for _, stride, _ in layers]
            ),
        }
        for why, turned_into in others.items():
            same = True
            for name, first, layers in cases:
                lengths = torch.arange(first, first + 99)
                for kernel, stride, padding in turned_into(layers):
                    lengths = (lengths + 2 * padding[0] - kernel[0]) // stride[0] + 1
                same = same and result[name].tolist()[:99] == lengths.tolist()
            if same:
                return why
        return "floor((T + 2 padding - kernel) / stride) + 1, layer after layer"


class RequiredFrames(Check):
    """The length of the shortest CTC path, found by trying all paths.

    Of a long transcript, torch's loss says whether a path of some length exists.
    """

    @staticmethod
    def inputs(generator: Generator) -> Values:
        drawn = torch.randint(1, 3, (6, 4), generator=generator).tolist()
        long = torch.randint(1, 3, (40,), generator=generator).tolist()
        return {"transcripts": [[], [1], [1, 1], [2, 2, 2], [1, 2, 1], *drawn, long]}

    @staticmethod
    def probe(lab: Lab, inputs: Values) -> Values:
        return {
            "counts": [
                lab.models.required_frames(list(t)) for t in inputs["transcripts"]
            ]
        }

    @staticmethod
    def judge(inputs: Values, result: Values) -> None:
        why = "one frame for each symbol, and a blank between two that are equal"
        *short, (long, count) = zip(inputs["transcripts"], result["counts"])
        for transcript, got in short:
            shortest = next(
                n
                for n in range(9)
                for path in product((0, 1, 2), repeat=n)
                if collapsed(path, blank=0) == tuple(transcript)
            )
            expect(f"required_frames({transcript})", got, shortest, why)
        call = f"required_frames({long})"
        expect_that(type(count) is int, call, "a whole number", count, "it counts")
        for n_frames, there in ((count, True), (count - 1, False)):
            exists = RequiredFrames.path_exists(long, min(max(n_frames, 1), 99))
            what = f"{call}: is there a path of {n_frames} frames?"
            expect(what, exists, there, why)

    @staticmethod
    def path_exists(transcript: list[int], n_frames: int) -> bool:
        """Ask torch's CTC loss, which is infinite where there is no path."""
        log_probs = torch.zeros(n_frames, 3).log_softmax(1)
        sizes = torch.tensor(n_frames), torch.tensor(len(transcript))
        target = torch.tensor(transcript)
        return bool(F.ctc_loss(log_probs, target, *sizes, reduction="sum").isfinite())


class Masking(Check):
    """Values past an utterance's end become zero, the others stay."""

    @staticmethod
    def inputs(generator: Generator) -> Values:
        return {
            "features": normal(generator, 4, 2, 7, 3),  # (B, C, T, M)
            "lengths": torch.tensor([7, 1, 4, 6]),
        }

    @staticmethod
    def probe(lab: Lab, inputs: Values) -> Values:
        features, lengths = inputs["features"].clone(), inputs["lengths"]
        masked = lab.models.mask_padding(features, lengths)
        mixed = ""
        try:
            # Stands for a graphics card: features there, lengths on the CPU.
            lab.models.mask_padding(features.to("meta"), lengths)
        except RuntimeError as error:
            mixed = next((line for line in str(error).splitlines() if line), "")
        return {"masked": masked, "mixed": mixed}

    @staticmethod
    def judge(inputs: Values, result: Values) -> None:
        features, masked = inputs["features"], result["masked"]
        call = "mask_padding((4, 2, 7, 3), lengths 7, 1, 4, 6)"
        shape = tuple(masked.shape)
        expect(call, f"shape {shape}", "shape (4, 2, 7, 3)", "no axis changes")
        why = "frames t >= length of utterance b are 0, in all channels and bands"
        for b, length in enumerate(inputs["lengths"].tolist()):
            past = masked[b, :, length:]
            zeros = torch.zeros(past.shape)
            expect_close(f"{call}: b = {b}, past its end", past, zeros, why, 0)
            kept, given = masked[b, :, :length], features[b, :, :length]
            expect_close(f"{call}: b = {b}, before its end", kept, given, why, 0)
        call = "mask_padding of features on another device than the lengths"
        why = "what is multiplied must lie on one device: features.device"
        at_odds = Masking.is_at_odds(result["mixed"])
        expect_that(not at_odds, call, "the mask on that device", result["mixed"], why)

    @staticmethod
    def is_at_odds(message: str) -> bool:
        """Tell an error of two devices from one of a tensor without data."""
        return "device" in message and "meta" in message and "item()" not in message


class Forward(Check):
    """All parts in order; the same alone and in a batch; the order of the inputs."""

    LENGTHS = (61, 122, 5)

    @staticmethod
    def inputs(generator: Generator) -> Values:
        return {
            "spectrograms": [normal(generator, T, 6) for T in Forward.LENGTHS],
            "weights": small_weights(generator),
        }

    @staticmethod
    def probe(lab: Lab, inputs: Values) -> Values:
        model, spectrograms = small_model(lab), inputs["spectrograms"]
        layers = give_weights(model, inputs["weights"])
        with torch.no_grad(), old_lengths_named():
            together = model(pack_sequence(spectrograms, enforce_sorted=False))
            alone = [unpacked(model(pack_sequence([s])))[0] for s in spectrograms]
        model(pack_sequence(spectrograms[:1])).data.square().sum().backward()
        return {
            "together": unpacked(together),
            "alone": alone,
            "layers": layers,
            "unmoved": [n for n, p in model.named_parameters() if p.grad is None],
        }

    @staticmethod
    def judge(inputs: Values, result: Values) -> None:
        lengths = [len(scores) for scores in result["together"]]
        call = "forward of T = 61, 122, 5"
        why = "T' frames of each utterance, in the order of the inputs"
        expect(f"{call}: T'", lengths, [16, 31, 2], why)
        cnn, rnn, output = weights_given(result["layers"], inputs["weights"])
        wanted = parts_in_a_row(inputs["spectrograms"], cnn, rnn, output)
        with part("one utterance"):
            for T, alone, parts in zip(Forward.LENGTHS, result["alone"], wanted):
                why = "a frame is C M' numbers by channel: permute, then flatten"
                if Forward.alike(alone, parts.softmax(1)):
                    why = "scores, not probabilities: no softmax at the end"
                got, want = alone.log_softmax(1), parts.log_softmax(1)
                expect_close(f"forward of T = {T} alone", got, want, why)
        with part("a batch"):
            why = "the same alone and in a batch: axes? convolve() masks the padding"
            spectrograms = inputs["spectrograms"]
            padded = parts_in_a_row(spectrograms, cnn, rnn, output, padded=True)
            if all(map(Forward.alike, result["together"], padded)):
                why = (
                    "the recurrent layers read the padding of the batch: pack what "
                    "they read, not what comes out of them"
                )
            for T, got, want in zip(Forward.LENGTHS, result["together"], wanted):
                got, want = got.log_softmax(1), want.log_softmax(1)
                expect_close(f"{call}, against T = {T} alone", got, want, why)
        why = "the gradient must reach every weight: no no_grad, no detach"
        call = "backward through forward: weights without a gradient"
        expect(call, result["unmoved"], [], why)

    @staticmethod
    def alike(got: Tensor, want: Tensor) -> bool:
        """Compare the scores of an utterance, whatever their shapes are."""
        return got.shape == want.shape and torch.allclose(got, want, atol=1e-4)


class Penalty(Check):
    """The L1 norm of the weights, differentiable."""

    @staticmethod
    def inputs(generator: Generator) -> Values:
        l1 = whole(generator, 32, 255) / 256
        return {"l1": l1, "weights": small_weights(generator)}

    @staticmethod
    def probe(lab: Lab, inputs: Values) -> Values:
        model = small_model(lab, inputs["l1"])
        layers = give_weights(model, inputs["weights"])
        value = model.penalty()
        learns = isinstance(value, Tensor) and value.requires_grad
        if learns:
            value.sum().backward()
        weights = [p for p in model.parameters() if p.dim() > 1]
        others = [p for p in model.parameters() if p.dim() <= 1]
        return {
            "value": value,
            "learns": learns,
            "layers": layers,
            "slopes": [
                w.grad.abs().max().item() for w in weights if w.grad is not None
            ],
            "touched": sum(bool(p.grad is not None and p.grad.any()) for p in others),
        }

    @staticmethod
    def judge(inputs: Values, result: Values) -> None:
        l1 = inputs["l1"]
        weights_given(result["layers"], inputs["weights"])
        matrices = [w for w in chain(*inputs["weights"]) if w.dim() > 1]
        call = f"penalty() with l1 = {l1}"
        norm = sum(w.double().abs().sum().item() for w in matrices)
        value = torch.tensor(l1 * norm)
        why = "l1 times the sum of the absolute values of all matrices and kernels"
        got = result["value"]
        if isinstance(got, (int, float)):  # its value may be right all the same
            got = torch.tensor(float(got))
        expect_close(call, got, value, why, tolerance=1e-4 * value.item())
        why = (
            "training minimises it, so it needs a gradient: no .item(), float() or "
            ".detach() of a weight"
        )
        expect(f"{call}: a tensor with a gradient", result["learns"], True, why)
        expect(f"{call}: biases with a gradient", result["touched"], 0, "none")
        why = "the gradient of l1 |w| is l1 times the sign of w, for every weight"
        slopes = [l1] * len(matrices)
        expect(f"{call}: largest slope of each weight", result["slopes"], slopes, why)
