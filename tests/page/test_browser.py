"""The page in a browser: needs Playwright, and a Chromium on this computer."""

from __future__ import annotations

import json
import os
import shutil
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from statistics import median
from typing import Any

import numpy as np
import pytest
import soundfile
from helpers.pages import Client, serving, write_network
from shared import ROOT

playwright = pytest.importorskip("playwright.sync_api", reason="no Playwright here")
NAMES = ("chromium", "chromium-browser", "google-chrome")
CLIP = ROOT / "corpora" / "mini" / "fr" / "clips" / "mini_fr_00452.mp3"
FLAGS = (
    "--no-sandbox",
    "--use-fake-device-for-media-stream",  # a microphone that beeps
    "--use-fake-ui-for-media-stream",
    "--host-resolver-rules=MAP * ~NOTFOUND, EXCLUDE 127.0.0.1",  # no other network
)
RATE = 16_000

slow = pytest.mark.skipif(
    "LAB_TEST_ALL" not in os.environ, reason="takes long: make test-all"
)


@pytest.fixture(scope="module")
def page(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Client]:
    """Serve a tiny network with attention, and one without; short clips."""
    logs = tmp_path_factory.mktemp("logs")
    write_network(logs / "first_0")
    write_network(logs / "second_0", "seq2seq")
    samples, rate = soundfile.read(CLIP)
    table = "path\tsentence\n"
    for number in range(3):
        write_wav(logs / f"{number}.wav", samples[: rate * (number + 1)], rate)
        table += f"{number}.wav\tPaul écoute.\n"
    (logs / "clips.tsv").write_text(table, "utf-8")
    with serving(logs, "--clips", str(logs / "clips.tsv")) as client:
        yield client


@pytest.fixture(scope="module")
def chromium() -> Iterator[Any]:
    """Start the browser: Debian's, or that of Playwright."""
    with playwright.sync_playwright() as started:
        own = Path(started.chromium.executable_path)
        path = next(filter(None, map(shutil.which, NAMES)), None)
        if path is None and not own.is_file():
            pytest.skip("no Chromium: apt install chromium, or playwright install")
        # Its headless mode: the smaller headless shell has no microphone.
        options = {"executable_path": path} if path else {"channel": "chromium"}
        try:
            browser = started.chromium.launch(args=[*FLAGS], timeout=60_000, **options)
        except playwright.Error as error:  # such as a package that is a stub
            pytest.skip(f"Chromium does not start: {str(error).splitlines()[0]}")
        yield browser
        browser.close()


@contextmanager
def opened(chromium: Any, url: str, **options: Any) -> Iterator[Any]:  # noqa: ANN401 (Playwright is not always there)
    """Open the page in a window; its scripts may not fail, nor ask elsewhere."""
    sizes = {"viewport": {"width": 375, "height": 800}, "locale": "en-GB"}
    context = chromium.new_context(**{**sizes, **options})
    tab, wrong = context.new_page(), []

    def check(request: Any) -> None:  # noqa: ANN401 (Playwright is not always there)
        if not request.url.startswith((url, f"blob:{url}")):
            wrong.append(f"asked for {request.url}")

    tab.on("request", check)
    tab.on("pageerror", lambda error: wrong.append(str(error)))
    tab.on("console", lambda one: one.type == "error" and wrong.append(one.text))
    tab.set_default_timeout(20_000)
    tab.goto(url)
    tab.wait_for_selector("#clips option:nth-child(3)", state="attached")
    yield tab
    context.close()
    # A request that is refused on purpose is reported by the browser too.
    refused = ("422", "ERR_CONNECTION_REFUSED")
    assert [one for one in wrong if not any(map(one.__contains__, refused))] == []


@pytest.fixture
def tab(chromium: Any, page: Client) -> Iterator[Any]:  # noqa: ANN401 (Playwright is not always there)
    """Open the page in a narrow window."""
    with opened(chromium, page.server.url) as tab:
        yield tab


def wait(tab: Any) -> None:  # noqa: ANN401 (Playwright is not always there)
    """Wait until every card has its transcript."""
    tab.wait_for_selector(
        "#cards:not(:has(.card:empty, [aria-busy])):has(.card)",
        state="visible",
        timeout=60_000,
    )


def choose(tab: Any, number: str = "0") -> None:  # noqa: ANN401 (Playwright is not always there)
    """Choose a clip of the lab."""
    tab.select_option("#clips", number)
    wait(tab)


def has(tab: Any, selector: str, text: str) -> None:  # noqa: ANN401 (Playwright is not always there)
    """Wait until an element holds a text."""
    tab.wait_for_selector(f'{selector}:has-text("{text}")', state="attached")


