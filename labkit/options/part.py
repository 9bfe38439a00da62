"""The parts of the lab, and what the other rooms must know about each."""

from __future__ import annotations

import argparse
from dataclasses import dataclass
from pathlib import Path

from labkit.base import PRETRAINED
from labkit.options.ctc import CTC_OPTIONS
from labkit.options.document import list_options
from labkit.options.option import OptionTable
from labkit.options.parse import read_command_line
from labkit.options.seq2seq import SEQ2SEQ_OPTIONS


@dataclass(frozen=True)
class Part:
    """A part of the lab: a script that trains and tests networks of its own kind.

    Attributes:
        name: In checkpoints and messages.
        script: The file name of its program, main_NAME.py.
        options: The command line of that program.
        pretrained: The network of the kit, if there is one for this part.
        encoder: The part whose network is the ``encoder`` of one of this part.
    """

    name: str
    script: str
    options: OptionTable
    pretrained: Path | None = None
    encoder: Part | None = None

    @property
    def architecture(self) -> tuple[str, ...]:
        """The options that make a network, which its checkpoint keeps."""
        return self.options.names(architecture=True)

    @property
    def shape(self) -> tuple[str, ...]:
        """Those of them that determine the shapes of its weights."""
        return self.options.names(architecture=True, only=None)


CTC = Part("ctc", "main_ctc.py", CTC_OPTIONS, PRETRAINED)
SEQ2SEQ = Part("seq2seq", "main_seq2seq.py", SEQ2SEQ_OPTIONS, encoder=CTC)
PARTS = {part.name: part for part in (CTC, SEQ2SEQ)}


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
    args = read_command_line(part.options, description, argv)
    args.part = part
    return args


def describe(part: Part) -> str:
    """Write the page of a part's options, in Markdown."""
    return (
        f"# The options of {part.script}\n\n"
        "They stand before or after the command, `train` or `test`. The shapes of a\n"
        "network are kept in its checkpoint, so `test` need not be given them.\n\n"
        f"{list_options(part.options)}"
    )
