"""Properties of the page's server: what it answers, and what it refuses."""

from __future__ import annotations

import base64
import json
import signal
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from importlib import import_module
from pathlib import Path

import numpy as np
import pytest
import soundfile
from helpers.pages import Client, serving, write_network
from shared import REFERENCE, ROOT, Run

from labkit.base import LabError
from labkit.page import parse_page
from labkit.page.routes import static_files
from labkit.page.studio import Studio

FILES = ROOT / "labkit" / "page" / "files"
TONE = (0.3 * np.sin(np.arange(16_000) * 0.1)).astype("<f4")  # 1 s


@pytest.fixture(scope="module")
def page(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Client]:
    """Serve a tiny network of each part; that of part one is the newest."""
    logs = tmp_path_factory.mktemp("logs")
    write_network(logs / "second_0", "seq2seq")
    write_network(logs / "first_0")
    with serving(logs) as client:
        yield client


@pytest.fixture
def clip(page: Client) -> str:
    """Let the first network hear a tone; return the id of the clip."""
    return page.hear(TONE.tobytes()).json["id"]


# The files.


def test_the_files_of_the_page_are_sent_under_a_strict_policy(page: Client) -> None:
    for path, (kind, content) in static_files().items():
        answer = page.get(path)
        assert (answer.status, answer.body) == (200, content)
        assert answer.headers["Content-Type"] == kind
        policy = answer.headers["Content-Security-Policy"]
        assert policy.startswith("default-src 'none'; script-src 'self';")
        assert "unsafe" not in policy and "*" not in policy
        assert answer.headers["X-Content-Type-Options"] == "nosniff"


def test_the_page_fetches_nothing_from_elsewhere() -> None:
    for path in FILES.iterdir():
        text = path.read_text(encoding="utf-8")
        assert "https://" not in text and "//cdn" not in text
        assert text.count("http://") == text.count("http://www.w3.org/2000/svg")


def test_text_never_becomes_html() -> None:
    for path in FILES.glob("*.js"):
        text = path.read_text(encoding="utf-8")
        for danger in (
            "innerHTML",
            "outerHTML",
            "insertAdjacentHTML",
            "document.write",
            "eval(",
            "new Function",
        ):
            assert danger not in text, path
    html = (FILES / "page.html").read_text(encoding="utf-8")
    assert "<style" not in html and " style=" not in html and " onclick" not in html


def test_the_files_of_the_page_are_short() -> None:
    for path in FILES.iterdir():
        assert len(path.read_text(encoding="utf-8").splitlines()) <= 350, path


def test_every_text_is_there_in_both_languages() -> None:
    script = (FILES / "words.js").read_text(encoding="utf-8")
    keys = {line.split(":")[0].strip() for line in script.splitlines() if ": [" in line}
    html = (FILES / "page.html").read_text(encoding="utf-8")
    used = {
        part.split('"')[0]
        for mark in ('data-t="', 'data-label="')
        for part in html.split(mark)[1:]
    }
    for path in FILES.glob("*.js"):
        for part in path.read_text(encoding="utf-8").split(' t("')[1:]:
            used.add(part.split('"')[0])
    assert used <= keys, used - keys


@pytest.mark.parametrize(
    "path",
    [
        "/../server.py",
        "/..%2fserver.py",
        "/%2e%2e/server.py",
        "/files/page.html",
        "//etc/passwd",
        "/api",
        "/page.html/../../server.py",
        "/style.css%00.py",
    ],
)
def test_no_path_leads_out_of_the_table(page: Client, path: str) -> None:
    assert page.get(path).status == 404
    assert page.ask("POST", path, b"{}").status == 404


# Who may ask.


@pytest.mark.parametrize(
    "host",
    ["evil.example", "127.0.0.1", "127.0.0.1:1", "", "localhost.evil.example:{port}"],
)
def test_another_host_is_refused(page: Client, host: str) -> None:
    headers = {"Host": host.format(port=page.port)}
    assert page.ask("GET", "/api/state", None, headers).status == 403