def write_wav(path: Path, samples: np.ndarray, rate: int = RATE) -> str:
    """Write samples (n,) or (n, channels); return the path."""
    soundfile.write(path, samples, rate, subtype="PCM_16")
    return str(path)


def tone(seconds: float, rate: int = RATE) -> np.ndarray:
    """Make a tone of 250 Hz."""
    return 0.3 * np.sin(2 * np.pi * 250 * np.arange(int(seconds * rate)) / rate)


# What is seen.

# Every text with its colour and what is behind it, as the browser has them.
CONTRASTS = """() => {
    const channels = (text) => text.match(/[\\d.]+/g).map(Number);
    const light = (rgb) => {
        const [r, g, b] = rgb.slice(0, 3).map((x) => x / 255)
            .map((x) => x <= 0.04045 ? x / 12.92 : ((x + 0.055) / 1.055) ** 2.4);
        return 0.2126 * r + 0.7152 * g + 0.0722 * b;
    };
    const behind = (one) => {
        for (; one; one = one.parentElement) {
            const rgb = channels(getComputedStyle(one).backgroundColor);
            if (rgb.length < 4 || rgb[3] > 0) return rgb;
        }
        return [255, 255, 255];
    };
    const found = [];
    const texts = document.createTreeWalker(document.body, NodeFilter.SHOW_TEXT);
    while (texts.nextNode()) {
        const one = texts.currentNode.parentElement;
        if (!texts.currentNode.data.trim() || !one.checkVisibility()) continue;
        if (one.closest("option, :disabled")) continue;
        const [a, b] = [channels(getComputedStyle(one).color), behind(one)].map(light);
        const contrast = (Math.max(a, b) + 0.05) / (Math.min(a, b) + 0.05);
        if (contrast < 4.5) found.push(`${one.outerHTML}: ${contrast.toFixed(2)}`);
    }
    return found;
}"""
NAMELESS = """() => [
        ...document.querySelectorAll("button, input, select, meter, [role]")]
    .filter((one) => !one.textContent.trim() && !one.labels?.[0]?.textContent.trim()
        && !one.getAttribute("aria-label") && one.checkVisibility()
        && !["status", "alert"].includes(one.role))
    .map((one) => one.outerHTML)"""


def test_a_clip_of_the_lab_is_seen_and_decoded(tab: Any) -> None:  # noqa: ANN401 (Playwright is not always there)
    choose(tab)
    assert tab.locator(".card").count() == 8
    assert "CER" in tab.locator(".card").first.inner_text()
    assert tab.locator("#nbest tr").count() == 11
    assert tab.locator("#attention").is_visible()
    has(tab, ".card:last-child", "decoded again: ")
    assert tab.locator(".card:last-child mark").count() > 0
    tab.click("#follow")
    tab.wait_for_selector("#prefixes li")
    width = tab.evaluate("() => document.documentElement.scrollWidth")
    assert width == 375
    assert tab.evaluate(NAMELESS) == []
    for scheme in ("light", "dark"):
        tab.emulate_media(color_scheme=scheme)
        assert tab.evaluate(CONTRASTS) == [], scheme


def test_time_is_zoomed_scrubbed_and_played(tab: Any) -> None:  # noqa: ANN401 (Playwright is not always there)
    choose(tab)

    def width() -> float:
        return tab.locator("#lanes").bounding_box()["width"]

    before = width()
    tab.click("#closer")
    assert width() == pytest.approx(1.5 * before, rel=0.01)
    tab.click("#whole")
    assert width() < 375
    tab.locator("#posteriors").hover(position={"x": 99, "y": 8})
    assert "blank" in tab.inner_text("#tip")
    tab.mouse.down()
    box = tab.locator("#posteriors").bounding_box()
    tab.mouse.move(box["x"] + 0.75 * box["width"], box["y"] + 8)
    tab.mouse.up()
    seconds = float(tab.get_attribute("#cursor", "aria-valuenow"))
    assert seconds == pytest.approx(
        0.75 * float(tab.get_attribute("#cursor", "aria-valuemax")), abs=0.03
    )
    tab.click("#play")
    tab.wait_for_selector('#cursor[aria-valuenow="1.00"]', state="attached")
    has(tab, "#play", "Play")


# What is heard.


