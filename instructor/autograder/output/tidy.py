"""Leaving out of a function what does nothing, so that it hides no copy."""

from __future__ import annotations

import ast
from collections import Counter

_NOTHING = (ast.Pass, ast.Import, ast.ImportFrom, ast.Delete, ast.Global, ast.Nonlocal)
_ACTS = (ast.Await, ast.Yield, ast.YieldFrom, ast.NamedExpr)
# Builtins that change nothing; print is as good as none.
_HARMLESS = set(
    "abs bool dict enumerate float int isinstance len list max min print range "
    "reversed round set sorted str sum tuple type zip".split()
)


def tidied(tree: ast.Module) -> ast.Module:
    """Remove statements without an effect, and those that only they needed."""
    while True:
        read = Counter(
            node.id
            for node in ast.walk(tree)
            if isinstance(node, ast.Name) and isinstance(node.ctx, ast.Load)
        )
        count = sum(1 for _ in ast.walk(tree))
        _tidy(tree, read)
        if sum(1 for _ in ast.walk(tree)) == count:
            return tree


def _tidy(node: ast.AST, read: Counter[str]) -> None:
    for child in ast.iter_child_nodes(node):
        _tidy(child, read)
    for name in ("body", "orelse", "finalbody"):
        statements = getattr(node, name, None)
        if isinstance(statements, list):
            kept = [s for s in statements if not _does_nothing(s, read)]
            needs_one = name == "body" and not isinstance(node, ast.Module)
            setattr(node, name, kept or ([ast.Pass()] if needs_one else []))


def _is_harmless(value: ast.AST | None) -> bool:
    """Check that computing a value has no effect."""
    for part in ast.walk(value) if value is not None else ():
        if isinstance(part, _ACTS):
            return False
        if isinstance(part, ast.Call) and not (
            isinstance(part.func, ast.Name) and part.func.id in _HARMLESS
        ):
            return False
    return True


def _is_unread(target: ast.AST, read: Counter[str]) -> bool:
    parts = target.elts if isinstance(target, (ast.Tuple, ast.List)) else [target]
    return all(isinstance(part, ast.Name) and not read[part.id] for part in parts)


def _does_nothing(statement: ast.stmt, read: Counter[str]) -> bool:
    if isinstance(statement, _NOTHING):
        return True
    if isinstance(statement, ast.Expr):
        return _is_harmless(statement.value)
    if isinstance(statement, ast.Assert):
        return isinstance(statement.test, ast.Constant)
    if isinstance(statement, ast.Assign):
        value = ast.unparse(statement.value)
        same = all(ast.unparse(target) == value for target in statement.targets)
        unread = all(_is_unread(target, read) for target in statement.targets)
        return same or (unread and _is_harmless(statement.value))
    if isinstance(statement, (ast.AugAssign, ast.AnnAssign)):
        unread = _is_unread(statement.target, read)
        return unread and _is_harmless(statement.value)
    if isinstance(statement, (ast.If, ast.For, ast.While)):
        never = isinstance(statement, (ast.If, ast.While)) and (
            isinstance(statement.test, ast.Constant) and not statement.test.value
        )
        head = statement.iter if isinstance(statement, ast.For) else statement.test
        empty = all(isinstance(s, ast.Pass) for s in statement.body)
        return not statement.orelse and (never or (empty and _is_harmless(head)))
    return False
