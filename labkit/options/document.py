"""Tables of the options and the decoders, in Markdown."""

from __future__ import annotations

from labkit.options.option import COMMANDS, TEST, Option, OptionTable, shown


def list_options(table: OptionTable) -> str:
    """Write every option: the commands that take it, its default, what it is."""
    lines = []
    for title, rows in table.groups:
        lines += [f"## {title}", "", "| option | command | default | what it is |"]
        lines += ["|---|---|---|---|", *map(_line, rows), ""]
    return "\n".join(lines)


def list_decoders(table: OptionTable) -> str:
    """Write what --decoder can name."""
    rows = [f"| `{decoder.name}` | {decoder.what} |" for decoder in table.decoders]
    return "\n".join(["| `--decoder` | what it is |", "|---|---|", *rows])


def _line(row: Option) -> str:
    commands = ", ".join(filter(row.taken_by, COMMANDS))
    default = f"`{shown(row.default)}`" if row.tells_default else ""
    for how, value in (("--debug", row.debug), (TEST, row.test)):
        if value is not None:
            default += f", with `{how}` `{shown(value)}`"
    value = row.metavar or (f"{{{','.join(row.choices)}}}" if row.choices else "")
    value = value if isinstance(value, str) else " ".join(value)
    name = f"--{row.name} {value}".rstrip()
    return f"| `{name}` | {commands} | {default} | {row.help} |"
