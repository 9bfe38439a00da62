"""Checks of ``main_ctc.py``: the loss, the network, the optimiser, one step."""

from __future__ import annotations

from itertools import product
from types import SimpleNamespace

import torch
import torch.nn.functional as F
from torch import Generator, Tensor, nn
from torch.nn.utils.rnn import (
    PackedSequence,
    pack_sequence,
    pad_packed_sequence,
    pad_sequence,
)

from checks.drawing import normal, whole
from checks.oracles import collapsed, recurrent_parameters
from checks.tools import pack, unpacked
from labkit.base import Lab
from labkit.exercises import Check, Values, expect, expect_close, part


class CTCLoss(Check):
    """The loss of each utterance, compared with the sum over all paths.

    One is too long for that: torch computes it, from this utterance alone.
    """

    @staticmethod
    def inputs(generator: Generator) -> Values:
        long = torch.tensor([0, 1, 3])[torch.randint(3, (4,), generator=generator)]
        short = [torch.tensor(t) for t in ([1, 1], [3, 1, 0], [3, 3])]
        return {
            "scores": 2 * normal(generator, 40, 4, 4),  # (T', B, V)
            "n_frames": torch.tensor([4, 5, 2, 40]),
            "transcripts": [*short, long],
        }

    @staticmethod
    def probe(lab: Lab, inputs: Values) -> Values:
        scores = inputs["scores"].clone().requires_grad_()
        transcripts = pack_sequence(inputs["transcripts"], enforce_sorted=False)
        packed = pack(scores, inputs["n_frames"])
        losses = lab.main_ctc.ctc_losses(packed, transcripts, 2)
        return {"losses": losses, "learns": getattr(losses, "requires_grad", False)}

    @staticmethod
    def judge(inputs: Values, result: Values) -> None:
        log_probs = inputs["scores"].double().log_softmax(2)
        wanted = []
        *short, long = inputs["transcripts"]
        for b, transcript in enumerate(short):
            n = int(inputs["n_frames"][b])
            paths = [
                log_probs[torch.arange(n), b, torch.tensor(path)].sum()
                for path in product(range(4), repeat=n)
                if collapsed(path, blank=2) == tuple(transcript.tolist())
            ]
            none = torch.tensor(-torch.inf, dtype=torch.float64)
            wanted.append(-torch.stack([none, *paths]).logsumexp(0))
        sizes = torch.tensor(40), torch.tensor(len(long))
        last = F.ctc_loss(log_probs[:, 3], long, *sizes, blank=2, reduction="sum")
        wanted.append(last)
        got = result["losses"]
        call = "ctc_losses of T' = 4, 5, 2, 40 and U = 2, 3, 2, 4, blank 2"
        why = "no reduction: one for each utterance"
        expect(f"{call}: shape", tuple(got.shape), (4,), why)
        both = torch.stack(wanted[:2])
        same = torch.allclose(got[:2].double(), both, atol=1e-4)
        if not same:
            why = "-log of the sum over all paths: log-softmax over V, own lengths, "
            why += "the blank as given"
            why = CTCLoss.mistake(inputs, got.double()) or why
            expect_close(call, got[:2], both, why)
        why = "infinite where no path fits into the utterance's own T' frames"
        finite = [loss.isfinite().item() for loss in wanted]
        expect(f"{call}: finite", got.isfinite().tolist(), finite, why)
        why = "-log of the sum over all paths: log-softmax over V, own lengths"
        expect_close(f"{call}: the last", got[3], last, why, 1e-3)
        why = "training needs gradients of the losses: keep them tensors"
        expect(f"{call}: differentiable", result["learns"], True, why)

    @staticmethod
    def mistake(inputs: Values, got: Tensor) -> str:
        """Find the mistake that gives these losses, if it is a usual one."""
        n_frames = inputs["n_frames"]
        scores = pad_packed_sequence(pack(inputs["scores"], n_frames))[0]  # then zeros
        targets = pad_sequence(inputs["transcripts"], batch_first=True)  # (B, U)
        n_chars = torch.tensor([len(t) for t in inputs["transcripts"]])
        log_probs = scores.log_softmax(2)

        def losses(x: Tensor, y: Tensor = targets, n: Tensor = n_frames) -> Tensor:
            return F.ctc_loss(x, y, n, n_chars, 2, reduction="none")

        own = losses(log_probs)
        all_frames = torch.full_like(n_frames, len(scores))
        blank_0 = F.ctc_loss(log_probs, targets, n_frames, n_chars, reduction="none")
        raw = "scores are no log-probabilities, so a loss may even be negative: "
        raw += "log_softmax over V"
        mistakes = {
            raw: losses(scores),
            "probabilities, not their logarithms: log_softmax, not softmax": (
                losses(scores.softmax(2))
            ),
            "the softmax is over the V symbols of a frame, not over the frames": (
                losses(scores.log_softmax(0))
            ),
            "the softmax is over the V symbols of a frame, not over the utterances": (
                losses(scores.log_softmax(1))
            ),
            "the blank is the argument, 2 here; F.ctc_loss takes 0 by default": blank_0,
            "the padding is no frame: each utterance has its own T'": (
                losses(log_probs, n=all_frames)
            ),
            "-log of the sum over all paths, not divided by a length": own / n_chars,
            "targets are (B, U), utterance by utterance: batch_first=True": (
                losses(log_probs, targets.T)
            ),
        }
        for why, found in mistakes.items():
            if torch.allclose(got[:2], found[:2].double(), atol=1e-4):
                return why
        return raw if bool((got < 0).any()) else ""


