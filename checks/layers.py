"""Checks of ``models.py``: the layers of the network."""

from __future__ import annotations

import torch
from torch import Generator, Tensor, nn

from checks.drawing import normal, whole
from checks.oracles import convolved, recurrent_parameters
from checks.tools import LAB_CONVOLUTIONS, convolution_weights
from labkit.base import Lab
from labkit.exercises import Check, Values, expect, expect_close, expect_that


class Convolutions(Check):
    """Two convolutions, each followed by normalisation, Hardtanh and dropout."""

    @staticmethod
    def inputs(generator: Generator) -> Values:
        dropout = (2 * whole(generator, 12, 17) + 1) / 100
        return {
            "features": 100 * normal(generator, 8, 1, 122, 40),
            "dropout": dropout,
        }

    @staticmethod
    def probe(lab: Lab, inputs: Values) -> Values:
        cnn = lab.models.CTCModel.build_cnn(inputs["dropout"])
        layers = [m for m in cnn.modules() if isinstance(m, nn.Conv2d)]
        dropouts = [m for m in cnn.modules() if "Dropout" in type(m).__name__]
        with torch.no_grad():
            trained = cnn.train()(inputs["features"])  # (B, C, T', M')
            for module in cnn.modules():
                if isinstance(module, nn.BatchNorm2d):
                    module.reset_running_stats()
                    if module.affine:  # so that the bounds are reached
                        module.weight.fill_(20.0)
            evaluated = cnn.eval()(inputs["features"][:2])
        scaled = [m.affine for m in cnn.modules() if isinstance(m, nn.BatchNorm2d)]
        return {
            "kinds": [type(module).__name__ for module in cnn],
            "names": [name for name, _ in cnn.named_children()],
            "biases": sum(c.bias is not None for c in layers),
            "layers": [
                (c.in_channels, c.out_channels, c.kernel_size, c.stride, c.padding)
                for c in layers
            ],
            "normalizations": sum(isinstance(m, nn.BatchNorm2d) for m in cnn.modules()),
            "dropouts": [float(module.p) for module in dropouts],
            "parameters": sum(p.numel() for p in cnn.parameters()),
            "weights": convolution_weights(cnn) if all(scaled) else [],
            "evaluated": evaluated,
            "dropped": (trained == 0).flatten(2).all(2).float().mean().item(),
        }

    @staticmethod
    def judge(inputs: Values, result: Values) -> None:
        dropout, features = inputs["dropout"], inputs["features"][:2]
        call = f"build_cnn({dropout})"
        channels = ((1, 32), (32, 32))
        layers = [(*c, *geometry) for c, geometry in zip(channels, LAB_CONVOLUTIONS)]
        why = "channels, kernel, stride and padding of the docstring's table"
        expect(f"{call}: convolutions", result["layers"], layers, why)
        why = "batch normalisation after each convolution"
        expect(f"{call}: BatchNorm2d", result["normalizations"], 2, why)
        # Normalisation has a shift of its own: a convolution may do without a bias.
        count = 41 * 11 * 32 + 21 * 11 * 32 * 32 + 2 * 64 + 32 * result["biases"]
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
        why = "the checkpoints name the layers cnn.0 to cnn.7: give them no names"
        names = [f"{n}" for n in range(8)]
        expect(f"{call}: names of its layers", result["names"], names, why)
        Convolutions.require_shapes(call, result["weights"])
        why = "convolution, normalisation and Hardtanh, twice, in this order"
        wanted = convolved(features, result["weights"], mean=0.0)
        expect_close(f"{call} on {shape}, evaluation", got, wanted, why, 1e-2)

    @staticmethod
    def require_shapes(call: str, weights: list[Tensor]) -> None:
        """Require the weights that the oracle computes with."""
        kernels = (32, 1, 41, 11), (32, 32, 21, 11)
        wanted = [shape for kernel in kernels for shape in (kernel, *[(32,)] * 3)]
        shapes = [tuple(weight.shape) for weight in weights]
        why = "kernel and bias, scale and shift, for each of the two convolutions"
        expect(f"{call}: shapes of the weights", shapes, wanted, why)


