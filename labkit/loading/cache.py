"""A feature cache: log-mels computed once, then mapped into memory from files.

Each fold has a folder for each speed, whose name ends with a digest of everything that
the log-mels depend on; ``key.json`` in it lists that. Inside are shards: a file of
log-mels, float32 (frames, M) one after the other, and an index of them. A shard is
complete once its index exists, and depends on its rows only: so any run may write a
shard that is missing, after a crash or beside another run.
"""

from __future__ import annotations

import errno
import hashlib
import json
import os
import random
import shutil
import sys
import time
from collections.abc import Iterator, Sequence
from pathlib import Path

import numpy as np
import soundfile
import torch
from torch import Tensor
from torch.utils.data import DataLoader
from tqdm import tqdm

from labkit.base import LabError, as_lab_error, write_atomically
from labkit.loading.clips import (
    FLOAT_BYTES,
    FRAMES_PER_SECOND,
    PLAIN,
    Calls,
    ClipReader,
    one_thread,
    workers_for,
)

_FORMAT = 1  # of the files
_ROWS = 256  # rows of a fold in a shard
_PROBED = 64  # clips of a complete cache whose sizes are compared
_ABANDONED = 3600  # s; older temporary files belong to no running process
_LINE_EVERY = 60  # s, where no progress bar can be shown
_FULL = (errno.ENOSPC, getattr(errno, "EDQUOT", errno.ENOSPC))


def _digest(content: bytes, n_bytes: int = 8) -> str:
    return hashlib.blake2b(content, digest_size=n_bytes).hexdigest()


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
        "digest of the clips' names": _digest(names),
        "speed": speed,
        "frames and dB of noise at 16 and 48 kHz": [
            _response(reader, rate) for rate in (16_000, 48_000)
        ],
        "dtype": "float32",
        "torch": torch.__version__,
        "libsndfile": soundfile.__libsndfile_version__,
    }


def _size_of(path: Path) -> int:
    try:
        return os.stat(path).st_size
    except OSError:
        return -1


