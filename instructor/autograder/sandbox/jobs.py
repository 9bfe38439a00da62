"""One job: student code in a child, limited, watched, and ended with all it started.

A job has a process of its own, the keeper, which forks the child and reads what it
wrote. The keeper ends with its job, so no byte that student code wrote stays in the
memory from which a later job is forked.
"""

from __future__ import annotations

import faulthandler
import os
import signal
import tempfile
import time
from collections.abc import Callable, Iterable
from contextlib import suppress
from pathlib import Path
from typing import IO, Any

from autograder.sandbox import (
    calls,
    frames,
    isolation,
    landlock,
    namespaces,
    processes,
    removing,
)
from autograder.sandbox.fence import fence, readable_paths

Values = dict[str, Any]
Probe = Callable[[Values, list[bytes], frames.Writable], None]

_PATIENCE = 0.3  # s, for a child to write its stack
_LONGEST_PAUSE = 0.02  # s
_LONGEST_TRACE = 20_000  # bytes


def nothing_readable(hidden: Iterable[Path]) -> bool:
    """Check that no hidden path lies where student code may read."""
    readable = set(readable_paths())
    return not any(readable.intersection((path, *path.parents)) for path in hidden)


def end_strays(measures: Values, user: int | None) -> None:
    """Kill every process that student code has started, and wait for their end."""
    for _ in range(1000):
        if measures["processes"]:
            with suppress(OSError):
                os.kill(-1, signal.SIGKILL)  # not this one, nor the namespace's first
        elif user is not None:
            _kill_as(user)
        else:
            for process in processes.descendants():
                with suppress(OSError):
                    os.kill(process, signal.SIGKILL)
        try:
            while os.waitpid(-1, os.WNOHANG)[0]:
                pass
        except ChildProcessError:
            return
        time.sleep(0.005)


def _kill_as(user: int) -> None:
    """Kill all processes of a user that exists only for this."""
    helper = os.fork()
    if helper == 0:
        with suppress(OSError):
            os.setresuid(user, user, user)
            os.kill(-1, signal.SIGKILL)
        os._exit(0)
    os.waitpid(helper, 0)


class Keeper:
    """Runs one job; its process must have been forked for it.

    Args:
        settings: Those of the slot: ``folder``, ``shared`` and ``limits``.
        measures: What the slot could take: ``mounted``, ``processes`` and others.
        user: The user to become, or None.
        probe: Runs the probe of a job on its inputs, and writes each outcome.
    """

    def __init__(
        self, settings: Values, measures: Values, user: int | None, probe: Probe
    ) -> None:
        self.settings, self.measures = settings, measures
        self.user, self.probe = user, probe
        self.limits: Values = settings["limits"]
        self.scratch = Path(settings["folder"], "scratch")

    def run(self, job: Values, inputs: list[bytes]) -> tuple[Values, bytes]:
        """Run the job; return how it ended, and its outcomes."""
        isolation.adopt_orphans()
        self._prepare_scratch()
        # Files without names, which student code can neither replace nor link.
        outcome, trace = (self._open_file() for _ in range(2))
        child = os.fork()
        if child == 0:
            with suppress(BaseException):
                self._become_student(job, inputs, outcome.fileno(), trace.fileno())
            os._exit(1)
        began = time.monotonic()
        report = self._watch(child, began, job["wall"])
        end_strays(self.measures, self.user)
        report["seconds"] = time.monotonic() - began
        report["trace"] = _written(trace, _LONGEST_TRACE).decode("utf-8", "replace")
        return report, _written(outcome, frames.LARGEST)

    def _open_file(self) -> IO[bytes]:
        return tempfile.TemporaryFile(dir=self.scratch)

    def _prepare_scratch(self) -> None:
        """Give the job an empty folder, and no kernel object of an earlier one."""
        namespaces.own_kernel_objects()
        if self.measures["mounted"]:
            namespaces.fresh_scratch(self.scratch, self.user)
            return
        # What cannot be removed is out of sight at least.
        trash = Path(tempfile.mkdtemp(prefix="trash", dir=self.scratch.parent))
        self.scratch.chmod(0o700)  # else it cannot be moved
        self.scratch.rename(trash / "scratch")
        self.scratch.mkdir(mode=0o700)
        if self.user is not None:
            os.chown(self.scratch, self.user, self.user)
        removing.remove_tree(trash)

    def _become_student(
        self, job: Values, inputs: list[bytes], outcome: int, trace: int
    ) -> None:
        """Give up the rights of this process, then run student code."""
        os.setsid()
        null = os.open(os.devnull, os.O_RDWR)
        for descriptor in (0, 1, 2):
            os.dup2(null, descriptor)
        first, second = sorted((outcome, trace))
        for start, stop in ((3, first), (first + 1, second), (second + 1, 1024)):
            os.closerange(start, stop)
        for name in (signal.SIGINT, signal.SIGTERM):
            signal.signal(name, signal.SIG_DFL)
        os.chdir(self.scratch)
        os.environ.update(HOME=str(self.scratch), TMPDIR=str(self.scratch))
        tempfile.tempdir = None
        limits = self.limits
        others = 0 if self.user is not None else processes.threads_of(os.getuid())
        isolation.drop_privileges(self.user)
        faulthandler.enable(trace, all_threads=False)
        faulthandler.register(signal.SIGUSR1, trace, all_threads=False)
        faulthandler.register(signal.SIGXCPU, trace, all_threads=False, chain=True)
        isolation.limit_resources(
            memory=limits["memory"],
            seconds=limits["seconds"],
            processes=limits["processes"] + others,
            file_size=limits["file_size"],
        )
        shared = map(Path, self.settings["shared"])
        readable = readable_paths(*shared, Path(job["folder"]))
        if self.measures["landlock"]:
            landlock.restrict_files(readable, (self.scratch, Path(os.devnull)))
        if self.measures["calls"]:
            calls.refuse_calls(alone=not self.measures["processes"])
        if not self.measures["mounted"]:
            fence(readable, self.scratch)
        with os.fdopen(outcome, "wb") as stream:
            self.probe(job, inputs, stream)
        os._exit(0)

    def _watch(self, child: int, began: float, wall: float) -> Values:
        """Wait for the child, within the limits on time and memory."""
        pause, base = 0.001, processes.resident(os.getpid())
        killed = ""
        while True:
            done, status = os.waitpid(child, os.WNOHANG)
            if done:
                break
            if time.monotonic() - began > wall:
                killed = "time"
            elif self._used(base) > self.limits["memory"]:
                killed = "memory"
            if killed:
                with suppress(ProcessLookupError):
                    os.kill(child, signal.SIGUSR1)  # makes it write its stack
                    time.sleep(_PATIENCE if killed == "time" else 0)
                    os.kill(child, signal.SIGKILL)
                _, status = os.waitpid(child, 0)
                break
            time.sleep(pause)
            pause = min(1.3 * pause, _LONGEST_PAUSE)
        by_signal = os.WTERMSIG(status) if os.WIFSIGNALED(status) else 0
        if by_signal == signal.SIGXCPU and not killed:
            killed = "time"
        code = os.WEXITSTATUS(status) if os.WIFEXITED(status) else 0
        return {"killed": killed, "signal": by_signal, "code": code}

    def _used(self, base: int) -> int:
        """Add up the memory of the child and its descendants, beyond the keeper's."""
        return sum(
            max(0, processes.resident(p) - base) for p in processes.descendants()
        )


def _written(file: IO[bytes], most: int) -> bytes:
    """Read what student code wrote into a file; too much counts as nothing."""
    content = os.pread(file.fileno(), most + 1, 0)
    return content if len(content) <= most else b""
