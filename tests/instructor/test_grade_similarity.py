"""Similar answers: a disguised copy is found, independent right work accuses nobody."""

from __future__ import annotations

import ast
import re
from dataclasses import replace
from pathlib import Path

import pytest
from answers import RIGHT
from autograder import phrases
from autograder.output import classreport
from autograder.output.classreport import as_html
from autograder.output.copies import REFERENCE as WORD_FOR_WORD
from autograder.output.copies import copies
from autograder.output.similarity import fingerprints, pairs, tokens
from autograder.records import SubmissionRecord
from helpers.gradings import exercise, submission
from shared import REFERENCE, ROOT


def bodies_of_reference() -> dict[str, str]:
    """Read the reference's answers, as functions."""
    found = {}
    region = re.compile(r"^( *)# >>> (E\d\d)\n(.*?)^ *# <<< ", re.MULTILINE | re.DOTALL)
    for path in sorted(REFERENCE.glob("*.py")):
        for margin, id_, body in region.findall(path.read_text(encoding="utf-8")):
            found[id_] = function(re.sub(f"^{margin}", "", body, flags=re.MULTILINE))
    return found


def function(body: str) -> str:
    inner = "\n".join(f"    {line}" for line in body.splitlines())
    return ast.unparse(ast.parse(f"def f(self, x):\n{inner}"))


def student(name: str, answers: dict[str, str]) -> SubmissionRecord:
    made = (exercise(id_, "done", answer=text) for id_, text in sorted(answers.items()))
    return submission(name, exercises=tuple(made))


REFERENCE_BODIES = bodies_of_reference()
BASE = student("reference", REFERENCE_BODIES)
N_INDEPENDENT = 4


def independent() -> list[SubmissionRecord]:
    """Make students who each solved everything in a way of their own."""
    own: dict[str, list[str]] = {}
    for answer in RIGHT:
        if answer.exercise in REFERENCE_BODIES:
            own.setdefault(answer.exercise, []).append(function(answer.body))
    return [
        student(
            f"student {n}",
            {
                id_: own.get(id_, [])[n] if n < len(own.get(id_, [])) else text
                for id_, text in REFERENCE_BODIES.items()
            },
        )
        for n in range(N_INDEPENDENT)
    ]


class _Disguise(ast.NodeTransformer):
    """Does what a copyist does: other names, other texts, other order of branches."""

    def __init__(self, names: set[str]) -> None:
        self.names = {name: f"my_{n}_{name[::-1]}" for n, name in enumerate(names)}

    def visit_Name(self, node: ast.Name) -> ast.AST:
        return ast.Name(self.names.get(node.id, node.id), node.ctx)

    def visit_arg(self, node: ast.arg) -> ast.AST:
        return ast.arg(self.names.get(node.arg, node.arg), None)


def disguised(answer: str) -> str:
    tree = ast.parse(answer)
    stored = (n for n in ast.walk(tree) if isinstance(n, ast.Name))
    names = {n.id for n in stored if isinstance(n.ctx, ast.Store)}
    tree = _Disguise(names).visit(tree)
    text = ast.unparse(ast.fix_missing_locations(tree))
    head, _, rest = text.partition("\n")
    lines = [f"{line}  # mine {n}" for n, line in enumerate(rest.splitlines())]
    return "\n".join([head, '    """Written by me alone."""', "", *lines, ""])


def test_independent_right_answers_accuse_nobody() -> None:
    assert len(RIGHT) > 40
    assert pairs(independent(), BASE) == []
    # Not even by a wide margin.
    assert all(pair.evidence < 10 for pair in pairs(independent(), BASE, threshold=0))


def test_a_disguised_copy_is_found_with_its_exercises() -> None:
    first, *others = independent()
    copied = {e.id: disguised(e.answer) for e in first.exercises}
    copy = student("copyist", copied)
    (pair,) = pairs([*others, copy, first], BASE)
    assert (pair.first, pair.second) == (3, 4)
    long = {e.id for e in first.exercises if len(fingerprints(e.answer)) > 20}
    own = {id_ for id_ in long if first_answer(first, id_) != REFERENCE_BODIES[id_]}
    assert own - {id_ for id_, _ in pair.exercises} == set()
    assert all(share > 0.9 for _, share in pair.exercises)


