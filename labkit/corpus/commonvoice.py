"""Reading the folders of Mozilla Common Voice, of whatever release.

Layout: ``ROOT/VERSION/LANG/{train,dev,test}.tsv`` and ``ROOT/VERSION/LANG/clips``.
A fold that is missing or lists no clip is made from ``validated.tsv``: delta segments
and small languages have no folds.
"""

from __future__ import annotations

import hashlib
import os
from array import array
from collections.abc import Mapping, Sequence
from itertools import combinations
from pathlib import Path
from typing import TYPE_CHECKING

from labkit.base import EMBEDDED_CORPORA, LabError, Table, read_table
from labkit.corpus.durations import durations_of

if TYPE_CHECKING:
    from torch import Tensor

EMBEDDED_VERSION = "mini"
ROOT_VARIABLE = "COMMONVOICE_ROOT"

# Each fold, and its share of the speakers where it must be made.
SHARES = {"train": 0.8, "dev": 0.1, "test": 0.1}
POOL = "validated.tsv"
_NEEDED_COLUMNS = ("path", "sentence")
_SPEAKER = "client_id"


def default_location(lang: str = "fr") -> tuple[str, str]:
    """Find root and version of the corpus to use when none is named.

    They are those of the environment's ``COMMONVOICE_ROOT``, with its newest folder
    that holds clips to train on; else the embedded corpus.
    """
    root = os.environ.get(ROOT_VARIABLE)
    if root:
        return root, newest_version(root, lang)
    return str(EMBEDDED_CORPORA), EMBEDDED_VERSION


def find_tables(root: Path, pattern: str) -> list[Path]:
    """Find the tsv files to train on, in folders of ``root`` with such a path."""
    try:
        return [
            p for name in ("train.tsv", POOL) for p in root.glob(f"{pattern}/{name}")
        ]
    except OSError:  # the root is no folder, or one that may not be read
        return []


def newest_version(root: str, lang: str = "fr") -> str:
    """Return the newest folder of ``root`` with clips to train on; else ``*``.

    One with a training fold is preferred to one without, and a whole release to a
    delta segment, which holds only the clips that are new in a release.
    """

    def rank(tsv: Path) -> tuple[bool, bool, float]:
        whole = "-delta-" not in tsv.parents[1].name
        return tsv.name == "train.tsv", whole, tsv.stat().st_mtime

    newest = max(find_tables(Path(root), f"*/{lang}"), key=rank, default=None)
    return newest.parents[1].name if newest else "*"


def _ways_out(root: Path) -> str:
    found = sorted({"/".join(p.parts[-3:-1]) for p in find_tables(root, "*/*")})
    versions = f"found under {root}: {', '.join(found)}; " if found else ""
    return (
        f"{versions}pass --datasetroot and --datasetversion, set {ROOT_VARIABLE}, "
        f"or give neither to use the embedded corpus"
    )


def read_fold(folder: Path, fold: str) -> tuple[Table, Path]:
    """Read one fold, at least a row, and name the file that it comes from.

    It is made from ``validated.tsv`` where the release has none.

    Raises:
        LabError: There is no such fold, or a file is damaged.
    """
    path, pool = folder / f"{fold}.tsv", folder / POOL
    if path.is_file():
        table = read_table(path, _NEEDED_COLUMNS)
        if len(table):
            return table, path
    if fold in SHARES and pool.is_file():
        return _share(folder, fold), pool
    if path.is_file():
        raise LabError(f"{path}: no clip is listed", "unpack the corpus again")
    if any(folder.glob("*.tsv")):
        missing = f"{path}: missing, as is {POOL}, from which a fold is made"
        raise LabError(missing, "unpack the corpus again")
    raise LabError(f"no corpus here: looked for {path}", _ways_out(folder.parents[1]))


