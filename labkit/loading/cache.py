"""A feature cache: log-mels computed once, then read from files.

Each fold has a folder for each speed, whose name ends with a digest of everything that
the log-mels depend on; ``key.json`` in it lists that. Inside are the files of
``shards.py``. A shard depends on its rows only: so any run may write one that is
missing, after a crash or beside another run. A clip counts as missing if its size or
the time of its last change is another one than when it was read.
"""

from __future__ import annotations

import errno
import json
import random
import shutil
import sys
import time
from collections.abc import Iterator, Sequence
from contextlib import suppress
from pathlib import Path

import numpy as np
import soundfile
import torch
from torch import Tensor
from tqdm import tqdm

from labkit.base import (
    MISSING,
    LabError,
    as_lab_error,
    progress,
    stamp_of,
    write_atomically,
)
from labkit.loading.clips import (
    FLOAT_BYTES,
    FRAMES_PER_SECOND,
    PLAIN,
    ClipReader,
    map_in_workers,
    one_thread,
)
from labkit.loading.shards import (
    Shard,
    checksum,
    digest,
    read_log_mel,
    read_shard,
    stamps_of,
    write_shard,
)

_FORMAT = 2  # of the files
_ROWS = 256  # rows of a fold in a shard
_ABANDONED = 3600  # s; older temporary files belong to no running process
_FULL = (errno.ENOSPC, getattr(errno, "EDQUOT", errno.ENOSPC))


def _response(reader: ClipReader, rate: int) -> list[float]:
    """Return the features of a second of noise: the mean of each band, in dB.

    Any change of the transform gives another key. A tenth of a decibel is coarse
    enough to be the same on every processor.
    """
    noise = np.random.RandomState(0).uniform(-0.1, 0.1, rate)
    log_mel = reader.to_log_mel(torch.from_numpy(noise).float()[None], rate)  # (T, M)
    means = [round(mean, 1) for mean in log_mel.double().mean(dim=0).tolist()]
    return [len(log_mel), *means]


def describe_key(reader: ClipReader, speed: float) -> dict[str, object]:
    """List everything that the log-mels of a fold depend on."""
    fold = reader.dataset.dataset
    names = "\n".join(fold.clip_names()).encode("utf-8", "surrogateescape")
    return {
        "format": _FORMAT,
        "folder": str(fold.folder.resolve()),
        "fold": fold.fold,
        "digest of the clips' names": digest(names),
        "speed": speed,
        "frames and dB of noise at 16 and 48 kHz": [
            _response(reader, rate) for rate in (16_000, 48_000)
        ],
        "dtype": "float32",
        "torch": torch.__version__,
        "libsndfile": soundfile.__libsndfile_version__,
    }


class _Entry:
    """The log-mels of one fold at one speed.

    Rows are those of the whole fold, whichever durations are asked for.
    """

    def __init__(
        self, root: Path, reader: ClipReader, speed: float, n_mels: int
    ) -> None:
        self.reader, self.speed, self.n_mels = reader, speed, n_mels
        key = describe_key(reader, speed)
        self.key_text = json.dumps(key, indent=1, ensure_ascii=False)
        name = f"{key['fold']}-{speed:g}-{digest(self.key_text.encode())}"
        self.folder = root / name
        self.indices = np.asarray(reader.dataset.indices)  # rows of the clips asked for

    def scan(self, stamps: np.ndarray) -> None:
        """Read which shards exist, and which of their clips are as they were.

        Args:
            stamps: What ``stamps_of`` gives for the fold now, (N, 2).
        """
        n_rows = len(stamps)
        self.shards: list[Path] = []
        self.shard_of = np.full(n_rows, -1, dtype=np.int32)
        self.start = np.zeros(n_rows, dtype=np.int64)  # frames before it in its shard
        self.frames = np.zeros(n_rows, dtype=np.int64)  # 0: the clip is broken
        self.checks = np.zeros(n_rows, dtype=np.int64)
        self.broken: dict[int, str] = {}
        self.seen = {path: stamp_of(path) for path in self.folder.glob("*.index")}
        for path in sorted(self.seen):
            shard = read_shard(path, self.n_mels)
            if shard is None:
                continue
            now = stamps[shard.rows]
            # If a clip has been removed since, its log-mel is still good.
            removed = (now[:, 0] == MISSING) & (shard.frames > 0)
            good = (now == shard.stamps).all(axis=1) | removed
            rows = shard.rows[good]
            self.shard_of[rows] = len(self.shards)
            self.start[rows] = (shard.frames.cumsum() - shard.frames)[good]
            self.frames[rows] = shard.frames[good]
            self.checks[rows] = shard.checks[good]
            self.shards.append(path.with_suffix(".f32"))
            for row in rows.tolist():
                self.broken.pop(row, None)
                if row in shard.broken:
                    self.broken[row] = shard.broken[row]

    def missing(self) -> list[np.ndarray]:
        """Return what is to be computed: indices into the dataset, shard by shard."""
        indices = np.flatnonzero(self.shard_of[self.indices] < 0)
        shards = self.indices[indices] // _ROWS
        cuts = np.flatnonzero(np.diff(shards)) + 1
        return np.split(indices, cuts) if len(indices) else []

    def bytes_for(self, indices: np.ndarray) -> int:
        """Estimate the size of the log-mels of some clips."""
        seconds = np.asarray(self.reader.dataset.durations)[indices] / self.speed
        frames = seconds.sum() * FRAMES_PER_SECOND + len(indices)
        return round(frames * self.n_mels * FLOAT_BYTES)

    def write(self, indices: np.ndarray) -> None:
        """Compute one shard and write it, unless another run did so meanwhile."""
        rows = self.indices[indices]
        path = self.folder / f"{rows[0] // _ROWS:06d}-{digest(rows.tobytes(), 8)}.index"
        if stamp_of(path) != self.seen.get(path, (MISSING, MISSING)):
            return
        # Before they are read: what changes meanwhile is read again the next time.
        stamps = [stamp_of(self.reader.dataset.clip_path(i)) for i in indices.tolist()]
        results = [self.reader.read(i, [self.speed]) for i in indices.tolist()]
        log_mels = [
            np.zeros((0, self.n_mels), np.float32)
            if isinstance(r, str)
            else r[0].numpy()
            for r in results
        ]
        shard = Shard(
            rows,
            np.array([len(log_mel) for log_mel in log_mels]),
            np.array(stamps),
            np.array([checksum(log_mel) for log_mel in log_mels]),
            {row: r for row, r in zip(rows.tolist(), results) if isinstance(r, str)},
        )
        write_shard(path, shard, log_mels)

    def log_mel(self, index: int) -> Tensor | str:
        """Read one log-mel (T, M): if it is damaged, anew from its clip."""
        row = self.indices[index]
        path = self.shards[self.shard_of[row]]
        start, n_frames = int(self.start[row]), int(self.frames[row])
        found = read_log_mel(path, start, n_frames, self.n_mels)
        if checksum(found) == self.checks[row]:
            return torch.from_numpy(found)
        with suppress(OSError):  # so that it is made again at the next start
            path.with_suffix(".index").unlink()
            tqdm.write(f"{path}: damaged; its clips are read instead", file=sys.stderr)
        with one_thread():
            result = self.reader.read(index, [self.speed])
        return result if isinstance(result, str) else result[0]