@pytest.mark.parametrize(
    "origin",
    ["http://evil.example", "null", "https://127.0.0.1:{port}", "http://127.0.0.1:1"],
)
def test_another_origin_is_refused(page: Client, origin: str) -> None:
    headers = {"Origin": origin.format(port=page.port)}
    assert page.ask("POST", "/api/decode", b"{}", headers).status == 403


def test_its_own_origin_is_answered(page: Client) -> None:
    for host in (f"127.0.0.1:{page.port}", f"localhost:{page.port}"):
        headers = {
            "Host": host,
            "Origin": f"http://{host}",
            "Sec-Fetch-Site": "same-origin",
        }
        assert page.ask("GET", "/api/state", None, headers).status == 200


def test_a_link_from_another_site_is_refused(page: Client) -> None:
    headers = {"Sec-Fetch-Site": "cross-site"}
    assert page.ask("GET", "/api/state", None, headers).status == 403


def test_it_listens_on_this_computer_alone(page: Client) -> None:
    assert page.server.server_address[0] == "127.0.0.1"


# Bodies.


def send_raw(page: Client, text: str) -> bytes:
    """Send a text as it is, and read the answer's first bytes."""
    with socket.create_connection(("127.0.0.1", page.port), timeout=30) as line:
        line.sendall(text.encode())
        return line.recv(64)


@pytest.mark.parametrize("length", ["1000000000", "33554433", "9" * 400])
def test_a_large_body_is_refused_before_it_is_read(page: Client, length: str) -> None:
    head = f"POST /api/clip HTTP/1.1\r\nHost: 127.0.0.1:{page.port}\r\n"
    assert b" 413 " in send_raw(page, f"{head}Content-Length: {length}\r\n\r\n")


@pytest.mark.parametrize(
    "line",
    [
        "",
        "Content-Length: -1\r\n",
        "Content-Length: ²\r\n",
        "Transfer-Encoding: chunked\r\n",
    ],
)
def test_a_body_without_a_length_is_refused(page: Client, line: str) -> None:
    head = f"POST /api/clip HTTP/1.1\r\nHost: 127.0.0.1:{page.port}\r\n"
    assert b" 411 " in send_raw(page, f"{head}{line}\r\n")


@pytest.mark.parametrize("body", [b"", b"{", b"[]", b"null", b"\xff", b"[" * 100_000])
def test_what_is_no_json_object_is_refused(page: Client, body: bytes) -> None:
    answer = page.ask("POST", "/api/decode", body)
    assert answer.status == 422
    assert "JSON" in answer.json["error"]


@pytest.mark.parametrize(
    "asked",
    [
        {"beam": 0},
        {"beam": 10**9},
        {"beam": "10"},
        {"beam": True},
        {"beam": None},
        {"lm_weight": -1},
        {"lm": "/etc/passwd"},
        {"lm": ["char"]},
        {"decoder": "rm"},
        {"decoder": {}},
        {"hotwords": 7},
        {"hotwords": "a," * 60},
        {"reference": "a" * 3000},
        {"shown": -1},
        {"par_threshold": 2},
        {"network": "../first_0"},
        {"network": ["first_0"]},
        {"id": None},
        {"id": ["1"]},
        {"id": "../1"},
    ],
    ids=str,
)
def test_a_wrong_wish_is_refused(page: Client, clip: str, asked: dict) -> None:
    assert page.post("/api/decode", **{"id": clip, **asked}).status == 422
    assert page.post("/api/decode", id=clip).status == 200


def test_numbers_that_are_none_are_refused(page: Client, clip: str) -> None:
    for number in ("NaN", "Infinity", "1e999"):
        body = f'{{"id": "{clip}", "lm_weight": {number}}}'.encode()
        assert page.ask("POST", "/api/decode", body).status == 422


# Clips.


@pytest.mark.parametrize(
    "content, kind",
    [
        (b"", "f32"),
        (b"", "file"),
        (b"abc", "f32"),
        (b"no sound", "file"),
        (TONE[:10].tobytes(), "f32"),
        (np.full(16_000, np.nan, "<f4").tobytes(), "f32"),
        (np.full(16_000, np.inf, "<f4").tobytes(), "f32"),
        (np.zeros(61 * 16_000, "<f4").tobytes(), "f32"),
        (TONE.tobytes(), "exe"),
    ],
)
def test_what_is_no_clip_is_refused(page: Client, content: bytes, kind: str) -> None:
    answer = page.hear(content, kind)
    assert answer.status == 422
    assert answer.json["error"] and answer.json["remedy"]
    assert "/tmp" not in answer.json["error"]


