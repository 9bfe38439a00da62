"""Checks of ``trellis.py``: the CTC loss, an alignment, edit operations."""

from __future__ import annotations

import math
from collections.abc import Sequence
from itertools import product

import torch
import torch.nn.functional as F
from torch import Generator, Tensor

from checks.drawing import normal
from checks.oracles import collapsed
from labkit.base import Lab
from labkit.exercises import Check, Values, expect, expect_close, expect_that, part
from labkit.metrics import character_error_rate, word_error_rate

# Frames T', transcript and blank of cases that are small enough for all paths.
SMALL = (
    *((4, [1, 1], 2), (5, [3, 1, 0], 2), (2, [1, 3], 0), (3, [2], 0), (1, [2], 0)),
    *((3, [], 2), (5, [1, 2, 1], 0), (2, [3, 3], 2), (1, [1, 2], 0)),
)
# With frames at which a symbol is impossible: (T', transcript, blank, [(t, symbol)]).
BARRED = (
    (4, [1, 2], 0, [(0, 0), (1, 1), (2, 0), (3, 3)]),
    (4, [2, 2], 0, [(0, 2), (0, 0), (1, 1)]),  # no path is left
    (5, [1, 1], 0, [(0, 0), (1, 1), (3, 0)]),
)


# Probabilities of « ¬ a b » at each frame, the transcript, the sum of its paths.
BY_HAND = (
    (((0.4, 0.6), (0.3, 0.7)), "a", "aa 0.42 + a¬ 0.18 + ¬a 0.28 = 0.88"),
    (((0.2, 0.3, 0.5),) * 2, "ab", "ab 0.3 * 0.5 = 0.15"),
    (((0.5, 0.5),) * 3, "aa", "a¬a 0.5 * 0.5 * 0.5 = 0.125"),
)
# What a usual mistake of the first of these gives for it.
SLIPS = {
    0.28: "the start: a path may start in the first blank or in the first symbol",
    0.6: "the start: a path may start in the first blank or in the first symbol",
    0.18: "the end: a path may end in the last symbol or in the blank after it",
    0.7: "the end: a path may end in the last symbol or in the blank after it",
    0.42: "the sum over all paths, not the best one alone",
    1.0: "¬¬ does not spell a: no path starts in the third state or leaves the a out",
}
LAWS = (
    "each path starts in one of the first two states and ends in one of the last two",
    "the skip: between two different symbols, a path may leave the blank out",
    "the skip: between two equal symbols, no path may leave the blank out",
)


def drawn_cases(generator: Generator) -> list[Values]:
    """Draw scores (T', V) of the small cases; -inf where a symbol is impossible."""
    cases = []
    for n_frames, transcript, blank, *barred in (*SMALL, *BARRED):
        scores = 2 * normal(generator, n_frames, 4)
        for t, symbol in barred[0] if barred else ():
            scores[t, symbol] = -torch.inf
        cases.append({"scores": scores, "transcript": transcript, "blank": blank})
    return cases


def mass_of(log_probs: Tensor, path: Sequence[int]) -> Tensor:
    """Compute the log probability of a path of T' indices."""
    return log_probs[torch.arange(len(log_probs)), torch.tensor(path)].sum()


def paths_of(
    log_probs: Tensor, transcript: list[int], blank: int
) -> list[tuple[Tensor, list[int]]]:
    """List every possible path of a transcript, with its log probability."""
    paths = product(range(log_probs.shape[1]), repeat=len(log_probs))
    spelt = [list(p) for p in paths if collapsed(p, blank) == tuple(transcript)]
    pairs = [(mass_of(log_probs, path), path) for path in spelt]
    return [pair for pair in pairs if pair[0] > -torch.inf]


def name_of(case: Values) -> str:
    """Name a case."""
    n_frames, barred = len(case["scores"]), case["scores"].isneginf().nonzero()
    where = ", ".join(f"{k} at frame {t}" for t, k in barred.tolist())
    impossible = f", impossible: {where}" if where else ""
    words = f"T' = {n_frames}, transcript {case['transcript']}, blank {case['blank']}"
    return words + impossible


