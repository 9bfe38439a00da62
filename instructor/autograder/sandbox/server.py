"""The processes in which student code runs.

One process imports torch and the kit, and never any student code. It forks slots, each
in namespaces of its own where the system allows it, and a slot forks a child for each
exercise: unprivileged, limited, and killed at the end with all that it started.
This file and those that it imports are copied to a private folder with the kit and the
probes; the judges are elsewhere.
"""

from __future__ import annotations

import faulthandler
import gc
import importlib
import io
import json
import os
import shutil
import signal
import socket
import stat
import sys
import time
from contextlib import suppress
from pathlib import Path
from types import SimpleNamespace
from typing import Any

KIT = Path(__file__).resolve().parents[2]  # the private folder
sys.path.insert(0, str(KIT))

from autograder.sandbox import frames, processes  # noqa: E402 (needs the path)

Values = dict[str, Any]

_PATIENCE = 0.3  # s, for a child to write its stack
_LONGEST_PAUSE = 0.02  # s
_UNREADABLE = {"blocked_by": "", "place": "?"}


def warm_up(modules: list[str]) -> None:
    """Import the modules of student scripts, and those that torch imports late."""
    import torch

    torch.set_num_threads(1)
    for name in [*modules, "torch._dynamo"]:
        with suppress(Exception):  # code that needs it raises the same error
            importlib.import_module(name)
    with torch.no_grad():
        weight = torch.nn.Parameter(torch.ones(2))
        weight.grad = torch.ones(2)
        torch.optim.AdamW([weight]).step()
        torch.nn.Conv2d(1, 2, 3)(torch.ones(1, 1, 5, 5))
        torch.nn.GRU(2, 2)(torch.ones(2, 1, 2))
        torch.stft(torch.ones(64), 16, window=torch.ones(16), return_complex=True)


def run_probes(job: Values, inputs: list[bytes], stream: frames.Writable) -> None:
    """Run the probe of one exercise on each of several inputs (student code!)."""
    from labkit.base import Lab
    from labkit.exercises import from_bytes, run_probe, to_bytes

    probes = importlib.import_module("probes").PROBES  # a file written for this grading
    probe: Any = SimpleNamespace(id=job["id"], probe=probes[job["id"]])
    lab = Lab(Path(job["folder"]))
    for content in inputs:
        try:
            outcome = run_probe(probe, lab, from_bytes(content))
            outcome = to_bytes(outcome, describe=True)
        except BaseException as error:  # student code may raise anything
            refused = {"raised": type(error).__name__, "message": str(error)[:1000]}
            outcome = to_bytes({**refused, **_UNREADABLE})
        frames.send(stream, outcome)


