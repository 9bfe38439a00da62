"""What the server answers: the files of the page, and the functions of the studio."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any
from urllib.parse import parse_qs

from labkit.page.asked import read_object, wrong
from labkit.page.clips import embedded, from_corpus, from_file, from_samples
from labkit.page.studio import Studio

_FILES = Path(__file__).with_name("files")
_KINDS = {
    ".html": "text/html; charset=utf-8",
    ".css": "text/css; charset=utf-8",
    ".js": "text/javascript; charset=utf-8",
    ".svg": "image/svg+xml",
}
_LONGEST_NAME = 200

# Answers a request, given its query and its body, with JSON, a text or samples.
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


def _query(text: str) -> dict[str, str]:
    try:
        return {
            name: found[0] for name, found in parse_qs(text, max_num_fields=5).items()
        }
    except ValueError:
        raise wrong("too many fields") from None


def _chosen(query: str) -> int:
    number = _query(query).get("number", "")
    if not (number.isascii() and number.isdigit() and len(number) < 5):
        raise wrong("number: that of a clip is needed")
    return int(number)


def _list_clips() -> dict[str, Any]:
    rows = enumerate(embedded())
    return {"clips": [{"number": n, "name": c, "text": t} for n, (c, t) in rows]}


def _hear(studio: Studio, query: str, body: bytes) -> dict[str, Any]:
    """Take a clip: samples, a file, or the number of one of the corpus."""
    fields = _query(query)
    kind, name = fields.get("kind"), fields.get("name", "clip")[:_LONGEST_NAME]
    if kind == "corpus":
        return studio.hear(from_corpus(_chosen(query)))
    if kind == "file":
        return studio.hear(from_file(body, name))
    if kind in ("f32", "s16"):
        return studio.hear(from_samples(body, kind, name))
    raise wrong("kind: f32, s16, file or corpus is needed")


def _asked(method: Callable[..., Any]) -> Answer:
    return lambda studio, _, body: method(studio, read_object(body))


GET: dict[str, Answer] = {
    "/api/state": lambda studio, *_: studio.state(),
    "/api/models": lambda studio, *_: studio.networks(),
    "/api/clips": lambda *_: _list_clips(),
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
