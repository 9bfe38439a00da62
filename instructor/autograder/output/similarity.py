"""Finding similar answers by fingerprints of rare passages.

An answer becomes tokens of its syntax tree, without what is easily changed
(names of variables, comments, layout, annotations, strings) and without what does
nothing. Helpers and other code of a script are compared as well. Passages are hashed
and winnowed (Schleimer, Wilkerson and Aiken, "Winnowing: local algorithms for document
fingerprinting", SIGMOD 2003). Passages of the reference are the base: they count
nothing. The others count by their rarity in the class, so that what the exercise
suggests to many counts nothing, and a short answer hardly counts. Answers in words are
compared in the same way, word by word.
"""

from __future__ import annotations

import ast
import io
import math
import re
import textwrap
import tokenize
import zlib
from collections import defaultdict
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from itertools import combinations

from autograder.output.tidy import tidied
from autograder.records import SubmissionRecord

PASSAGE = 9  # tokens that are hashed together
WINDOW = 4  # of passages, of which one is kept: 12 shared tokens are always seen

# Evidence of a pair, in rare passages: about 50 tokens, or eight lines, that neither
# the reference nor most of the class has.
THRESHOLD = 20.0
_LEAST_SHARE = 0.6  # of the shorter answer's rare passages
_LEAST_PASSAGES = 4.0  # in one exercise
_SMALL_CLASS = 10  # a smaller class is treated as if it had this size
_COMMON = 0.25  # share of the class: a passage as common as this does not count

_LAYOUT = {
    *(tokenize.NEWLINE, tokenize.NL, tokenize.INDENT, tokenize.DEDENT),
    *(tokenize.ENDMARKER, tokenize.COMMENT, tokenize.ENCODING),
}


@dataclass(frozen=True)
class Pair:
    """Two submissions whose answers are alike.

    Attributes:
        first: Index of one among the records.
        second: Index of the other.
        evidence: Rare passages that they share, weighted, in ``exercises``.
        exercises: Id of each exercise or question, and the share of it that is similar,
            0 to 1.
    """

    first: int
    second: int
    evidence: float
    exercises: tuple[tuple[str, float], ...]


class _Normaliser(ast.NodeTransformer):
    """Removes names, strings and annotations from a syntax tree."""

    def __init__(self, local: set[str]) -> None:
        self.local = local

    def visit_Name(self, node: ast.Name) -> ast.AST:
        name = "v" if node.id in self.local else node.id
        return ast.Name(id=name, ctx=node.ctx)

    def visit_arg(self, node: ast.arg) -> ast.AST:
        return ast.arg(arg="v", annotation=None)

    def visit_AnnAssign(self, node: ast.AnnAssign) -> ast.AST | None:
        if node.value is None:
            return ast.Pass()
        assign = ast.Assign(targets=[node.target], value=node.value, lineno=0)
        return self.generic_visit(assign)

    def visit_Constant(self, node: ast.Constant) -> ast.AST:
        return ast.Constant(value="s") if isinstance(node.value, str) else node

    def visit_JoinedStr(self, node: ast.JoinedStr) -> ast.AST:
        return ast.Constant(value="s")

    def visit_Call(self, node: ast.Call) -> ast.AST:
        self.generic_visit(node)
        node.keywords.sort(key=lambda keyword: keyword.arg or "")
        return node

    def visit_FunctionDef(self, node: ast.FunctionDef) -> ast.AST:
        self.generic_visit(node)
        node.name, node.returns = "v", None
        return node

    def visit_Expr(self, node: ast.Expr) -> ast.AST:
        if isinstance(node.value, ast.Constant):
            return ast.Pass()
        return self.generic_visit(node)


def _local_names(tree: ast.AST) -> set[str]:
    names: set[str] = set()
    for node in ast.walk(tree):
        if isinstance(node, ast.Name) and isinstance(node.ctx, ast.Store):
            names.add(node.id)
        elif isinstance(node, ast.arg):
            names.add(node.arg)
        elif isinstance(node, (ast.FunctionDef, ast.ClassDef, ast.ExceptHandler)):
            names.add(node.name or "")  # a handler may have none
    return names - {"self", ""}


