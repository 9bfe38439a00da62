"""Checks of ``decoding.py``: greedy decoding, shallow fusion."""

from __future__ import annotations

import torch
from torch import Generator

from checks.drawing import normal, whole
from checks.oracles import language_gain
from checks.tools import pack
from labkit.base import Lab
from labkit.decoding import Automaton, Fusion
from labkit.exercises import Check, Values, expect, expect_close, expect_that, part


class Collapse(Check):
    """Repeated symbols are merged, then blanks are removed.

    Each path is made from what it spells, which student code does not get.
    """

    BLANKS = (0, 3)
    # A path and what it spells, where 0 is the blank.
    CASES = (
        *(([1, 2, 2, 0, 0, 0, 2, 1], [1, 2, 2, 1]), ([2, 2, 2], [2]), ([0, 0, 0], [])),
        *(([], []), ([0, 1, 0, 1, 1], [1, 1])),
    )

    @staticmethod
    def inputs(generator: Generator) -> Values:
        pairs: dict[str, list] = {}
        for blank in Collapse.BLANKS:
            # The blank and symbol 0 change places.
            swapped = {0: blank, blank: 0}
            own = [
                tuple([swapped.get(k, k) for k in text] for text in case)
                for case in Collapse.CASES
            ]
            symbols = [k for k in range(4) if k != blank]
            for _ in range(12):
                spelt = [symbols[whole(generator, 0, 2)] for _ in range(5)]
                path: list[int] = []
                for symbol in spelt:
                    least = 1 if path[-1:] == [symbol] else 0
                    path += [blank] * whole(generator, least, 2)
                    path += [symbol] * whole(generator, 1, 3)
                own.append((path, spelt))
            pairs[f"{blank}"] = own
        paths = {name: [path for path, _ in own] for name, own in pairs.items()}
        spelt = {name: [text for _, text in own] for name, own in pairs.items()}
        return {"paths": paths, "_spelt": spelt}

    @staticmethod
    def probe(lab: Lab, inputs: Values) -> Values:
        run = lab.decoding.collapse
        return {
            name: [list(run(list(p), int(name))) for p in paths]
            for name, paths in inputs["paths"].items()
        }

    @staticmethod
    def judge(inputs: Values, result: Values) -> None:
        for blank, paths in inputs["paths"].items():
            triples = zip(paths, inputs["_spelt"][blank], result[blank])
            for path, spelt, got in triples:
                why = f"merge repeated symbols first, then remove the blanks, {blank}"
                expect(f"collapse({path}, blank={blank})", got, spelt, why)


class BestPaths(Check):
    """The best symbol of each frame, utterance by utterance."""

    @staticmethod
    def inputs(generator: Generator) -> Values:
        return {
            "scores": 3 * normal(generator, 6, 3, 5),  # (T', B, V)
            "lengths": torch.tensor([2, 6, 4]),
        }

    @staticmethod
    def probe(lab: Lab, inputs: Values) -> Values:
        found = lab.decoding.best_paths(pack(inputs["scores"], inputs["lengths"]))
        return {
            # NumPy's float64 is a float too.
            "types": [
                tuple(
                    kind.__name__ if isinstance(value, kind) else type(value).__name__
                    for value, kind in ((cost, float), (path, list))
                )
                for cost, path in found
            ],
            "found": [(float(cost), [int(k) for k in path]) for cost, path in found],
        }

    @staticmethod
    def judge(inputs: Values, result: Values) -> None:
        call = "best_paths of T' = 2, 6, 4"
        expect(f"{call}: utterances", len(result["found"]), 3, "one path for each")
        why = "plain numbers, not tensors: .item(), .tolist()"
        expect(f"{call}: types", result["types"], [("float", "list")] * 3, why)
        for b, (cost, path) in enumerate(result["found"]):
            length = int(inputs["lengths"][b])
            scores = inputs["scores"][:length, b].double()  # (T', V)
            with part("paths"):
                why = "the best symbol of each of its own frames, blanks included"
                expect(f"{call}: length of path {b}", len(path), length, why)
                # How many are above the one that was chosen; 5 if there is no such.
                above = [
                    sum(x > row[k] for x in row) if 0 <= k < 5 else 5
                    for row, k in zip(scores.tolist(), path)
                ]
                name = f"{call}: symbols better than those of path {b}, {path}"
                expect(name, above, [0] * length, why)
            with part("costs"):
                why = "minus the sum of the log-probabilities along the path"
                # The odds of a path: all other paths of these frames against it.
                best = scores.max(dim=1, keepdim=True).values
                want = (scores - best).exp().sum(dim=1).log().sum()
                expect_close(f"{call}: cost {b}", torch.tensor(cost), want, why, 1e-3)


