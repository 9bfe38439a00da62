"""Parsing a command line from its rows: help, defaults, errors."""

from __future__ import annotations

import argparse
import sys
from collections.abc import Iterator

from labkit.base import LabParser, choose_waiting
from labkit.options.option import COMMANDS, TEST, Part


def parse(
    part: Part, description: str | None, argv: list[str] | None = None
) -> argparse.Namespace:
    """Read the command line of a part, before torch is imported.

    Args:
        part: The part of the lab.
        description: What the program does, with commands to paste.
        argv: The arguments; None for those of the process.

    Returns:
        Every option by name; ``given`` holds the names of those that were given, and
        ``part`` the part.

    Raises:
        SystemExit: 2 for a wrong command line, 0 for ``--help``.
    """
    words = _command_first(sys.argv[1:] if argv is None else argv, part)
    parser = _make_parser(part, description, words[0] if words else "")
    args = _fill_in(parser.parse_args(words), part)
    for cause in _refusals(args):
        parser.error(cause)
    choose_waiting(args.nthreads)
    return args


def _command_first(words: list[str], part: Part) -> list[str]:
    """Put the command first, or --scheduler and --resume would take it as a value."""
    valued = [
        f"--{row.name}"
        for row in part.rows.values()
        if not row.is_flag and row.nargs != "?"
    ]

    def takes_value(word: str) -> bool:  # an option may be shortened
        return word[:2] == "--" and any(name.startswith(word) for name in valued)

    for i, (before, word) in enumerate(zip(["", *words], words)):
        if word in COMMANDS and not takes_value(before):
            return [word, *words[:i], *words[i + 1 :]]
    return words


def _make_parser(part: Part, description: str | None, command: str) -> LabParser:
    """Make a parser of all options, whose help lists those of the command."""
    asked = command if command in COMMANDS else None
    parser = LabParser(
        description=description,
    )
    parser.add_argument(
        "command", choices=COMMANDS, help="with --help: the options of one command"
    )
    for title, rows in part.groups:
        group = parser.add_argument_group(title)
        for row in rows:
            row.add_to(group, asked)
    return parser


def _fill_in(found: argparse.Namespace, part: Part) -> argparse.Namespace:
    """Give the options that were left out their defaults; note which were given."""
    command, rows = found.command, part.rows
    given = {name: value for name, value in vars(found).items() if name in rows}
    debug = given.get("debug", False)
    values = {name: row.default_of(command, debug) for name, row in rows.items()}
    for implied in (rows[name].implies for name in given):
        if implied:
            values[implied[0]] = implied[1]
    values.update(given)
    return argparse.Namespace(command=command, **values, given=set(given), part=part)


def _refusals(args: argparse.Namespace) -> Iterator[str]:
    """Yield the errors in the options that were given."""
    part = args.part
    rows = [row for row in part.rows.values() if row.name in args.given]
    for row in rows:
        if not row.taken_by(args.command):
            yield f"--{row.name} is no option of {args.command}"
    for row in rows:
        missing = [name for name in row.needs if name not in args.given]
        if missing:
            yield f"--{row.name} goes with --{missing[0]}"
        others = [name for name in row.without if name in args.given]
        if others:
            *most, last = (f"--{name}" for name in row.without)
            every = f"{', '.join(most)} and {last}" if most else last
            why = row.refusal.format(other=others[0]) or f"goes without {every}"
            yield f"--{row.name} {why}"
    for rule in part.rules:
        yield from rule(args)
    used = {decoder for decoder, _ in part.used(args)}
    for row in rows:
        if row.decoders and args.command == TEST and used.isdisjoint(row.decoders):
            named = "--decoder " + " or ".join(row.decoders)
            if used == {"greedy"} and "beam" in row.decoders:
                named = "--beamsearch or another --decoder"
            yield f"--{row.name} goes with {named}"