def tokens(answer: str) -> list[str]:
    """Write the body of a function as tokens of its structure.

    Args:
        answer: The source of one function.

    Returns:
        The tokens; none if the source is not Python.
    """
    try:
        tree = tidied(ast.parse(textwrap.dedent(answer)))
        body = tree.body
        if len(body) == 1 and isinstance(body[0], ast.FunctionDef):
            body = body[0].body  # its signature was given
        normaliser = _Normaliser(_local_names(tree))
        plain = ast.Module([normaliser.visit(node) for node in body], [])
        source = ast.unparse(ast.fix_missing_locations(plain))
        found = tokenize.generate_tokens(io.StringIO(source).readline)
        return [t.string for t in found if t.type not in _LAYOUT]
    except (SyntaxError, ValueError, RecursionError, MemoryError, tokenize.TokenError):
        return []


def _words(answer: str) -> list[str]:
    """List the words of an answer to a question."""
    return re.findall(r"\w+", answer.casefold())


def _hashes(found: Sequence[str]) -> list[int]:
    return [
        zlib.crc32("\0".join(found[i : i + PASSAGE]).encode("utf-8", "replace"))
        for i in range(len(found) - PASSAGE + 1)
    ]


def fingerprints(
    answer: str, split: Callable[[str], list[str]] = tokens
) -> frozenset[int]:
    """Hash the passages of an answer and keep the least hash of each window."""
    hashes = _hashes(split(answer))
    windows = max(1, len(hashes) - WINDOW + 1)
    return frozenset(min(hashes[i : i + WINDOW]) for i in range(windows) if hashes)


def passages(answer: str) -> frozenset[int]:
    """Hash every passage of an answer, for the base."""
    return frozenset(_hashes(tokens(answer)))


def _weight(holders: int, students: int) -> float:
    """Weigh a passage: 1 if two at most have it, 0 if it is common in the class."""
    size = max(students, _SMALL_CLASS)
    if holders <= 2:
        return 1.0
    if holders > max(_COMMON * size, 6):
        return 0.0
    return math.log(size / holders) / math.log(size / 2)


def _alike(
    prints: Sequence[frozenset[int]],
) -> dict[tuple[int, int], tuple[float, float]]:
    """Compare the answers to one exercise.

    Args:
        prints: The fingerprints of each student, without the base.

    Returns:
        For each pair that shares enough: the weight of what they share, and its share
        of the shorter answer.
    """
    holders: dict[int, list[int]] = defaultdict(list)
    for student, own in enumerate(prints):
        for mark in own:
            holders[mark].append(student)
    weights = {mark: _weight(len(h), len(prints)) for mark, h in holders.items()}
    shared: dict[tuple[int, int], float] = defaultdict(float)
    for mark, students in holders.items():
        if weights[mark]:
            for pair in combinations(students, 2):
                shared[pair] += weights[mark]
    rare = [sum(weights[mark] for mark in own) for own in prints]
    return {
        (a, b): (weight, weight / min(rare[a], rare[b]))
        for (a, b), weight in shared.items()
        if weight >= _LEAST_PASSAGES and weight >= _LEAST_SHARE * min(rare[a], rare[b])
    }


def answers_of(record: SubmissionRecord) -> dict[str, str]:
    """Map each exercise to its answer, each script to what else the student wrote."""
    return {**{e.id: e.answer for e in record.exercises}, **record.own}


def pairs(
    records: Sequence[SubmissionRecord],
    reference: SubmissionRecord | None = None,
    threshold: float = THRESHOLD,
) -> list[Pair]:
    """Find the submissions that share rare passages.

    Args:
        records: The class.
        reference: The record of the reference, whose answers are the base.
        threshold: The least evidence, in rare passages.

    Returns:
        The pairs at or above the threshold, the most alike first.
    """
    base = answers_of(reference) if reference else {}
    answers = [answers_of(record) for record in records]
    texts = [{t.split()[0]: a for t, a in r.answers.items()} for r in records]
    ids = sorted({id_ for own in answers for id_ in own})
    questions = sorted({id_ for own in texts for id_ in own})
    prints = {}
    for id_ in ids:
        known = passages(base.get(id_, ""))
        prints[id_] = [fingerprints(own.get(id_, "")) - known for own in answers]
    for id_ in questions:
        prints[id_] = [fingerprints(own.get(id_, ""), _words) for own in texts]
    found: dict[tuple[int, int], list[tuple[str, float, float]]] = defaultdict(list)
    for id_, of_all in prints.items():
        for pair, (weight, share) in _alike(of_all).items():
            found[pair].append((id_, weight, share))
    result = [
        Pair(
            *pair,
            evidence=sum(weight for _, weight, _ in alike),
            exercises=tuple((id_, share) for id_, _, share in alike),
        )
        for pair, alike in found.items()
    ]
    enough = [pair for pair in result if pair.evidence >= threshold]
    return sorted(enough, key=lambda pair: (-pair.evidence, pair.first, pair.second))
