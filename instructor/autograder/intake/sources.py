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

from autograder.intake.syntax import (
    Function,
    find_definition,
    names_defined,
    names_perhaps_used,
    needed,
    parse,
)
from labkit.exercises import is_starter_body


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
        function = self.function(name)
        return function is not None and is_starter_body(function.body, id_)

    def answer(self, name: str) -> str:
        """Write a function without comments and docstring, to compare it."""
        function = self.function(name)
        if function is None:
            return ""
        try:
            return "\n".join(map(ast.unparse, _without_docstring(function)))
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


def _carried(
    theirs: list[ast.stmt], ours: list[ast.stmt], wanted: set[str]
) -> list[ast.stmt]:
    """Choose the student's own definitions that an answer needs, in their order."""
    known = set().union(*map(names_defined, ours))
    return needed(theirs, wanted, names_perhaps_used, known)


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

    The student's definitions that it needs are added: imports, helpers, constants and
    helper methods that the reference does not have.

    Args:
        theirs: The student's script.
        ours: The reference.
        name: ``function`` or ``Class.method``.

    Returns:
        The reference with this function replaced; None if the student's script has
        no such function.
    """
    function, place = theirs.function(name), ours.function(name)
    if function is None or place is None:
        return None
    owner = name.rpartition(".")[0]
    wanted = names_perhaps_used(function)
    methods: list[ast.stmt] = []
    if owner:
        methods = _carried(theirs.members(owner), ours.members(owner), wanted)
        wanted = wanted.union(*map(names_perhaps_used, methods))
    helpers = _carried(theirs.body, ours.body, wanted)
    # Definitions that the function or its class needs come before it.
    top = _first_line(find_definition(ours.body, name.partition(".")[0]) or place)
    lines = _lines(ours.text)
    pieces: list[tuple[str, int]] = [("".join(lines[: top - 1]), 0)]
    pieces += [(theirs.segment(h), _first_line(h)) for h in helpers]
    pieces.append(("".join(lines[top - 1 : _first_line(place) - 1]), 0))
    for method in (*methods, function):
        text = textwrap.indent(theirs.segment(method), " " * place.col_offset)
        pieces.append((text, _first_line(method)))
    pieces.append(("".join(lines[place.end_lineno :]), 0))
    return _joined(pieces)


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