class ForwardLoss(Check):
    """The loss and its gradient: by all paths where they are few, else by torch."""

    @staticmethod
    def inputs(generator: Generator) -> Values:
        long = torch.randint(1, 5, (8,), generator=generator).tolist()
        scores = 3 * normal(generator, 40, 6)
        scores[:, 5] += 25  # leaves so little for the others that products become 0
        return {
            "cases": [
                *ForwardLoss.cases_by_hand(),
                *drawn_cases(generator),
                {"scores": scores, "transcript": long, "blank": 0},
            ]
        }

    @staticmethod
    def cases_by_hand() -> list[Values]:
        """Make cases of which a student can list all paths."""
        return [
            {
                "scores": torch.tensor(frames).log(),
                "transcript": ["¬ab".index(symbol) for symbol in text],
                "blank": 0,
            }
            for frames, text, _ in BY_HAND
        ]

    @staticmethod
    def probe(lab: Lab, inputs: Values) -> Values:
        def refuse(*_: object) -> None:
            raise RuntimeError("write the recursion yourself: torch's loss is for E10")

        losses, slopes, given = [], [], torch.ctc_loss
        torch.ctc_loss = refuse  # what F.ctc_loss and nn.CTCLoss call
        try:
            for case in inputs["cases"]:
                scores = case["scores"].clone().requires_grad_()
                log_probs, transcript = scores.log_softmax(1), list(case["transcript"])
                loss = lab.trellis.forward_loss(log_probs, transcript, case["blank"])
                slope = None
                if getattr(loss, "requires_grad", False) and loss.dim() == 0:
                    (slope,) = torch.autograd.grad(loss, scores)
                losses.append(loss)
                slopes.append(slope)
        finally:
            torch.ctc_loss = given
        return {"losses": losses, "slopes": slopes}

    @staticmethod
    def judge(inputs: Values, result: Values) -> None:
        given = zip(inputs["cases"], result["losses"], result["slopes"])
        for n, (case, loss, slope) in enumerate(given):
            transcript, blank = case["transcript"], case["blank"]
            scores = case["scores"].double().requires_grad_()
            log_probs = scores.log_softmax(1)
            call = f"forward_loss of {name_of(case)}"
            many = len(scores) > 5
            tolerance = 1e-2 if many else 1e-4  # a long sum is inexact in float32
            why = "-log of the sum over all paths that collapse to the transcript"
            if many:
                why = (
                    "-log of the sum over all paths, in log space: their probabilities "
                )
                why += "are too small for a float"
                sizes = torch.tensor([len(scores)]), torch.tensor([len(transcript)])
                target = torch.tensor([transcript])
                wanted = F.ctc_loss(
                    log_probs.unsqueeze(1), target, *sizes, blank, reduction="sum"
                )
            else:
                masses = [mass for mass, _ in paths_of(log_probs, transcript, blank)]
                none = torch.tensor(-torch.inf, dtype=torch.float64)
                wanted = -torch.stack([none, *masses]).logsumexp(0)
            possible = bool(wanted.isfinite())
            is_scalar = isinstance(loss, Tensor) and loss.dim() == 0
            text = "a tensor without dimensions"
            expect_that(is_scalar, f"{call}: result", text, loss, "training needs one")
            with part("the loss"):
                if n < len(BY_HAND):
                    ForwardLoss.compare_by_hand(n, loss.item())
                elif possible:
                    expect_close(call, loss, wanted.detach(), why, tolerance)
                else:
                    why = "no path: probability 0, whose -log is infinite"
                    expect(call, loss.item(), math.inf, why)
            if not possible:
                continue
            with part("the gradient"):
                why = "training needs it: tensors from log_probs on, no .item()"
                learns = isinstance(slope, Tensor)
                expect_that(learns, f"{call}: gradient", "a tensor", slope, why)
                (want,) = torch.autograd.grad(wanted, scores)
                why = "NaN comes from the logarithm of a sum of zeros: see log_sum"
                if not slope.isnan().any():
                    why = "that of the loss: each state passes it on to all its ways"
                expect_close(f"{call}: gradient", slope, want, why, tolerance)

    @staticmethod
    def compare_by_hand(n: int, loss: float) -> None:
        """Require the loss of a case of which all paths are shown."""
        frames, text, paths = BY_HAND[n]
        columns = (", ".join(f"{p:g}" for p in column) for column in zip(*frames))
        of_each = (f"p({k}) = {one}" for k, one in zip("¬ab", columns))
        call = f"forward_loss of « {text} » in {len(frames)} frames: "
        wanted, got = float(paths.split()[-1]), torch.tensor(-loss).exp().item()
        slips = [why for p, why in SLIPS.items() if n == 0 and abs(got - p) < 1e-4]
        expect_that(
            abs(got - wanted) < 1e-4,
            call + "; ".join(of_each),
            f"{-math.log(wanted):.5g} = -ln p, p = {paths}",
            f"{loss:.5g}, which is p = {got:.5g}",
            slips[0] if slips else LAWS[n],
        )


