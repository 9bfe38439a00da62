"""Analysing Python as text: the names that code defines, uses and needs."""

from __future__ import annotations

import ast
import threading
from collections.abc import Callable, Iterable, Set
from typing import Union

_DEEPEST = 100  # nested brackets: more than any real script has
# Python 3.11 counts the depth of all threads' trees in one place.
_ONE_AT_A_TIME = threading.Lock()
DEFINITIONS = (ast.FunctionDef, ast.AsyncFunctionDef, ast.ClassDef)
Function = Union[ast.FunctionDef, ast.AsyncFunctionDef]
Definition = Union[Function, ast.ClassDef]


def parse(text: str) -> ast.Module:
    """Parse a script that may be hostile.

    Raises:
        SyntaxError: It is not Python, or nested so deeply that a parser may crash.
    """
    depth = deepest = 0
    for character in text:
        depth += (character in "([{") - (character in ")]}")
        deepest = max(deepest, depth)
    if deepest > _DEEPEST:
        raise SyntaxError("brackets nested too deeply")
    try:
        with _ONE_AT_A_TIME:
            return ast.parse(text)
    except SyntaxError:
        raise
    except (ValueError, RecursionError, MemoryError, OverflowError) as error:
        raise SyntaxError(f"{type(error).__name__}: {error}") from error


def names_defined(statement: ast.stmt) -> set[str]:
    """List the names that a statement at the top of a module or class binds."""
    if isinstance(statement, DEFINITIONS):
        return {statement.name}
    if isinstance(statement, (ast.Import, ast.ImportFrom)):
        names = (alias.asname or alias.name for alias in statement.names)
        return {name.partition(".")[0] for name in names}
    return {
        part.id
        for part in ast.walk(statement)
        if isinstance(part, ast.Name) and isinstance(part.ctx, ast.Store)
    }


def names_used(node: ast.AST) -> set[str]:
    """List the names and attributes that a piece of code refers to."""
    parts = list(ast.walk(node))
    names = {part.id for part in parts if isinstance(part, ast.Name)}
    return names | {part.attr for part in parts if isinstance(part, ast.Attribute)}


def names_perhaps_used(node: ast.AST) -> set[str]:
    """List the names that code may refer to, getattr(self, "helper") included."""
    texts = (part.value for part in ast.walk(node) if isinstance(part, ast.Constant))
    named = {text for text in texts if isinstance(text, str) and text.isidentifier()}
    return names_used(node) | named


def needed(
    statements: Iterable[ast.stmt],
    wanted: Iterable[str],
    used: Callable[[ast.AST], set[str]],
    known: Set[str] = frozenset(),
) -> list[ast.stmt]:
    """Keep the statements that define wanted names, and names that these need in turn.

    Args:
        statements: Of a module or class.
        wanted: Names.
        used: Lists the names that a statement needs.
        known: Names that other code defines.

    Returns:
        The statements, in their order.
    """
    statements, kept, wanted = list(statements), set(), set(wanted)
    while True:
        more = [
            n
            for n, statement in enumerate(statements)
            if n not in kept and (names_defined(statement) - known) & wanted
        ]
        if not more:
            return [statements[n] for n in sorted(kept)]
        kept.update(more)
        wanted.update(*(used(statements[n]) for n in more))


def find_definition(body: Iterable[ast.stmt], name: str) -> Definition | None:
    """Find a function or class; of two with one name, the last."""
    found = [n for n in body if isinstance(n, DEFINITIONS) and n.name == name]
    return found[-1] if found else None
