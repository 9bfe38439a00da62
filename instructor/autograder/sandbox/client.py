"""Running student code in other processes: the side that starts and asks the server.

No student code is imported here, and the results are bytes to be judged.
"""

from __future__ import annotations

import json
import os
import shutil
import socket
import subprocess
import sys
import tempfile
import time
from collections.abc import Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from io import BytesIO
from pathlib import Path
from typing import Any

from autograder.sandbox import frames
from autograder.sandbox.connection import Connection, GoneError
from autograder.sandbox.removing import remove_tree
from autograder.sandbox.users import PREFIX, remove_leftovers, unused_users
from labkit.base import LabError

ENVIRONMENT = 3  # exit code for an error of this computer, not of a submission

_HERE = Path(__file__).resolve().parent
# The files of this folder that the server needs; student code can see no others.
_SERVER_FILES = (
    *("server.py", "jobs.py", "frames.py", "isolation.py", "namespaces.py"),
    *("processes.py", "calls.py", "landlock.py", "fence.py", "removing.py"),
)
_SERVER = Path("autograder", "sandbox", "server.py")
_START_SECONDS = 180  # torch may come from a slow disk
_MARGIN_SECONDS = 20  # beyond the time that the server itself allows

Values = dict[str, Any]


@dataclass(frozen=True)
class Limits:
    """The limits on the check of one exercise.

    Attributes:
        seconds: Seconds of processor time.
        wall: Seconds of real time.
        memory: Bytes beyond those of Python and torch.
        processes: Processes and threads.
        file_size: Bytes of each file.
    """

    seconds: int = 10
    wall: int = 25
    memory: int = 350 << 20
    processes: int = 16
    file_size: int = 40 << 20


@dataclass(frozen=True)
class Reply:
    """The end of a job.

    Attributes:
        outcomes: The results of the probe, one for each inputs; fewer if the
            process died.
        killed: "time" or "memory" if it was stopped for that.
        signal: The signal that ended it, or 0.
        code: Its exit code.
        trace: The stack when it was stopped, written by faulthandler.
        seconds: The time that it took.
    """

    outcomes: tuple[bytes, ...]
    killed: str = ""
    signal: int = 0
    code: int = 0
    trace: str = ""
    seconds: float = 0.0


@dataclass
class Slot:
    """A place where one job at a time runs.

    Attributes:
        lab: The folder for the scripts of one submission; no other is visible.
        measures: The isolation that the server reports.
    """

    settings: Values
    sandbox: Sandbox
    measures: Values = field(default_factory=dict)
    connection: Connection | None = None
    process: subprocess.Popen | None = None

    @property
    def lab(self) -> Path:
        """The folder where the scripts of the current submission are written."""
        return Path(self.settings["folder"], "lab")

    def run(
        self,
        id_: str,
        folder: Path,
        inputs: Sequence[bytes],
        wall: float,
        fresh: bool = False,
    ) -> Reply:
        """Run the probe of an exercise on student scripts.

        Args:
            id_: The exercise.
            folder: The scripts, a folder within ``lab``.
            inputs: The inputs, written by ``labkit.exercises`` (exchange).
            wall: Seconds of real time that it may take; at most the limit.
            fresh: Share no process with other jobs, where there is no fork.

        Returns:
            How it ended.

        Raises:
            LabError: The server does not start.
        """
        apart = fresh and self.sandbox.inline
        if apart:
            self.stop()
        connection = self._connected()
        seconds = min(wall, self.settings["limits"]["wall"])
        job = {"id": id_, "folder": str(folder), "seeds": len(inputs), "wall": seconds}
        if not self.sandbox.inline:
            seconds += _MARGIN_SECONDS  # the server itself keeps the time
        began = time.monotonic()
        try:
            for content in (json.dumps(job).encode(), *inputs):
                connection.send(content)
            report = json.loads(connection.receive(seconds))
            content = connection.receive(seconds)
        except GoneError:
            self.stop()
            took = time.monotonic() - began
            late = took >= seconds
            return Reply((), killed="time" if late else "unknown", seconds=took)
        finally:
            if apart:
                self.stop()
        return Reply(_split(content), **report)

    def _connected(self) -> Connection:
        """Start the server if there is none; return the connection to it."""
        if self.connection is None:
            self.sandbox.start([self])
        assert self.connection is not None
        return self.connection

    def stop(self) -> None:
        """End this slot's server; the next job starts another."""
        if self.connection is not None:
            self.connection.close()
        self.connection = None
        if self.sandbox.inline and self.process is not None:
            self.process.kill()
            self.process.wait()
            scratch = Path(self.settings["folder"], "scratch")
            remove_tree(scratch)
            scratch.mkdir(exist_ok=True)


def _split(content: bytes) -> tuple[bytes, ...]:
    stream, outcomes = BytesIO(content), []
    with suppress(EOFError, ValueError):
        while True:
            outcomes.append(frames.receive(stream))
    return tuple(outcomes)


def places_of_packages(hidden: Sequence[str]) -> list[str]:
    """List where this process finds packages, PYTHONPATH and --user included.

    A folder with a hidden path in it, as that of the lab, is not among them.
    """
    secret = [Path(path) for path in hidden]
    folders = dict.fromkeys(Path(entry).resolve() for entry in sys.path if entry)
    return [
        str(folder)
        for folder in folders
        if not any(p in folder.parents or folder in (p, *p.parents) for p in secret)
    ]


