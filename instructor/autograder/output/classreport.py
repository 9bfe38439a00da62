"""The class report: results of each exercise and student, similar answers."""

from __future__ import annotations

import re
from collections import Counter, defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from statistics import median
from typing import Any
from urllib.parse import quote

from autograder import phrases
from autograder.output.chart import as_data_uri, draw
from autograder.output.copies import REFERENCE, Copy, copies
from autograder.output.html import render
from autograder.output.similarity import Pair, pairs
from autograder.output.text import (
    answer_blocks,
    brief,
    file_stem,
    mistake_words,
    name_of,
    number_text,
    one_line,
    state_words,
    time_words,
    total_earned,
)
from autograder.records import ExerciseRecord, SubmissionRecord
from labkit.base import write_atomically
from labkit.exercises import count_answered

FEEDBACK = "feedback"  # folder of the students' pages, beside the report
_MISTAKES = 3  # shown for each exercise
_PAIRS = 100  # of similar submissions that are shown
_SHOWN = 140  # characters of a mistake
_LONGEST_SEEDS = 60  # characters: a list of seeds that is longer is not shown
_NUMBER = re.compile(r"[-+]?\d+(?:[.,]\d+)*(?:e[-+]?\d+)?", re.IGNORECASE)
_MARKS = dict(zip(phrases.STATES, "●◐✗·–!"))


@dataclass
class Summary:
    """The results of the class in one exercise.

    Attributes:
        id: Id of the exercise.
        title: Title of the exercise.
        minutes: How long it should take; 0 if unknown.
        states: How many students are in each state.
        mistakes: The usual ones, in the words of one case, with their numbers.
    """

    id: str
    title: str
    minutes: int
    states: Counter[str] = field(default_factory=Counter)
    mistakes: list[tuple[str, int]] = field(default_factory=list)

    @property
    def rate(self) -> float:
        """The share of the class that has done it."""
        return self.states["done"] / max(1, sum(self.states.values()))


def usual_mistakes(exercises: Sequence[ExerciseRecord]) -> list[tuple[str, int]]:
    """Count mistakes that differ in numbers only as one.

    Args:
        exercises: The records of one exercise.

    Returns:
        The most frequent, each in its most frequent wording, with their numbers.
    """
    wordings: dict[str, Counter[str]] = defaultdict(Counter)
    for exercise in exercises:
        if exercise.state in ("fail", "partial", "crash"):
            text = mistake_words(exercise) or phrases.STATES["fail"]
            wordings[_NUMBER.sub("0", text)][text] += 1
    groups = [
        (counts.most_common(1)[0][0], sum(counts.values()))
        for counts in wordings.values()
    ]
    groups.sort(key=lambda group: (-group[1], group[0]))
    return groups[:_MISTAKES]


def summarise(records: Sequence[SubmissionRecord]) -> list[Summary]:
    """Sum up each exercise over the class."""
    by_id: dict[str, list[ExerciseRecord]] = defaultdict(list)
    for record in records:
        for exercise in record.exercises:
            by_id[exercise.id].append(exercise)
    return [
        Summary(
            id_,
            one_line(same[0].title),
            max(exercise.minutes for exercise in same),
            Counter(exercise.state for exercise in same),
            [(brief(text, _SHOWN), count) for text, count in usual_mistakes(same)],
        )
        for id_, same in by_id.items()
    ]


def _student(record: SubmissionRecord, folder: Path) -> dict[str, Any]:
    """Make the row of a student; ``folder`` shows whether there is a page."""
    page = f"{file_stem(record)}.html"
    has_page = (folder / FEEDBACK / page).is_file()
    return {
        "name": name_of(record),
        "page": f"{FEEDBACK}/{quote(page)}" if has_page else "",
        "identifier": one_line(record.identifier),
        "points": number_text(total_earned(record)),
        "answered": count_answered(record.answers) if record.answers else "",
        "states": [(e.state, f"{e.id} {state_words(e)}") for e in record.exercises],
        "problems": brief("; ".join(record.problems), 300),
    }


