"""Properties of a page that several ask at once, or that is asked for too much."""

from __future__ import annotations

import json
import os
import socket
import sys
import threading
import time
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest
import soundfile
from helpers.pages import Client, serving, write_network

TONE = (0.3 * np.sin(np.arange(16_000) * 0.1)).astype("<f4")  # 1 s


@pytest.fixture(scope="module")
def page(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Client]:
    """Serve two networks without attention, and one with it."""
    logs = tmp_path_factory.mktemp("logs")
    write_network(logs / "attends_0", "seq2seq")
    write_network(logs / "second_0", seed=2)
    write_network(logs / "first_0")
    with serving(logs) as client:
        yield client


@pytest.fixture
def clip(page: Client) -> str:
    """Let the first network hear a tone; return the id of the clip."""
    return page.hear(TONE.tobytes()).json["id"]


def test_each_window_has_a_network_of_its_own(page: Client, clip: str) -> None:
    other = page.hear(TONE.tobytes()).json["id"]
    own = {clip: "first_0", other: "second_0"}
    alone = {
        id_: page.post("/api/decode", id=id_, network=name, decoder="beam").json
        for id_, name in own.items()
    }
    assert alone[clip]["nbest"] != alone[other]["nbest"]
    page.post("/api/model", name="second_0")  # one window chooses its network
    for id_, name in own.items():
        again = page.post("/api/decode", id=id_, network=name, decoder="beam").json
        assert again["nbest"] == alone[id_]["nbest"]


def test_few_networks_are_kept(page: Client, clip: str) -> None:
    for name in ("first_0", "second_0", "attends_0", "pretrained/fr.pt", "first_0"):
        assert page.post("/api/decode", id=clip, network=name).status == 200
        assert len(page.server.studio._setups) <= 2


def test_what_nobody_waits_for_is_not_decoded(page: Client, clip: str) -> None:
    studio = page.server.studio
    asked = {"id": clip, "network": "attends_0", "decoder": "joint", "beam": 5}
    page.post("/api/decode", **asked)  # the network is loaded by now
    calls = []
    model = studio._setups["attends_0"].model
    hook = model.decoder.register_forward_hook(lambda *_: calls.append(1))
    body = json.dumps(asked).encode()
    head = f"POST /api/decode HTTP/1.1\r\nHost: 127.0.0.1:{page.port}\r\n"
    with studio._turn:  # another decoding is under way
        with socket.create_connection(("127.0.0.1", page.port)) as line:
            line.sendall(f"{head}Content-Length: {len(body)}\r\n\r\n".encode() + body)
            time.sleep(0.2)
        time.sleep(0.3)
    hook.remove()
    assert page.post("/api/decode", id=clip).status == 200
    assert calls == []


def test_a_decoding_stops_when_nobody_waits(page: Client, clip: str) -> None:
    studio = page.server.studio
    asked = {"id": clip, "network": "attends_0", "decoder": "joint", "beam": 2}
    n_calls = page.post("/api/decode", **asked).json["calls"]
    looks = iter([False] * 4)
    with pytest.raises(ConnectionAbortedError), studio.turn(lambda: next(looks, True)):
        studio.decode(asked)
    assert n_calls > 4


def test_segments_that_par_decodes_again_are_named(page: Client, clip: str) -> None:
    asked = {"id": clip, "network": "attends_0", "decoder": "par", "beam": 3}
    none = page.post("/api/decode", **asked, par_threshold=0).json
    assert none["again"] == [] and none["calls"] == 0
    found = page.post("/api/decode", **asked, par_threshold=1).json
    greedy = page.post("/api/decode", **{**asked, "decoder": "greedy"}).json
    assert found["calls"] > 0
    (segment,) = found["again"]  # nothing is certain: the whole string
    assert segment["was"].strip() == greedy["shown"]["text"]
    assert segment["begin"] == 0
    assert segment["end"] >= len(found["shown"]["text"])


def test_a_body_that_is_too_large_is_not_taken(page: Client) -> None:
    head = f"POST /api/clip HTTP/1.1\r\nHost: 127.0.0.1:{page.port}\r\n"
    sent, block = 0, bytes(2**20)
    with socket.create_connection(("127.0.0.1", page.port), timeout=30) as line:
        line.sendall(f"{head}Content-Length: 1000000000\r\n\r\n".encode())
        with pytest.raises((BrokenPipeError, ConnectionResetError)):
            while sent < 10**9:
                line.sendall(block)
                sent += len(block)
    assert sent < 10**8
    assert page.get("/api/state").status == 200


def test_a_long_file_is_refused_by_its_header(
    page: Client, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def decode(_: Path) -> None:
        pytest.fail("it is decoded, which would fill the memory")

    monkeypatch.setattr("labkit.page.clips.read_audio", decode)
    path = tmp_path / "hour.flac"
    silence = np.zeros(8000 * 600, np.int16)  # 10 minutes in a few kB
    soundfile.write(path, silence, 8000, subtype="PCM_16")
    answer = page.hear(path.read_bytes(), "file", "hour.flac")
    assert answer.status == 422
    assert answer.json["error"] == "hour.flac: it lasts 600.00 s"


def test_silence_is_named(page: Client) -> None:
    assert "silent" in page.hear(bytes(4 * 16_000)).json["warning"]
    assert "quiet" in page.hear((TONE * 0.01).tobytes()).json["warning"]
    assert page.hear(TONE.tobytes()).json["warning"] is None


def test_clips_of_a_list_are_offered(tmp_path: Path) -> None:
    write_network(tmp_path / "logs" / "run_0")
    (tmp_path / "clips").mkdir()
    soundfile.write(tmp_path / "clips" / "a.wav", TONE, 16_000)
    table = tmp_path / "list.tsv"
    table.write_text("path\tsentence\na.wav\t<b>Là</b>.\nb.wav\tNon.\n", "utf-8")
    with serving(tmp_path / "logs", "--clips", str(table)) as page:
        assert page.get("/api/state").json["clips"] == ["<b>Là</b>.", "Non."]
        heard = page.ask("POST", "/api/clip?kind=menu&number=0", b"").json
        assert (heard["name"], heard["reference"]) == ("a.wav", "<b>Là</b>.")
        missing = page.ask("POST", "/api/clip?kind=menu&number=1", b"")
        assert missing.status == 422 and "no such clip" in missing.json["error"]


@pytest.mark.skipif(
    "LAB_TEST_ALL" not in os.environ or not sys.platform.startswith("linux"),
    reason="takes long: make test-all, on Linux",
)
def test_memory_does_not_grow_with_the_clips(page: Client) -> None:
    def hear_some(number: int) -> int:
        for _ in range(number):
            id_ = page.hear(np.tile(TONE, 3).tobytes()).json["id"]
            for decoder in ("beam", "par"):
                asked = {"id": id_, "network": "attends_0", "decoder": decoder}
                assert page.post("/api/decode", **asked).status == 200
        pages = Path("/proc/self/statm").read_text(encoding="ascii").split()[1]
        return int(pages) * os.sysconf("SC_PAGE_SIZE")

    before, threads = hear_some(40), threading.active_count()
    grown = hear_some(200) - before
    assert grown < 30 * 2**20, f"{grown / 2**20:.0f} MB"
    assert threading.active_count() < threads + 10
