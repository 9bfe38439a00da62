"""Checks of ``decoding.py``: prefix beam search, and a test of exactness."""

from __future__ import annotations

import math
from collections.abc import Collection
from itertools import product
from typing import ClassVar

import torch
from torch import Generator, Tensor

from checks.drawing import normal
from checks.oracles import NEVER, flawed_search, possible, sums_through
from checks.tools import Sums
from labkit.base import Lab
from labkit.decoding import Hypothesis
from labkit.exercises import Check, Values, expect, expect_that

# A beam after pruning: the prefix (1,) that (1, 1) and (1, 2) came from is gone.
PRUNED = ((1, 1), (1, 2), (3,), (2, 1, 2), ())
LATE = 800  # nats: what paths of many frames cost
START: Sums = {(): (0.0, -math.inf)}  # before the first frame: the empty path


class Advance(Check):
    """Extend and merge: every prefix once, with the sum of all its paths."""

    @staticmethod
    def inputs(generator: Generator) -> Values:
        frames = normal(generator, 4, 4).log_softmax(1).tolist()  # (T', V)
        history = normal(generator, 4, 4).log_softmax(1).tolist()
        sums = sums_through(history[:-1], history[-1], 0)
        late = {p: tuple(end - LATE for end in ends) for p, ends in sums.items()}
        return {
            "frames": frames,
            "alone": [([1], sums[1,])],
            "pruned": [(list(prefix), late[prefix]) for prefix in PRUNED],
            "_history": history,  # of the frames that lead to both beams
        }

    @staticmethod
    def probe(lab: Lab, inputs: Values) -> Values:
        odd: set[str] = set()

        def advance(beam: Sums, frame: list[float], blank: int) -> Sums:
            given = dict(beam)
            longer = lab.decoding.advance(given, frame, blank)
            if given != beam:
                odd.add("a beam that was changed")
            for prefix, ends in longer.items():
                odd.update(type(k).__name__ for k in prefix if not isinstance(k, int))
                odd.update(type(x).__name__ for x in ends if not isinstance(x, float))
            return {
                tuple(int(k) for k in prefix): (float(ends[0]), float(ends[1]))
                for prefix, ends in longer.items()
            }

        result: Values = {}
        for name in ("alone", "pruned"):
            beam = {tuple(prefix): tuple(ends) for prefix, ends in inputs[name]}
            result[name] = [*advance(beam, inputs["frames"][3], 0).items()]
        for blank in (0, 2):
            beam, result[f"{blank}"] = START, []
            for frame in inputs["frames"][:3]:
                beam = advance(beam, frame, blank)
                result[f"{blank}"].append([*beam.items()])
        return {**result, "odd": sorted(odd)}

    @staticmethod
    def judge(inputs: Values, result: Values) -> None:
        frames, history = inputs["frames"], inputs["_history"]
        wanted = sums_through(history, frames[3], 0, [(1,)])
        call = "advance of a beam of one prefix, (1,)"
        Advance.compare(call, result["alone"], wanted, [(1,)])
        for blank in (0, 2):
            beam: Sums = START
            for t, frame in enumerate(frames[:3]):
                call = f"frame {t + 1} from the empty path, blank={blank}"
                wanted = sums_through(frames[:t], frame, blank)
                Advance.compare(call, result[f"{blank}"][t], wanted, beam)
                beam = wanted
        call = "advance of a pruned beam, so late that exp() of the sums is 0"
        sums = sums_through(history, frames[3], 0, PRUNED)
        late = {p: (a - LATE, b - LATE) for p, (a, b) in sums.items()}
        Advance.compare(call, result["pruned"], late, PRUNED)
        call = "advance: what the prefixes and sums are made of"
        why = "plain numbers, which the search can print and save: .item(), .tolist(); "
        why += "and the beam that was given must stay as it was"
        odd = ", ".join(result["odd"])
        expect_that(not odd, call, "int and float", odd, why)

    @staticmethod
    def compare(
        call: str, pairs: list, wanted: Sums, beam: Collection[tuple[int, ...]]
    ) -> None:
        """Require the same prefixes, each with the same two sums."""
        got = possible({tuple(prefix): tuple(ends) for prefix, ends in pairs})
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
            wanted_text, got_text = (f"({a:.5g}, {b:.5g})" for a, b in (want, ends))
            expect_that(all(same), name, wanted_text, got_text, why)

    @staticmethod
    def alike(a: float, b: float) -> bool:
        """Compare two logarithms."""
        return abs(max(a, NEVER) - max(b, NEVER)) < 1e-3

    @staticmethod
    def way(
        prefix: tuple[int, ...], beam: Collection[tuple[int, ...]], end: str
    ) -> str:
        """Say which paths belong to a sum of a prefix."""
        if end == "blank":
            return "first sum: all its paths (log_add), a blank after each; no others"
        grown = prefix[:-1] in beam
        if prefix in beam and grown:
            return "second sum: two ways lead to it; add their sums (log_add)"
        if prefix in beam:
            return "second sum: its last symbol goes on, in the paths that end with it"
        if prefix[-2:-1] == prefix[-1:]:
            return "a symbol twice in a row: only paths that end with a blank grow"
        return "second sum: all paths of the prefix before (log_add), then a new symbol"