def test_a_clip_gives_its_pictures(page: Client) -> None:
    heard = page.hear(TONE.tobytes(), name="%3Cb%3Ea%3C/b%3E").json
    assert heard["name"] == "<b>a</b>" and heard["seconds"] == 1.0
    for name in ("mel", "posteriors"):
        picture = heard[name]
        content = base64.b64decode(picture["bytes"])
        assert len(content) == picture["rows"] * picture["columns"]
    levels = np.frombuffer(content, np.uint8).reshape(-1, len(heard["symbols"]))
    assert np.abs(levels.sum(axis=1) / 255.0 - 1).max() < 0.1  # probabilities


def test_silence_is_decoded(page: Client) -> None:
    heard = page.hear(bytes(4 * 16_000)).json
    found = page.post("/api/decode", id=heard["id"], decoder="beam").json
    assert found["nbest"]


def test_samples_and_a_file_of_them_are_the_same_clip(
    page: Client, tmp_path: Path
) -> None:
    levels = (TONE * 32768).astype("<i2")
    for name in ("clip.wav", "clip.flac"):
        soundfile.write(tmp_path / name, levels, 16_000, subtype="PCM_16")
        file = page.hear((tmp_path / name).read_bytes(), "file").json
        samples = page.hear((levels / 32768).astype("<f4").tobytes()).json
        assert file["posteriors"] == samples["posteriors"]
        back = page.post("/api/sound", id=file["id"])
        assert back.body == levels.tobytes()


def test_a_clip_of_the_corpus_is_chosen_by_its_number(page: Client) -> None:
    for number, said in enumerate(page.get("/api/state").json["clips"][:2]):
        heard = page.ask("POST", f"/api/clip?kind=menu&number={number}", b"").json
        assert heard["reference"] == said
        found = page.post("/api/decode", id=heard["id"]).json
        assert found["errors"]["cer"] > 0 and found["errors"]["wer"] > 0
    for wrong in ("99", "-1", "x", "", "..", "%C2%B2", "1" * 9):
        path = f"/api/clip?kind=menu&number={wrong}"
        assert page.ask("POST", path, b"").status == 422


def test_few_clips_are_kept(page: Client, clip: str) -> None:
    for _ in range(12):
        last = page.hear(TONE.tobytes()).json["id"]
    assert len(page.server.studio._shelf) == 8
    assert page.post("/api/decode", id=last).status == 200
    assert "not kept" in page.post("/api/decode", id=clip).json["error"]


# Decoding.


def test_every_decoder_of_a_network_answers(page: Client, clip: str) -> None:
    for network in ("first_0", "second_0"):
        state = page.post("/api/model", name=network).json
        assert state["attention"] == (network == "second_0")
        for one in state["decoders"]:
            answer = page.post(
                "/api/decode", id=clip, network=network, decoder=one["name"], beam=3
            )
            if one["name"] == "flashlight" and answer.status == 422:
                continue  # it is not on every Python
            assert answer.status == 200, answer.body
            found = answer.json
            assert found["nbest"][0]["text"] == found["shown"]["text"]
            assert "parts" in found["nbest"][0]


def test_another_hypothesis_is_shown_when_it_is_chosen(page: Client, clip: str) -> None:
    found = page.post("/api/decode", id=clip, decoder="beam", shown=2).json
    assert found["chosen"] == 2
    assert found["shown"]["text"] == found["nbest"][2]["text"]
    scores = [one["score"] for one in found["nbest"]]
    assert scores == sorted(scores, reverse=True)


def test_errors_are_counted_against_what_was_said(page: Client, clip: str) -> None:
    found = page.post("/api/decode", id=clip, decoder="beam").json
    assert found["errors"] is None
    said = found["shown"]["text"] or "a"
    again = page.post("/api/decode", id=clip, decoder="beam", reference=said).json
    assert again["errors"]["cer"] == (0 if found["shown"]["text"] else 1)


