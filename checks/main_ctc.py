"""Checks of ``main_ctc.py``: the loss, the network, the optimiser, one step."""

from __future__ import annotations

from itertools import product
from types import SimpleNamespace

import torch
from torch import Generator, Tensor, nn
from torch.nn.utils.rnn import PackedSequence, pack_sequence

from checks.drawing import normal, whole
from checks.oracles import collapsed, recurrent_parameters
from checks.tools import pack, unpacked
from labkit.base import Lab
from labkit.exercises import Check, Values, expect, expect_close, part


class CTCLoss(Check):
    """The loss of each utterance, compared with the sum over all paths."""

    @staticmethod
    def inputs(generator: Generator) -> Values:
        return {
            "scores": 2 * normal(generator, 5, 3, 4),  # (T', B, V)
            "n_frames": torch.tensor([4, 5, 2]),
            "transcripts": [torch.tensor(t) for t in ([1, 1], [3, 1, 0], [3, 3])],
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
            f"{call}: shape",
            tuple(got.shape),
            (3,),
            "no reduction: one for each utterance",
        )
        why = "infinite where no path fits into the utterance's own T' frames"
        finite = [loss.isfinite().item() for loss in wanted]
        expect(f"{call}: finite", got.isfinite().tolist(), finite, why)
        why = "-log of the sum over all paths: log-softmax over V, the blank as given"
        expect_close(call, got[:2], torch.stack(wanted[:2]), why)
        why = "training needs gradients of the losses: keep them tensors"
        expect(f"{call}: differentiable", result["learns"], True, why)


class BuildModel(Check):
    """A CTCModel of the size that the options ask for."""

    @staticmethod
    def inputs(generator: Generator) -> Values:
        return {
            "nmels": 2 * whole(generator, 3, 8),
            "nhidden_rnn": whole(generator, 3, 9),
            "nlayers_rnn": whole(generator, 3, 4),
            "cell_type": "LSTM",
            "dropout": whole(generator, 1, 7) / 16,
            "l1": whole(generator, 1, 7) / 8,
        }

    @staticmethod
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

    @staticmethod
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


class Optimizer(Check):
    """One update, compared with the formula of AdamW."""

    @staticmethod
    def inputs(generator: Generator) -> Values:
        return {"weight": normal(generator, 3, 2), "slope": normal(generator, 3, 2)}

    @staticmethod
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

    @staticmethod
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


class TrainStep(Check):
    """Two updates, compared with gradients computed by hand."""

    LR, CLIPS, PENALTY = 0.1, (1e6, 0.5), 0.3

    @staticmethod
    def inputs(generator: Generator) -> Values:
        return {
            "weight": normal(generator, 4, 3),
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

    @staticmethod
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
                # After a wrong update all else is wrong, so a mistake costs once.
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