def _questions(records: Sequence[SubmissionRecord]) -> list[dict[str, Any]]:
    """Gather the answers of the class to each question."""
    titles = dict.fromkeys(one_line(t) for record in records for t in record.answers)
    found: dict[str, list[tuple[str, str]]] = {title: [] for title in titles}
    for record in records:
        for title, text in answer_blocks(record):
            found[title].append((name_of(record), text))
    return [{"title": title, "answers": given} for title, given in found.items()]


def _pair(pair: Pair, records: Sequence[SubmissionRecord]) -> dict[str, str]:
    alike = (f"{id_} {100 * share:.0f} %" for id_, share in pair.exercises)
    return {
        "first": name_of(records[pair.first]),
        "second": name_of(records[pair.second]),
        "alike": ", ".join(alike),
        "evidence": f"{pair.evidence:.0f}",
    }


def _copy(copy: Copy, records: Sequence[SubmissionRecord]) -> dict[str, str]:
    alike = (f"{id_} {100 * share:.0f} %" for id_, share in copy.exercises)
    return {
        "student": name_of(records[copy.student]),
        "source": copy.source if copy.source != REFERENCE else phrases.REFERENCE,
        "alike": ", ".join(alike),
    }


def _picture(
    totals: list[float], total: int, summaries: Sequence[Summary]
) -> dict[str, str]:
    """Draw the results of the class, and describe the figure in words."""
    hardest = min(summaries, key=lambda item: item.rate)
    words = phrases.PICTURE_ALT.format(
        median=number_text(median(totals)), total=total, hardest=hardest.id
    )
    states = list(phrases.STATES)
    names = [phrases.STATE_NAMES[state] for state in states]
    shares = {item.id: [item.states[state] for state in states] for item in summaries}
    png = draw(totals, total, shares, names)
    return {"picture": as_data_uri(png), "picture_words": words}


def _colophon(records: Sequence[SubmissionRecord]) -> str:
    seeds = ", ".join(sorted({str(record.seed) for record in records}))
    newest = max(records, key=lambda record: record.graded_at)
    versions = {f"{k} {v}" for r in records for k, v in r.versions.items()}
    return phrases.CLASS_GRADED.format(
        time=time_words(newest),
        seed=seeds if len(seeds) < _LONGEST_SEEDS else phrases.SEVERAL,
        versions=one_line(", ".join(sorted(versions))) or phrases.NO_VERSIONS,
    )


def as_html(
    records: Sequence[SubmissionRecord],
    folder: Path,
    reference: SubmissionRecord | None = None,
    kit: Mapping[str, str] | None = None,
) -> str:
    """Write the report; ``folder`` shows which students' pages to link."""
    if not records:
        return render("class.html.j2", students=())
    totals = [total_earned(record) for record in records]
    total = max(record.total for record in records)
    facts = {"median": median(totals), "lowest": min(totals), "highest": max(totals)}
    summary = phrases.CLASS_SUMMARY.format(
        students=len(records),
        total=total,
        **{name: number_text(value) for name, value in facts.items()},
    )
    summaries = summarise(records)
    picture = _picture(totals, total, summaries) if summaries else {}
    ordered = sorted(records, key=lambda r: (name_of(r).casefold(), r.source))
    found = pairs(records, reference)
    return render(
        "class.html.j2",
        **picture,
        summary=summary,
        exercises=summaries,
        marks=_MARKS,
        students=[_student(record, folder) for record in ordered],
        questions=_questions(ordered),
        pairs=[_pair(pair, records) for pair in found[:_PAIRS]],
        copies=[_copy(one, records) for one in copies(records, reference, kit or {})],
        more_pairs=max(0, len(found) - _PAIRS),
        colophon=_colophon(records),
    )


def write_report(
    records: Sequence[SubmissionRecord],
    folder: Path,
    reference: SubmissionRecord | None = None,
    kit: Mapping[str, str] | None = None,
) -> Path:
    """Write ``class.html``.

    Args:
        records: The class, without reference and starter.
        folder: Its folder; pages in the ``feedback`` folder there are linked.
        reference: The record of the reference; its answers are the base of the
            comparison of answers.
        kit: The texts of the checks, and of files of the kit that hold answers.

    Returns:
        The file.
    """
    path = folder / "class.html"
    content = as_html(records, folder, reference, kit).encode()
    write_atomically(path, lambda part: part.write_bytes(content))
    return path