class Alignment(Check):
    """The best path: of all where they are few, else the one that was put in."""

    @staticmethod
    def inputs(generator: Generator) -> Values:
        cases = drawn_cases(generator)
        # The best is aab; back from the wrong end, or not turned round, another path.
        easy = torch.tensor([[0.1, 0.8, 0.1], [0.2, 0.5, 0.3], [0.1, 0.2, 0.7]])
        first = {"scores": easy.log(), "transcript": [1, 2], "blank": 0}
        tie = {"scores": torch.zeros(4, 4), "transcript": [3, 1], "blank": 0}
        # One path more likely than any other at each frame: « ¬ 5 5 ¬ 5 ¬ 7 7 ... ».
        order = torch.randint(1, 16, (40,), generator=generator).tolist()
        symbols = [k for one in order for k in (one, 0)]
        lengths = torch.randint(3, 7, (len(symbols),), generator=generator).tolist()
        path = [k for k, length in zip(symbols, lengths) for _ in range(length)]
        scores = torch.zeros(len(path), 16)
        scores[torch.arange(len(path)), torch.tensor(path)] = 0.5
        long = {"scores": scores, "transcript": order, "blank": 0}
        return {"cases": [first, *cases, tie, long]}

    @staticmethod
    def probe(lab: Lab, inputs: Values) -> Values:
        found = []
        for case in inputs["cases"]:
            log_probs = case["scores"].log_softmax(1)
            given = list(case["transcript"]), case["blank"]
            answer = lab.trellis.viterbi(log_probs, *given)
            both = list(answer) if isinstance(answer, tuple) else [answer]
            kind = tuple(type(one).__name__ for one in both)
            if len(both) == 2 and isinstance(both[0], float):  # NumPy's is one too
                kind = ("float", kind[1])
            log_prob, path = both if kind == ("float", "list") else (0.0, [])
            found.append((kind, float(log_prob), [int(k) for k in path]))
        return {"found": found}

    @staticmethod
    def judge(inputs: Values, result: Values) -> None:
        for case, (kind, log_prob, path) in zip(inputs["cases"], result["found"]):
            case_of = transcript, blank = case["transcript"], case["blank"]
            log_probs = case["scores"].double().log_softmax(1)
            call, many = f"viterbi of {name_of(case)}", len(log_probs) > 5
            why = "log probability and path, as plain numbers: .item(), .tolist()"
            expect(f"{call}: types", tuple(kind), ("float", "list"), why)
            if many:
                best_path = log_probs.argmax(dim=1).tolist()
                best = mass_of(log_probs, best_path).item()
            else:
                every = [(m.item(), p) for m, p in paths_of(log_probs, *case_of)]
                best, best_path = max(every, default=(-math.inf, []))
            if best == -math.inf:
                got, want = (log_prob, path), (-math.inf, [])
                why = "none of the paths that are possible collapses to the transcript"
                expect(call, got, want, why)
                continue
            frames = len(log_probs)
            expect(f"{call}: length", len(path), frames, "one index a frame")
            tolerance = 1e-2 if many else 1e-4
            of_paths = [path, path[::-1]]
            right = [
                list(collapsed(tuple(one), blank)) == transcript
                and abs(mass_of(log_probs, one).item() - best) < tolerance
                for one in of_paths
            ]
            turned = "the path runs from the first frame to the last, not backwards"
            turned = turned if right == [False, True] else ""
            spelt = list(collapsed(tuple(path), blank))
            why = f"the path {path} has to collapse to the transcript"
            why = "the path has to collapse to the transcript" if many else why
            expect(f"{call}: collapsed", spelt, transcript, turned or why)
            with part("the path"):
                why = "no path of the transcript is more probable: a maximum, no sum; "
                why += "back-pointers lead from the better end to the start"
                chosen = mass_of(log_probs, path).item()
                wanted, found = (
                    f"{log_p:.5g}" + ("" if many else f", of {one}")
                    for log_p, one in ((best, best_path), (chosen, path))
                )
                close = abs(chosen - best) <= tolerance
                of_path = f"{call}: log probability of its path"
                expect_that(close, of_path, wanted, found, turned or why)
            with part("its probability"):
                why = "the sum of the log-probabilities along the path"
                got, of_path = torch.tensor(log_prob), torch.tensor(best)
                expect_close(f"{call}: log_prob", got, of_path, why, tolerance)