def test_files_of_every_kind_are_heard_or_refused(tab: Any, tmp_path: Path) -> None:  # noqa: ANN401 (Playwright is not always there)
    eight = np.stack([tone(1.0) * (k == 5) for k in range(8)], axis=1)
    heard = {
        "eight.wav": write_wav(tmp_path / "eight.wav", eight),
        "fast.wav": write_wav(tmp_path / "fast.wav", tone(1.0, 96_000), 96_000),
    }
    for name, path in heard.items():
        tab.set_input_files("#file", path)
        has(tab, "#status", f"{name}: 1.0 s")
        assert not tab.is_visible("#error")
    tab.set_input_files("#file", write_wav(tmp_path / "none.wav", tone(1.0) * 0))
    has(tab, "#warning", "silent")
    (tmp_path / "empty.wav").touch()
    (tmp_path / "page.mp3").write_text("<!doctype html>", "utf-8")
    refused = {
        "nothing is in it": str(tmp_path / "empty.wav"),
        "it is a web page": str(tmp_path / "page.mp3"),
        "longer than 60 s": write_wav(tmp_path / "long.wav", tone(600, 8000), 8000),
        "it lasts": write_wav(tmp_path / "short.wav", tone(0.01)),
    }
    for cause, path in refused.items():
        tab.set_input_files("#file", path)
        has(tab, "#cause", cause)
        assert tab.inner_text("#remedy")


def test_the_microphone_is_heard(tab: Any) -> None:  # noqa: ANN401 (Playwright is not always there)
    tab.click("#record")
    has(tab, "#record", "Stop")
    assert tab.get_attribute("#record", "aria-pressed") == "true"
    levels = []
    while not any(level > 0.1 for level in levels) and len(levels) < 100:
        tab.wait_for_timeout(50)
        levels.append(tab.evaluate("document.getElementById('level').value"))
    assert max(levels) > 0.1  # it beeps once a second
    tab.click("#record")
    has(tab, "#status", "recording: ")
    wait(tab)


def test_a_recording_stops_by_itself(tab: Any) -> None:  # noqa: ANN401 (Playwright is not always there)
    tab.clock.install()
    tab.reload()
    has(tab, "#status", "Ready")
    tab.click("#record")
    has(tab, "#record", "Stop")
    tab.wait_for_timeout(300)
    tab.clock.fast_forward(31_000)
    has(tab, "#record", "Record")
    has(tab, "#status", "recording: ")


def test_without_a_microphone_the_page_says_why(chromium: Any, page: Client) -> None:  # noqa: ANN401 (Playwright is not always there)
    with opened(chromium, page.server.url) as tab:
        tab.evaluate(
            "Object.defineProperty(navigator, 'mediaDevices', {value: undefined})"
        )
        tab.click("#record")
        has(tab, "#cause", "only to 127.0.0.1, localhost and https")
        has(tab, "#remedy", "choose a file")
        tab.set_input_files("#file", str(CLIP))
        has(tab, "#status", CLIP.name)
        assert not tab.is_visible("#error")


def test_html_in_the_name_of_a_file_is_text(tab: Any) -> None:  # noqa: ANN401 (Playwright is not always there)
    for content in (CLIP.read_bytes(), b"no sound"):
        name = "<img src=x onerror=alert(1)>.mp3"
        file = {"name": name, "mimeType": "audio/mpeg", "buffer": content}
        tab.set_input_files("#file", files=[file])
        where = "#status" if len(content) > 10 else "#cause"
        has(tab, where, "<img src=x")
        assert tab.locator("img").count() == 0
    tab.fill("#reference", "<b>mer</b>")
    has(tab, ".card del", "mer")
    assert tab.locator(".card b").count() == 0


# What is moved.


def test_moving_a_control_decodes_again(tab: Any) -> None:  # noqa: ANN401 (Playwright is not always there)
    choose(tab)
    for id_, value in (("beam", "3"), ("hotwords", "mer,ami")):
        with tab.expect_response("**/api/decode") as answered:
            tab.locator(f"#{id_}").fill(value)
        assert answered.value.status == 200
    tab.wait_for_selector("#nbest tr:nth-child(4)")
    assert tab.locator("#nbest tr").count() == 4  # the beam of 3, and the head
    assert "bonus" in tab.inner_text("#nbest tr")


def test_the_keyboard_is_enough(tab: Any) -> None:  # noqa: ANN401 (Playwright is not always there)
    def go_to(id_: str) -> None:
        for _ in range(60):
            tab.keyboard.press("Tab")
            if tab.evaluate("document.activeElement.id") == id_:
                return
        pytest.fail(f"Tab does not lead to {id_}")

    go_to("clips")
    tab.keyboard.press("ArrowDown")
    wait(tab)
    go_to("cursor")
    before = tab.inner_text("#readout")
    tab.keyboard.press("ArrowRight")
    assert tab.inner_text("#readout") != before
    assert tab.get_attribute("#cursor", "aria-valuetext") == tab.inner_text("#readout")
    go_to("beam")
    with tab.expect_response("**/api/decode"):
        tab.keyboard.press("ArrowRight")
    assert tab.inner_text('output[for="beam"]') == "11"
    wait(tab)
    go_to("follow")
    tab.keyboard.press("Enter")
    tab.wait_for_selector("#prefixes li")
    go_to("after")
    tab.keyboard.press("Enter")
    assert tab.inner_text("#spoken").startswith("Frame 3 of ")


