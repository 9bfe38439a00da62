"""Checks of ``hybrid.py``: the scores of prefixes and of hypotheses."""

from __future__ import annotations

from itertools import product

import torch
import torch.nn.functional as F
from torch import Generator, Tensor

from checks.drawing import normal
from checks.oracles import NEVER, prefix_sums
from labkit.base import Lab
from labkit.decoding import Hypothesis, PrefixState, empty_prefix
from labkit.exercises import Check, Values, expect, expect_close, expect_that, part


def as_never(got: Tensor, want: Tensor) -> Tensor:
    """Write minus infinity in the way of ``want``, where both mean it."""
    if got.shape != want.shape:
        return got
    got, want = got.double(), want.double()
    return torch.where((got <= NEVER) & (want <= NEVER), want, got)


class Prefixes(Check):
    """One more symbol: states and scores, compared with sums over all paths."""

    # A prefix and what extends it; the blank is 0.
    STEPS = (
        *(((), 1), ((1,), 2), ((1,), 1), ((1, 2), 1), ((2, 1), 1), ((1, 1), 1)),
        *(((2,), 1), ((1, 1), 2)),
    )
    FRAMES = (1, 3, 5)
    LONG = (1, 1, 3, 2, 2, 1)  # a transcript of many frames

    @staticmethod
    def inputs(generator: Generator) -> Values:
        draws = [2 * normal(generator, T, 3).double() for T in Prefixes.FRAMES]
        log_probs = [draw.log_softmax(1) for draw in draws]  # (T', V)
        sums = [prefix_sums(one, 0) for one in log_probs]
        never = [torch.full((1 + T,), -torch.inf).double() for T in Prefixes.FRAMES]
        states = [
            [own.get(prefix, (none, none)) for prefix, _ in Prefixes.STEPS]
            for own, none in zip(sums, never)
        ]
        long = 3 * normal(generator, 350, 5).double()
        long[:, 0] -= 5  # few blanks: exp() of what a transcript costs is 0
        long = long.log_softmax(1)
        return {"log_probs": log_probs, "states": states, "long": long}

    @staticmethod
    def probe(lab: Lab, inputs: Values) -> Values:
        def extend(
            symbol: Tensor, blank: Tensor, ends: tuple, repeats: Tensor
        ) -> tuple[tuple, Tensor, bool]:
            given = (symbol, blank, *ends, repeats)
            copies = [x.clone() for x in given]
            state = PrefixState(*copies[2:4])
            longer, score = lab.hybrid.extend_prefix(*copies[:2], state, copies[4])
            same = all(torch.equal(a, b) for a, b in zip(copies, given))
            return (longer.symbol, longer.blank), score, same

        alone, together = [], []
        for log_probs, states in zip(inputs["log_probs"], inputs["states"]):
            columns = log_probs.T  # (V, T')
            blank, symbols = columns[0], [k for _, k in Prefixes.STEPS]
            repeats = torch.tensor([p[-1:] == (k,) for p, k in Prefixes.STEPS])
            alone += [
                extend(columns[k], blank, ends, again)
                for k, ends, again in zip(symbols, states, repeats)
            ]
            both = [torch.stack(kind).view(2, 4, -1) for kind in zip(*states)]
            emitted = columns[symbols].view(2, 4, -1)
            blanks = blank.expand(2, 4, -1)
            together.append(extend(emitted, blanks, tuple(both), repeats.view(2, 4)))
        columns, last = inputs["long"].T.contiguous(), 0
        ends = tuple(empty_prefix(columns[0]))
        for k in Prefixes.LONG:
            repeats = torch.tensor(k == last)
            ends, _, _ = extend(columns[k], columns[0], ends, repeats)
            last = k
        whole = torch.logaddexp(ends[0][-1], ends[1][-1])
        return {"alone": alone, "together": together, "whole": whole}

    @staticmethod
    def judge(inputs: Values, result: Values) -> None:
        found = iter(result["alone"])
        triples = zip(Prefixes.FRAMES, inputs["log_probs"], result["together"])
        for T, log_probs, (ends, scores, same) in triples:
            sums = prefix_sums(log_probs, 0)
            for n, (prefix, k) in enumerate(Prefixes.STEPS):
                own, score, unchanged = next(found)
                call = f"extend_prefix of {prefix} by {k}, T' = {T}"
                wanted = Prefixes.wanted(sums, (*prefix, k), T)
                with part("the state"):
                    Prefixes.compare_states(call, own, wanted, (prefix, k))
                with part("the score of the prefix"):
                    Prefixes.compare_scores(call, score, wanted)
                why = "change none of them"
                expect(f"{call}: arguments as before", unchanged, True, why)
                call = f"the same with leading axes (2, 4): {prefix} by {k}, T' = {T}"
                at = (n // 4, n % 4)
                with part("leading axes"):
                    shapes = tuple(ends[0].shape), tuple(scores.shape)
                    why = "every axis before the last goes through"
                    want = ((2, 4, 1 + T), (2, 4))
                    expect(f"{call}: shapes of states and scores", shapes, want, why)
                    rows = (ends[0][at], ends[1][at])
                    Prefixes.compare_states(call, rows, wanted, (prefix, k))
                    Prefixes.compare_scores(call, scores[at], wanted)
                    why = "change none of them"
                    expect(f"{call}: arguments as before", same, True, why)
        with part("many frames"):
            n, text = len(inputs["long"]), torch.tensor(Prefixes.LONG)
            sizes = torch.tensor(n), torch.tensor(len(text))
            loss = F.ctc_loss(inputs["long"], text, *sizes, 0, reduction="sum")
            call = f"extend_prefix, six times over {n} frames: the whole transcript"
            why = "minus the CTC loss, torch's: add logarithms, as exp() of these is 0"
            expect_close(call, result["whole"], -loss, why, 1e-3)

    @staticmethod
    def wanted(
        sums: dict[tuple[int, ...], tuple[Tensor, Tensor]],
        longer: tuple[int, ...],
        n_frames: int,
    ) -> tuple[Tensor, Tensor, Tensor]:
        """Look up both states of a prefix; sum all that starts with it."""
        never = torch.full((1 + n_frames,), -torch.inf).double()
        symbol, blank = sums.get(longer, (never, never))
        starts = [ends for text, ends in sums.items() if text[: len(longer)] == longer]
        masses = [end[-1] for ends in starts for end in ends]
        return symbol, blank, torch.stack([never[0], *masses]).logsumexp(0)

    @staticmethod
    def compare_states(
        call: str,
        ends: tuple[Tensor, Tensor],
        wanted: tuple[Tensor, Tensor, Tensor],
        step: tuple[tuple[int, ...], int],
    ) -> None:
        """Require the state of the prefix that a step leads to."""
        for name, got, want in zip(("symbol", "blank"), ends, wanted):
            why = f"log-probabilities for t = 0 ... T', as the docstring's r_{name}"
            shapes = tuple(got.shape), tuple(want.shape)
            expect(f"{call}: shape of state.{name}", *shapes, why)
            expect(f"{call}: type of state.{name}", got.dtype, want.dtype, why)
            why = "t = 0, before the first frame: no path spells it, log p is -inf"
            Prefixes.compare(f"{call}: state.{name} at t = 0", got[0], want[0], why)
        prefix, k = step
        why = "paths that spell the shorter prefix, or that go on with the symbol"
        if prefix[-1:] == (k,):
            why = "the symbol repeats the last: only paths that end with a blank "
            why += "grow, from the frame before"
        Prefixes.compare(f"{call}: state.symbol", ends[0], wanted[0], why)
        why = "paths of the longer prefix, at the frame before, then a blank"
        Prefixes.compare(f"{call}: state.blank", ends[1], wanted[1], why)

    @staticmethod
    def compare_scores(
        call: str, score: Tensor, wanted: tuple[Tensor, Tensor, Tensor]
    ) -> None:
        """Require the log probability of all that starts with the prefix."""
        why = "whatever may follow: the sum over t, the first frame among them, of "
        why += "before[t-1] p_t(symbol)"
        Prefixes.compare(f"{call}: log p of all that starts so", score, wanted[2], why)

    @staticmethod
    def compare(call: str, got: Tensor, want: Tensor, why: str) -> None:
        """Require the same logarithms."""
        expect_close(call, as_never(got, want), want.double(), why, 1e-6)


class Combining(Check):
    """Weighted sums, symbol by symbol."""

    WEIGHTS = (0.0, 0.3, 1.0)
    END = 3

    @staticmethod
    def inputs(generator: Generator) -> Values:
        attention = normal(generator, 2, 3, 5) - 4  # (B, K, V)
        prefixes = normal(generator, 2, 3, 5) - 9
        whole = normal(generator, 2, 3) - 12
        attention[0, 1, 2] = prefixes[1, 0, 4] = whole[1, 2] = -torch.inf
        return {"attention": attention, "prefixes": prefixes, "whole": whole}

    @staticmethod
    def probe(lab: Lab, inputs: Values) -> Values:
        given = [inputs[name] for name in ("attention", "prefixes", "whole")]
        scores, same = [], []
        for weight in Combining.WEIGHTS:
            copies = [x.clone() for x in given]
            found = lab.hybrid.joint_scores(*copies, Combining.END, weight)
            scores.append(found.clone())
            same.append(all(torch.equal(a, b) for a, b in zip(copies, given)))
        return {"scores": scores, "same": same}

    @staticmethod
    def judge(inputs: Values, result: Values) -> None:
        for weight, got in zip(Combining.WEIGHTS, result["scores"]):
            call = f"joint_scores of (2, 3, 5), end {Combining.END}, "
            call += f"ctc_weight {weight}"
            wanted = torch.empty(2, 3, 5)
            for b, k, v in product(range(2), range(3), range(5)):
                ctc = inputs["prefixes"][b, k, v].item()
                if v == Combining.END:
                    ctc = inputs["whole"][b, k].item()
                own = inputs["attention"][b, k, v].item()
                pairs = ((weight, ctc), (1 - weight, own))
                wanted[b, k, v] = sum(share * x for share, x in pairs if share)
            expect(f"{call}: shape", tuple(got.shape), (2, 3, 5), "(..., V)")
            why = "a head of weight 0 has no say: 0 * -inf is no number"
            is_nan = bool(got.isnan().any())
            expect_that(not is_nan, call, "no NaN", "NaN", why)
            got = as_never(got, wanted)
            ends = (x[..., Combining.END] for x in (got, wanted))
            why = "CTC scores the end as a whole transcript: nothing follows it"
            expect_close(f"{call}: column of the end", *ends, why=why)
            why = "ctc_weight times CTC, plus 1 - ctc_weight times attention"
            expect_close(call, got, wanted, why)
        why = "the search goes on with them"
        expect("joint_scores: arguments as before", result["same"], [True] * 3, why)


class Rescoring(Check):
    """New scores and their order, one hypothesis after the other."""

    WEIGHTS = (0.0, 0.3, 1.0)

    @staticmethod
    def inputs(generator: Generator) -> Values:
        ctc, lm, attention = (3 * normal(generator, 3, 5) - 15).tolist()
        gains = normal(generator, 5).tolist()
        plain = [(c, [1, k, 2], {"ctc": c}) for k, c in enumerate(ctc)]
        fused = [
            (c + gain, [1, k, 2, k], {"ctc": c, "lm": m})
            for k, (c, gain, m) in enumerate(zip(ctc, gains, lm))
        ]
        # Two with the same parts have the same new score, too.
        tied = [(-3.0, [4], {"ctc": -3.0}), (-3.0, [5], {"ctc": -3.0})]
        lists = [sorted(one, key=lambda h: -h[0]) for one in (plain, fused, tied, [])]
        return {"nbest": lists, "attention": [attention, attention, [-2.0, -2.0], []]}

    @staticmethod
    def probe(lab: Lab, inputs: Values) -> Values:
        ranked = []
        for listed, attention in zip(inputs["nbest"], inputs["attention"]):
            for weight in Rescoring.WEIGHTS:
                nbest = [Hypothesis(s, list(k), dict(parts)) for s, k, parts in listed]
                found = lab.hybrid.rescore(nbest, list(attention), weight)
                ranked.append(
                    [
                        (float(one.score), [int(k) for k in one.indices], one.parts)
                        for one in found
                    ]
                )
        return {"ranked": ranked}

    @staticmethod
    def judge(inputs: Values, result: Values) -> None:
        ranked = iter(result["ranked"])
        for listed, attention in zip(inputs["nbest"], inputs["attention"]):
            for weight in Rescoring.WEIGHTS:
                got = next(ranked)
                call = f"rescore of {len(listed)} hypotheses, ctc_weight {weight}"
                texts, given = ([one[1] for one in x] for x in (got, listed))
                why = "each of the list once: none is lost, none is new"
                expect(f"{call}: indices", sorted(texts), sorted(given), why)
                for (score, text, parts), own in zip(listed, attention):
                    new, _, after = got[texts.index(text)]
                    name = f"{call}: hypothesis {text} of parts {parts}"
                    why = (
                        "the parts it had, and its own log probability under attention"
                    )
                    want = {**parts, "attention": own}
                    expect(f"{name}: parts", after, want, why)
                    total = weight * parts["ctc"] + (1 - weight) * own
                    total += score - parts["ctc"]
                    why = (
                        "ctc_weight times its part ctc, the rest times attention, and "
                    )
                    why += "what else the old score had, as it is"
                    new, total = torch.tensor(new), torch.tensor(total)
                    expect_close(f"{name}: score", new, total, why)
                scores = [one[0] for one in got]
                order = sorted(scores, reverse=True)
                why = "the best first, by the new scores"
                expect(f"{call}: scores", scores, order, why)