class EditDistance(Check):
    """As few errors as jiwer counts, and both texts, whole and in order."""

    TEXTS = (
        *(("chat", "cats"), ("elle", "ele"), ("abc", "abc"), ("ab", ""), ("", "ab")),
        *(("", ""), ("kitten", "sitting"), ("abcdef", "bcdefa")),
    )
    WORDS = (
        ("elle est la", "el est pas la"),
        ("le chat dort", "chat dort bien"),
        ("a b c d", "d a b"),
    )

    @staticmethod
    def inputs(generator: Generator) -> Values:
        def drawn() -> str:
            length = int(torch.randint(1, 9, (), generator=generator))
            letters = torch.randint(0, 3, (length,), generator=generator).tolist()
            return "".join("abc"[k] for k in letters)

        pairs = [*EditDistance.TEXTS, *((drawn(), drawn()) for _ in range(12))]
        words = [(a.split(), b.split()) for a, b in EditDistance.WORDS]
        return {"pairs": [*pairs, *words]}

    @staticmethod
    def probe(lab: Lab, inputs: Values) -> Values:
        found = []
        for reference, hypothesis in inputs["pairs"]:
            answer = lab.trellis.edit_operations(reference, hypothesis)
            pairs = isinstance(answer, list) and all(
                isinstance(one, (tuple, list)) and len(one) == 2 for one in answer
            )
            texts = [tuple(map(str, one)) for one in answer] if pairs else repr(answer)
            found.append(texts)
        return {"found": found}

    @staticmethod
    def judge(inputs: Values, result: Values) -> None:
        for (reference, hypothesis), found in zip(inputs["pairs"], result["found"]):
            call = f"edit_operations({reference!r}, {hypothesis!r})"
            why = "each a symbol of the reference and one of the hypothesis"
            pairs = isinstance(found, list)
            expect_that(pairs, call, "a list of tuples of two texts", found, why)
            said, heard = ([pair[i] for pair in found if pair[i]] for i in (0, 1))
            why = 'from left to right, each symbol once; "" where there is none'
            expect(f"{call}: the reference in {found}", said, list(reference), why)
            expect(f"{call}: the hypothesis in {found}", heard, list(hypothesis), why)
            empty = [pair for pair in found if not any(pair)]
            expect(f"{call}: empty operations", empty, [], "each is about a symbol")
            errors = sum(a != b for a, b in found)
            wanted = max(len(reference), len(hypothesis))  # where one of them is empty
            if reference and hypothesis:
                texts = isinstance(reference, str)
                count = character_error_rate if texts else word_error_rate
                join = "" if texts else " "
                pair = [join.join(reference)], [join.join(hypothesis)]
                wanted = count(*pair).errors
            why = f"{found} does it in {errors}: is there a shorter way?"
            expect(f"{call}: errors", errors, wanted, why)
