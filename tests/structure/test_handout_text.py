"""Properties of the text of the lab: it agrees with the kit, in both languages."""

from __future__ import annotations

import os
import re
import shlex
import sys
from collections import Counter

import pytest
from shared import ROOT

sys.path.insert(0, str(ROOT / "instructor"))

from make_text import BLOCK, TEXTS, WORDS, box, milestone

from labkit.options import CTC, SEQ2SEQ, parse
from test_implementation import EXERCISES, MILESTONES

FENCE = re.compile(r"^(?:> )?```(\w+)\n(.*?)^(?:> )?```$", re.DOTALL | re.MULTILINE)
LINK = re.compile(r"\]\(([^)\s]+)\)")
NUMBER = re.compile(r"\d+(?:[.,]\d+)*")
PARTS = {"main_ctc.py": CTC, "main_seq2seq.py": SEQ2SEQ}

languages = pytest.mark.parametrize("language", TEXTS)


def read(language: str) -> str:
    """Read the text in a language."""
    return (ROOT / TEXTS[language]).read_text(encoding="utf-8")


def code(language: str) -> list[tuple[str, str]]:
    """List the blocks of code of a text: their language and what is in them."""
    return FENCE.findall(read(language))


def prose(language: str) -> str:
    """Give a text without its code, its maths and the boxes of its exercises."""
    text = FENCE.sub("", BLOCK.sub("", read(language)))
    return re.sub(r"\$`.*?`\$|`.*?`|\]\(.*?\)", "", text)


def numbers(text: str) -> Counter[str]:
    """Count the numbers of a text, whatever separates their thousands or decimals."""
    joined = re.sub(r"(?<=\d)[ \u00a0\u202f](?=\d{3}\b)", "", text)
    return Counter(re.sub("[.,]", "", one) for one in NUMBER.findall(joined))


@languages
def test_each_exercise_has_its_box_in_the_order_of_work(language: str) -> None:
    boxes = [b for b in BLOCK.finditer(read(language)) if b["kind"] == "box"]
    assert [b["what"] for b in boxes] == list(EXERCISES)
    for found in boxes:
        assert found["old"] == box(language, found["what"]), "run make handout-text"


@languages
def test_each_milestone_stands_in_the_text(language: str) -> None:
    blocks = [b for b in BLOCK.finditer(read(language)) if b["kind"] == "milestone"]
    assert [b["what"] for b in blocks] == [one.upto for one in MILESTONES]
    for found in blocks:
        assert found["old"] == milestone(language, found["what"])


@languages
def test_no_block_is_empty(language: str) -> None:
    empty = [b["what"] for b in BLOCK.finditer(read(language)) if not b["old"].strip()]
    assert not empty, "run make handout-text, with --slow DIR for what trains"


def test_both_languages_have_the_same_structure() -> None:
    english, french = (re.findall(r"^#+ ", read(one), re.MULTILINE) for one in TEXTS)
    assert english == french
    blocks = [
        [(b["kind"], b["what"]) for b in BLOCK.finditer(read(one))] for one in TEXTS
    ]
    assert blocks[0] == blocks[1]


def test_both_languages_have_the_same_code_and_maths() -> None:
    assert code("en") == code("fr")


def test_both_languages_state_the_same_numbers() -> None:
    english, french = numbers(prose("en")), numbers(prose("fr"))
    assert english - french == Counter()
    assert french - english == Counter()


@languages
def test_no_link_is_dead(language: str) -> None:
    text = read(language)
    titles = re.findall(r"^#+ (.*)$", text, re.MULTILINE)
    anchors = {
        re.sub(r"[^\w\- ]", "", title.lower()).replace(" ", "-") for title in titles
    }
    anchors.update(re.findall(r'<a id="(.*?)">', text))
    for target in LINK.findall(text):
        if target.startswith("#"):
            assert target[1:] in anchors
        elif not target.startswith("https://"):
            assert (ROOT / TEXTS[language].parent / target).exists(), target


def test_the_messages_in_the_text_are_those_of_the_checks() -> None:
    files = (ROOT / "checks").glob("*.py")
    sources = "".join(path.read_text(encoding="utf-8") for path in files)
    advice = [p for p in read("en").split("\n\n") if p.startswith("**If you see")]
    quoted = re.findall(r'"(.*?)"', " ".join("\n".join(advice).split()))
    assert len(quoted) > 5
    assert [message for message in quoted if message not in sources] == []
    french = " ".join(read("fr").split())
    assert [message for message in quoted if message not in french] == []


def test_each_command_is_one_that_the_programs_take() -> None:
    lines = [line for _, block in code("en") for line in block.splitlines()]
    commands = [line.removeprefix("$ ") for line in lines if "python " in line[:9]]
    assert len(commands) > len(MILESTONES)
    for command in commands:
        _, script, *options = shlex.split(command)
        if script in PARTS:
            assert parse(PARTS[script], None, options).command == options[0]
        else:
            assert script == "-c" or (ROOT / script).is_file()


def test_the_words_of_the_boxes_exist_in_each_language() -> None:
    assert set(WORDS["en"]) == set(WORDS["fr"])


@pytest.mark.skipif(not os.environ.get("LAB_TEST_ALL"), reason="takes long")
def test_the_outputs_in_the_texts_are_those_of_the_programs() -> None:
    from make_text import main

    main(["--check"])