class Prune(Check):
    """The candidates with the best scores are kept, best first."""

    @staticmethod
    def inputs(generator: Generator) -> Values:
        scores = normal(generator, 6)
        scores[0] -= 9  # the best sums, but a low score
        return {"scores": scores.tolist()}

    @staticmethod
    def probe(lab: Lab, inputs: Values) -> Values:
        sums = {(k, 7): (-float(k), -9.0) for k in range(6)}
        scores = {prefix: inputs["scores"][prefix[0]] for prefix in reversed(sums)}
        kept = {}
        for size in (1, 4, 6, 10):
            beam = lab.decoding.prune(dict(sums), dict(scores), size)
            kept[f"{size}"] = [(list(p), ends) for p, ends in beam.items()]
        kept["tie"] = len(lab.decoding.prune(sums, dict.fromkeys(sums, -1.0), 4))
        return kept

    @staticmethod
    def judge(inputs: Values, result: Values) -> None:
        scores = inputs["scores"]
        for size in (1, 4, 6, 10):
            call = f"prune of 6 candidates, beam_size={size}"
            kept = [prefix for prefix, _ in result[f"{size}"]]
            why = "the highest scores, best first"
            expect(f"{call}: how many", len(kept), min(size, 6), why)
            known = all(prefix in ([k, 7] for k in range(6)) for prefix in kept)
            expect_that(known, f"{call}: prefixes", "candidates", kept, why)
            got = [scores[prefix[0]] for prefix in kept]
            best = sorted(scores, reverse=True)[: len(kept)]
            wanted, found = (", ".join(f"{s:.4g}" for s in x) for x in (best, got))
            why = "rank by scores, not by the sums: the highest first"
            expect_that(got == best, f"{call}: their scores", wanted, found, why)
            sums = [ends for _, ends in result[f"{size}"]]
            same = [(-float(prefix[0]), -9.0) for prefix in kept]
            expect(f"{call}: sums", sums, same, "what is kept stays as it was")
        call = "prune of 6 candidates with the same score, beam_size=4: how many"
        expect(call, result["tie"], 4, "beam_size of them, whichever they are")


class Law(Check):
    """A predicate that is tried on exact searches and on broken ones."""

    LOSS = "a score is not minus the CTC loss of its transcript"
    SUM = "the probabilities do not add up to 1"
    TWICE = "a transcript is there twice"
    # What is wrong with each search, and the condition that it breaks.
    FLAWS: ClassVar = {
        "": "",
        "the best path only": LOSS,
        "two transcripts exchanged": LOSS,
        "blanks dropped first": LOSS,
        "a transcript twice": TWICE,
        "a transcript lost": SUM,
        "a transcript twice, one as probable never": TWICE,
        "the worst first": "the scores are not in order, from the best to the worst",
        "costs, not scores": "the scores are not log-probabilities",
        "the beam kept too small": SUM,
        "nothing found": f"there is no transcript: {SUM}",
    }
    OWN_SEARCH = ("prefix_search", "advance", "prune")

    @staticmethod
    def inputs(generator: Generator) -> Values:
        # (T', V); with either blank, two symbols have the same probability
        log_probs = normal(generator, 3, 2)[:, [0, 1, 1, 0]].log_softmax(1)
        cases = list(product(Law.FLAWS, (0, 2)))
        order = torch.randperm(len(cases), generator=generator).tolist()
        # The student's code sees what each search finds, not the search and its flaw.
        found = [
            (blank, Law.all_found(flaw, log_probs, blank)) for flaw, blank in cases
        ]
        return {"log_probs": log_probs, "searches": [found[i] for i in order]}

    @staticmethod
    def probe(lab: Lab, inputs: Values) -> Values:
        def refuse(*given: object, **named: object) -> None:
            raise RuntimeError("is_exact must test any search: it cannot ask your own")

        answers = []
        own = {name: getattr(lab.decoding, name) for name in Law.OWN_SEARCH}
        for blank, listed in inputs["searches"]:
            found = [Hypothesis(score, list(p)) for score, p in listed]

            def search(
                log_probs: Tensor, beam_size: int, blank: int, found: list = found
            ) -> list[Hypothesis]:
                return found[:beam_size]

            vars(lab.decoding).update(dict.fromkeys(own, refuse))
            try:
                answer = lab.decoding.is_exact(search, inputs["log_probs"], blank)
            finally:
                vars(lab.decoding).update(own)
            answers.append(answer if answer is None else bool(answer))
        return {"answers": answers}

    @staticmethod
    def judge(inputs: Values, result: Values) -> None:
        searches, answers = inputs["searches"], result["answers"]
        expect("is_exact: answers", len(answers), len(searches), "one for each")
        given = [(blank, list(map(list, listed))) for blank, listed in searches]
        for (flaw, broken), blank in product(Law.FLAWS.items(), (0, 2)):
            listed = Law.all_found(flaw, inputs["log_probs"], blank)
            answer = answers[given.index((blank, list(map(list, listed))))]
            name = f"a search with a flaw: {flaw}" if flaw else "an exact search"
            why = "with room for all transcripts, each score is minus the CTC loss of "
            why += "the whole transcript, and the probabilities add up to 1"
            why = f"the test must find that {broken}" if flaw else why
            call = f"is_exact of {name}, blank={blank}"
            expect(call, answer, not flaw, why)

    @staticmethod
    def all_found(flaw: str, log_probs: Tensor, blank: int) -> list:
        """List score and indices of all that a search with a flaw finds."""
        room = log_probs.shape[1] ** len(log_probs)
        found = flawed_search(flaw)(log_probs, room, blank)
        return [(one.score, one.indices) for one in found]
