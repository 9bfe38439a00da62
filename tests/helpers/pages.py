"""A page over a tiny network, and a client that speaks HTTP to it."""

from __future__ import annotations

import http.client
import json
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from importlib import import_module
from pathlib import Path
from typing import Any, NamedTuple

import torch

from labkit.options import PARTS, parse
from labkit.page import parse_page
from labkit.page.server import PageServer
from labkit.page.studio import Studio
from labkit.training.checkpoint import checkpoint_content, save_checkpoint

TINY = {
    "ctc": ("--nhidden_rnn", "8", "--nlayers_rnn", "1"),
    "seq2seq": ("--nhidden_rnn", "8", "--nlayers_rnn", "1", "--nhidden_decoder", "8"),
}


def write_network(
    folder: Path,
    part: str = "ctc",
    seed: int = 0,
    size: tuple[str, ...] | None = None,
) -> Path:
    """Write the checkpoint of a network, tiny by default, that has learnt nothing."""
    args = parse(PARTS[part], None, ["train", *(TINY[part] if size is None else size)])
    scripts = import_module(f"main_{part}")
    charmap = scripts.CharMap()
    torch.manual_seed(seed + len(part))
    model = scripts.make_model(args, charmap)
    content = checkpoint_content(args, charmap.idx2char, (-20.0, 20.0))
    folder.mkdir(parents=True)
    path = folder / "best_model.pt"
    save_checkpoint(path, model, {**content, "metrics": {"dev_cer": 0.5}})
    return path


class Answer(NamedTuple):
    """An answer of the server."""

    status: int
    headers: dict[str, str]
    body: bytes

    @property
    def json(self) -> Any:  # noqa: ANN401 (whatever the server says)
        """The body, read as strict JSON."""

        def refuse(name: str) -> None:
            raise ValueError(f"{name} is no JSON")

        return json.loads(self.body, parse_constant=refuse)


class Client:
    """Speaks to a page.

    Args:
        server: The page.
    """

    def __init__(self, server: PageServer) -> None:
        self.server, self.port = server, server.port

    def ask(
        self,
        method: str,
        path: str,
        body: bytes | None = None,
        headers: dict[str, str] | None = None,
    ) -> Answer:
        """Send a request as it is given."""
        connection = http.client.HTTPConnection("127.0.0.1", self.port, timeout=60)
        try:
            connection.request(method, path, body, headers or {})
            answer = connection.getresponse()
            return Answer(answer.status, dict(answer.getheaders()), answer.read())
        finally:
            connection.close()

    def get(self, path: str) -> Answer:
        """Ask for something."""
        return self.ask("GET", path)

    def post(self, path: str, **asked: object) -> Answer:
        """Send JSON."""
        return self.ask("POST", path, json.dumps(asked).encode())

    def hear(self, content: bytes, kind: str = "f32", name: str = "clip") -> Answer:
        """Send a clip."""
        return self.ask("POST", f"/api/clip?kind={kind}&name={name}", content)


@contextmanager
def serving(logdir: Path, *words: str) -> Iterator[Client]:
    """Serve the page over the networks of a folder, in a thread."""
    args = parse_page(None, ["--baselogdir", str(logdir), "--nthreads", "1", *words])
    args.device = "cpu"
    with PageServer(Studio(args, import_module)) as server:
        thread = threading.Thread(target=server.serve_forever, args=(0.05,))
        thread.start()
        try:
            yield Client(server)
        finally:
            server.shutdown()
            thread.join(10)
            assert not thread.is_alive()
