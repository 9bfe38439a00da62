"""The processes in which student code runs.

One process imports torch and the kit, and never any student code. It forks slots, each
in namespaces of its own where the system allows it. A slot forks a keeper for each job,
which forks a child: unprivileged, limited, and killed at the end with all it started.
This file and those that it imports are copied to a private folder with the kit and the
probes; the judges are elsewhere.
"""

from __future__ import annotations

import gc
import importlib
import io
import json
import os
import socket
import sys
import time
from contextlib import suppress
from pathlib import Path
from typing import Any

KIT = Path(__file__).resolve().parents[2]  # the private folder
sys.path.insert(0, str(KIT))

from autograder.sandbox import frames  # noqa: E402 (needs the path)

Values = dict[str, Any]

_CLOSED = 77  # exit code of a keeper: there is no job any more
_UNREADABLE = {"blocked_by": "", "place": "?"}
_LOST = {"killed": "unknown", "signal": 0, "code": 0, "trace": "", "seconds": 0.0}


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
    probe, lab = probes[job["id"]], Lab(Path(job["folder"]))
    for content in inputs:
        try:
            outcome = run_probe(probe, lab, from_bytes(content))
            outcome = to_bytes(outcome, describe=True)
        except BaseException as error:  # student code may raise anything
            refused = {"raised": type(error).__name__, "message": str(error)[:1000]}
            outcome = to_bytes({**refused, **_UNREADABLE})
        frames.send(stream, outcome)


def _next_job(stream: frames.Readable) -> tuple[Values, list[bytes]]:
    job = json.loads(frames.receive(stream))
    return job, [frames.receive(stream) for _ in range(job["seeds"])]


class SlotServer:
    """A place where one job at a time runs.

    Args:
        settings: ``folder`` (with ``lab`` and ``scratch`` in it), ``shared`` (folders
            to read), ``user`` (a number to become, or None), ``limits``, ``hidden``
            (paths) and ``without`` (measures not to take).
    """

    def __init__(self, settings: Values) -> None:
        self.settings = settings
        self.user: int | None = settings["user"]
        self.measures: Values = {}

    def isolate(self) -> None:
        """Take the measures that the system allows."""
        from autograder.sandbox import calls, isolation, jobs, landlock, namespaces

        self.jobs = jobs
        folder, without = Path(self.settings["folder"]), self.settings["without"]
        names = ("network", "processes", "mounts", "become")
        taken: dict[str, bool] = dict.fromkeys(names, False)
        if "namespaces" not in without:
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
        hidden = [Path(path) for path in self.settings["hidden"]]
        shared = [Path(path) for path in self.settings["shared"]]
        mounted = taken["mounts"] and namespaces.change_root(
            folder / "root",
            shown=(*shared, folder / "lab"),
            hidden=hidden,
            places=(folder / "scratch",),
        )
        kernel = "kernel" not in without
        by_rules = kernel and not mounted and landlock.version() > 0
        refuses = kernel and calls.are_refused()
        self.measures = {
            **taken,
            "mounted": mounted,
            "landlock": by_rules,
            "calls": refuses,
            "files": mounted or (by_rules and jobs.nothing_readable(hidden)),
            "user": unprivileged,
        }
        isolation.hide_memory()

    def serve(self, channel: socket.socket) -> None:
        """Answer jobs until the other side closes, each in a process of its own."""
        while True:
            keeper = os.fork()
            if keeper == 0:
                with suppress(BaseException):
                    os._exit(self._answer(channel))
                os._exit(1)
            _, status = os.waitpid(keeper, 0)
            code = os.WEXITSTATUS(status) if os.WIFEXITED(status) else 1
            if code == _CLOSED:
                return
            self.jobs.end_strays(self.measures, self.user)
            if code:  # student code ended it, or its files could not be made
                with channel.makefile("wb") as stream:
                    frames.send(stream, json.dumps(_LOST).encode())
                    frames.send(stream, b"")

    def _answer(self, channel: socket.socket) -> int:
        """Do one job; return the exit code of this process."""
        stream = channel.makefile("rwb")
        try:
            job, inputs = _next_job(stream)
        except (EOFError, OSError):
            return _CLOSED
        keeper = self.jobs.Keeper(self.settings, self.measures, self.user, run_probes)
        report, outcome = keeper.run(job, inputs)
        frames.send(stream, json.dumps(report).encode())
        frames.send(stream, outcome)
        return 0


def serve_slot(settings: Values) -> None:
    """Isolate this process, then answer jobs."""
    slot = SlotServer(settings)
    slot.isolate()
    with socket.socket(fileno=settings["channel"]) as channel:
        with channel.makefile("wb") as stream:
            frames.send(stream, json.dumps(slot.measures).encode())
        slot.serve(channel)


def serve_inline(settings: Values) -> None:
    """Run jobs in this process, where there is no fork."""
    from autograder.sandbox.fence import fence, readable_paths

    channel_in = os.fdopen(os.dup(0), "rb")
    channel_out = os.fdopen(os.dup(1), "wb")
    null = os.open(os.devnull, os.O_RDWR)
    for descriptor in (0, 1, 2):
        os.dup2(null, descriptor)
    scratch = Path(settings["folder"], "scratch")
    os.chdir(scratch)
    os.environ.update(HOME=str(scratch), TMPDIR=str(scratch), TEMP=str(scratch))
    lab = Path(settings["folder"], "lab")
    fence(readable_paths(*map(Path, settings["shared"]), lab), scratch)
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
    # Python was started without PYTHONPATH and the user's own packages.
    sys.path += [path for path in settings["path"] if path not in sys.path]
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
