"""What the server answers: the files of the page, and the functions of the studio."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any
from urllib.parse import parse_qsl

from labkit.page.asked import read_object, wrong
from labkit.page.clips import from_file, from_samples
from labkit.page.studio import Studio

_FILES = Path(__file__).with_name("files")
_KINDS = {
    ".html": "text/html; charset=utf-8",
    ".css": "text/css; charset=utf-8",
    ".js": "text/javascript; charset=utf-8",
    ".svg": "image/svg+xml",
}
_LONGEST_NAME = 200


# Answers the query and the body of a request with JSON, a text or samples.
Answer = Callable[[Studio, str, bytes], "dict[str, Any] | str | bytes"]


def static_files() -> dict[str, tuple[str, bytes]]:
    """Read the files of the page: kind and content by the path that is asked for."""
    files = {
        f"/{path.name}": (_KINDS[path.suffix], path.read_bytes())
        for path in sorted(_FILES.iterdir())
        if path.suffix in _KINDS
    }
    files["/"] = files.pop("/page.html")
    return files


def _chosen(fields: dict[str, str]) -> int:
    number = fields.get("number", "")
    if not (number.isascii() and number.isdigit() and len(number) < 5):
        raise wrong("number: that of a clip is needed")
    return int(number)


def _hear(studio: Studio, query: str, body: bytes) -> dict[str, Any]:
    """Take a clip: samples, a file, or the number of one of the menu."""
    fields = dict(parse_qsl(query))
    kind, name = fields.get("kind"), fields.get("name", "clip")[:_LONGEST_NAME]
    if kind == "menu":
        recording = studio.menu.read(_chosen(fields))
    elif kind == "file":
        recording = from_file(body, name)
    elif kind == "f32":
        recording = from_samples(body, name)
    else:
        raise wrong("kind: f32, file or menu is needed")
    return studio.hear(recording, fields)


def _asked(method: Callable[..., Any]) -> Answer:
    return lambda studio, _, body: method(studio, read_object(body))


GET: dict[str, Answer] = {"/api/state": lambda studio, *_: studio.state()}
POST: dict[str, Answer] = {
    "/api/clip": _hear,
    "/api/look": _asked(Studio.look),
    "/api/sound": _asked(Studio.sound),
    "/api/model": _asked(Studio.use),
    "/api/decode": _asked(Studio.decode),
    "/api/export": _asked(Studio.export),
    "/api/follow": _asked(Studio.follow),
    "/api/attention": _asked(Studio.attend),
}
