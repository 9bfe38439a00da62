"""What a student wrote besides the exercises: helpers, constants, classes."""

from __future__ import annotations

import ast
from collections.abc import Collection

from autograder.intake.sources import Source
from autograder.intake.syntax import DEFINITIONS


def own_code(theirs: Source, starter: Source, exercises: Collection[str]) -> str:
    """Collect the code of a script that is neither the starter's nor an exercise.

    Args:
        theirs: The student's script.
        starter: The script as students get it.
        exercises: The functions to write, ``function`` or ``Class.method``.

    Returns:
        The statements, without comments; "" if they cannot be written.
    """
    try:
        given = _statements(starter.body, "")
        own = _statements(theirs.body, "")
        return "\n\n".join(
            text
            for name, text in own
            if name not in exercises and (name, text) not in given
        )
    except RecursionError:
        return ""


def _statements(body: list[ast.stmt], owner: str) -> list[tuple[str, str]]:
    """Write each statement of a module, of a class each member, after its name."""
    found = []
    for statement in body:
        if isinstance(statement, (ast.Import, ast.ImportFrom)):
            continue
        is_named = isinstance(statement, DEFINITIONS)
        name = f"{owner}{statement.name}" if is_named else ""
        if isinstance(statement, ast.ClassDef):
            found += _statements(statement.body, f"{name}.")
        else:
            found.append((name, ast.unparse(statement)))
    return found