class ShallowFusion(Check):
    """Each symbol is scored once, with its weight; each space adds a bonus."""

    SPACE = 1
    SETTINGS = ((0.7, 0.0), (1.3, 0.9), (0.0, 2.0))
    # Scored at an earlier frame: (3, 1) and the parent of (3, 3) are pruned since.
    KNOWN = ((), (2,), (2, 1), (3, 3), (3, 1))
    CANDIDATES = (
        *((), (2,), (2, 1), (3, 3)),  # they stay
        *((1,), (3,), (2, 2), (2, 3), (2, 1, 3), (3, 3, 3), (3, 3, 1), (2, 1, 1)),
    )

    @staticmethod
    def inputs(generator: Generator) -> Values:
        steps = torch.randint(1, 5, (5, 4), generator=generator)
        inputs: Values = {
            # (S, V): never back to the same state
            "next": (torch.arange(5).unsqueeze(1) + steps) % 5,
            "gain": normal(generator, 5, 4).log_softmax(1),
            "final": normal(generator, 5) - 2,
        }
        space = ShallowFusion.SPACE
        inputs["known"] = [
            [
                (prefix, language_gain(inputs, prefix, setting, space))
                for prefix in ShallowFusion.KNOWN
            ]
            for setting in ShallowFusion.SETTINGS
        ]
        return inputs

    @staticmethod
    def probe(lab: Lab, inputs: Values) -> Values:
        lm = Automaton(0, inputs["next"], inputs["gain"], inputs["final"])
        result = []
        for setting, known in zip(ShallowFusion.SETTINGS, inputs["known"]):
            scores = lab.decoding.fuse_language_model(
                dict.fromkeys(ShallowFusion.CANDIDATES, (-1.0, -2.0)),
                {tuple(prefix): tuple(pair) for prefix, pair in known},
                Fusion(lm, *setting, ShallowFusion.SPACE),
            )
            result.append(
                [
                    (tuple(int(k) for k in prefix), (float(gain), float(state)))
                    for prefix, (gain, state) in scores.items()
                ]
            )
        return {"scores": result}

    @staticmethod
    def judge(inputs: Values, result: Values) -> None:
        space = ShallowFusion.SPACE
        for setting, pairs in zip(ShallowFusion.SETTINGS, result["scores"]):
            call = "lm_weight={}, word_bonus={}".format(*setting)
            scores = {tuple(prefix): pair for prefix, pair in pairs}
            missing = [p for p in ShallowFusion.CANDIDATES if p not in scores]
            expect(f"{call}: candidates left out", missing, [], "each candidate counts")
            for prefix in ShallowFusion.CANDIDATES:
                gain, state = scores[prefix]
                want, then = language_gain(inputs, prefix, setting, space)
                why = "what its parent gained, plus lm_weight * ln p in its parent's "
                why += "state, "
                is_space = prefix[-1:] == (space,)
                why += "plus the bonus of a space" if is_space else "no space, no bonus"
                if not prefix:
                    why = "no symbol yet: nothing gained"
                elif prefix in ShallowFusion.KNOWN:
                    why = "scored at an earlier frame: no symbol is new"
                close = abs(gain - want) < 1e-4
                if close:
                    why = "the state after the last symbol, which lm.step returns"
                name = f"{call}: (gain, state) of {prefix}"
                wanted, got = (
                    f"({a:.5g}, {b:g})" for a, b in ((want, then), (gain, state))
                )
                expect_that(close and state == then, name, wanted, got, why)
