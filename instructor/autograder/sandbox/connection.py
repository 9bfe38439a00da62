"""The connection to a server of student code, with a time limit for each frame."""

from __future__ import annotations

import queue
import socket
import threading
from contextlib import suppress
from typing import IO

from autograder.sandbox import frames


class GoneError(Exception):
    """The server has ended, or does not answer."""


class Connection:
    """Sends and receives frames, with a time limit.

    Args:
        source: The stream that the server writes.
        sink: The stream that the server reads.
        socket_: The socket behind both, if there is one.
    """

    def __init__(
        self,
        source: IO[bytes],
        sink: IO[bytes],
        socket_: socket.socket | None = None,
    ) -> None:
        self.sink, self.socket = sink, socket_
        self._arrived: queue.Queue[bytes | None] = queue.Queue()
        reader = threading.Thread(target=self._read, args=(source,), daemon=True)
        reader.start()

    def _read(self, source: IO[bytes]) -> None:
        with suppress(EOFError, OSError, ValueError):
            while True:
                self._arrived.put(frames.receive(source, frames.LARGEST + 1024))
        self._arrived.put(None)

    def receive(self, seconds: float) -> bytes:
        """Wait for the next frame.

        Raises:
            GoneError: It does not come.
        """
        try:
            frame = self._arrived.get(timeout=seconds)
        except queue.Empty:
            frame = None
        if frame is None:
            raise GoneError
        return frame

    def send(self, content: bytes) -> None:
        """Send a frame.

        Raises:
            GoneError: Nobody reads it.
        """
        try:
            frames.send(self.sink, content)
        except (OSError, ValueError) as error:
            raise GoneError from error

    def close(self) -> None:
        """Close it, which ends the server."""
        with suppress(OSError):
            if self.socket is None:
                self.sink.close()
            else:
                # The reader thread waits in this socket, so closing it would block.
                self.socket.shutdown(socket.SHUT_RDWR)