class SlotServer:
    """A place where one child at a time runs.

    Args:
        settings: ``folder`` (with ``lab`` and ``scratch`` in it), ``user`` (a number
            to become, or None), ``limits``, ``hidden`` (paths) and ``without``
            (measures not to take).
    """

    def __init__(self, settings: Values) -> None:
        self.settings = settings
        self.folder = Path(settings["folder"])
        self.scratch = self.folder / "scratch"
        self.user: int | None = settings["user"]
        self.limits: Values = settings["limits"]
        self.measures: Values = {}

    def isolate(self) -> None:
        """Take the measures that the system allows."""
        from autograder.sandbox import isolation, namespaces  # not on Windows

        self.isolation, self.namespaces = isolation, namespaces
        names = ("network", "processes", "mounts", "become")
        taken: dict[str, bool] = dict.fromkeys(names, False)
        if "namespaces" not in self.settings["without"]:
            taken = namespaces.enter_namespaces(self.user)
        unprivileged = self.user is not None
        if taken["become"]:
            self.user = None  # this process is that user already
        if taken["processes"]:
            first = os.fork()
            if first:  # only wait: the first process of the new namespace is the slot
                os.waitpid(first, 0)
                os._exit(0)
        isolation.adopt_orphans()
        files = taken["mounts"] and namespaces.change_root(
            self.folder / "root",
            shown=(KIT, self.folder / "lab"),
            hidden=[Path(path) for path in self.settings["hidden"]],
            places=(self.scratch,),
        )
        self.measures = {**taken, "files": files, "user": unprivileged}
        isolation.hide_memory()

    def run(self, job: Values, inputs: list[bytes]) -> tuple[Values, bytes]:
        """Run one job in a child; return its end and its results."""
        self._clean_scratch()
        child = os.fork()
        if child == 0:
            with suppress(BaseException):
                self._become_student(job, inputs)
            os._exit(1)
        began = time.monotonic()
        report = self._watch(child, began)
        self._end_strays(child)
        report["seconds"] = time.monotonic() - began
        report["trace"] = self._read("trace", 20_000).decode("utf-8", "replace")
        return report, self._read("outcome", frames.LARGEST)

    def _become_student(self, job: Values, inputs: list[bytes]) -> None:
        """Give up the rights of this process, then run student code."""
        os.setsid()
        null = os.open(os.devnull, os.O_RDWR)
        for descriptor in (0, 1, 2):
            os.dup2(null, descriptor)
        os.closerange(3, 1024)
        for name in (signal.SIGINT, signal.SIGTERM):
            signal.signal(name, signal.SIG_DFL)
        os.chdir(self.scratch)
        limits, isolation = self.limits, self.isolation
        others = 0 if self.user is not None else processes.threads_of(os.getuid())
        isolation.drop_privileges(self.user)
        trace = os.open("trace", os.O_CREAT | os.O_WRONLY, 0o600)
        outcome = open("outcome", "wb")  # noqa: SIM115 (open until the process ends)
        faulthandler.enable(trace, all_threads=False)
        faulthandler.register(signal.SIGUSR1, trace, all_threads=False)
        faulthandler.register(signal.SIGXCPU, trace, all_threads=False, chain=True)
        isolation.limit_resources(
            memory=limits["memory"],
            seconds=limits["seconds"],
            processes=limits["processes"] + others,
            file_size=limits["file_size"],
        )
        if not self.measures["files"]:
            readable = (KIT, job["folder"], sys.prefix, sys.base_prefix, "/usr", "/lib")
            others = ("/proc/self", "/dev", "/sys/devices/system/cpu", "/etc")
            isolation.fence(
                (*readable, *others), self.scratch, self.measures["network"]
            )
        run_probes(job, inputs, outcome)
        os._exit(0)

    def _watch(self, child: int, began: float) -> Values:
        """Wait for the child, within the limits on time and memory."""
        pause, base = 0.001, processes.resident(os.getpid())
        killed = ""
        while True:
            done, status = os.waitpid(child, os.WNOHANG)
            if done:
                break
            if time.monotonic() - began > self.limits["wall"]:
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
        """Add up the memory of the child and its descendants, beyond the slot's."""
        return sum(
            max(0, processes.resident(p) - base) for p in processes.descendants()
        )

    def _end_strays(self, child: int) -> None:
        """Kill all processes that the child has started, and wait for their end."""
        for _ in range(1000):
            with suppress(OSError):
                os.killpg(child, signal.SIGKILL)
            if self.measures["processes"]:
                with suppress(OSError):
                    os.kill(
                        -1, signal.SIGKILL
                    )  # does not kill the first of the namespace
            elif self.user is not None:
                self._kill_as(self.user)
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

    def _kill_as(self, user: int) -> None:
        """Kill all processes of a user that exists only for this."""
        helper = os.fork()
        if helper == 0:
            with suppress(OSError):
                os.setresuid(user, user, user)
                os.kill(-1, signal.SIGKILL)
            os._exit(0)
        os.waitpid(helper, 0)

    def _clean_scratch(self) -> None:
        if self.measures["files"]:
            self.namespaces.fresh_scratch(self.scratch, self.user)
            return
        for path in self.scratch.iterdir():
            with suppress(OSError):
                if path.is_dir() and not path.is_symlink():
                    shutil.rmtree(path, ignore_errors=True)
                else:
                    path.unlink()

    def _read(self, name: str, most: int) -> bytes:
        """Read a file that student code may have replaced by anything."""
        flags = os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK
        try:
            descriptor = os.open(self.scratch / name, flags)
        except OSError:
            return b""
        with open(descriptor, "rb") as file:
            is_file = stat.S_ISREG(os.fstat(descriptor).st_mode)
            content = file.read(most + 1) if is_file else b""
        return content if len(content) <= most else b""


def _next_job(stream: frames.Readable) -> tuple[Values, list[bytes]]:
    job = json.loads(frames.receive(stream))
    return job, [frames.receive(stream) for _ in range(job["seeds"])]


def serve_slot(settings: Values) -> None:
    """Answer jobs until the other side closes."""
    slot = SlotServer(settings)
    slot.isolate()
    with socket.socket(fileno=settings["channel"]) as channel:
        stream = channel.makefile("rwb")
        frames.send(stream, json.dumps(slot.measures).encode())
        while True:
            job, inputs = _next_job(stream)
            report, outcome = slot.run(job, inputs)
            frames.send(stream, json.dumps(report).encode())
            frames.send(stream, outcome)


def serve_inline(settings: Values) -> None:
    """Run jobs in this process, where there is no fork."""
    channel_in = os.fdopen(os.dup(0), "rb")
    channel_out = os.fdopen(os.dup(1), "wb")
    null = os.open(os.devnull, os.O_RDWR)
    for descriptor in (0, 1, 2):
        os.dup2(null, descriptor)
    os.chdir(Path(settings["folder"], "scratch"))
    frames.send(channel_out, json.dumps({}).encode())
    while True:
        job, inputs = _next_job(channel_in)
        began, outcome = time.monotonic(), io.BytesIO()
        run_probes(job, inputs, outcome)
        report = {"killed": "", "signal": 0, "code": 0, "trace": ""}
        report["seconds"] = time.monotonic() - began
        frames.send(channel_out, json.dumps(report).encode())
        frames.send(channel_out, outcome.getvalue())


def main() -> None:
    """Read the settings, import the slow modules, and serve."""
    settings = json.loads(frames.receive(sys.stdin.buffer))
    warm_up(settings["modules"])
    if settings["inline"]:
        serve_inline(settings["slots"][0])
        return
    gc.collect()
    gc.freeze()  # a collection in a child would copy every page
    children = []
    for slot in settings["slots"]:
        child = os.fork()
        if child == 0:
            for other in settings["slots"]:
                if other is not slot:
                    os.close(other["channel"])
            with suppress(EOFError, OSError):
                serve_slot(slot)
            os._exit(0)
        children.append(child)
    for slot in settings["slots"]:
        os.close(slot["channel"])
    for child in children:
        os.waitpid(child, 0)


if __name__ == "__main__":
    with suppress(EOFError, KeyboardInterrupt):
        main()