def test_the_beam_that_is_followed_ends_where_the_search_ends(
    page: Client, clip: str
) -> None:
    frames = page.post("/api/follow", id=clip, beam=4).json["frames"]
    found = page.post("/api/decode", id=clip, decoder="beam", beam=4).json
    assert [one["sequence"] for one in frames[-1]] == [
        one["sequence"] for one in found["nbest"]
    ]
    assert all(len(beam) <= 4 for beam in frames)
    for before, after in zip([[{"sequence": ""}], *frames], frames):
        held = {one["sequence"] for one in before}
        for one in after:  # a prefix was there, or is one of those with a symbol more
            assert one["sequence"] in held or one["sequence"][:-1] in held


def test_attention_looks_at_every_frame(page: Client, clip: str) -> None:
    assert page.post("/api/attention", id=clip, text="abc").status == 422
    asked = {"id": clip, "network": "second_0", "text": "abc"}
    found = page.post("/api/attention", **asked).json
    assert found["symbols"] == ["a", "b", "c", "¦"]
    weights = np.frombuffer(base64.b64decode(found["weights"]["bytes"]), np.uint8)
    assert np.abs(weights.reshape(4, -1).sum(axis=1) / 255.0 - 1).max() < 0.1


@pytest.mark.parametrize("kind", ["txt", "json", "srt"])
def test_a_transcript_is_kept_as_test_writes_it(
    page: Client, clip: str, kind: str
) -> None:
    answer = page.post("/api/export", id=clip, decoder="beam", kind=kind)
    assert answer.status == 200
    text = page.post("/api/decode", id=clip, decoder="beam").json["shown"]["text"]
    if kind == "json":
        assert answer.json["text"] == text and answer.json["hypotheses"]
    else:
        assert answer.headers["Content-Type"].startswith("text/plain")
    if kind == "txt":
        assert answer.body.decode() == f"{text}\n"


def test_a_network_is_named_not_found_by_a_path(page: Client, clip: str) -> None:
    listed = [one["name"] for one in page.get("/api/state").json["networks"]]
    assert listed[:2] == ["first_0", "second_0"]
    for name in ("../first_0", "", None, 1, ["first_0"]):
        assert page.post("/api/model", name=name).status == 422
    assert page.get("/api/state").json["network"]["name"] == "first_0"


def test_a_kept_clip_is_heard_by_the_new_network(page: Client, clip: str) -> None:
    first = page.post("/api/look", id=clip).json
    second = page.post("/api/look", id=clip, network="second_0").json
    assert first["posteriors"] != second["posteriors"] and first["mel"] == second["mel"]


# Several at once, slow ones, and the end.


def test_two_clients_get_their_own_answers(page: Client, clip: str) -> None:
    other = page.hear(
        (0.1 * np.random.default_rng(0).standard_normal(20_000)).astype("<f4").tobytes()
    ).json["id"]
    alone = {
        id_: page.post("/api/decode", id=id_, decoder="beam").json["nbest"]
        for id_ in (clip, other)
    }
    assert alone[clip] != alone[other]
    with ThreadPoolExecutor(6) as pool:
        asked = [clip, other] * 6
        found = [
            *pool.map(
                lambda id_: page.post("/api/decode", id=id_, decoder="beam").json[
                    "nbest"
                ],
                asked,
            )
        ]
    assert found == [alone[id_] for id_ in asked]


def test_slow_clients_do_not_stop_others(page: Client) -> None:
    lines = [socket.create_connection(("127.0.0.1", page.port)) for _ in range(5)]
    for line in lines:
        line.sendall(b"POST /api/clip HTTP/1.1\r\n")
    assert page.get("/api/state").status == 200
    for line in lines:
        line.close()