class BuildModel(Check):
    """A CTCModel of the size that the options ask for, with the alphabet given."""

    @staticmethod
    def inputs(generator: Generator) -> Values:
        return {
            "cases": [
                {
                    "nmels": 2 * whole(generator, 3, 8),
                    "nhidden_rnn": whole(generator, 3, 9),
                    "nlayers_rnn": whole(generator, 3, 4),
                    "cell_type": cell_type,
                    "dropout": whole(generator, 1, 7) / 16,
                    "l1": whole(generator, 1, 7) / 8,
                }
                for cell_type in ("LSTM", "GRU")
            ]
        }

    @staticmethod
    def probe(lab: Lab, inputs: Values) -> Values:
        found = []
        for case in inputs["cases"]:
            charmap = lab.data.CharMap()
            model = lab.main_ctc.build_model(SimpleNamespace(**case), charmap)
            dropouts = [m.p for m in model.modules() if isinstance(m, nn.Dropout2d)]
            found.append(
                {
                    "parameters": sum(p.numel() for p in model.parameters()),
                    "biases": sum(
                        m.bias is not None
                        for m in model.modules()
                        if isinstance(m, nn.Conv2d)
                    ),
                    "dropouts": sorted(map(float, dropouts)),
                    "l1": float(model.l1),
                    "given": model.charmap is charmap,
                }
            )
        return {"models": found}

    @staticmethod
    def judge(inputs: Values, result: Values) -> None:
        expect("models", len(result["models"]), 2, "of an LSTM and of a GRU")
        for case, got in zip(inputs["cases"], result["models"]):
            nmels, nhidden, nlayers, cell, dropout, l1 = case.values()
            call = f"build_model(nmels {nmels}, {cell} {nlayers} x {nhidden}, ...)"
            gates = {"GRU": 3, "LSTM": 4}[cell]
            count = recurrent_parameters(gates, 32 * (nmels // 2), nhidden, nlayers)
            count += 41 * 11 * 32 + 21 * 11 * 32 * 32 + 2 * 64 + 32 * got["biases"]
            count += (2 * nhidden + 1) * 44
            why = (
                f"convolutions, {nlayers} {cell} layers of 2 x {nhidden} units over "
                f"32 x {nmels // 2}, 44 symbols"
            )
            expect(f"{call}: parameters", got["parameters"], count, why)
            wanted = [dropout, dropout]
            expect(f"{call}: dropout", got["dropouts"], wanted, "args.dropout")
            expect(f"{call}: l1", got["l1"], l1, "args.l1")
            why = "the network knows its alphabet: the argument, not a new CharMap"
            expect(f"{call}: charmap is the argument", got["given"], True, why)


class Optimizer(Check):
    """Three updates, compared with the formula of AdamW."""

    LR, DECAY, BETAS, EPS = 0.1, 0.5, (0.9, 0.999), 1e-8

    @staticmethod
    def inputs(generator: Generator) -> Values:
        slopes = [(4.0**n) * normal(generator, 3, 2) for n in (0, -1, 1)]
        return {"weight": normal(generator, 3, 2), "slopes": slopes}

    @staticmethod
    def probe(lab: Lab, inputs: Values) -> Values:
        model = nn.Linear(2, 3)
        options = SimpleNamespace(base_lr=Optimizer.LR, weight_decay=Optimizer.DECAY)
        optimizer = lab.main_ctc.build_optimizer(model, options)
        with torch.no_grad():
            model.weight.copy_(inputs["weight"])
            before = model.bias.clone()
        weights = []
        for slope in inputs["slopes"]:
            model.weight.grad = slope.clone()
            model.bias.grad = torch.ones(3)
            optimizer.step()
            weights.append(model.weight.detach().clone())
        return {"weights": weights, "moved": model.bias - before}

    @staticmethod
    def judge(inputs: Values, result: Values) -> None:
        # Loshchilov and Hutter 2019, algorithm 2.
        weight = inputs["weight"].double()
        mean = square = torch.zeros(3, 2, dtype=torch.float64)
        first, second = Optimizer.BETAS
        pairs = zip(inputs["slopes"], result["weights"])
        for n, (slope, got) in enumerate(pairs, 1):
            mean = first * mean + (1 - first) * slope.double()
            square = second * square + (1 - second) * slope.double() ** 2
            root = (square / (1 - second**n)).sqrt() + Optimizer.EPS
            weight = weight * (1 - Optimizer.LR * Optimizer.DECAY)
            weight = weight - Optimizer.LR * mean / (1 - first**n) / root
            why = "w (1 - lr decay) - lr sign(gradient): AdamW with the two options"
            if n > 1:
                why = "AdamW with the two options alone: betas and eps as they are"
            call = f"step {n}, lr {Optimizer.LR}, decay {Optimizer.DECAY}"
            expect_close(call, got, weight, why)
        moved = bool(result["moved"].abs().min() > 0)
        expect(
            "one step: the bias moves too", moved, True, "every parameter is updated"
        )


class TrainStep(Check):
    """Two updates, compared with gradients computed by hand."""

    LR, CLIPS, PENALTY = 0.1, (1e6, 0.5), 0.3

    @staticmethod
    def inputs(generator: Generator) -> Values:
        return {
            "weight": normal(generator, 4, 3),
            "bias": normal(generator, 4),
            "spectrograms": [normal(generator, T, 3) for T in (5, 2)],
            "transcripts": [torch.tensor([1, 2]), torch.tensor([3])],
        }

    @staticmethod
    def losses(scores: PackedSequence, transcripts: PackedSequence) -> Tensor:
        """Replace the loss: the squares of an utterance's scores, plus its symbols."""
        values = [s.square().sum() for s in unpacked(scores)]
        return torch.stack(values) * torch.stack(
            [t.sum().float() for t in unpacked(transcripts)]
        )

    @staticmethod
    def probe(lab: Lab, inputs: Values) -> Values:
        class Frames(nn.Module):
            def __init__(self) -> None:
                super().__init__()
                self.layer = nn.Linear(3, 4)

            def forward(self, packed: PackedSequence) -> PackedSequence:
                return packed._replace(data=self.layer(packed.data))

        names = ("spectrograms", "transcripts")
        batch = tuple(pack_sequence(inputs[n], enforce_sorted=False) for n in names)
        runs = []
        for clip in TrainStep.CLIPS:
            model = Frames()
            with torch.no_grad():
                model.layer.weight.copy_(inputs["weight"])
                model.layer.bias.copy_(inputs["bias"])
            optimizer = torch.optim.SGD(model.parameters(), lr=TrainStep.LR)

            def penalty(weight: Tensor = model.layer.weight) -> Tensor:
                return TrainStep.PENALTY * weight.square().sum()

            steps = []
            for _ in range(2):
                losses, extra, scores = lab.main_ctc.train_step(
                    model, TrainStep.losses, penalty, optimizer, batch, clip
                )
                weights = [p.detach().clone() for p in model.layer.parameters()]
                steps.append([losses, extra, unpacked(scores), weights])
            runs.append(steps)
        return {"runs": runs}

    @staticmethod
    def judge(inputs: Values, result: Values) -> None:
        frames = [s.double() for s in inputs["spectrograms"]]
        factors = [t.sum().item() for t in inputs["transcripts"]]
        for clip, steps in zip(TrainStep.CLIPS, result["runs"]):
            weight, bias = inputs["weight"].double(), inputs["bias"].double()
            name = "the update" if clip > 1 else "the clipping"
            for n, (losses, extra, scores, updated) in enumerate(steps, 1):
                outputs = [f @ weight.T + bias for f in frames]
                wanted = [f * o.square().sum() for f, o in zip(factors, outputs)]
                call = f"train_step {n}, grad_clip {clip:g}"
                why = "the loss of each utterance, before the update"
                returned = torch.stack(wanted)
                size = returned.max().item()
                # After a wrong update all else is wrong, so a mistake costs once.
                with part("what it returns" if n == 1 else name):
                    expect_close(f"{call}: losses", losses, returned, why, 1e-4 * size)
                    value = TrainStep.PENALTY * weight.square().sum()
                    why = "what penalty() returned, before the update"
                    expect_close(f"{call}: penalty", extra, value, why, 1e-3)
                    why = "the packed scores that the network gave"
                    expect_close(f"{call}: scores", scores[0], outputs[0], why, 1e-3)
                slopes = TrainStep.slopes(weight, frames, factors, outputs)
                norm = torch.cat([s.flatten() for s in slopes]).norm().item()
                why = "update with the gradient of losses.mean() + penalty"
                if clip < norm:
                    why = "clip the norm of the gradient to grad_clip, then update"
                    shares = [min(1.0, clip / s.norm().item()) for s in slopes]
                    apart = bias - TrainStep.LR * slopes[1] * shares[1]
                    if torch.allclose(updated[1].double(), apart, atol=1e-4):
                        why = "one norm, of the gradients of all parameters together"
                elif n == 2:
                    why = "the gradient of the first step is still there: zero it"
                rate = TrainStep.LR * min(1.0, clip / norm)
                weight, bias = weight - rate * slopes[0], bias - rate * slopes[1]
                size = max(1.0, weight.abs().max().item(), bias.abs().max().item())
                with part(name):
                    for which, got, want in zip(
                        ("weights", "biases"), updated, (weight, bias)
                    ):
                        expect_close(f"{call}: {which}", got, want, why, 1e-3 * size)

    @staticmethod
    def slopes(
        weight: Tensor,
        frames: list[Tensor],
        factors: list[float],
        outputs: list[Tensor],
    ) -> tuple[Tensor, Tensor]:
        """Compute the gradient of the mean loss plus the penalty, by hand."""
        of_weight, of_bias = 2 * TrainStep.PENALTY * weight, torch.zeros(4).double()
        for factor, f, o in zip(factors, frames, outputs):
            of_weight = of_weight + factor * (o.T @ f)  # half of 2: a mean of two
            of_bias = of_bias + factor * o.sum(0)
        return of_weight, of_bias