def _write_shard(job: tuple[_Entry, np.ndarray]) -> LabError | None:
    """Write one shard; return the error of the disk, if there is one."""
    entry, indices = job
    try:
        entry.write(indices)
    except OSError as error:
        if error.errno not in _FULL:
            return as_lab_error(error) or LabError(str(error), "check the disk")
        return LabError(
            f"{entry.folder}: the disk is full",
            "free some room and start again: what is computed is kept",
        )
    return None


class FeatureCache:
    """The log-mels of a fold at several speeds, computed if they are missing.

    The folder may hold many folds and settings; ``n_mels`` is M.

    Raises:
        LabError: The disk is too small or full, or the clips change while they are
            read.
    """

    def __init__(
        self,
        folder: str | Path,
        reader: ClipReader,
        speeds: Sequence[float],
        n_mels: int,
        n_threads: int,
    ) -> None:
        self.folder = Path(folder)
        self.reader = reader
        self.plain = tuple(speeds).index(PLAIN)
        self.entries = [_Entry(self.folder, reader, s, n_mels) for s in speeds]
        self._scan()
        jobs = [(e, indices) for e in self.entries for indices in e.missing()]
        if jobs:
            self._compute(jobs, n_threads)
            self._scan()
        if any(entry.missing() for entry in self.entries):
            raise LabError(
                f"clips of {reader.dataset.dataset.fold} change while they are read",
                "start again once the corpus is complete",
            )

    def __getitem__(self, key: tuple[int, int]) -> Tensor | str:
        """Return the log-mel (T, M) of ``(index, number of the speed)``.

        Should it be damaged, and its clip too, the reason is returned.
        """
        index, speed = key
        return self.entries[speed].log_mel(index)

    def lengths(self) -> Iterator[int | str]:
        """Yield the frames T of each clip at plain speed, or why it has none."""
        for row in self.reader.dataset.indices:
            whys = [e.broken[row] for e in self.entries if row in e.broken]
            yield whys[0] if whys else int(self.entries[self.plain].frames[row])

    def _scan(self) -> None:
        """Compare what is there with the clips as they are now."""
        fold, rows = self.reader.dataset.dataset, self.entries[0].indices
        stamps = stamps_of(fold.folder / "clips", fold.clip_names(), rows)
        for entry in self.entries:
            entry.scan(stamps)

    def _compute(self, jobs: list[tuple[_Entry, np.ndarray]], n_threads: int) -> None:
        n_clips = sum(len(indices) for _, indices in jobs)
        fold, start = self.reader.dataset.dataset.fold, time.monotonic()
        size = self._foretell_size(sum(e.bytes_for(indices) for e, indices in jobs))
        what = f"{n_clips} log-mels of {fold}"
        print(f"cache: {what} to compute, about {size} in {self.folder}")
        for entry in self.entries:
            key = entry.folder / "key.json"
            write_atomically(key, lambda p, e=entry: p.write_text(e.key_text, "utf-8"))
            for path in entry.folder.glob(".*.tmp"):
                if time.time() - path.stat().st_mtime > _ABANDONED:
                    path.unlink(missing_ok=True)
        # Of two runs at once, each skips the shards that the other has finished.
        random.SystemRandom().shuffle(jobs)
        errors = map_in_workers(_write_shard, jobs, n_clips, n_threads, together=1)
        title, total = f"cache of {fold}", len(jobs)
        for error in progress(errors, title, unit="shard", total=total):
            if error:
                raise error
        print(f"cache: complete after {time.monotonic() - start:.0f} s")

    def _foretell_size(self, n_bytes: int) -> str:
        """Write how large so many bytes are; refuse a disk without room for them."""
        self.folder.mkdir(parents=True, exist_ok=True)
        free = shutil.disk_usage(self.folder).free
        size, left = (
            f"{n / 1e9:.1f} GB" if n > 1e9 else f"{n / 1e6:.1f} MB"
            for n in (n_bytes, free)
        )
        if n_bytes > free:
            raise LabError(
                f"{self.folder}: the log-mels of {self.reader.dataset.dataset.fold} "
                f"take about {size}, and {left} are free",
                "free some room, or name a folder of another disk with --cache",
            )
        return size
