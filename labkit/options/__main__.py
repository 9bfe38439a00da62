"""``python -m labkit.options``: the page of the options of every part, in Markdown."""

from __future__ import annotations

from collections.abc import Iterator

from labkit.options import PARTS, Part
from labkit.options.option import COMMANDS, Option


def page(part: Part) -> Iterator[str]:
    """Write every option of a part: who takes it, its default, what it is."""
    yield f"# The options of {part.script}\n"
    yield "They stand before or after the command, `train` or `test`. The shapes of a"
    yield "network are kept in its checkpoint, so `test` need not be given them.\n"
    for title, rows in part.groups:
        yield f"## {title}\n"
        yield "| option | command | default | what it is |\n|---|---|---|---|"
        yield from map(line, rows)
        yield ""


def line(row: Option) -> str:
    """Write a row of the table."""
    commands = ", ".join(filter(row.taken_by, COMMANDS))
    value = row.metavar or (f"{{{','.join(row.choices)}}}" if row.choices else "")
    value = value if isinstance(value, str) else " ".join(value)
    name = f"--{row.name} {value}".rstrip()
    return f"| `{name}` | {commands} | {row.defaults(quote='`')} | {row.help} |"


if __name__ == "__main__":
    print("\n".join(text for part in PARTS.values() for text in page(part)), end="")
