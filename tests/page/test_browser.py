"""The page in a browser: needs Playwright, and a Chromium on this computer."""

from __future__ import annotations

import json
import shutil
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from helpers.pages import Client, serving, write_network
from shared import ROOT

playwright = pytest.importorskip("playwright.sync_api", reason="no Playwright here")
NAMES = ("chromium", "chromium-browser", "google-chrome")
CHROMIUM = next(filter(None, map(shutil.which, NAMES)), None)
pytestmark = pytest.mark.skipif(not CHROMIUM, reason="no Chromium here")

CLIP = ROOT / "corpora" / "mini" / "fr" / "clips" / "mini_fr_00452.mp3"
FAKE = ("--use-fake-device-for-media-stream", "--use-fake-ui-for-media-stream")


@pytest.fixture(scope="module")
def page(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Client]:
    """Serve a tiny network with attention, and one without."""
    logs = tmp_path_factory.mktemp("logs")
    write_network(logs / "first_0")
    write_network(logs / "second_0", "seq2seq")
    with serving(logs) as client:
        yield client


@pytest.fixture(scope="module")
def chromium() -> Iterator[Any]:
    """Start the browser; its microphone beeps."""
    with playwright.sync_playwright() as started:
        browser = started.chromium.launch(
            executable_path=CHROMIUM, args=["--no-sandbox", *FAKE]
        )
        yield browser
        browser.close()


@pytest.fixture
def tab(chromium: Any, page: Client) -> Iterator[Any]:  # noqa: ANN401 (Playwright is not always there)
    """Open the page in a narrow window; nothing may fail in its scripts."""
    context = chromium.new_context(
        viewport={"width": 375, "height": 800}, locale="en-GB"
    )
    tab, wrong = context.new_page(), []
    tab.on("pageerror", lambda error: wrong.append(str(error)))
    tab.on("console", lambda one: one.type == "error" and wrong.append(one.text))
    tab.goto(page.server.url)
    tab.wait_for_selector("#clips option:nth-child(3)", state="attached")
    yield tab
    context.close()
    # A request that is refused on purpose is reported by the browser too.
    assert [one for one in wrong if "422" not in one] == []


def wait(tab: Any) -> None:  # noqa: ANN401 (Playwright is not always there)
    """Wait until every card has its transcript."""
    tab.wait_for_selector(
        "#cards:not(:has(.card:empty)):has(.card)", state="visible", timeout=60_000
    )


def choose(tab: Any, number: str = "0") -> None:  # noqa: ANN401 (Playwright is not always there)
    """Choose a clip of the lab."""
    tab.select_option("#clips", number)
    wait(tab)


def test_a_clip_of_the_lab_is_seen_and_decoded(tab: Any) -> None:  # noqa: ANN401 (Playwright is not always there)
    choose(tab)
    assert tab.locator(".card").count() == 8
    assert "CER" in tab.locator(".card").first.inner_text()
    assert tab.locator("#nbest tr").count() == 11
    assert tab.locator("#attention").is_visible()
    width = tab.evaluate("() => document.documentElement.scrollWidth")
    assert width == 375


def test_a_file_and_the_microphone_are_heard(tab: Any) -> None:  # noqa: ANN401 (Playwright is not always there)
    tab.set_input_files("#file", str(CLIP))
    wait(tab)
    assert CLIP.name in tab.inner_text("#status")
    tab.click("#record")
    tab.wait_for_timeout(1500)
    assert tab.get_attribute("#record", "aria-pressed") == "true"
    tab.click("#record")
    tab.wait_for_selector("#status:has-text('recording:')")
    wait(tab)


def test_html_in_the_name_of_a_file_is_text(tab: Any, tmp_path: Path) -> None:  # noqa: ANN401 (Playwright is not always there)
    for content in (CLIP.read_bytes(), b"no sound"):
        name = "<img src=x onerror=alert(1)>.mp3"
        file = {"name": name, "mimeType": "audio/mpeg", "buffer": content}
        tab.set_input_files("#file", files=[file])
        where = "#status" if len(content) > 10 else "#cause"
        tab.wait_for_selector(f"{where}:has-text('<img src=x')")
        assert tab.locator("img").count() == 0


def test_moving_a_control_decodes_again(tab: Any) -> None:  # noqa: ANN401 (Playwright is not always there)
    choose(tab)
    for id_, value in (("beam", "3"), ("ctc_weight", "0.5"), ("hotwords", "mer,ami")):
        with tab.expect_response("**/api/decode") as answered:
            tab.locator(f"#{id_}").fill(value)
        assert answered.value.status == 200
    tab.wait_for_selector("#nbest tr:nth-child(4)")
    assert tab.locator("#nbest tr").count() == 4  # the beam of 3, and the head


def test_the_beam_is_followed_with_the_keyboard(tab: Any) -> None:  # noqa: ANN401 (Playwright is not always there)
    choose(tab)
    tab.focus("#follow")
    tab.keyboard.press("Enter")
    tab.wait_for_selector("#prefixes li")
    tab.focus("#after")
    tab.keyboard.press("Enter")
    assert tab.inner_text("#spoken").startswith("Frame 2 of ")
    tab.focus("#scroll")
    before = tab.inner_text("#readout")
    tab.keyboard.press("ArrowRight")
    assert tab.inner_text("#readout") != before


def test_the_page_speaks_french(tab: Any) -> None:  # noqa: ANN401 (Playwright is not always there)
    choose(tab)
    tab.click("#language")
    tab.wait_for_selector("html[lang=fr]")
    assert "Enregistrer" in tab.inner_text("#record")
    wait(tab)


def test_another_network_hears_the_same_clip(tab: Any) -> None:  # noqa: ANN401 (Playwright is not always there)
    choose(tab)
    tab.select_option("#network", "first_0")
    tab.wait_for_selector("#cards:not(:has(.card:nth-child(4)))")
    wait(tab)
    assert not tab.locator("#attention").is_visible()
    tab.select_option("#network", "second_0")
    tab.wait_for_selector(".card:nth-child(8)")


@pytest.mark.parametrize("kind", ["txt", "json", "srt", "wav", "png"])
def test_what_is_kept_is_a_file(tab: Any, kind: str) -> None:  # noqa: ANN401 (Playwright is not always there)
    choose(tab)
    with tab.expect_download() as kept:
        tab.click(f"[data-kind={kind}]")
    content = Path(kept.value.path()).read_bytes()
    assert kept.value.suggested_filename.endswith(f".{kind}")
    opening = {"wav": b"RIFF", "png": b"\x89PNG", "json": b"{"}
    assert content.startswith(opening.get(kind, b""))
    if kind == "json":
        assert json.loads(content)["hypotheses"]


def test_every_control_has_a_name(tab: Any) -> None:  # noqa: ANN401 (Playwright is not always there)
    choose(tab)
    nameless = """() => [...document.querySelectorAll("button, input, select, meter")]
        .filter((one) => !one.textContent.trim() && !one.labels?.[0]?.textContent.trim()
            && !one.getAttribute("aria-label"))
        .map((one) => one.id || one.outerHTML)"""
    assert tab.evaluate(nameless) == []