def bodies_of(record: SubmissionRecord) -> dict[str, str]:
    return {e.id: e.answer for e in record.exercises}


def first_answer(record: SubmissionRecord, id_: str) -> str:
    return next(e.answer for e in record.exercises if e.id == id_)


def test_a_copy_of_two_long_answers_is_found_among_own_work() -> None:
    first, second, *others = independent()
    copied = bodies_of(second)
    for id_ in ("E17", "E12"):
        copied[id_] = disguised(first_answer(first, id_))
    (pair,) = pairs([first, student("copyist", copied), *others], BASE)
    assert {id_ for id_, _ in pair.exercises} == {"E17", "E12"}


def test_reordered_statements_are_still_alike() -> None:
    lines = [
        f"a{n} = torch.{op}(x, dim={n}).{op}().view(-1, {n + 3}) * {n} + {n + 7}"
        for n, op in enumerate(("sum", "mean", "amax", "prod", "std", "norm"))
    ]
    one, other = function("\n".join(lines)), function("\n".join(lines[::-1]))
    shared = fingerprints(one) & fingerprints(other)
    assert len(shared) > 0.6 * len(fingerprints(one))


def test_equal_to_the_reference_is_no_evidence() -> None:
    both = [student(name, REFERENCE_BODIES) for name in ("a", "b")]
    assert pairs(both, BASE, threshold=0.1) == []


def test_what_most_of_the_class_wrote_is_no_evidence() -> None:
    same = independent()[0]
    many = [student(f"s{n}", bodies_of(same)) for n in range(12)]
    assert pairs(many, BASE, threshold=0.1) == []
    assert pairs([*many[:8], *independent()[1:]], BASE, threshold=0.1) == []
    assert len(pairs(many[:3], BASE)) == 3


def test_the_most_alike_come_first() -> None:
    first, second, *_ = independent()
    part = {e.id: REFERENCE_BODIES[e.id] for e in first.exercises}
    part["E17"] = first_answer(first, "E17")
    copies = [student("a", part), first, second, student("b", bodies_of(second))]
    found = pairs(copies, BASE)
    assert [(pair.first, pair.second) for pair in found] == [(2, 3), (0, 1)]
    assert found[0].evidence > found[1].evidence > 20


@pytest.mark.parametrize("text", ["", "def f(:", "\x00", "(" * 5000, "\ud800", "x = 1"])
def test_what_is_no_answer_has_no_fingerprint(text: str) -> None:
    assert fingerprints(text) == frozenset()


def test_names_comments_annotations_and_texts_do_not_count() -> None:
    one = 'def f(x):\n    y: int = g(x, b=1, a=2)  # why\n    raise V(f"no {y}")'
    other = 'def f(z):\n    """Doc."""\n    w = g(z, a=2, b=1)\n    raise V("nein")'
    assert [t for t in tokens(other) if t != "pass"] == tokens(one)


def with_lines_that_do_nothing(answer: str) -> str:
    """Put a line without an effect after every line, as far as Python allows."""
    junk = (
        "pass",
        "unused = 3 * 4",
        "1 + 1",
        "'a text'",
        "if False: print('never')",
        "import math as unused_too",
        "other = unused + 1",
        "assert True",
        "for _ in range(0): pass",
    )
    tree = ast.parse(answer)
    for number, node in enumerate(ast.walk(tree)):
        body = getattr(node, "body", None)
        if isinstance(body, list) and not isinstance(node, ast.Module):
            fill = [ast.parse(junk[(number + n) % len(junk)]).body for n in range(9)]
            node.body = [s for n, one in enumerate(body) for s in (*fill[n % 9], one)]
    return ast.unparse(ast.fix_missing_locations(tree))


def test_lines_that_do_nothing_hide_no_copy() -> None:
    for answer in REFERENCE_BODIES.values():
        disguise = with_lines_that_do_nothing(answer)
        assert disguise.count("\n") > 1.5 * answer.count("\n")
        assert tokens(disguise) == tokens(answer)


