"""The probes without the judges: all of the checks that runs beside student code.

The processes in which student code runs get a module that is made here. It holds no
judge, no oracle and no drawing of inputs, so that none can be called or replaced.
"""

from __future__ import annotations

import ast
from collections.abc import Iterable, Mapping

from labkit.exercises import Exercise

_DROPPED = ("judge", "inputs")


def _names(node: ast.AST) -> set[str]:
    """Collect the names and attributes that occur in a piece of code."""
    found = set()
    for part in ast.walk(node):
        if isinstance(part, ast.Name):
            found.add(part.id)
        elif isinstance(part, ast.Attribute):
            found.add(part.attr)
    return found


def _defines(statement: ast.stmt) -> set[str]:
    """Name what a statement at the top of a module or class defines."""
    if isinstance(statement, (ast.FunctionDef, ast.ClassDef)):
        return {statement.name}
    if isinstance(statement, ast.Assign):
        return set().union(*map(_names, statement.targets))
    if isinstance(statement, ast.AnnAssign):
        return _names(statement.target)
    if isinstance(statement, (ast.Import, ast.ImportFrom)):
        aliases = (alias.asname or alias.name for alias in statement.names)
        return {alias.partition(".")[0] for alias in aliases}
    return set()


def _reachable(statements: Iterable[ast.stmt], wanted: set[str]) -> list[ast.stmt]:
    """Keep the statements that define what is wanted, and what these need in turn."""
    statements, kept, wanted = list(statements), set(), set(wanted)
    while True:
        more = [
            n
            for n, statement in enumerate(statements)
            if n not in kept and _defines(statement) & wanted
        ]
        if not more:
            return [statements[n] for n in sorted(kept)]
        kept.update(more)
        wanted.update(*(_names(statements[n]) for n in more))


def _without_judge(check: ast.ClassDef) -> ast.ClassDef:
    members = [m for m in check.body if not _defines(m) & set(_DROPPED)]
    probe = [m for m in members if _defines(m) == {"probe"}]
    body = _reachable(members, set().union({"probe"}, *map(_names, probe)))
    check.decorator_list, check.body = [], body
    return check


def probe_module(source: str, exercises: Mapping[str, Exercise]) -> str:
    """Write a module of the probes alone: ``PROBES`` maps ids to functions.

    Args:
        source: The text of ``test_implementation.py``.
        exercises: Its registry.

    Returns:
        The text of the module.
    """
    owners = {
        id_: exercise.probe.__qualname__.partition(".")[0]
        for id_, exercise in exercises.items()
    }
    statements = []
    for statement in ast.parse(source).body:
        is_check = isinstance(statement, ast.ClassDef) and statement.decorator_list
        if is_check and statement.name in owners.values():
            statements.append(_without_judge(statement))
        elif isinstance(statement, ast.ImportFrom) and statement.module == "__future__":
            continue
        else:
            statements.append(statement)
    kept = _reachable(statements, set(owners.values()))
    body = "\n\n".join(ast.unparse(ast.fix_missing_locations(s)) for s in kept)
    table = "\n".join(f'    "{id_}": {owner}.probe,' for id_, owner in owners.items())
    head = "from __future__ import annotations"
    return f"{head}\n\n{body}\n\nPROBES = {{\n{table}\n}}\n"
