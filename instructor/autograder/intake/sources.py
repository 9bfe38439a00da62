"""Student scripts as text: reading them, and moving one function into the reference.

Nothing here runs student code; a text that is not Python counts as empty.
"""

from __future__ import annotations

import ast
import re
import textwrap
from collections.abc import Iterable
from dataclasses import dataclass, field
from functools import cached_property

from autograder.intake.scopes import (
    attributes_used,
    names_bound,
    names_free,
    needed_names,
)
from autograder.intake.syntax import Function, find_definition, parse
from labkit.exercises import find_bindings, is_unwritten


def _lines(text: str) -> list[str]:
    """Split into lines like Python: form feeds and the like end no line."""
    return re.split(r"(?<=\n)", text)


@dataclass
class Source:
    """One script.

    Attributes:
        text: Its text.
        error: Why it is not Python, with the line; empty if it is.
    """

    text: str
    error: str = field(default="", init=False)

    @cached_property
    def body(self) -> list[ast.stmt]:
        """The statements of the module; none if it is not Python."""
        try:
            return parse(self.text).body
        except SyntaxError as error:
            self.error = f"line {error.lineno or '?'}: {error.msg}"
            return []

    def function(self, name: str) -> Function | None:
        """Find ``function`` or ``Class.method``."""
        owner, _, last = name.rpartition(".")
        found = find_definition(self.members(owner), last)
        return None if isinstance(found, ast.ClassDef) else found

    def members(self, owner: str) -> list[ast.stmt]:
        """Return the statements of ``Class``, or of the module where that is empty."""
        body = self.body
        for name in filter(None, owner.split(".")):
            found = find_definition(body, name)
            body = found.body if isinstance(found, ast.ClassDef) else []
        return body

    def is_unwritten(self, name: str, id_: str) -> bool:
        """Say whether a function's body is still the starter's raise."""
        return is_unwritten(self.body, name, id_)

    def is_bound(self, name: str) -> bool:
        """Say whether some statement gives ``function`` or ``Class.method`` a value."""
        return bool(find_bindings(self.body, name))

    def answer(self, name: str) -> str:
        """Write a function without comments and docstring, to compare it."""
        function = self.function(name)
        if function is None:
            statements = [outer for outer, _, _ in find_bindings(self.body, name)]
        else:
            statements = _without_docstring(function)
        try:
            return "\n".join(map(ast.unparse, statements))
        except RecursionError:
            return ""

    def segment(self, node: ast.stmt) -> str:
        """Cut the lines of a statement, decorators included, from column 0."""
        lines = _lines(self.text)[_first_line(node) - 1 : node.end_lineno]
        text = textwrap.dedent("".join(lines)).rstrip()
        if lines[0][: node.col_offset].strip() or text[:1].isspace():
            # After another one on its line, or with a string that begins at column 0.
            text = ast.unparse(node)
        return f"{text}\n"


def _without_docstring(function: Function) -> list[ast.stmt]:
    """Take the statements of a function, except strings that stand alone."""
    return [
        s
        for s in function.body
        if not (isinstance(s, ast.Expr) and isinstance(s.value, ast.Constant))
    ]


@dataclass(frozen=True)
class Transplant:
    """The reference with one function of a student in it.

    Attributes:
        text: The script.
        origins: For each piece of the student's: its first line in ``text``, its first
            line in the student's script, and its number of lines.
    """

    text: str
    origins: tuple[tuple[int, int, int], ...]

    def own_line(self, line: int) -> int | None:
        """Return the line of the student's script that a line comes from."""
        for here, there, count in self.origins:
            if here <= line < here + count:
                return there + line - here
        return None


def transplant(theirs: Source, ours: Source, name: str) -> Transplant | None:
    """Put one function of a student's script into the reference script.

    All statements that give it its value go along, an alias or a ``try`` as well as a
    ``def``; and the student's definitions that these need: imports, helpers, constants
    and helper methods that the reference does not have.

    Args:
        theirs: The student's script.
        ours: The reference.
        name: ``function`` or ``Class.method``.

    Returns:
        The reference with this function replaced; None if the student's script has
        no such function.
    """
    found, place = find_bindings(theirs.body, name), ours.function(name)
    if not found or place is None:
        return None
    owner = name.rpartition(".")[0]
    inside = [n for n, _, home in found if home == owner and isinstance(n, ast.stmt)]
    after = [n for n, _, home in found if home != owner and isinstance(n, ast.stmt)]
    wanted = set().union(*map(names_free, inside + after))
    members: list[ast.stmt] = []
    if owner:
        names = wanted.union(*map(attributes_used, inside + after))
        known = _bound(ours.members(owner))
        members = needed_names(theirs.members(owner), names, known, attributes=True)
        wanted = wanted.union(*map(names_free, members))
    rest = [n for n in theirs.body if n not in inside and n not in after]
    helpers = needed_names(rest, wanted, _bound(ours.body))
    # Definitions that the function or its class needs come before it.
    top = _first_line(find_definition(ours.body, name.partition(".")[0]) or place)
    lines = _lines(ours.text)
    pieces: list[tuple[str, int]] = [("".join(lines[: top - 1]), 0)]
    pieces += [(theirs.segment(h), _first_line(h)) for h in helpers]
    pieces.append(("".join(lines[top - 1 : _first_line(place) - 1]), 0))
    for statement in (*members, *inside) if inside else (*members, place):
        source = ours if statement is place else theirs
        text = textwrap.indent(source.segment(statement), " " * place.col_offset)
        there = 0 if statement is place else _first_line(statement)
        pieces.append((text, there))
    pieces.append(("".join(lines[place.end_lineno :]), 0))
    pieces += [(theirs.segment(n), _first_line(n)) for n in after]
    return _joined(pieces)


def _bound(statements: Iterable[ast.stmt]) -> set[str]:
    return set().union(*map(names_bound, statements))


def _joined(pieces: list[tuple[str, int]]) -> Transplant:
    origins, line = [], 1
    for text, there in pieces:
        count = text.count("\n")
        if there:
            origins.append((line, there, count))
        line += count
    return Transplant("".join(text for text, _ in pieces), tuple(origins))


def _first_line(node: ast.stmt) -> int:
    return min(n.lineno for n in [node, *getattr(node, "decorator_list", [])])


def imported_modules(sources: Iterable[Source], own: Iterable[str]) -> list[str]:
    """List what scripts import, without the scripts themselves."""
    found: dict[str, None] = {}
    for source in sources:
        for node in ast.walk(ast.Module(source.body, [])):
            if isinstance(node, ast.Import):
                found.update(dict.fromkeys(alias.name for alias in node.names))
            elif isinstance(node, ast.ImportFrom) and node.module and not node.level:
                found[node.module] = None
    own = set(own)
    return [name for name in found if name.partition(".")[0] not in own]
