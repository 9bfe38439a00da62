"""Resolving names as Python does: what a statement binds, and what it needs."""

from __future__ import annotations

import ast
import symtable
from collections.abc import Iterable, Set

from autograder.intake.syntax import names_defined, names_used

_BY_TEXT = frozenset(
    "globals locals vars eval exec".split()
)  # find names by their text


def _table(node: ast.AST) -> symtable.SymbolTable | None:
    try:
        return symtable.symtable(ast.unparse(node), "answer", "exec")
    except (SyntaxError, ValueError, RecursionError, MemoryError):
        return None  # too deep, or a statement that only a function may hold


def names_bound(statement: ast.stmt) -> set[str]:
    """List the names that a statement of a module or class binds there.

    Those of its own functions and comprehensions are not among them.
    """
    table = _table(statement)
    if table is None:
        return names_defined(statement)
    return {
        symbol.get_name()
        for symbol in table.get_symbols()
        if symbol.is_assigned() or symbol.is_imported()
    }


def names_free(node: ast.AST) -> set[str]:
    """List the names that code takes from its module: no parameters, no locals."""
    top = _table(node)
    if top is None:
        return names_used(node)
    found: set[str] = set()
    tables = [top]
    while tables:
        table = tables.pop()
        tables += table.get_children()
        for symbol in table.get_symbols():
            if symbol.is_global() or (table is top and symbol.is_referenced()):
                found.add(symbol.get_name())
    return found | _texts(node) if found & _BY_TEXT else found


def attributes_used(node: ast.AST) -> set[str]:
    """List the attributes that code asks for, getattr(self, "helper") included."""
    parts = ast.walk(node)
    return {part.attr for part in parts if isinstance(part, ast.Attribute)} | _texts(
        node
    )


def _texts(node: ast.AST) -> set[str]:
    values = (part.value for part in ast.walk(node) if isinstance(part, ast.Constant))
    return {text for text in values if isinstance(text, str) and text.isidentifier()}


def needed_names(
    statements: Iterable[ast.stmt],
    wanted: Iterable[str],
    known: Set[str],
    attributes: bool = False,
) -> list[ast.stmt]:
    """Keep the statements that bind wanted names, and names that these need in turn.

    Args:
        statements: Of a module or class.
        wanted: Names.
        known: Names that are bound elsewhere.
        attributes: Whether the statements are members, found as attributes too.

    Returns:
        The statements, in their order.
    """
    statements, kept, wanted = list(statements), set(), set(wanted)
    bound = [names_bound(statement) - known for statement in statements]
    while True:
        more = [n for n, names in enumerate(bound) if n not in kept and names & wanted]
        if not more:
            return [statements[n] for n in sorted(kept)]
        kept.update(more)
        for n in more:
            wanted |= names_free(statements[n])
            wanted |= attributes_used(statements[n]) if attributes else set()
