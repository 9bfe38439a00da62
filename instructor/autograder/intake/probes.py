"""The probes without the judges: all of the checks that runs beside student code.

The processes in which student code runs get a module that is made here. It holds no
judge, no oracle and no drawing of inputs, so that none can be called or replaced.
"""

from __future__ import annotations

import ast
from collections.abc import Mapping

from autograder.intake.syntax import names_defined, names_used, needed
from labkit.exercises import Exercise

_DROPPED = ("judge", "inputs")


def _without_judge(check: ast.ClassDef) -> ast.ClassDef:
    members = [m for m in check.body if not names_defined(m) & set(_DROPPED)]
    probe = [m for m in members if names_defined(m) == {"probe"}]
    wanted = {"probe"}.union(*map(names_used, probe))
    body = needed(members, wanted, names_used)
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
    checks = set(owners.values())
    statements = []
    for statement in ast.parse(source).body:
        is_class = isinstance(statement, ast.ClassDef)
        if is_class and statement.decorator_list and statement.name in checks:
            statements.append(_without_judge(statement))
        elif isinstance(statement, ast.ImportFrom) and statement.module == "__future__":
            continue
        else:
            statements.append(statement)
    kept = needed(statements, checks, names_used)
    body = "\n\n".join(ast.unparse(ast.fix_missing_locations(s)) for s in kept)
    table = "\n".join(f'    "{id_}": {owner}.probe,' for id_, owner in owners.items())
    head = "from __future__ import annotations"
    return f"{head}\n\n{body}\n\nPROBES = {{\n{table}\n}}\n"
