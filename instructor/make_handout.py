"""Pack the students' archive: the unsolved desk, the kit, the corpus, the texts.

    python instructor/make_handout.py                        dist/asr-lab.zip
    python instructor/make_handout.py --output build/lab.zip
    python instructor/make_handout.py --part 1               without part two's scripts
    python instructor/make_handout.py --keep E05 E06         with these solved
    python instructor/make_handout.py --without_agents       no AGENTS.md

The desk is made from the reference, not from the scripts in the root. README.md loses
the text between `<!-- not for students -->` and `<!-- /not for students -->`.
AGENTS.md asks students' coding assistants to tutor, not to solve. The same files give
the same archive, byte for byte.
"""

from __future__ import annotations

import sys
from collections.abc import Collection
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))  # where labkit is

from bundles import collect
from starter import ROOT

from labkit.base import LabParser, run_program, write_zip

TOP = "asr-lab"  # the folder in the archive
AGENTS = Path("instructor", "handout", "AGENTS.md")  # goes to its top


def make_handout(
    root: Path,
    archive: Path,
    agents: bool = True,
    part: int = 0,
    keep: Collection[str] = (),
) -> None:
    """Make the archive of the repository ``root``, and print its size.

    Args:
        root: The repository.
        archive: The zip file.
        agents: Whether AGENTS.md is in it.
        part: The last part of the lab that is handed out; 0 for all.
        keep: Exercises that are handed out solved.

    Raises:
        LabError: A needed file is missing or wrong.
    """
    files = collect(root, part, keep)
    if agents:
        files[AGENTS.name] = (root / AGENTS).read_bytes()
    write_zip(archive, {f"{TOP}/{name}": content for name, content in files.items()})
    print(f"{archive}: {len(files)} files, {archive.stat().st_size / 1e6:.1f} MB")
    if agents:
        print("with AGENTS.md for coding assistants; --without_agents leaves it out")
    if keep:
        print(f"solved in it: grade with --given {' '.join(sorted(keep))}")


def main() -> None:
    """Run the command line."""
    parser = LabParser(description="Pack the students' archive.")
    default = ROOT / "dist" / "asr-lab.zip"
    parser.add_argument("--output", type=Path, default=default, help="the zip file")
    parser.add_argument("--verbose", action="store_true", help="show tracebacks")
    parser.add_argument(
        "--without_agents", action="store_true", help="leave AGENTS.md out"
    )
    parser.add_argument(
        "--part", type=int, choices=(1,), default=0, help="hand out part one alone"
    )
    parser.add_argument(
        "--keep",
        nargs="+",
        action="extend",
        default=[],
        metavar="E05",
        help="hand these out solved",
    )
    options = parser.parse_args()
    agents = not options.without_agents
    make_handout(ROOT, options.output, agents, options.part, options.keep)


if __name__ == "__main__":
    raise SystemExit(run_program(main, "--verbose" in sys.argv))