def test_who_says_nothing_is_hung_up_on(
    page: Client, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("labkit.page.server._Handler.timeout", 0.3)
    with socket.create_connection(("127.0.0.1", page.port), timeout=10) as line:
        line.sendall(b"GET / HT")
        assert line.recv(10) == b""


def test_who_says_a_letter_now_and_then_is_hung_up_on(
    page: Client, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("labkit.page.server._SECONDS_TO_ASK", 0.5)
    with socket.create_connection(("127.0.0.1", page.port), timeout=10) as line:
        head = f"POST /api/clip HTTP/1.1\r\nHost: 127.0.0.1:{page.port}\r\n"
        line.sendall(f"{head}Content-Length: 1000\r\n\r\n".encode())
        start = time.monotonic()
        with pytest.raises((BrokenPipeError, ConnectionResetError)):
            while time.monotonic() - start < 8:
                line.sendall(b"a")
                time.sleep(0.1)
        assert time.monotonic() - start < 8


def test_without_a_network_of_ones_own_that_of_the_kit_is_taken(tmp_path: Path) -> None:
    args = parse_page(
        None, ["--baselogdir", str(tmp_path), "--nthreads", "1", "--device", "cpu"]
    )
    studio = Studio(args, import_module)
    assert studio.state()["network"]["name"] == "pretrained/fr.pt"


def test_a_script_that_is_missing_is_named(tmp_path: Path) -> None:
    write_network(tmp_path / "run_0")

    def desk(script: str) -> object:
        raise LabError(f"{script}.py is not in this folder", "-")

    args = parse_page(None, ["--baselogdir", str(tmp_path)])
    with pytest.raises(LabError, match=r"main_ctc\.py is not in this folder"):
        Studio(args, desk)


def test_an_unwritten_exercise_is_named(cut_only, tmp_path: Path) -> None:  # noqa: ANN001 (a fixture of conftest)
    desk = tmp_path / "desk"
    desk.mkdir()
    cut_only("E24", desk)
    program = f"""
import sys, json
sys.path[:0] = [{str(desk)!r}, {str(ROOT)!r}, {str(ROOT / "tests")!r}]
import numpy as np
from pathlib import Path
from helpers.pages import serving
with serving(Path({str(tmp_path)!r})) as page:
    id_ = page.hear(np.ones(16000, "<f4").tobytes()).json["id"]
    print(json.dumps(page.post("/api/decode", id=id_, decoder="prefix").json))
    assert page.post("/api/decode", id=id_, decoder="beam").status == 200
"""
    done = subprocess.run(
        [sys.executable, "-c", program], capture_output=True, text=True, cwd=tmp_path
    )
    assert done.returncode == 0, done.stderr
    said = json.loads(done.stdout.splitlines()[-1])["error"]
    assert said.startswith("exercise E24 is not written yet")


def test_help_answers_without_torch(run: Run, tmp_path: Path) -> None:
    (tmp_path / "torch.py").write_text("raise ImportError('torch')", "utf-8")
    script = REFERENCE.relative_to(ROOT) / "demo.py"
    done = run(script, "--help", PYTHONPATH=str(tmp_path))
    assert done.returncode == 0 and "--no_browser" in done.stdout, done.stderr


@pytest.mark.skipif(sys.platform == "win32", reason="Windows sends no SIGINT")
def test_ctrl_c_ends_it_cleanly(tmp_path: Path) -> None:
    write_network(tmp_path / "logs" / "run_0")
    command = [
        sys.executable,
        str(REFERENCE / "demo.py"),
        "--no_browser",
        "--nthreads",
        "1",
    ]
    program = subprocess.Popen(
        command, cwd=tmp_path, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
    )
    killer = threading.Timer(120, program.kill)
    killer.start()
    assert program.stdout is not None
    for line in program.stdout:
        if "http://127.0.0.1:" in line:
            break
    program.send_signal(signal.SIGINT)
    rest, errors = program.communicate(timeout=60)
    killer.cancel()
    assert (program.returncode, errors) == (0, "")
    assert "the page is closed" in rest


def test_a_port_that_is_taken_is_named(tmp_path: Path, page: Client, run: Run) -> None:
    write_network(tmp_path / "logs" / "run_0")
    done = run(
        REFERENCE.relative_to(ROOT) / "demo.py", "--no_browser", "--port", page.port
    )
    assert done.returncode == 1
    assert done.stderr.startswith(f"error: port {page.port}: ")
