"""The server of the page, for this computer alone; the standard library is enough.

It answers a page that it has sent itself, and nobody else: it listens on 127.0.0.1,
and refuses other names of the host (which a hostile site may give to 127.0.0.1) and
requests that another site's page sends. It opens no path that a request names.
"""

from __future__ import annotations

import json
import select
import socket
import sys
import threading
import traceback
from contextlib import suppress
from http import HTTPStatus
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

from labkit.base import LabError, as_lab_error
from labkit.page.clips import MOST_BYTES
from labkit.page.routes import GET, POST, Answer, static_files
from labkit.page.studio import Studio

_ADDRESS = "127.0.0.1"
_SECONDS_TO_ASK = 30  # for a request to arrive in
_SECONDS_OF_SILENCE = 10  # within it

_HEADERS = {
    "Content-Security-Policy": "default-src 'none'; script-src 'self'; "
    "style-src 'self'; img-src 'self' blob:; connect-src 'self'; "
    "media-src 'self' blob:; base-uri 'none'; form-action 'none'; "
    "frame-ancestors 'none'",
    "X-Content-Type-Options": "nosniff",
    "Referrer-Policy": "no-referrer",
    "Cross-Origin-Opener-Policy": "same-origin",
    "Cross-Origin-Resource-Policy": "same-origin",
    "Permissions-Policy": "microphone=(self), camera=(), geolocation=()",
    "Cache-Control": "no-store",
}


class RefusedError(LabError):
    """A request that is not answered: its status and why."""

    def __init__(self, status: HTTPStatus, why: str) -> None:
        super().__init__(why, "open the page again")
        self.status = status


class PageServer(ThreadingHTTPServer):
    """Serves the page of a studio.

    Args:
        studio: What answers.
        port: Where to listen; 0 for a free port.

    Raises:
        LabError: The port is taken.
    """

    daemon_threads = True
    block_on_close = False
    # Started again, it gets its port at once. On Windows two programs would share it.
    allow_reuse_address = sys.platform != "win32"

    def __init__(self, studio: Studio, port: int = 0) -> None:
        self.studio, self.files = studio, static_files()
        try:
            super().__init__((_ADDRESS, port), _Handler)
        except OSError as error:
            raise LabError(
                f"port {port}: {error.strerror}", "leave --port out: a free one is used"
            ) from error

    @property
    def port(self) -> int:
        """The port."""
        return self.server_address[1]

    @property
    def url(self) -> str:
        """The address of the page."""
        return f"http://{_ADDRESS}:{self.port}/"

    @property
    def hosts(self) -> tuple[str, ...]:
        """The names of this server in requests."""
        return f"{_ADDRESS}:{self.port}", f"localhost:{self.port}"

    def handle_error(self, request: Any, client_address: Any) -> None:  # noqa: ANN401 (as the base class has it)
        """Say nothing where a browser has hung up."""