class Sandbox:
    """The server and its slots.

    Args:
        kit: The folder of ``labkit``.
        probes: The texts of files to add, or to put in place of others, by path.
        modules: Modules to import once.
        count: How many jobs run at a time.
        limits: The limits on a job.
        hidden: Paths that student code must not see.
        without: Measures not to take, for tests: ``namespaces``, ``kernel``, ``user``.
        inline: Do without fork, as on Windows.
    """

    def __init__(
        self,
        kit: Path,
        probes: Mapping[str, str],
        modules: Sequence[str],
        count: int,
        limits: Limits,
        hidden: Sequence[Path] = (),
        without: Sequence[str] = (),
        inline: bool = not hasattr(os, "fork"),
    ) -> None:
        self.inline = inline
        self.modules = list(modules)
        remove_leftovers(Path(tempfile.gettempdir()))
        made = tempfile.mkdtemp(prefix=f"{PREFIX}{os.getpid()}-")
        self.work = Path(made).resolve()
        self.work.chmod(0o711)
        self._copy_kit(kit, probes)
        self.home = self.work / "home"  # of the server, and the same for all slots
        self.home.mkdir(mode=0o755)
        users = unused_users(count) if "user" not in without else [None] * count
        self.slots = []
        for number, user in enumerate(users):
            folder = self.work / f"slot{number}"
            for name in ("lab", "scratch", "root"):
                (folder / name).mkdir(parents=True)
                (folder / name).chmod(0o755)
            folder.chmod(0o711)
            (folder / "scratch").chmod(0o700)
            if user is not None:
                os.chown(folder / "scratch", user, user)
                os.chown(folder / "lab", -1, user)
                (folder / "lab").chmod(0o750)  # another slot has another user
            settings = {
                "folder": str(folder),
                "user": user,
                "limits": vars(limits),
                "shared": [str(self.work / "kit"), str(self.home)],
                "hidden": [str(Path(path).resolve()) for path in hidden],
                "without": list(without),
            }
            self.slots.append(Slot(settings, self))

    def _copy_kit(self, kit: Path, probes: Mapping[str, str]) -> None:
        target = self.work / "kit"
        ignored = shutil.ignore_patterns("__pycache__", "*.pyc", ".*")
        shutil.copytree(kit, target / "labkit", ignore=ignored)
        for name, text in probes.items():
            (target / name).parent.mkdir(exist_ok=True)
            (target / name).write_text(text, encoding="utf-8")
        package = target / "autograder" / "sandbox"
        package.mkdir(parents=True)
        for folder in (package.parent, package):
            (folder / "__init__.py").touch()  # empty: this one imports the client
        for name in _SERVER_FILES:
            shutil.copy(_HERE / name, package)
        for path in (target, *target.rglob("*")):
            path.chmod(0o755 if path.is_dir() else 0o644)

    def start(self, slots: Sequence[Slot]) -> None:
        """Start a server for some slots, and wait until it is ready.

        Raises:
            LabError: It is not.
        """
        settings: Values = {"modules": self.modules, "inline": self.inline}
        settings["path"] = places_of_packages(slots[0].settings["hidden"])
        ends = [] if self.inline else [socket.socketpair() for _ in slots]
        theirs = [their.fileno() for _, their in ends]
        channels = theirs or [-1]
        settings["slots"] = [
            {**slot.settings, "channel": channel}
            for slot, channel in zip(slots, channels)
        ]
        process = subprocess.Popen(
            [sys.executable, "-I", "-B", str(self.work / "kit" / _SERVER)],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE if self.inline else subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
            cwd=self.work,
            env=self._environment(),
            pass_fds=theirs,
            # Only the grader reacts to Ctrl-C; it then ends this process.
            start_new_session=not self.inline,
        )
        assert process.stdin is not None
        frames.send(process.stdin, json.dumps(settings).encode())
        if process.stdout is not None:  # inline
            connections = [Connection(process.stdout, process.stdin)]
        else:
            connections = []
            for ours, their in ends:
                their.close()
                files = ours.makefile("rb"), ours.makefile("wb")
                connections.append(Connection(*files, socket_=ours))
        for slot, connection in zip(slots, connections):
            slot.connection, slot.process = connection, process
            try:
                slot.measures = json.loads(connection.receive(_START_SECONDS))
            except GoneError:
                process.kill()
                raise LabError(
                    "the process for student code does not start",
                    "check the installation: python test_implementation.py --doctor",
                    ENVIRONMENT,
                ) from None

    def _environment(self) -> dict[str, str]:
        """Give the server only the part of the environment that it needs."""
        kept = ("PATH", "SYSTEMROOT", "LD_LIBRARY_PATH", "LANG")
        return {
            **{name: os.environ[name] for name in kept if name in os.environ},
            "CUDA_VISIBLE_DEVICES": "",
            "OMP_NUM_THREADS": "1",
            "MKL_NUM_THREADS": "1",
            "OMP_WAIT_POLICY": "PASSIVE",
            "MPLBACKEND": "Agg",
            "PYTHONUTF8": "1",
            "USER": "student",
            "HOME": str(self.home),
            "TMPDIR": str(self.home),
            "MPLCONFIGDIR": str(self.home),
        }

    def close(self) -> None:
        """End all servers and remove their files."""
        for slot in self.slots:
            slot.stop()
        for process in {slot.process for slot in self.slots if slot.process}:
            with suppress(subprocess.TimeoutExpired):
                assert process.stdin is not None
                process.stdin.close()
                process.wait(timeout=5)
            process.kill()
            process.wait()
        remove_tree(self.work)
