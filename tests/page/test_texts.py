"""Properties of what the page shows: both languages, and colours that can be read."""

from __future__ import annotations

import ast
import itertools
import json
import re
from collections.abc import Iterator

import pytest
from shared import ROOT

from labkit.options import PARTS

PAGE = ROOT / "labkit" / "page"
FILES = PAGE / "files"

# What is said while a page is open; the other modules speak in the terminal.
SPEAKING = ("asked", "clips", "inside", "routes", "server", "studio")
ERRORS = ("LabError", "RefusedError", "wrong")
IN_THE_TERMINAL = ("port 7: 7", "leave --port out: a free one is used")

SCHEMES = ("light", "dark")
TEXT = [  # colour of a text, and what is behind it
    *itertools.product(("ink", "soft", "sure", "fair", "poor"), ("back", "card")),
    *(("on-accent", "accent"), ("back", "poor"), ("back", "ink")),
]
SHAPES = [  # edges of what can be pressed, and pictures
    *itertools.product(("line", "accent", "mark"), ("back", "card")),
    *(("wave", "back"), ("blank", "back")),
]


def entries(file: str, table: str) -> list[list[str]]:
    """Read a table of texts of a script: lists of strings."""
    script = (FILES / file).read_text(encoding="utf-8")
    body = script.split(f"const {table} = [\n")[1].split("\n];")[0]
    lines = [line.strip().rstrip(",") for line in body.splitlines()]
    return [json.loads(line) for line in lines if line.startswith("[")]


def messages() -> Iterator[str]:
    """Yield what the page's server may say, with 7 for what differs."""
    for name in SPEAKING:
        tree = ast.parse((PAGE / f"{name}.py").read_text(encoding="utf-8"))
        for node in ast.walk(tree):
            if isinstance(node, ast.Call) and getattr(node.func, "id", "") in ERRORS:
                yield from filter(None, map(template, node.args))


def template(node: ast.expr) -> str | None:
    """Fill an f-string with 7; None for what is no text."""
    if isinstance(node, ast.JoinedStr):
        parts = node.values
        return "".join(p.value if isinstance(p, ast.Constant) else "7" for p in parts)
    is_text = isinstance(node, ast.Constant) and isinstance(node.value, str)
    return node.value if is_text else None


def test_what_the_server_says_is_known_in_french() -> None:
    patterns = [
        re.compile("(.+?)".join(map(re.escape, re.split(r"\{\d\}", english))))
        for english, _ in entries("messages.js", "FRENCH")
    ]
    said = {*messages()} - {*IN_THE_TERMINAL}
    assert len(said) > 30
    for message in said:
        if not re.fullmatch(r"7: 7( \(7, line 7\))?", message):  # a bug, as it is
            assert any(pattern.fullmatch(message) for pattern in patterns), message


def test_a_translation_keeps_what_differs() -> None:
    places = re.compile(r"\{\d\}")
    for english, french in entries("messages.js", "FRENCH"):
        assert sorted(places.findall(english)) == sorted(places.findall(french))
    script = (FILES / "words.js").read_text(encoding="utf-8")
    for pair in re.findall(
        r'\[\s*("(?:[^"\\]|\\.)*"),\s*("(?:[^"\\]|\\.)*"),?\s*\]', script
    ):
        english, french = map(json.loads, pair)
        assert {*places.findall(english)} == {*places.findall(french)}, english


def test_every_decoder_is_explained() -> None:
    script = (FILES / "words.js").read_text(encoding="utf-8")
    for part in PARTS.values():
        for decoder in part.decoders:
            assert f"  d_{decoder.name}: [" in script


def colours() -> dict[str, dict[str, str]]:
    """Read the colours of both schemes."""
    style = (FILES / "style.css").read_text(encoding="utf-8")
    blocks = re.findall(r":root \{(.*?)\}", style, flags=re.DOTALL)
    found = [dict(re.findall(r"--([\w-]+): (#\w{6});", block)) for block in blocks]
    return dict(zip(SCHEMES, found))


def luminance(colour: str) -> float:
    """Return the relative luminance of #rrggbb (WCAG 2.1)."""
    levels = [int(colour[i : i + 2], 16) / 255 for i in (1, 3, 5)]
    linear = [
        x / 12.92 if x <= 0.04045 else ((x + 0.055) / 1.055) ** 2.4 for x in levels
    ]
    return 0.2126 * linear[0] + 0.7152 * linear[1] + 0.0722 * linear[2]


def contrast(one: str, other: str) -> float:
    """Return the contrast of two colours, from 1 to 21."""
    low, high = sorted((luminance(one), luminance(other)))
    return (high + 0.05) / (low + 0.05)


@pytest.mark.parametrize("scheme", SCHEMES)
def test_texts_and_edges_stand_out(scheme: str) -> None:
    assert contrast("#000000", "#ffffff") == pytest.approx(21)
    known = colours()[scheme]
    for pairs, least in ((TEXT, 4.5), (SHAPES, 3.0)):
        for front, back in pairs:
            found = contrast(known[front], known[back])
            assert found >= least, f"{front} on {back}: {found:.2f}"


def test_a_control_is_offered_where_test_has_it() -> None:
    script = (FILES / "controls.js").read_text(encoding="utf-8")
    body = script.split("const USES = {")[1].split("};")[0]
    uses = {
        name: {*re.findall(r'"(\w+)"', fields)}
        | {"lm" for _ in re.findall("LM", fields)}
        for name, fields in re.findall(r"(\w+): \[(.*?)\]", body)
    }
    rows = PARTS["seq2seq"].rows
    options = {
        "beam": "beamwidth",
        "hotwords": "hotwords",
        "par_threshold": "par_threshold",
    }
    for decoder in PARTS["seq2seq"].decoders:
        used = uses.pop(decoder.name)
        for control, option in options.items():
            assert (control in used) == (decoder.name in rows[option].decoders)
        assert ("lm" in used) == decoder.takes_lm
    assert not uses