class _Handler(BaseHTTPRequestHandler):
    """Answers one request."""

    server: PageServer
    server_version, sys_version = "labkit", ""
    timeout = _SECONDS_OF_SILENCE

    def setup(self) -> None:
        """Hang up on who takes too long to ask, a letter now and then."""
        super().setup()
        self._alarm = threading.Timer(_SECONDS_TO_ASK, self._hang_up)
        self._alarm.daemon = True
        self._alarm.start()

    def finish(self) -> None:
        """End the connection."""
        self._alarm.cancel()
        super().finish()

    def _hang_up(self) -> None:
        with suppress(OSError):  # the browser was quicker
            self.connection.shutdown(socket.SHUT_RDWR)

    def do_GET(self) -> None:
        """Send a file of the page, or an answer."""
        self._answer(GET)

    def do_POST(self) -> None:
        """Answer a request with a body."""
        self._answer(POST)

    def _answer(self, routes: dict[str, Answer]) -> None:
        try:
            self._check_sender()
            url = urlsplit(self.path)
            body = self._read_body() if routes is POST else b""
            self._alarm.cancel()
            if routes is GET and url.path in self.server.files:
                kind, content = self.server.files[url.path]
            elif url.path in routes:
                kind, content = self._call(routes[url.path], url.query, body)
            else:
                raise RefusedError(HTTPStatus.NOT_FOUND, "there is nothing here")
        except Exception as error:
            self._explain(error)
        else:
            self._send(HTTPStatus.OK, kind, content)

    def _call(self, answer: Answer, query: str, body: bytes) -> tuple[str, bytes]:
        with self.server.studio.turn(self._is_gone):
            found = answer(self.server.studio, query, body)
        if isinstance(found, bytes):
            return "application/octet-stream", found
        if isinstance(found, str):
            return "text/plain; charset=utf-8", found.encode()
        return "application/json", json.dumps(found, allow_nan=False).encode()

    def _is_gone(self) -> bool:
        """Whether the browser has hung up, which reads as an end."""
        try:
            said, *_ = select.select([self.connection], [], [], 0)
            return bool(said) and not self.connection.recv(1, socket.MSG_PEEK)
        except OSError:
            return True

    def _check_sender(self) -> None:
        """Refuse what does not come from the page itself, or its address."""
        hosts = self.server.hosts
        if self.headers.get_all("Host", []) not in ([host] for host in hosts):
            raise RefusedError(HTTPStatus.FORBIDDEN, "another host is meant")
        origin = self.headers.get("Origin")
        if origin is not None and origin not in (f"http://{host}" for host in hosts):
            raise RefusedError(HTTPStatus.FORBIDDEN, "another site asks")
        if self.headers.get("Sec-Fetch-Site", "none") not in ("none", "same-origin"):
            raise RefusedError(HTTPStatus.FORBIDDEN, "another site asks")

    def _read_body(self) -> bytes:
        if self.headers.get("Transfer-Encoding"):
            raise RefusedError(HTTPStatus.LENGTH_REQUIRED, "its length is needed")
        announced = self.headers.get("Content-Length", "")
        if not (announced.isascii() and announced.isdigit()):
            raise RefusedError(HTTPStatus.LENGTH_REQUIRED, "its length is needed")
        if len(announced) > 12 or int(announced) > MOST_BYTES:
            raise RefusedError(
                HTTPStatus.REQUEST_ENTITY_TOO_LARGE,
                f"more than {MOST_BYTES // 2**20} MB",
            )
        body = self.rfile.read(int(announced))
        if len(body) < int(announced):
            raise RefusedError(HTTPStatus.BAD_REQUEST, "it ends too soon")
        return body

    def _explain(self, error: Exception) -> None:
        """Say what is wrong in words of the lab; a bug is shown in the terminal too."""
        known = as_lab_error(error)
        if isinstance(error, OSError) and known is None:
            return  # the connection is lost: nobody listens
        if known is None:
            traceback.print_exception(type(error), error, error.__traceback__)
            where = traceback.extract_tb(error.__traceback__)[-1]
            known = LabError(
                f"{type(error).__name__}: {error} "
                f"({Path(where.filename).name}, line {where.lineno})",
                "the terminal shows the whole traceback",
            )
        found = {"error": known.cause, "remedy": known.remedy}
        status = getattr(error, "status", HTTPStatus.UNPROCESSABLE_ENTITY)
        self._send(status, "application/json", json.dumps(found).encode())

    def _send(self, status: HTTPStatus, kind: str, content: bytes) -> None:
        with suppress(OSError):  # the browser does not wait any more
            self.send_response(status)
            self.send_header("Content-Type", kind)
            self.send_header("Content-Length", str(len(content)))
            for name, value in _HEADERS.items():
                self.send_header(name, value)
            self.end_headers()
            self.wfile.write(content)

    def log_message(self, format: str, *args: Any) -> None:
        """Print nothing: the terminal is for the student's own messages."""
