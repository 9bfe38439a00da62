"""What the server answers: the files of the page, and the functions of the studio."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any, NamedTuple
from urllib.parse import parse_qs

from labkit.page.asked import read_object, wrong
from labkit.page.clips import from_file, from_samples
from labkit.page.studio import Gone, Studio

_FILES = Path(__file__).with_name("files")
_KINDS = {
    ".html": "text/html; charset=utf-8",
    ".css": "text/css; charset=utf-8",
    ".js": "text/javascript; charset=utf-8",
    ".svg": "image/svg+xml",
}
_LONGEST_NAME = 200


class Request(NamedTuple):
    """What is asked."""

    query: str  # what follows the "?" of the address
    body: bytes  # what was sent
    gone: Gone  # whether nobody waits for the answer any more


# Answers a request with JSON, a text or samples.
Answer = Callable[[Studio, Request], "dict[str, Any] | str | bytes"]


def static_files() -> dict[str, tuple[str, bytes]]:
    """Read the files of the page: kind and content by the path that is asked for."""
    files = {
        f"/{path.name}": (_KINDS[path.suffix], path.read_bytes())
        for path in sorted(_FILES.iterdir())
        if path.suffix in _KINDS
    }
    files["/"] = files.pop("/page.html")
    return files


def _query(text: str) -> dict[str, str]:
    try:
        return {
            name: found[0] for name, found in parse_qs(text, max_num_fields=5).items()
        }
    except ValueError:
        raise wrong("too many fields") from None


def _chosen(fields: dict[str, str]) -> int:
    number = fields.get("number", "")
    if not (number.isascii() and number.isdigit() and len(number) < 5):
        raise wrong("number: that of a clip is needed")
    return int(number)


def _hear(studio: Studio, request: Request) -> dict[str, Any]:
    """Take a clip: samples, a file, or the number of one of the menu."""
    fields, body = _query(request.query), request.body
    kind, name = fields.get("kind"), fields.get("name", "clip")[:_LONGEST_NAME]
    if kind == "menu":
        recording = studio.menu.read(_chosen(fields))
    elif kind == "file":
        recording = from_file(body, name)
    elif kind == "f32":
        recording = from_samples(body, name)
    else:
        raise wrong("kind: f32, file or menu is needed")
    return studio.hear(recording, fields, request.gone)


def _asked(method: Callable[..., Any]) -> Answer:
    return lambda studio, request: method(
        studio, read_object(request.body), request.gone
    )


GET: dict[str, Answer] = {
    "/api/state": lambda studio, _: studio.state(),
    "/api/models": lambda studio, _: studio.networks(),
    "/api/clips": lambda studio, _: {"clips": studio.menu.as_dicts()},
}
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