def _share(folder: Path, fold: str) -> Table:
    """Take the clips of a fold from ``validated.tsv``, by speaker.

    The speakers that no other fold of the release has are divided among the folds
    that it lacks, by a hash of their names, so that the result is always the same.
    """
    present, taken = set(), set()
    for tsv in filter(Path.is_file, (folder / f"{name}.tsv" for name in SHARES)):
        others = read_table(tsv, (_SPEAKER,)).column(_SPEAKER)
        if others:
            present.add(tsv.stem)
            taken.update(others)
    pool = read_table(folder / POOL, (*_NEEDED_COLUMNS, _SPEAKER))
    speakers = pool.column(_SPEAKER)
    free = sorted(
        {*speakers} - taken, key=lambda who: hashlib.sha256(who.encode()).digest()
    )
    missing = [name for name in SHARES if name not in present]
    if len(free) < len(missing):
        raise LabError(
            f"{folder / POOL}: {len(free)} speakers are free for "
            f"{', '.join(missing)}, of which there is no tsv that lists a clip",
            "unpack the corpus again; if these are all the clips there are, move "
            "the other folds away, so that all three are made again",
        )
    total, parts, rest = sum(SHARES[name] for name in missing), {}, free
    for name in missing[:0:-1]:  # all but the first, which takes the rest
        size = max(1, round(len(free) * SHARES[name] / total))
        parts[name], rest = rest[:size], rest[size:]
    mine = {*parts.get(fold, rest)}
    return pool.select(i for i, who in enumerate(speakers) if who in mine)


def _file_name(path: str) -> str:
    return path if "." in path else f"{path}.mp3"  # release 1 leaves out the suffix


def repeated_clips(folds: Mapping[str, Sequence[str]]) -> list[str]:
    """Say which folds, given by the names of their clips, list a clip again."""
    found = []
    for fold, names in folds.items():
        n_again = len(names) - len({*names})
        if n_again:
            found.append(f"{n_again:,} listed more than once in {fold}")
    for (one, its), (other, names) in combinations(folds.items(), 2):
        shared = len({*its} & {*names})
        if shared:
            found.append(f"{shared:,} of {other} in {one} as well")
    return found


class CommonVoice:
    """One fold of a corpus; items are ``(waveform (1, samples), rate, row)``.

    The fold is "train", "dev" or "test", or the name of another tsv file.

    Raises:
        LabError: The fold cannot be read.
    """

    def __init__(self, fold: str, root: str, version: str, lang: str) -> None:
        self.fold = fold
        self.folder = Path(root) / version / lang
        self._rows, self.source = read_fold(self.folder, fold)

    def __len__(self) -> int:
        """Return the number of clips."""
        return len(self._rows)

    def row(self, index: int) -> dict[str, str]:
        """Return the cells of one clip by column, "sentence" among them."""
        return self._rows.row(index)

    def column(self, name: str) -> list[str]:
        """Return the cells of one column; none where the release lacks it."""
        return self._rows.column(name) if name in self._rows.columns else []

    def clip_names(self) -> list[str]:
        """Return the file names of the clips."""
        return [_file_name(path) for path in self._rows.column("path")]

    def clip_path(self, index: int) -> Path:
        """Return the path of one clip."""
        return self.folder / "clips" / _file_name(self.row(index)["path"])

    def __getitem__(self, index: int) -> tuple[Tensor, int, dict[str, str]]:
        """Read one clip; AudioError if it is missing, empty or broken."""
        from labkit.audio import read_audio  # here: the check's --help needs no torch

        return *read_audio(self.clip_path(index)), self.row(index)


class DatasetFilter:
    """The clips of a fold whose duration lies within bounds, in seconds.

    Durations come from the corpus's own table where it has one, else from the
    clips' headers: no audio is decoded.

    Raises:
        LabError: No clip is left.
    """

    def __init__(
        self, dataset: CommonVoice, min_duration: float, max_duration: float
    ) -> None:
        self.dataset = dataset
        every = durations_of(dataset.folder, dataset.clip_names())
        # 0 s stands for a broken clip: it is kept, and reported where it is read.
        low, high = min_duration, max_duration
        kept = [i for i, s in enumerate(every) if s == 0 or low <= s <= high]
        self.indices: Sequence[int] = array("q", kept)
        self.durations: Sequence[float] = array("d", map(every.__getitem__, kept))
        if not kept:
            raise LabError(
                f"{dataset.source}: none of {len(dataset)} clips "
                f"lasts {min_duration:g} to {max_duration:g} s",
                "widen --min_duration and --max_duration",
            )

    def __len__(self) -> int:
        """Return the number of clips kept."""
        return len(self.indices)

    def clip_path(self, index: int) -> Path:
        """Return the path of one clip."""
        return self.dataset.clip_path(self.indices[index])

    def __getitem__(self, index: int) -> tuple[Tensor, int, dict[str, str]]:
        """Read one clip: ``(waveform (1, samples), rate, row)``."""
        return self.dataset[self.indices[index]]