def _written_ns(path: Path) -> int | None:
    try:
        return path.stat().st_mtime_ns
    except OSError:
        return None


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
        digest = _digest(self.key_text.encode())
        self.folder = root / f"{key['fold']}-{speed:g}-{digest}"
        self.indices = np.asarray(reader.dataset.indices)  # rows of the clips asked for
        self.scan()

    def __getstate__(self) -> dict[str, object]:
        """Pickle without the memory maps: each process makes its own."""
        return {**vars(self), "_maps": {}}

    def scan(self) -> None:
        """Read which shards exist."""
        n_rows = len(self.reader.dataset.dataset)
        self.shards: list[Path] = []
        self.shard_of = np.full(n_rows, -1, dtype=np.int32)
        self.start = np.zeros(n_rows, dtype=np.int64)  # frames before it in its shard
        self.frames = np.zeros(n_rows, dtype=np.int32)  # 0: the clip is broken
        self.size = np.zeros(n_rows, dtype=np.int64)  # bytes of the clip
        self.broken: dict[int, str] = {}
        self._maps: dict[int, np.ndarray] = {}
        self.seen = {path: _written_ns(path) for path in self.folder.glob("*.index")}
        # If two shards hold a clip, the newer one counts.
        for path in sorted(self.seen, key=lambda path: (self.seen[path], path)):
            self._add(path)
        self._forget_changed_clips()

    def _add(self, path: Path) -> None:
        """Read a shard, unless a part of it is missing."""
        data = path.with_suffix(".f32")
        try:
            index = json.loads(path.read_text(encoding="utf-8"))
            rows, frames = np.array(index["rows"]), np.array(index["frames"])
            sizes = np.array(index["sizes"])
            whole = data.stat().st_size == frames.sum() * self.n_mels * FLOAT_BYTES
        except (OSError, ValueError, KeyError):
            return
        if not whole:
            return
        self.shard_of[rows] = len(self.shards)
        self.start[rows] = frames.cumsum() - frames
        self.frames[rows] = frames
        self.size[rows] = sizes
        self.shards.append(data)
        for row in rows.tolist():
            self.broken.pop(row, None)
        self.broken.update({int(row): why for row, why in index["broken"].items()})

    def _forget_changed_clips(self) -> None:
        """Count clips as missing if they have changed since they were read."""
        fold = self.reader.dataset.dataset

        def changed(row: int) -> bool:
            size = _size_of(fold.clip_path(row))
            # If a clip has been removed since, its log-mel is still good.
            return size != self.size[row] and not (size < 0 and self.frames[row])

        known = np.flatnonzero(self.shard_of >= 0)
        some = known[:: max(1, len(known) // _PROBED)].tolist()
        if any(map(changed, some)):
            some = known.tolist()
        for row in filter(changed, [*some, *self.broken]):
            self.shard_of[row] = -1

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
        name = f"{rows[0] // _ROWS:06d}-{_digest(rows.tobytes(), 4)}"
        index_path = self.folder / f"{name}.index"
        if _written_ns(index_path) != self.seen.get(index_path):
            return
        log_mels, frames, broken = [], [], {}
        for index, row in zip(indices.tolist(), rows.tolist()):
            result = self.reader.read(index, [self.speed])
            if isinstance(result, str):
                broken[row] = result
                frames.append(0)
            else:
                log_mels.append(result[0].contiguous().numpy())
                frames.append(len(result[0]))
        content = np.concatenate(log_mels) if log_mels else np.zeros(0, "float32")
        index = {
            "rows": rows.tolist(),
            "frames": frames,
            "sizes": [_size_of(self.reader.dataset.clip_path(i)) for i in indices],
            "broken": broken,
        }
        data_path = index_path.with_suffix(".f32")
        write_atomically(data_path, lambda path: path.write_bytes(content.data))
        text = json.dumps(index, ensure_ascii=False)
        write_atomically(index_path, lambda path: path.write_text(text, "utf-8"))

    def log_mel(self, row: int) -> Tensor:
        """Map one log-mel (T, M) into memory."""
        shard = int(self.shard_of[row])
        if shard not in self._maps:
            # Copy-on-write, so that no code can damage the cache.
            mapped = np.memmap(self.shards[shard], dtype=np.float32, mode="c")
            self._maps[shard] = np.asarray(mapped).reshape(-1, self.n_mels)
        start = int(self.start[row])
        end = start + int(self.frames[row])
        return torch.from_numpy(self._maps[shard][start:end])


def _write_shard(job: tuple[_Entry, np.ndarray]) -> int | LabError:
    """Write one shard; return its clips, or the error of the disk."""
    entry, indices = job
    try:
        with one_thread():
            entry.write(indices)
    except OSError as error:
        if error.errno not in _FULL:
            return as_lab_error(error) or LabError(str(error), "check the disk")
        return LabError(
            f"{entry.folder}: the disk is full",
            "free some room and start again: what is computed is kept",
        )
    return len(indices)


class FeatureCache:
    """The log-mels of a fold at several speeds, computed if they are missing.

    The folder may hold many folds and settings; ``n_mels`` is M.

    Raises:
        LabError: The disk is too small, or has become full.
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
        self._compute(n_threads)

    def __getitem__(self, key: tuple[int, int]) -> Tensor:
        """Return the log-mel (T, M) of ``(index, number of the speed)``."""
        index, speed = key
        return self.entries[speed].log_mel(self.reader.dataset.indices[index])

    def lengths(self) -> Iterator[int | str]:
        """Yield the frames T of each clip at plain speed, or why it has none."""
        for row in self.reader.dataset.indices:
            whys = [e.broken[row] for e in self.entries if row in e.broken]
            yield whys[0] if whys else int(self.entries[self.plain].frames[row])

    def _compute(self, n_threads: int) -> None:
        jobs = [(e, indices) for e in self.entries for indices in e.missing()]
        if not jobs:
            return
        n_clips = sum(len(indices) for _, indices in jobs)
        self._check_room(sum(e.bytes_for(indices) for e, indices in jobs), n_clips)
        for entry in self.entries:
            key = entry.folder / "key.json"
            write_atomically(key, lambda p, e=entry: p.write_text(e.key_text, "utf-8"))
            for path in entry.folder.glob(".*.tmp"):
                if time.time() - path.stat().st_mtime > _ABANDONED:
                    path.unlink(missing_ok=True)
        # Of two runs at once, each skips the shards that the other has finished.
        random.SystemRandom().shuffle(jobs)
        loader = DataLoader(
            Calls(_write_shard, jobs),
            batch_size=None,
            num_workers=workers_for(n_clips, n_threads),
            generator=torch.Generator(),
        )
        start = said = time.monotonic()
        quiet = not sys.stderr.isatty()
        with tqdm(total=n_clips, unit="clip", leave=False, disable=quiet) as bar:
            bar.set_description(f"cache of {self.reader.dataset.dataset.fold}")
            done = 0
            for result in loader:
                if isinstance(result, LabError):
                    raise result
                bar.update(result)
                done += result
                if quiet and time.monotonic() - said > _LINE_EVERY:
                    said = time.monotonic()
                    left = (said - start) / done * (n_clips - done) / 60
                    print(f"cache: {done} of {n_clips}, {left:.0f} min left")
        print(f"cache: complete after {time.monotonic() - start:.0f} s")
        for entry in self.entries:
            entry.scan()

    def _check_room(self, needed: int, n_clips: int) -> None:
        self.folder.mkdir(parents=True, exist_ok=True)
        free = shutil.disk_usage(self.folder).free
        fold = self.reader.dataset.dataset.fold
        size, left = (
            f"{n / 1e9:.1f} GB" if n > 1e9 else f"{n / 1e6:.1f} MB"
            for n in (needed, free)
        )
        if needed > free:
            raise LabError(
                f"{self.folder}: the log-mels of {fold} take about {size}, and {left} "
                "are free",
                "free some room, or name a folder of another disk with --cache",
            )
        what = f"{n_clips} log-mels of {fold}"
        print(f"cache: {what} to compute, about {size} in {self.folder}")