def test_the_page_speaks_french(chromium: Any, page: Client, tmp_path: Path) -> None:  # noqa: ANN401 (Playwright is not always there)
    with opened(chromium, page.server.url, locale="fr-CA") as tab:
        assert tab.get_attribute("html", "lang") == "fr"
        has(tab, "#record", "Enregistrer")
        (tmp_path / "wrong.mp3").write_bytes(b"no sound at all")
        tab.set_input_files("#file", str(tmp_path / "wrong.mp3"))
        has(tab, "#cause", "illisible comme fichier audio")
        choose(tab)
        has(tab, ".card:last-child", "décodé de nouveau")
        tab.click("#language")
        has(tab, "html[lang=en] #record", "Record")
        has(tab, ".card:last-child", "decoded again")


def test_another_network_hears_the_same_clip(tab: Any) -> None:  # noqa: ANN401 (Playwright is not always there)
    choose(tab)
    tab.select_option("#network", "first_0")
    tab.wait_for_selector("#cards:not(:has(.card:nth-child(4)))")
    wait(tab)
    assert not tab.locator("#attention").is_visible()
    tab.select_option("#network", "second_0")
    tab.wait_for_selector(".card:nth-child(8)")


def test_what_is_kept_is_a_file(tab: Any) -> None:  # noqa: ANN401 (Playwright is not always there)
    choose(tab)
    opening = {"wav": b"RIFF", "png": b"\x89PNG", "json": b"{", "txt": b"", "srt": b""}
    for kind, start in opening.items():
        with tab.expect_download() as kept:
            tab.click(f"[data-kind={kind}]")
        content = Path(kept.value.path()).read_bytes()
        assert kept.value.suggested_filename.endswith(f".{kind}")
        assert content.startswith(start)
        if kind == "json":
            assert json.loads(content)["hypotheses"]


def test_a_program_that_has_ended_is_named(chromium: Any, tmp_path: Path) -> None:  # noqa: ANN401 (Playwright is not always there)
    write_network(tmp_path / "run_0")
    with serving(tmp_path) as page, opened(chromium, page.server.url) as tab:
        choose(tab)
        page.server.shutdown()
        page.server.server_close()
        tab.locator("#beam").fill("7")
        has(tab, "#cause", "The program does not answer")
        has(tab, "#remedy", "python demo.py")


# How long it takes, with networks of the usual size.

MOVE = """async ([id, value]) => {
    const one = document.getElementById(id), start = performance.now();
    const rewritten = new Promise((done) => new MutationObserver(done)
        .observe(document.getElementById("nbest"), {childList: true}));
    one.value = value;
    one.dispatchEvent(new Event("input", {bubbles: true}));
    await rewritten;
    return performance.now() - start;
}"""


@slow
def test_answers_come_at_once(chromium: Any, tmp_path: Path) -> None:  # noqa: ANN401 (Playwright is not always there)
    write_network(tmp_path / "run_0", "seq2seq", size=())
    samples, rate = soundfile.read(CLIP)
    with serving(tmp_path) as page, opened(chromium, page.server.url) as tab:
        choose(tab)  # the language model is loaded by now
        for number, network in enumerate(("run_0", "pretrained/fr.pt")):
            # Not twice the same file, which would be no change.
            clip = tmp_path / f"{number}.wav"
            clip = write_wav(clip, np.tile(samples, 2)[: 5 * rate], rate)
            tab.select_option("#network", network)
            tab.wait_for_timeout(300)
            wait(tab)
            start = time.perf_counter()
            with tab.expect_response("**/api/decode"):
                tab.set_input_files("#file", clip)
            assert time.perf_counter() - start < 2
            wait(tab)
            for id_, values in (("beam", (5, 20, 12)), ("lm_weight", (0.2, 1, 0.7))):
                tab.select_option("#lm", "char" if id_ == "lm_weight" else "")
                times = []
                for value in values:
                    tab.wait_for_timeout(300)
                    wait(tab)
                    times.append(tab.evaluate(MOVE, [id_, str(value)]))
                assert median(times) < 200, (network, id_, times)
