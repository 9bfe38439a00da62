"""The probes without the judges: the part of the checks that runs beside student code.

The processes in which student code runs get files that are made here. They hold no
judge, no oracle and no drawing of inputs, so student code cannot call or replace any.
"""

from __future__ import annotations

import ast
import symtable
from collections.abc import Mapping
from pathlib import Path

from autograder import phrases
from autograder.intake.syntax import names_defined, needed
from labkit.exercises import Exercise

PACKAGE = "checks"
IMPORTING = "import"  # the probe that imports a script and does nothing else
_ORACLES = f"{PACKAGE}.oracles"

# Files of labkit that answer exercises: searches, alignment. Scripts and probes import
# their names, but no probe calls them, so their code does not stand beside an answer.
_CLOSED = (
    *("decoding/alignment.py", "decoding/beam.py", "decoding/single.py"),
    *("decoding/search.py", "decoding/flashlight/decoder.py"),
)

_IMPORT = """
def import_script(lab, inputs):
    getattr(lab, inputs["script"])
    return {}
"""


def names_looked_up(node: ast.AST) -> set[str]:
    """List the names that code looks up outside of its own functions and classes."""
    found: set[str] = set()
    tables = [symtable.symtable(ast.unparse(node), "<check>", "exec")]
    while tables:
        table = tables.pop()
        tables += table.get_children()
        symbols = table.get_symbols()
        found |= {s.get_name() for s in symbols if s.is_referenced() and s.is_global()}
    return found


def _attributes(node: ast.AST) -> set[tuple[str, str]]:
    """List name and attribute wherever code reads ``name.attribute``."""
    return {
        (part.value.id, part.attr)
        for part in ast.walk(node)
        if isinstance(part, ast.Attribute) and isinstance(part.value, ast.Name)
    }


def _members(name: str, body: list[ast.stmt], wanted: set[str]) -> list[ast.stmt]:
    """Keep the members of a check that are wanted, and those that they need."""

    def used(member: ast.AST) -> set[str]:
        found = {attribute for owner, attribute in _attributes(member) if owner == name}
        # The body of a function does not see the names of its class.
        if isinstance(member, ast.FunctionDef):
            outside = [*member.args.defaults, *member.decorator_list]
            return found.union(*map(names_looked_up, outside))
        return found | names_looked_up(member)

    return needed(body, wanted, used)


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
    checks = {
        s.name: s
        for s in statements
        if isinstance(s, ast.ClassDef)
        and any("probe" in names_defined(m) for m in s.body)
    }
    bodies = {name: check.body for name, check in checks.items()}
    asked = {name: {"probe"} for name in checks}
    while True:
        for name, check in checks.items():
            check.body = _members(name, bodies[name], asked[name])
        kept = needed(statements, wanted, names_looked_up)
        pairs = set().union(*map(_attributes, kept))
        more = [(o, a) for o, a in pairs if o in checks and a not in asked[o]]
        if not more:
            return kept
        for owner, attribute in more:
            asked[owner].add(attribute)


class _Closed(ast.NodeTransformer):
    """Replaces the bodies of functions."""

    def visit_FunctionDef(self, node: ast.FunctionDef) -> ast.AST:
        text = phrases.NOT_OF_AN_ANSWER.format(function=f"{node.name}()")
        node.body = ast.parse(f"raise PermissionError({text!r})").body
        return node


def closed_kit(root: Path) -> dict[str, str]:
    """Write those files of labkit without their code that answer exercises.

    Args:
        root: The folder that holds the package.

    Returns:
        The text of each file.
    """
    names = [f"labkit/{name}" for name in _CLOSED]
    trees = {n: ast.parse((root / n).read_text(encoding="utf-8")) for n in names}
    return {name: ast.unparse(_Closed().visit(tree)) for name, tree in trees.items()}


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
        module = exercise.check.probe.__module__
        owner = exercise.check.probe.__qualname__.partition(".")[0]
        wanted.setdefault(module, set()).add(owner)
        table.append(f'    "{id_}": {module}.{owner}.probe,')
    imports = [f"import {module}" for module in wanted]
    table.append(f"    '{IMPORTING}': import_script,")
    probes = [head, *imports, _IMPORT, "PROBES = {", *table, "}", ""]
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
