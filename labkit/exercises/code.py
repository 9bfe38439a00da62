"""Reading scripts as text: where a name is defined, what they import."""

from __future__ import annotations

import ast
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence

from labkit.base import PARTS

DEFINED = (ast.FunctionDef, ast.AsyncFunctionDef, ast.ClassDef)
_BLOCKS = ("body", "orelse", "finalbody", "handlers", "cases")
# A module of one of these names is never the student's own.
_OF_THE_KIT = frozenset(
    "labkit checks probes tests conftest test_implementation demo docs corpora "
    "pretrained logs benchmarks instructor LabsSolutions".split()
) | {name for part in PARTS for name in part}


def is_starter_body(body: Sequence[ast.stmt], exercise_id: str) -> bool:
    """Check whether a body is ``raise NotImplementedError(id)``, strings apart."""
    statements = [
        n
        for n in body
        if not (isinstance(n, ast.Expr) and isinstance(n.value, ast.Constant))
    ]
    if len(statements) != 1 or not isinstance(statements[0], ast.Raise):
        return False
    raised = ast.unparse(statements[0])
    return "NotImplementedError" in raised and exercise_id in raised


def _binds(node: ast.stmt, name: str) -> bool:
    if isinstance(node, DEFINED):
        return node.name == name
    if isinstance(node, (ast.Import, ast.ImportFrom)):
        names = (alias.asname or alias.name for alias in node.names)
        return name in {one.partition(".")[0] for one in names}
    targets = getattr(node, "targets", [getattr(node, "target", None)])
    parts = [part for one in targets if one for part in ast.walk(one)]
    owner, _, last = name.rpartition(".")
    return any(
        (isinstance(part, ast.Name) and part.id == name)
        or (isinstance(part, ast.Attribute) and (ast.unparse(part.value), part.attr))
        == (owner, last)
        for part in parts
        if isinstance(getattr(part, "ctx", None), ast.Store)
    )


def _bindings(body: Iterable[ast.AST], name: str) -> Iterator[tuple[ast.AST, ast.stmt]]:
    """Yield each statement that binds a name, and the outermost one around it."""
    for node in body:
        if isinstance(node, ast.stmt) and _binds(node, name):
            yield node, node
        elif not isinstance(node, DEFINED):
            for block in _BLOCKS:
                for _, inner in _bindings(getattr(node, block, []), name):
                    yield node, inner


def find_bindings(
    body: Sequence[ast.stmt], name: str
) -> list[tuple[ast.AST, ast.stmt, str]]:
    """Find what gives ``function`` or ``Class.method`` its value, in if and try too.

    Args:
        body: The statements of a module.
        name: The name.

    Returns:
        In the order of the text: the outermost statement of the module or class, the
        one within it that binds the name, and that class, or "" in the module.
    """
    owner, _, last = name.partition(".")
    found = [(outer, inner, "") for outer, inner in _bindings(body, name)]
    if last:
        classes = [inner for _, inner in _bindings(body, owner)]
        last_class = classes[-1] if classes else None
        members = last_class.body if isinstance(last_class, ast.ClassDef) else []
        own = [(outer, inner, owner) for outer, inner in _bindings(members, last)]
        found = own + found
    return found


def is_unwritten(body: Sequence[ast.stmt], name: str, exercise_id: str) -> bool:
    """Check whether a function is still what the starter has."""
    found = find_bindings(body, name)
    last = found[-1][1] if found else None
    written = not isinstance(last, (ast.FunctionDef, ast.AsyncFunctionDef))
    return not written and is_starter_body(last.body, exercise_id)


def _modules(text: str) -> set[str]:
    """List the modules that a script imports, or names in a text of one word."""
    try:
        parts = list(ast.walk(ast.parse(text)))
    except (SyntaxError, ValueError, RecursionError, MemoryError):
        return set()
    names: set[str] = set()
    for part in parts:
        if isinstance(part, ast.Import):
            names.update(alias.name for alias in part.names)
        elif isinstance(part, ast.ImportFrom):
            names.add(part.module or "")
        elif isinstance(part, ast.Constant) and isinstance(part.value, str):
            names.add(part.value)  # import_module("name"), sys.path.append("name")
    tops = {name.partition(".")[0] for name in names}
    return {name for name in tops if name.isidentifier()} - _OF_THE_KIT


def own_modules(
    scripts: Mapping[str, str], find: Callable[[str], Mapping[str, str]]
) -> dict[str, str]:
    """Collect the student's own modules that scripts import, and what these import.

    Args:
        scripts: The text of each script.
        find: Returns path and text of each file of a module or package, by its name;
            nothing if there is none beside the scripts.

    Returns:
        Path and text of each file.
    """
    found: dict[str, str] = {}
    left, asked = list(scripts.values()), set()
    while left:
        for name in sorted(_modules(left.pop()) - asked):
            asked.add(name)
            new = {path: text for path, text in find(name).items() if path not in found}
            found.update(new)
            left += new.values()
    return found
