"""Checks of ``main_seq2seq.py``: the loss of attention, and the joint loss."""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import Generator, Tensor
from torch.nn.utils.rnn import pack_sequence

from checks.drawing import normal
from checks.oracles import smoothed_loss
from checks.tools import pack
from labkit.base import Lab
from labkit.decoding import Encoding
from labkit.exercises import Check, Values, expect, expect_close, expect_that, part


class AttentionLoss(Check):
    """Label smoothing in plain sums, target by target, without the padding."""

    SMOOTHING = (0.0, 0.1, 0.5)
    LENGTHS = (5, 2, 3)

    @staticmethod
    def inputs(generator: Generator) -> Values:
        targets = torch.randint(0, 6, (3, 5), generator=generator)
        targets[0, 0] = 0  # a symbol like any other
        log_probs = (2 * normal(generator, 3, 5, 6)).log_softmax(2)  # (B, U, V)
        return {"log_probs": log_probs, "targets": targets}

    @staticmethod
    def probe(lab: Lab, inputs: Values) -> Values:
        log_probs = inputs["log_probs"].clone().requires_grad_()
        losses = [
            lab.main_seq2seq.attention_losses(
                log_probs,
                inputs["targets"].clone(),
                torch.tensor(AttentionLoss.LENGTHS),
                smoothing,
            )
            for smoothing in AttentionLoss.SMOOTHING
        ]
        return {"losses": losses, "learns": all(x.requires_grad for x in losses)}

    @staticmethod
    def judge(inputs: Values, result: Values) -> None:
        for smoothing, got in zip(AttentionLoss.SMOOTHING, result["losses"]):
            call = "attention_losses of 5, 2, 3 targets, V = 6, "
            call += f"smoothing {smoothing}"
            why = "one loss for each utterance"
            expect(f"{call}: shape", tuple(got.shape), (3,), why)
            wanted = [
                smoothed_loss(log_probs[:n], targets[:n].tolist(), smoothing)
                for log_probs, targets, n in zip(
                    inputs["log_probs"], inputs["targets"], AttentionLoss.LENGTHS
                )
            ]
            why = "the sum of -log p of an utterance's own targets, without padding"
            if smoothing:
                why = "(1 - smoothing) times -log p of the target, plus smoothing "
                why += "times the mean of -log p of all symbols"
            expect_close(call, got, torch.tensor(wanted), why, 1e-3)
        why = "training needs gradients of the losses: keep them tensors"
        name = "attention_losses: differentiable"
        expect(name, result["learns"], True, why)


class JointLoss(Check):
    """Weighted sums of torch's CTC loss and of the smoothed loss."""

    WEIGHTS = (0.0, 0.3, 1.0)
    BLANK, SMOOTHING = 2, 0.1
    LENGTHS = (6, 4, 5)  # T' of each utterance

    @staticmethod
    def inputs(generator: Generator) -> Values:
        texts = ([4, 1, 1, 5], [4, 3, 5], [4, 0, 5])
        log_probs = normal(generator, 3, 3, 6).log_softmax(2)  # (B, U - 1, V)
        silent = log_probs.clone()
        silent[0, 1, 1] = -torch.inf  # the second target of the first utterance
        scores = normal(generator, 6, 3, 6)  # (T', B, V)
        return {
            "scores": scores,
            "transcripts": [torch.tensor(text) for text in texts],
            # Which log-probabilities, and how many frames: too few for the last.
            "cases": [
                (log_probs, JointLoss.LENGTHS),
                (log_probs, (6, 4, 2)),
                (silent, JointLoss.LENGTHS),
            ],
        }

    @staticmethod
    def probe(lab: Lab, inputs: Values) -> Values:
        losses, learns = [], []
        for given, lengths in inputs["cases"]:
            for weight in JointLoss.WEIGHTS:
                log_probs = given.clone().requires_grad_()
                scores = inputs["scores"].clone().requires_grad_()
                packed = pack(scores, torch.tensor(lengths))
                outputs = lab.seq2seq.Outputs(
                    Encoding(packed, packed), log_probs, log_probs.exp()
                )
                found = lab.main_seq2seq.joint_losses(
                    outputs,
                    pack_sequence(inputs["transcripts"], enforce_sorted=False),
                    JointLoss.BLANK,
                    weight,
                    JointLoss.SMOOTHING,
                )
                if found.requires_grad:
                    found.sum().backward()
                losses.append(found)
                slopes = [x.grad for x in (scores, log_probs)]
                learns.append([s is not None and bool(s.any()) for s in slopes])
        return {"losses": losses, "learns": learns[JointLoss.WEIGHTS.index(0.3)]}

    @staticmethod
    def judge(inputs: Values, result: Values) -> None:
        cases = [(c, weight) for c in inputs["cases"] for weight in JointLoss.WEIGHTS]
        names = ("", ", one of infinite CTC loss", ", one of infinite attention loss")
        for n, ((given, lengths), weight) in enumerate(cases):
            got, kind = result["losses"][n], n // len(JointLoss.WEIGHTS)
            call = f"joint_losses of three utterances{names[kind]}, "
            call += f"ctc_weight {weight}"
            why = "one loss for each utterance"
            expect(f"{call}: shape", tuple(got.shape), (3,), why)
            wanted = JointLoss.summed(inputs, given, lengths, weight)
            why = (
                "an infinite loss counts, unless its weight is 0: 0 * inf is no number"
            )
            finite = wanted.isfinite()
            with part("infinite losses" if kind else "the weighted sum"):
                is_finite = got.isfinite().tolist()
                expect(f"{call}: finite", is_finite, finite.tolist(), why)
                is_nan = bool(got.isnan().any())
                expect_that(not is_nan, call, "no NaN", got.detach(), why)
                why = "ctc_weight times the CTC loss, plus the rest times that of "
                why += "attention, smoothed"
                expect_close(call, got[finite], wanted[finite], why, 1e-3)
        why = "the gradient must reach the scores of CTC and those of attention"
        call = "joint_losses, ctc_weight 0.3: gradients"
        expect(call, result["learns"], [True, True], why)

    @staticmethod
    def summed(
        inputs: Values, log_probs: Tensor, lengths: tuple[int, ...], weight: float
    ) -> Tensor:
        """Compute the joint loss of each utterance by itself."""
        losses = []
        for b, text in enumerate(inputs["transcripts"]):
            scores = inputs["scores"][: lengths[b], b].double().log_softmax(1)
            sizes = torch.tensor(lengths[b]), torch.tensor(len(text))
            blank = JointLoss.BLANK
            ctc = F.ctc_loss(scores, text, *sizes, blank, reduction="sum").item()
            own = log_probs[b, : len(text) - 1]
            smoothing = JointLoss.SMOOTHING
            attention = smoothed_loss(own, text[1:].tolist(), smoothing)
            pairs = ((weight, ctc), (1 - weight, attention))
            losses.append(sum(share * loss for share, loss in pairs if share))
        return torch.tensor(losses)
