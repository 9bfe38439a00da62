"""The time and the memory of the index of a whole release.

    python benchmarks/index.py             613,431 clips, as French in release 25
    python benchmarks/index.py 100000      fewer

It makes up a training fold and a table of durations of that size, without one clip:
the duration filter must not open any. The index is made in a process of its own.
"""

from __future__ import annotations

import random
import subprocess
import sys
import time
from pathlib import Path
from tempfile import TemporaryDirectory

ROOT = Path(__file__).resolve().parents[1]
sys.path.insert(0, str(ROOT))

CLIPS = 613_431
RELEASED = 1.41  # clips in the table of durations for each of the training fold
COLUMNS = (
    *("client_id", "path", "sentence_id", "sentence", "sentence_domain", "up_votes"),
    *("down_votes", "age", "gender", "accents", "variant", "locale", "segment"),
)
WORDS = "le la être avoir œuvre « où ? » c’est l'été français déjà vingt-trois".split()
MAX_SECONDS, MAX_BYTES = 5.0, 1e9


def write_release(folder: Path, n_clips: int) -> None:
    """Write a training fold and a table of durations as long as real ones."""
    folder.mkdir(parents=True)
    draw = random.Random(0)
    speakers = [f"{draw.getrandbits(512):0128x}" for _ in range(1 + n_clips // 40)]
    with (folder / "train.tsv").open("w", encoding="utf-8", newline="\n") as tsv:
        tsv.write("\t".join(COLUMNS) + "\n")
        for i in range(n_clips):
            sentence = " ".join(draw.choices(WORDS, k=10))
            cells = (draw.choice(speakers), f"common_voice_fr_{i:08d}.mp3")
            cells += (f"{draw.getrandbits(256):064x}", sentence, "", "2", "0")
            cells += ("twenties", "male_masculine", "Français de France", "", "fr", "")
            tsv.write("\t".join(cells) + "\n")
    table = folder / "clip_durations.tsv"
    with table.open("w", encoding="utf-8", newline="\n") as tsv:
        tsv.write("clip\tduration[ms]\n")
        for i in range(round(RELEASED * n_clips)):
            tsv.write(f"common_voice_fr_{i:08d}.mp3\t{draw.randrange(1000, 11000)}\n")


def index(root: str) -> None:
    """Open the fold, filter it, and print seconds and bytes (in a new process)."""
    import resource  # not on Windows

    from labkit.corpus import CommonVoice, DatasetFilter

    # Bytes on macOS, kibibytes elsewhere.
    unit = 1 if sys.platform == "darwin" else 1024

    def peak() -> float:
        return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * unit

    before, start = peak(), time.perf_counter()
    clips = CommonVoice("train", root, "v", "fr")
    middle = time.perf_counter()
    kept = DatasetFilter(clips, 1, 5)
    end = time.perf_counter()
    print(len(clips), len(kept), middle - start, end - middle, before, peak())


def main(n_clips: int) -> int:
    """Print the table; return 1 where the bar is missed."""
    with TemporaryDirectory() as root:
        folder = Path(root) / "v" / "fr"
        write_release(folder, n_clips)
        size = (folder / "train.tsv").stat().st_size
        command = [sys.executable, __file__, "--index", root]
        output = subprocess.run(command, check=True, capture_output=True).stdout
    opened, filtered, before, peak = map(float, output.split()[2:])
    clips, kept = map(int, output.split()[:2])
    seconds = opened + filtered
    print(
        f"rows           {clips:,} ({size / 1e6:.0f} MB of tsv), {kept:,} of 1 to 5 s"
    )
    print(f"tsv            {opened:.2f} s")
    print(f"durations      {filtered:.2f} s")
    print(f"in all         {seconds:.2f} s (at most {MAX_SECONDS:g} s)")
    print(f"peak memory    {peak / 1e6:.0f} MB (at most {MAX_BYTES / 1e6:.0f} MB),")
    print(f"               {before / 1e6:.0f} MB of it torch and the other libraries")
    return int(seconds > MAX_SECONDS or peak > MAX_BYTES)


if __name__ == "__main__":
    if sys.argv[1:2] == ["--index"]:
        index(sys.argv[2])
    else:
        raise SystemExit(main(int(sys.argv[1]) if sys.argv[1:] else CLIPS))
