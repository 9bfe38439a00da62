"""Self-contained HTML pages, from templates that an instructor can edit.

A student's text is never markup on a page: jinja2 escapes every value that a template
inserts.
"""

from __future__ import annotations

from pathlib import Path

from jinja2 import Environment, FileSystemLoader, StrictUndefined

from autograder import phrases

_TEMPLATES = Environment(
    loader=FileSystemLoader(Path(__file__).parent / "templates", encoding="utf-8"),
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
    """
    return _TEMPLATES.get_template(template).render(values, phrases=phrases)
