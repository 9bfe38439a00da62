"""Checks of ``hybrid.py``: confidences, segments, what attention accepts."""

from __future__ import annotations

import math
from itertools import groupby, product

import torch
from torch import Generator

from checks.drawing import normal, whole
from labkit.base import Lab
from labkit.exercises import Check, Values, expect, expect_close, part


class Confidences(Check):
    """Runs of equal symbols, and the best frame of each."""

    @staticmethod
    def inputs(generator: Generator) -> Values:
        drawn = torch.randint(0, 3, (8, 12), generator=generator).tolist()
        paths = [[], [0, 0, 0], [2, 2, 2, 2], [1, 0, 2, 2, 0, 2, 1, 1], *drawn]
        log_probs = [(-normal(generator, len(path)).abs()).tolist() for path in paths]
        return {"paths": paths, "log_probs": log_probs}

    @staticmethod
    def probe(lab: Lab, inputs: Values) -> Values:
        result = {}
        for blank in (0, 2):
            found = [
                lab.hybrid.confidences(list(log_probs), list(path), blank)
                for log_probs, path in zip(inputs["log_probs"], inputs["paths"])
            ]
            result[f"{blank}"] = [
                ([int(k) for k in symbols], [float(p) for p in sure])
                for symbols, sure in found
            ]
        return result

    @staticmethod
    def judge(inputs: Values, result: Values) -> None:
        for blank in (0, 2):
            pairs = zip(inputs["paths"], inputs["log_probs"], result[f"{blank}"])
            for path, log_probs, (symbols, sure) in pairs:
                call = f"confidences of the path {path}, blank {blank}"
                runs = [
                    [*run] for _, run in groupby(range(len(path)), path.__getitem__)
                ]
                runs = [run for run in runs if path[run[0]] != blank]
                why = (
                    "merge the frames of a symbol; a blank ends it, and is none itself"
                )
                expect(f"{call}: symbols", symbols, [path[r[0]] for r in runs], why)
                best = [max(math.exp(log_probs[t]) for t in run) for run in runs]
                why = "the highest probability among the frames of each symbol"
                got, want = torch.tensor(sure), torch.tensor(best)
                if len(got) == len(want) and torch.allclose(got, want.log(), atol=1e-4):
                    why = "a probability, not its logarithm"
                expect_close(f"{call}: confidences", got, want, why)


class FindingSegments(Check):
    """All patterns of up to five symbols."""

    PATTERNS = tuple(p for n in range(6) for p in product((False, True), repeat=n))

    @staticmethod
    def probe(lab: Lab, inputs: Values) -> Values:
        found = [lab.hybrid.find_segments(list(p)) for p in FindingSegments.PATTERNS]
        return {"segments": [[(int(a), int(b)) for a, b in one] for one in found]}

    @staticmethod
    def judge(inputs: Values, result: Values) -> None:
        for pattern, got in zip(FindingSegments.PATTERNS, result["segments"]):
            framed = (False, *pattern, False)  # place i is at i + 1
            wanted = [
                (a, b)
                for a in range(len(pattern))
                for b in range(a + 1, len(pattern) + 1)
                if all(pattern[a:b]) and not framed[a] and not framed[b + 1]
            ]
            shown = " ".join("no yes".split()[one] for one in pattern) or "no symbols"
            why = "as long as possible: what is before and after is certain, or nothing"
            if pattern and pattern[-1] and len(got) < len(wanted):
                why = "the last symbol is uncertain: its segment ends after it"
            expect(f"find_segments of {shown}", got, wanted, why)