def test_helpers_are_compared_like_answers() -> None:
    helpers = [first_answer(independent()[0], id_) for id_ in ("E17", "E12", "E20")]
    own = {"models.py": "\n\n".join(helpers)}
    calls = dict.fromkeys(REFERENCE_BODIES, "return helper(x)")
    alike = [replace(student(name, calls), own=own) for name in ("a", "b")]
    (pair,) = pairs([*alike, student("c", calls)], BASE, threshold=8)
    assert pair.exercises == (("models.py", 1.0),)


def kit() -> dict[str, str]:
    """Read the files that students have and that hold answers."""
    paths = [*ROOT.glob("checks/*.py"), *ROOT.glob("labkit/decoding/**/*.py")]
    return {p.relative_to(ROOT).as_posix(): p.read_text("utf-8") for p in paths}


def test_copies_of_the_lab_are_named_and_nothing_else_is() -> None:
    assert copies(independent()[1:], BASE, kit())[0].source == WORD_FOR_WORD
    oracles = ast.parse((ROOT / "checks" / "oracles.py").read_text("utf-8")).body
    copied = ("collapsed", "flawed_search", "log_sum", "sums_through", "possible")
    taken = [f for f in oracles if getattr(f, "name", "") in copied]
    helpers = "\n\n".join(disguised(ast.unparse(one)) for one in taken)
    thief = student("thief", {"E26": "return search == flawed_search('')"})
    one, two = copies(
        [
            replace(thief, own={"decoding.py": helpers}),
            student("reader", {"E20": REFERENCE_BODIES["E20"], "E19": "return 1"}),
        ],
        BASE,
        kit(),
    )
    assert (one.source, [id_ for id_, _ in one.exercises]) == (
        "checks/oracles.py",
        ["decoding.py"],
    )
    assert (two.source, two.exercises) == (WORD_FOR_WORD, (("E20", 1.0),))
    honest = [
        student(answer.name, {answer.exercise: function(answer.body)})
        for answer in RIGHT
        if answer.exercise in REFERENCE_BODIES
    ]
    assert copies(honest, BASE, kit()) == []


def test_the_same_words_in_answers_are_seen_and_the_same_thought_is_not() -> None:
    own = (
        "An untrained network gives each of the 44 symbols the same probability, so "
        "one path costs eighty times the logarithm of 44, and all together cost less "
        "by the logarithm of their number. My run began higher, as weights are random."
    )
    other = (
        "Every frame chooses among 44 symbols without preference; the sum runs over "
        "all alignments. That gives the start of the curve, and the first row differs "
        "since the initial outputs are not quite uniform."
    )
    asked = "Q1 The first loss, predicted", "Q2 The plateau of blanks"
    texts = {"a": own, "b": other, "copyist": own.upper()}
    made = [
        replace(student(name, {}), answers={asked[0]: text, asked[1]: text[::-1]})
        for name, text in texts.items()
    ]
    (pair,) = pairs(made, BASE)
    assert (pair.first, pair.second) == (0, 2)
    assert pair.exercises == (("Q1", 1.0), ("Q2", 1.0))


def test_report_names_copies_of_the_lab(tmp_path: Path) -> None:
    reader = student("reader", {"E20": REFERENCE_BODIES["E20"]})
    page = as_html([reader, *independent()[1:]], tmp_path, BASE, kit())
    assert phrases.REFERENCE in page.partition(phrases.COPIES)[2]


def test_report_lists_the_similar_with_a_caveat(tmp_path: Path) -> None:
    first, *others = independent()
    copied = {e.id: disguised(e.answer) for e in first.exercises}
    page = as_html([first, *others, student("copyist", copied)], tmp_path, BASE)
    similar = page.partition(phrases.SIMILAR)[2]
    for words in ("copyist", "no verdict", "E17 100 %"):
        assert words in similar
    assert phrases.NO_SIMILAR in as_html(independent(), tmp_path, BASE)


def test_report_names_no_endless_list_of_pairs(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    first = bodies_of(independent()[0])
    copies = [student(name, first) for name in ("a", "b", "c")]
    assert "more pairs" not in as_html(copies, tmp_path, BASE)
    monkeypatch.setattr(classreport, "_PAIRS", 1)
    page = as_html(copies, tmp_path, BASE)
    assert "and 2 more pairs" in page and page.count("E17 100 %") == 1
