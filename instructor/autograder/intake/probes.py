"""The probes without the judges: the part of the checks that runs beside student code.

The processes in which student code runs get files that are made here. They hold no
judge, no oracle and no drawing of inputs, so student code cannot call or replace any.
"""

from __future__ import annotations

import ast
from collections.abc import Mapping
from pathlib import Path

from autograder.intake.syntax import names_defined, names_used, needed
from labkit.exercises import Exercise

PACKAGE = "checks"
_ORACLES = f"{PACKAGE}.oracles"
_DROPPED = ("judge", "inputs")


def _without_judge(check: ast.ClassDef) -> ast.ClassDef:
    members = [m for m in check.body if not names_defined(m) & set(_DROPPED)]
    probe = [m for m in members if names_defined(m) == {"probe"}]
    if not probe:
        return check  # no check, but a class that a probe may use
    wanted = {"probe"}.union(*map(names_used, probe))
    check.body = needed(members, wanted, names_used)
    return check


def _each_alone(statement: ast.stmt) -> list[ast.stmt]:
    """Divide ``from x import a, b`` into one import of each name."""
    if not isinstance(statement, ast.ImportFrom):
        return [statement]
    return [
        ast.ImportFrom(statement.module, [alias], statement.level)
        for alias in statement.names
        if statement.module != "__future__"
    ]


def _cut(source: str, wanted: set[str]) -> list[ast.stmt]:
    """Keep the wanted part of a module, its checks without their judges."""
    statements = [s for each in ast.parse(source).body for s in _each_alone(each)]
    for statement in statements:
        if isinstance(statement, ast.ClassDef):
            _without_judge(statement)
    return needed(statements, wanted, names_used)


def probe_files(root: Path, exercises: Mapping[str, Exercise]) -> dict[str, str]:
    """Write the probes only.

    Args:
        root: The folder that holds the package of the checks.
        exercises: The registry.

    Returns:
        The text of each file: ``probes.py``, whose ``PROBES`` maps ids to functions,
        and what it needs of the checks.

    Raises:
        ValueError: A probe uses an oracle.
    """
    head = "from __future__ import annotations"
    wanted: dict[str, set[str]] = {}
    table = []
    for id_, exercise in exercises.items():
        module = exercise.probe.__module__
        owner = exercise.probe.__qualname__.partition(".")[0]
        wanted.setdefault(module, set()).add(owner)
        table.append(f'    "{id_}": {module}.{owner}.probe,')
    imports = [f"import {module}" for module in wanted]
    probes = [head, *imports, "PROBES = {", *table, "}", ""]
    files = {f"{PACKAGE}/__init__.py": "", "probes.py": "\n".join(probes)}
    left = list(wanted)
    while left:
        module = left.pop()
        if module == _ORACLES:
            raise ValueError(f"a probe uses an oracle: {wanted[module]}")
        file = f"{module.replace('.', '/')}.py"
        kept = _cut((root / file).read_text(encoding="utf-8"), wanted[module])
        body = [ast.unparse(ast.fix_missing_locations(s)) for s in kept]
        files[file] = "\n\n".join([head, *body, ""])
        for statement in kept:
            if not isinstance(statement, ast.ImportFrom):
                continue
            source = statement.module or ""
            if source.startswith(f"{PACKAGE}."):
                names = wanted.setdefault(source, set())
                new = {alias.name for alias in statement.names} - names
                names |= new
                left += [source] if new else []
    return files
