"""Properties of ``answers.md``: what is asked, and what counts as an answer."""

from __future__ import annotations

import pytest
from shared import ROOT

from labkit.exercises.answers import count_answered, match_answers, read_answers

TEMPLATE = (ROOT / "answers.md").read_text(encoding="utf-8")
TITLES = list(read_answers(TEMPLATE))


def test_the_template_asks_six_questions_and_answers_none() -> None:
    assert [title.split()[0] for title in TITLES] == [f"Q{n}" for n in range(1, 7)]
    assert not any(read_answers(TEMPLATE).values())
    assert count_answered(match_answers(TEMPLATE, TEMPLATE)) == "0 of 6"


@pytest.mark.parametrize(
    "written",
    [
        "**Answer**\n\nAbout 300 nats.\n",
        "**Answer** About 300 nats.",
        "Answer: About 300 nats.\n\n",
        "## Answer\n\nAbout 300 nats.",
        "**ANSWER**\r\n\r\nAbout 300 nats.\r\n",
    ],
)
def test_an_answer_is_what_stands_below_its_mark(written: str) -> None:
    text = TEMPLATE.replace("**Answer**\n", written + "\n", 1)
    found = match_answers(TEMPLATE, text)
    assert found.pop(TITLES[0]) == "About 300 nats." and not any(found.values())


def test_titles_and_order_may_change_and_questions_may_be_lost() -> None:
    text = "## Q5 mes erreurs\n\n**Answer**\n\ncinq\n\n## Q2\n\nsans marque\n"
    found = match_answers(TEMPLATE, text)
    assert list(found) == TITLES and count_answered(found) == "2 of 6"
    assert (found[TITLES[4]], found[TITLES[1]]) == ("cinq", "sans marque")
    assert match_answers(TEMPLATE, "") == dict.fromkeys(TITLES, "")
    assert match_answers("", text) == {}


def test_an_answer_may_hold_headings_code_and_its_own_marks() -> None:
    answer = "# Mine\n\n```\nx = 1\n```\n\n**Answer** to everything: 42"
    text = TEMPLATE.replace("**Answer**\n", f"**Answer**\n\n{answer}\n", 1)
    assert match_answers(TEMPLATE, text)[TITLES[0]] == answer
