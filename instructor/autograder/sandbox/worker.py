"""A process for what student code may have forged: it computes bytes from bytes.

It is forked from this process, whose memory it shares, and limited. When it takes too
much of anything it is ended, and another takes its place.
"""

from __future__ import annotations

import io
import json
import os
import signal
import socket
from collections.abc import Callable, Sequence
from contextlib import suppress

from autograder.sandbox import frames
from autograder.sandbox.connection import Connection, GoneError

Compute = Callable[[list[bytes]], list[bytes]]

_CLOSED = 77  # exit code of the process: there is nothing to compute any more
_MARGIN_SECONDS = 20  # beyond the time that the process itself allows
_FAILED = -1  # in the place of the number of results


class Worker:
    """Computes in another process, where there is fork.

    Args:
        compute: Computes some bytes from others.
        memory: Bytes that the process may use beyond what it shares.
    """

    def __init__(self, compute: Compute, memory: int) -> None:
        self._compute, self._memory = compute, memory
        self._connection: Connection | None = None
        if hasattr(os, "fork"):
            self._start()

    def _start(self) -> None:
        ours, theirs = socket.socketpair()
        self._guard = os.fork()
        if self._guard == 0:
            with suppress(BaseException):
                _watch_over(theirs, self._compute, self._memory)
            os._exit(0)
        theirs.close()
        files = ours.makefile("rb"), ours.makefile("wb")
        self._connection = Connection(*files, socket_=ours)

    def ask(self, parts: Sequence[bytes], seconds: float) -> list[bytes] | None:
        """Compute.

        Args:
            parts: What to compute from.
            seconds: How long it may take.

        Returns:
            The result; None if it took too much time or memory.
        """
        if self._connection is None:
            return self._compute(list(parts))
        head = json.dumps({"parts": len(parts), "seconds": seconds}).encode()
        try:
            for content in (head, *parts):
                self._connection.send(content)
            count = int(self._connection.receive(seconds + _MARGIN_SECONDS))
            if count == _FAILED:
                return None
            return [self._connection.receive(_MARGIN_SECONDS) for _ in range(count)]
        except GoneError:  # what it still answers would be taken for later results
            self.close()
            self._start()
            return None

    def close(self) -> None:
        """End the process."""
        if self._connection is not None:
            self._connection.close()
            self._connection = None
            with suppress(ChildProcessError):
                os.waitpid(self._guard, 0)


def _watch_over(channel: socket.socket, compute: Compute, memory: int) -> None:
    """Fork the process that computes, and again whenever it ends too early."""
    os.setsid()  # Ctrl-C is for the grader alone
    own = channel.fileno()
    os.closerange(3, own)
    os.closerange(own + 1, 1024)
    while True:
        child = os.fork()
        if child == 0:
            with suppress(BaseException):
                _serve(channel.makefile("rwb"), compute, memory)
            os._exit(1)
        _, status = os.waitpid(child, 0)
        if os.WIFEXITED(status) and os.WEXITSTATUS(status) == _CLOSED:
            return
        with channel.makefile("wb") as stream:
            frames.send(stream, str(_FAILED).encode())


def _serve(stream: io.BufferedRWPair, compute: Compute, memory: int) -> None:
    from autograder.sandbox.isolation import limit_memory  # not on Windows

    limit_memory(memory)
    signal.signal(signal.SIGALRM, signal.SIG_DFL)
    while True:
        try:
            asked = json.loads(frames.receive(stream))
        except (EOFError, OSError):
            os._exit(_CLOSED)
        parts = [frames.receive(stream) for _ in range(asked["parts"])]
        signal.setitimer(signal.ITIMER_REAL, asked["seconds"])  # its signal is the end
        results = compute(parts)
        signal.setitimer(signal.ITIMER_REAL, 0)
        for content in (str(len(results)).encode(), *results):
            frames.send(stream, content)
