"""Self-contained HTML pages, from templates that an instructor can edit.

A student's text is never markup on a page: jinja2 escapes every value that a template
inserts.
"""

from __future__ import annotations

import traceback
from pathlib import Path

from jinja2 import Environment, FileSystemLoader, StrictUndefined, TemplateError

from autograder import phrases
from labkit.base import LabError

_FOLDER = Path(__file__).parent / "templates"
_TEMPLATES = Environment(
    loader=FileSystemLoader(_FOLDER, encoding="utf-8"),
    autoescape=True,
    undefined=StrictUndefined,
    trim_blocks=True,
    lstrip_blocks=True,
    keep_trailing_newline=True,
)


def render(template: str, **values: object) -> str:
    """Fill a template.

    Args:
        template: Its file in ``templates/``.
        **values: The values that it shows, not yet escaped; ``phrases`` is added.

    Returns:
        The page.

    Raises:
        LabError: The template has a mistake.
    """
    try:
        return _TEMPLATES.get_template(template).render(values, phrases=phrases)
    except TemplateError as error:
        frames = traceback.extract_tb(error.__traceback__)
        lines = [f.lineno for f in frames if Path(f.filename).name == template]
        line = getattr(error, "lineno", None) or (lines[-1] if lines else None)
        where = f"{_FOLDER / template}" + (f":{line}" if line else "")
        raise LabError(
            f"{where}: {error.message}",
            "mend the template, then grade again: the marks are kept",
        ) from error
