"""Pack what students get: the unsolved desk, the kit, the corpus, the handout.

    python instructor/make_handout.py                        dist/asr-lab.zip
    python instructor/make_handout.py --output build/lab.zip

The desk is made from the reference, whatever the root scripts are by now. README.md
loses what stands between `<!-- not for students -->` and `<!-- /not for students -->`.
The same files give the same archive, byte for byte.
"""

from __future__ import annotations

import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))  # where labkit is

from bundles import collect, pack
from starter import ROOT

from labkit.base import LabParser, run_program

TOP = "asr-lab"  # the folder in the archive


def make_handout(root: Path, archive: Path) -> None:
    """Make the archive of the repository ``root``, and say what it holds.

    Raises:
        LabError: A needed file is missing or wrong.
    """
    files = collect(root)
    pack({f"{TOP}/{name}": content for name, content in files.items()}, archive)
    print(f"{archive}: {len(files)} files, {archive.stat().st_size / 1e6:.1f} MB")


def main() -> None:
    """Run the command line."""
    parser = LabParser(description="Pack what students get.")
    default = ROOT / "dist" / "asr-lab.zip"
    parser.add_argument("--output", type=Path, default=default, help="the zip file")
    parser.add_argument("--verbose", action="store_true", help="show tracebacks")
    make_handout(ROOT, parser.parse_args().output)


if __name__ == "__main__":
    raise SystemExit(run_program(main, "--verbose" in sys.argv))
