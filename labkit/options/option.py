"""Options as rows of tables, the parts of the lab that have them, and what follows."""

from __future__ import annotations

import argparse
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, NamedTuple

COMMANDS = TRAIN, TEST = ("train", "test")
_PASSED_ON = ("type", "choices", "metavar", "nargs", "const", "action")


@dataclass(frozen=True)
class Option:
    """One option of a command line."""

    name: str  # as on the command line, without its dashes, and in ``args``
    default: Any  # where it is not given; False makes it a flag
    help: str  # what it is; the default is added to it
    type: Callable[[str], Any] | None = None  # as in argparse, and so are the next five
    choices: tuple[str, ...] | None = None
    metavar: str | tuple[str, ...] | None = None
    nargs: str | int | None = None
    const: Any = None
    action: str | type[argparse.Action] | None = None
    debug: Any = None  # its default with ``train --debug``; None for the same
    test: Any = None  # its default with ``test``; None for the same
    only: str | None = None  # the command that takes it; None for both
    needs: tuple[str, ...] = ()  # options that it goes with, every one
    without: tuple[str, ...] = ()  # options that it contradicts
    refusal: str = ""  # the message then; ``{other}`` is the first that was given
    implies: tuple[str, Any] | None = None  # another option, and its default then
    decoders: tuple[str, ...] = ()  # those that use it; none for all
    architecture: bool = False  # it shapes the network, so checkpoints keep it
    process: bool = False  # of a process, not of the run that --resume continues
    anew: bool = False  # it may be changed with --resume

    @property
    def is_flag(self) -> bool:
        """Whether it takes no value."""
        return self.default is False and self.nargs is None

    def defaults(self, quote: str = "") -> str:
        """Write its defaults, each in quotes if they are given; "" if its help does."""
        silent = shown(self.default) in ("None", "False", "()")
        known = silent or "(default: " in self.help
        found = "" if known else f"{quote}{shown(self.default)}{quote}"
        for how, value in (("--debug", self.debug), (TEST, self.test)):
            if value is not None:
                found += f", with {quote}{how}{quote} {quote}{shown(value)}{quote}"
        return found

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

    def add_to(
        self, parser: argparse._ActionsContainer, command: str | None = None
    ) -> None:
        """Add it to a parser, which leaves it out of ``args`` where it is not given.

        Args:
            parser: The parser.
            command: That whose help is asked for; None for that of all.
        """
        passed = {name: getattr(self, name) for name in _PASSED_ON}
        passed = {name: value for name, value in passed.items() if value is not None}
        if self.is_flag:
            passed["action"] = "store_true"
        as_trained = self.architecture and command == TEST
        default = "as trained" if as_trained else self.defaults()
        text = f"{self.help} (default: {default})" if default else self.help
        text = text if self.taken_by(command) else argparse.SUPPRESS
        nothing = argparse.SUPPRESS
        parser.add_argument(f"--{self.name}", default=nothing, help=text, **passed)


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
class Part:
    """A part of the lab: a script that trains and tests networks of its own kind."""

    name: str  # in checkpoints and messages
    script: str  # the file name of its program, main_NAME.py
    groups: tuple[Group, ...]  # its command line
    decoders: tuple[Decoder, ...]  # what --decoder and --compare can name
    # What no single row can state: each yields the errors of ``args``.
    rules: tuple[Callable[[argparse.Namespace], Iterator[str]], ...]
    pretrained: Path | None = None  # the network of the kit, if there is one
    encoder: Part | None = None  # whose network is the ``encoder`` of one of this part

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
    def architecture(self) -> tuple[str, ...]:
        """The options that make a network, which its checkpoint keeps."""
        return self.names(architecture=True)

    @property
    def shape(self) -> tuple[str, ...]:
        """Those of them that determine the shapes of its weights."""
        return self.names(architecture=True, only=None)

    def used(self, args: argparse.Namespace) -> Sequence[tuple[str, str | None]]:
        """Return the decoders that ``args`` ask for, each with its language model."""
        if args.compare is None:
            return [(args.decoder, args.lm)]
        return args.compare or [
            (d.name, lm) for d in self.decoders for lm in d.compared
        ]


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
