"""Options as rows of tables, and what follows from the rows."""

from __future__ import annotations

import argparse
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace
from typing import Any, NamedTuple

COMMANDS = TRAIN, TEST = ("train", "test")
_PASSED_ON = ("type", "choices", "metavar", "nargs", "const", "action")


@dataclass(frozen=True)
class Option:
    """One option of a command line.

    Attributes:
        name: As on the command line, without its dashes, and in ``args``.
        default: Its value where it is not given; False makes it a flag.
        help: What it is; the default is added to it.
        type: As in argparse; so are choices, metavar, nargs, const and action.
        debug: Its default with ``train --debug``; None for the same.
        test: Its default with ``test``; None for the same.
        only: The command that takes it; None for both.
        needs: Options that it goes with, every one.
        without: Options that it contradicts.
        refusal: The message then; ``{other}`` is the first of them that was given.
        implies: Another option and the default that it then has.
        decoders: The decoders that use it; none for all.
        architecture: It shapes the network, so checkpoints keep it.
        process: It belongs to a process, not to the run that --resume continues.
        anew: It may be changed with --resume.
    """

    name: str
    default: Any
    help: str
    type: Callable[[str], Any] | None = None
    choices: tuple[str, ...] | None = None
    metavar: str | tuple[str, ...] | None = None
    nargs: str | int | None = None
    const: Any = None
    action: str | type[argparse.Action] | None = None
    debug: Any = None
    test: Any = None
    only: str | None = None
    needs: tuple[str, ...] = ()
    without: tuple[str, ...] = ()
    refusal: str = ""
    implies: tuple[str, Any] | None = None
    decoders: tuple[str, ...] = ()
    architecture: bool = False
    process: bool = False
    anew: bool = False

    @property
    def is_flag(self) -> bool:
        """Whether it takes no value."""
        return self.default is False and self.nargs is None

    @property
    def varies(self) -> bool:
        """Whether its default depends on the command."""
        return self.architecture or (self.debug, self.test) != (None, None)

    @property
    def tells_default(self) -> bool:
        """Whether its default should be shown, and its help does not show it."""
        silent = shown(self.default) in ("None", "False", "()")
        return not silent and "(default: " not in self.help

    @property
    def described(self) -> str:
        """The help, with its default where that is the same for every command."""
        if self.varies or not self.tells_default:
            return self.help
        return f"{self.help} (default: {shown(self.default)})"

    def taken_by(self, command: str | None) -> bool:
        """Check whether a command takes it; None stands for any."""
        return command is None or self.only in (None, command)

    def allows(self, value: object) -> bool:
        """Check whether a file may give it this value, as a command line may."""
        if self.is_flag:
            return isinstance(value, bool)
        plain = (self.default, *filter(None, (self.debug, self.const)))
        if any(value is one for one in plain):
            return True
        try:
            read = str(value) if self.type is None else self.type(str(value))
        except (ValueError, argparse.ArgumentTypeError):
            return False
        return read == value and (not self.choices or value in self.choices)

    def default_of(self, command: str, debug: bool = False) -> Any:  # noqa: ANN401
        """Return its default with a command."""
        other = self.test if command == TEST else self.debug if debug else None
        return self.default if other is None else other

    def add_to(self, group: argparse._ArgumentGroup, listed: bool) -> None:
        """Add it to a parser, which leaves it out of ``args`` where it is not given."""
        passed = {name: getattr(self, name) for name in _PASSED_ON}
        passed = {name: value for name, value in passed.items() if value is not None}
        if self.is_flag:
            passed["action"] = "store_true"
        text = self.described if listed else argparse.SUPPRESS
        nothing = argparse.SUPPRESS
        group.add_argument(f"--{self.name}", default=nothing, help=text, **passed)


class Group(NamedTuple):
    """Options that --help lists under one title."""

    title: str
    rows: tuple[Option, ...]


class Decoder(NamedTuple):
    """A decoder that --decoder and --compare can name."""

    name: str
    what: str  # for README
    takes_lm: bool = True
    compared: tuple[str | None, ...] = (None,)  # models that --compare tries it with


@dataclass(frozen=True)
class OptionTable:
    """The command line of one script.

    Attributes:
        groups: The options.
        decoders: What --decoder and --compare can name.
        rules: Rules that no single row can state: each yields the errors of ``args``.
    """

    groups: tuple[Group, ...]
    decoders: tuple[Decoder, ...]
    rules: tuple[Callable[[argparse.Namespace, OptionTable], Iterator[str]], ...]

    @property
    def rows(self) -> dict[str, Option]:
        """Every option, by its name."""
        return {row.name: row for group in self.groups for row in group.rows}

    def names(self, **columns: object) -> tuple[str, ...]:
        """Return the options that have these values in these columns."""
        return tuple(
            name
            for name, row in self.rows.items()
            if all(getattr(row, column) == value for column, value in columns.items())
        )

    @property
    def compared(self) -> tuple[tuple[str, str | None], ...]:
        """What --compare scores when it names no decoder."""
        return tuple((d.name, lm) for d in self.decoders for lm in d.compared)

    def used(self, args: argparse.Namespace) -> Sequence[tuple[str, str | None]]:
        """Return the decoders that ``args`` ask for, each with its language model."""
        if args.compare is None:
            return [(args.decoder, args.lm)]
        return args.compare or self.compared


def group(title: str, *rows: Option, **shared: Any) -> Group:
    """Make a group; where a row leaves one of ``shared`` out, it has that value."""

    def complete(row: Option) -> Option:
        missing = {n: value for n, value in shared.items() if not getattr(row, n)}
        return replace(row, **missing)

    return Group(title, tuple(map(complete, rows)))


def changed(groups: tuple[Group, ...], **rows: dict[str, Any]) -> tuple[Group, ...]:
    """Return the same options with other values in some columns of some rows."""
    return tuple(
        Group(title, tuple(replace(row, **rows.get(row.name, {})) for row in every))
        for title, every in groups
    )


def shown(value: object) -> str:
    """Write a default as it is typed."""
    return f"{value:g}" if isinstance(value, float) else str(value)