class Recurrent(Check):
    """A bidirectional stack, of either cell."""

    @staticmethod
    def inputs(generator: Generator) -> Values:
        nhidden, dropout = whole(generator, 3, 9), whole(generator, 35, 45) / 100
        cases = [("GRU", nhidden, 2, dropout), ("LSTM", nhidden - 1, 1, dropout)]
        features = normal(generator, 6, 2, 5)  # (T', B, n_features)
        return {"features": features, "cases": cases}  # cell, H, layers, dropout

    @staticmethod
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

    @staticmethod
    def judge(inputs: Values, result: Values) -> None:
        expect("cases", len(result["cases"]), 2, "a GRU and an LSTM")
        for case, got in zip(inputs["cases"], result["cases"]):
            cell, nhidden, nlayers, dropout = case
            call = f"build_rnn(5, {nhidden}, {nlayers}, '{cell}', {dropout})"
            why = "two directions: each frame comes out with 2 H numbers"
            expect(f"{call}: shape", got["shape"], (6, 2, 2 * nhidden), why)
            reach = torch.tensor([[True, False]] * 6)
            why = "(frame, utterance): every frame of its own utterance, and no other's"
            if int(got["reach"].sum()) == 1:
                why = "it reads one way: two directions of H units, bidirectional=True"
            elif got["reach"].tolist() == [[True] * 2, *[[False] * 2] * 5]:
                why = "axes exchanged: the input is (T', B, features), no batch_first"
            expect(f"{call}: frames that frame 0 depends on", got["reach"], reach, why)
            gates = {"GRU": 3, "LSTM": 4}[cell]
            count = recurrent_parameters(gates, 5, nhidden, nlayers)
            why = "gates of the cell x directions x layers, each with 2 biases"
            expect(f"{call}: parameters", got["parameters"], count, why)
            why = "dropout stands between two layers: one layer has none"
            expect(f"{call}: random in training", got["random"], nlayers > 1, why)
            if nlayers > 1:
                why = "the argument is the probability"
                expect(f"{call}: dropout", got["dropout"], dropout, why)


class OutputLayer(Check):
    """One linear layer from both directions to the symbols."""

    @staticmethod
    def inputs(generator: Generator) -> Values:
        nhidden, n_symbols = whole(generator, 4, 9), whole(generator, 30, 50)
        frames = normal(generator, 2, 3, 2 * nhidden)
        return {"frames": frames, "sizes": (nhidden, n_symbols)}

    @staticmethod
    def probe(lab: Lab, inputs: Values) -> Values:
        charlin = lab.models.CTCModel.build_charlin(*inputs["sizes"])
        nhidden, n_symbols = inputs["sizes"]
        # A layer of another size could not even be called on frames of 2 H.
        count = sum(p.numel() for p in charlin.parameters())
        fits = count == (2 * nhidden + 1) * n_symbols
        kind = type(charlin).__name__
        return {
            "type": "Sequential" if isinstance(charlin, nn.Sequential) else kind,
            "parameters": count,
            "weights": list(charlin.parameters()),
            "scores": charlin(inputs["frames"]) if fits else inputs["frames"],
        }

    @staticmethod
    def judge(inputs: Values, result: Values) -> None:
        nhidden, n_symbols = inputs["sizes"]
        call = f"build_charlin({nhidden}, {n_symbols})"
        why = "the checkpoints name its weights charlin.0.weight and charlin.0.bias"
        expect(f"{call}: type", result["type"], "Sequential", why)
        why = "2 H x V weights (two directions) and V biases"
        count = 2 * nhidden * n_symbols + n_symbols
        expect(f"{call}: parameters", result["parameters"], count, why)
        shape, wanted = tuple(result["scores"].shape), (2, 3, n_symbols)
        expect(
            f"{call} on (2, 3, 2 H): shape", shape, wanted, "one score for each symbol"
        )
        weight, bias = result["weights"]
        sizes = [tuple(weight.shape), tuple(bias.shape)]
        wanted = [(n_symbols, 2 * nhidden), (n_symbols,)]
        expect(f"{call}: weights", sizes, wanted, "V rows of 2 H, and V biases")
        why = "no activation: the loss takes the scores as they are"
        scores = inputs["frames"] @ weight.T + bias
        expect_close(f"{call} on (2, 3, 2 H)", result["scores"], scores, why)
        expect_that(bool(weight.any()), call, "weights", "zeros", "drawn at random")
