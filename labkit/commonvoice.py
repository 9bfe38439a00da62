"""Reading the folders of Mozilla Common Voice, of whatever release.

Layout: ``ROOT/VERSION/LANG/{train,dev,test}.tsv`` and ``ROOT/VERSION/LANG/clips``.
The columns of a tsv are found by name; the files are written without quoting, so a
sentence may begin with a quotation mark.
"""

from __future__ import annotations

import os
import re
from collections.abc import Sequence
from pathlib import Path

from torch import Tensor
from torch.utils.data import Dataset

from labkit.audio import duration_of, read_audio
from labkit.errors import LabError

EMBEDDED_ROOT = "corpora"
EMBEDDED_VERSION = "mini"
ROOT_VARIABLE = "COMMONVOICE_ROOT"

_NEEDED_COLUMNS = ("path", "sentence")
_MILLISECONDS = re.compile(r"[0-9]+")
_DURATION_FILES = ("clip_durations.tsv", "times.txt")  # from release 16, release 14


def default_location(lang: str = "fr") -> tuple[str, str]:
    """Find the corpus that is used when none is named.

    Returns:
        Root and version: those of the environment's ``COMMONVOICE_ROOT``, with its
        newest folder that holds a training fold; else the embedded corpus.
    """
    root = os.environ.get(ROOT_VARIABLE)
    if root:
        return root, newest_version(root, lang)
    return str(Path(__file__).resolve().parents[1] / EMBEDDED_ROOT), EMBEDDED_VERSION


def newest_version(root: str, lang: str = "fr") -> str:
    """Return the newest folder of ``root`` that holds a training fold; else ``*``."""
    try:
        folds = list(Path(root).glob(f"*/{lang}/train.tsv"))
    except OSError:  # the root is no folder, or one that may not be read
        folds = []
    newest = max(folds, key=lambda fold: fold.stat().st_mtime, default=None)
    return newest.parents[1].name if newest else "*"


def _ways_out(root: Path) -> str:
    versions = sorted(p.parents[1].name for p in root.glob("*/*/train.tsv"))
    found = f"found under {root}: {', '.join(versions)}; " if versions else ""
    return (
        f"{found}pass --datasetroot and --datasetversion, set {ROOT_VARIABLE}, "
        f"or give neither to use the embedded corpus"
    )


def _read_text(path: Path) -> str:
    try:
        return path.read_text(encoding="utf-8-sig")  # some editors put a mark first
    except UnicodeDecodeError as error:
        raise LabError(
            f"{path}: not UTF-8 (byte {error.start})",
            "unpack the corpus again, or save the file as UTF-8",
        ) from error


def read_tsv(path: Path, root: Path) -> tuple[list[str], list[list[str]]]:
    """Read one fold.

    Args:
        path: The tsv file.
        root: The root of the corpora, for the remedy.

    Returns:
        The names of the columns, and the cells of each row.

    Raises:
        LabError: There is no such file, or a needed column or every row is missing.
    """
    if not path.is_file():
        raise LabError(f"no corpus here: looked for {path}", _ways_out(root))
    # No splitlines(): a sentence may hold U+2028, which is no end of line here.
    lines = _read_text(path).replace("\r\n", "\n").split("\n")
    columns = lines[0].split("\t")
    missing = [name for name in _NEEDED_COLUMNS if name not in columns]
    if missing:
        raise LabError(
            f"{path}: no column named {' or '.join(missing)}",
            f"its first line must name the columns as Common Voice does; it has: "
            f"{', '.join(columns)[:80]}",
        )
    rows = []
    for number, line in enumerate(lines[1:], start=2):
        if not line.strip():
            continue
        rows.append(line.split("\t"))
        if len(rows[-1]) != len(columns):
            raise LabError(
                f"{path}:{number}: {len(rows[-1])} cells, not {len(columns)}",
                "unpack the corpus again: the file is damaged or was edited",
            )
    if not rows:
        raise LabError(f"{path}: no clip is listed", "unpack the corpus again")
    return columns, rows


def read_durations(folder: Path) -> dict[str, float]:
    """Read the table of durations of a language's folder, if it has one.

    Args:
        folder: The folder that holds the tsv files.

    Returns:
        Seconds of each clip by file name; empty where there is no table.
    """
    for name in _DURATION_FILES:
        path = folder / name
        if path.is_file():
            cells = [line.split("\t") for line in _read_text(path).splitlines()]
            # The first line may name the columns.
            known = [c for c in cells if len(c) > 1 and _MILLISECONDS.fullmatch(c[1])]
            return {c[0]: int(c[1]) / 1000 for c in known}
    return {}


class CommonVoice(Dataset):
    """One fold of a corpus; items are ``(waveform (1, samples), rate, row)``.

    Args:
        fold: "train", "dev" or "test" (the name of the tsv file).
        root: The folder of the corpora.
        version: The folder of one release.
        lang: The folder of one language.

    Raises:
        LabError: The fold cannot be read.
    """

    def __init__(self, fold: str, root: str, version: str, lang: str) -> None:
        self.fold = fold
        self.folder = Path(root) / version / lang
        tsv = self.folder / f"{fold}.tsv"
        self.columns, self._rows = read_tsv(tsv, Path(root))

    def __len__(self) -> int:
        """Return the number of clips."""
        return len(self._rows)

    def row(self, index: int) -> dict[str, str]:
        """Return the cells of one clip by column, "sentence" among them."""
        return dict(zip(self.columns, self._rows[index]))

    def clip_path(self, index: int) -> Path:
        """Return the path of one clip (release 1 leaves out the suffix)."""
        name = self.row(index)["path"]
        return self.folder / "clips" / (name if "." in name else f"{name}.mp3")

    def __getitem__(self, index: int) -> tuple[Tensor, int, dict[str, str]]:
        """Read one clip.

        Raises:
            AudioError: The clip is missing, empty or broken.
        """
        return *read_audio(self.clip_path(index)), self.row(index)


class DatasetFilter(Dataset):
    """The clips of a fold whose duration lies within bounds.

    Durations come from the corpus's own table where it has one, else from the
    clips' headers: no audio is decoded.

    Args:
        dataset: The fold.
        min_duration: Shortest duration kept, in seconds.
        max_duration: Longest duration kept, in seconds.

    Raises:
        LabError: No clip is left.
    """

    def __init__(
        self, dataset: CommonVoice, min_duration: float, max_duration: float
    ) -> None:
        self.dataset = dataset
        table = read_durations(dataset.folder)
        paths = (dataset.clip_path(i) for i in range(len(dataset)))
        every = [table[p.name] if p.name in table else duration_of(p) for p in paths]
        # 0 s stands for a broken clip: it is kept, to be named where it is read.
        self.indices: Sequence[int] = [
            i
            for i, s in enumerate(every)
            if s == 0 or min_duration <= s <= max_duration
        ]
        self.durations: Sequence[float] = [every[i] for i in self.indices]
        if not self.indices:
            raise LabError(
                f"{dataset.folder / dataset.fold}.tsv: none of {len(dataset)} clips "
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
