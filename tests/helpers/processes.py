"""Processes of the tests that can be killed: forked, so that they start at once."""

from __future__ import annotations

import os
import socket
import sys
import traceback
from collections.abc import Callable
from pathlib import Path

import main_ctc
import pytest
import torch

from labkit.base.errors import run_program
from labkit.options import CTC, parse

needs_fork = pytest.mark.skipif(
    not sys.platform.startswith("linux"), reason="processes are forked"
)


def fork(work: Callable[[], int], output: Path, **environment: object) -> int:
    """Start ``work`` in a process of its own, and return the number of the process.

    Args:
        work: Returns the exit code.
        output: A file for what it prints, stdout and stderr.
        environment: Variables of its environment.
    """
    sys.stdout.flush()
    sys.stderr.flush()
    pid = os.fork()
    if pid:
        return pid
    code = 70
    try:
        file = os.open(output, os.O_CREAT | os.O_WRONLY | os.O_APPEND)
        os.dup2(file, 1)
        os.dup2(file, 2)
        # They are open until the process ends.
        sys.stdout = open(1, "w", encoding="utf-8", closefd=False)  # noqa: SIM115
        sys.stderr = open(2, "w", encoding="utf-8", closefd=False)  # noqa: SIM115
        os.environ.update({name: str(value) for name, value in environment.items()})
        torch.set_num_threads(1)
        code = work()
    except BaseException:
        traceback.print_exc()
    finally:
        sys.stdout.flush()
        sys.stderr.flush()
        os._exit(code)


def wait(pid: int) -> int:
    """Wait for a process; return its exit code, negative if a signal killed it."""
    _, status = os.waitpid(pid, 0)
    return os.waitstatus_to_exitcode(status)


def main(*words: object) -> Callable[[], int]:
    """Return the work of ``main_ctc.py`` with these options."""

    def work() -> int:
        argv = [str(word) for word in words]
        sys.argv = ["main_ctc.py", *argv]
        return run_program(lambda: main_ctc.main(parse(CTC, None, argv)))

    return work


def free_port() -> int:
    """Find a port for processes to meet at."""
    with socket.socket() as found:
        found.bind(("127.0.0.1", 0))
        return found.getsockname()[1]


def fork_world(work: Callable[[], int], size: int, folder: Path) -> list[int]:
    """Start ``work`` in ``size`` processes that meet as those of torchrun do.

    What they print goes to ``rank_N.txt`` in ``folder``.
    """
    meeting = {"MASTER_ADDR": "127.0.0.1", "MASTER_PORT": free_port()}
    sizes = {"WORLD_SIZE": size, "LOCAL_WORLD_SIZE": size}
    return [
        fork(work, folder / f"rank_{n}.txt", RANK=n, LOCAL_RANK=n, **sizes, **meeting)
        for n in range(size)
    ]