class Splicing(Check):
    """Segments replaced one symbol after the other; the letters of "elle"."""

    END = 9
    # Symbols, segments, what each becomes.
    CASES = (
        ([5, 1, 2, 9], [], []),
        ([5, 1, 2, 1, 9], [(1, 3)], [[7, 8, 1]]),
        ([5, 1, 2, 1, 9], [(0, 1), (3, 4)], [[6, 6, 6, 1], [7, 9]]),
        ([5, 1, 2, 1, 9], [(0, 1), (2, 3)], [[1], [3, 1]]),
        ([5, 1, 2, 9], [(1, 2)], [[2]]),  # nothing but its stop
        ([5, 1, 2, 9], [(2, 4)], [[7, 8, 9]]),  # the end is uncertain
        ([5, 1, 2, 9], [(3, 4)], [[9]]),
        ([5, 1, 2, 9], [(0, 4)], [[9]]),
        ([5, 1, 2, 9], [(0, 1), (2, 4)], [[4, 1], [2, 2, 9]]),
        ([5, 6, 6, 5, 9], [(1, 2)], [[6, 6]]),  # elle: an l, and the l it stops at
        ([5, 6, 6, 5, 9], [(0, 1), (2, 3)], [[5, 6], [6, 5]]),
    )

    @staticmethod
    def inputs(generator: Generator) -> Values:
        cases = list(Splicing.CASES)
        for _ in range(8):
            text = torch.randint(1, 4, (8,), generator=generator).tolist()
            text.append(Splicing.END)
            segments, place = [], whole(generator, 0, 2)
            while place < len(text):
                stop = min(place + whole(generator, 1, 3), len(text))
                segments.append((place, stop))
                place = stop + whole(generator, 1, 3)
            replacements = []
            for _, stop in segments:
                n = whole(generator, 0, 3)
                new = torch.randint(1, 4, (n,), generator=generator).tolist()
                replacements.append([*new, (*text, Splicing.END)[stop]])
            cases.append((text, segments, replacements))
        return {"cases": cases}

    @staticmethod
    def probe(lab: Lab, inputs: Values) -> Values:
        results = []
        for text, segments, replacements in inputs["cases"]:
            given = [*text], [*segments], [[*one] for one in replacements]
            spliced = [int(k) for k in lab.hybrid.splice(*given)]
            same = given == (text, segments, replacements)
            results.append((spliced, same))
        return {"results": results}

    @staticmethod
    def judge(inputs: Values, result: Values) -> None:
        for (text, segments, replacements), (got, same) in zip(
            inputs["cases"], result["results"]
        ):
            call = f"splice({text}, {segments}, {replacements})"
            wanted: list[int] = []
            for place, symbol in enumerate(text):
                for (begin, _), new in zip(segments, replacements):
                    if begin == place:
                        wanted += new[:-1]
                if not any(begin <= place < stop for begin, stop in segments):
                    wanted.append(symbol)
            why = "every certain symbol stays, once: the stop is one of them"
            at_end = bool(segments) and segments[-1][1] == len(text)
            if at_end:  # the end is no certain symbol
                wanted.append(Splicing.END)
                why = "the segment holds the end: its replacement brings the only one"
            with part("the end in a segment" if at_end else "certain stops"):
                expect(call, got, wanted, why)
            expect(f"{call}: arguments as before", same, True, "change none of them")


class Accepting(Check):
    """Rows whose best symbol is known, and a first one that disagrees."""

    EXCLUDED = (0, 3)

    @staticmethod
    def inputs(generator: Generator) -> Values:
        cases = []
        # Where attention disagrees, of six; and a symbol that it never writes.
        for wrong in ((), (0,), (3,), (5,), (1, 2, 4), (0, 1, 2, 3, 4, 5), "excluded"):
            log_probs = normal(generator, 6, 7)
            allowed = [k for k in range(7) if k not in Accepting.EXCLUDED]
            best = [max(allowed, key=row.__getitem__) for row in log_probs.tolist()]
            log_probs[1::2, list(Accepting.EXCLUDED)] += 9  # best, were they allowed
            symbols = list(best)
            for place in (3,) if wrong == "excluded" else wrong:
                others = [k for k in allowed if k != best[place]]
                symbols[place] = others[whole(generator, 0, len(others) - 1)]
                if wrong == "excluded":
                    symbols[place] = int(log_probs[place].argmax())
            cases.append((log_probs.log_softmax(1), symbols))
        return {"cases": cases}

    @staticmethod
    def probe(lab: Lab, inputs: Values) -> Values:
        return {
            "counts": [
                int(lab.hybrid.count_accepted(x.clone(), list(k), Accepting.EXCLUDED))
                for x, k in inputs["cases"]
            ]
        }

    @staticmethod
    def judge(inputs: Values, result: Values) -> None:
        for (log_probs, symbols), got in zip(inputs["cases"], result["counts"]):
            own, wanted = [], 0
            for row in log_probs.tolist():
                allowed = [k for k in range(7) if k not in Accepting.EXCLUDED]
                own.append(max(allowed, key=row.__getitem__))
            while wanted < len(own) and own[wanted] == symbols[wanted]:
                wanted += 1
            call = f"count_accepted: CTC wrote {symbols}, attention would write {own}, "
            call += f"excluded {Accepting.EXCLUDED}"
            why = "all agree: all of them"
            if wanted < len(own):
                why = "those before the first that does not agree, whatever follows it"
            expect(call, got, wanted, why)
