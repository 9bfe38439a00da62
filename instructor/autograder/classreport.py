"""The class report: which exercise is badly explained, who did what, who copied."""

from __future__ import annotations

import re
from collections import Counter, defaultdict
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from statistics import median
from urllib.parse import quote

from autograder import phrases, plain
from autograder.page import document, escape, table
from autograder.picture import as_data_uri, draw
from autograder.records import ExerciseRecord, SubmissionRecord
from autograder.similarity import Pair, pairs
from labkit.base import write_atomically

FEEDBACK = "feedback"  # folder of the students' pages, beside the report
_MISTAKES = 3  # shown of each exercise
_PAIRS = 100  # of similar submissions that are shown
_SHOWN = 140  # characters of a mistake
_NUMBER = re.compile(r"[-+]?\d+(?:[.,]\d+)*(?:e[-+]?\d+)?", re.IGNORECASE)
_MARKS = {
    "done": "●",
    "partial": "◐",
    "fail": "✗",
    "crash": "!",
    "blocked": "–",
    "todo": "·",
}


@dataclass
class Summary:
    """How the class did in one exercise.

    Attributes:
        id: Of the exercise.
        title: Of the exercise.
        minutes: How long it is meant to take; 0 if unknown.
        states: How many students are in each state.
        mistakes: The usual ones, as one student met them, with their numbers.
    """

    id: str
    title: str
    minutes: int
    states: Counter[str] = field(default_factory=Counter)
    mistakes: list[tuple[str, int]] = field(default_factory=list)

    @property
    def rate(self) -> float:
        """Share of the class that is done."""
        return self.states["done"] / max(1, sum(self.states.values()))


def usual_mistakes(exercises: Sequence[ExerciseRecord]) -> list[tuple[str, int]]:
    """Count the mistakes that differ in numbers alone as one.

    Args:
        exercises: The records of one exercise.

    Returns:
        The most frequent, each as its most frequent wording, and how many made it.
    """
    wordings: dict[str, Counter[str]] = defaultdict(Counter)
    for exercise in exercises:
        if exercise.state in ("fail", "partial", "crash"):
            text = plain.mistake_of(exercise) or phrases.STATES["fail"]
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
            plain.line(same[0].title),
            max(exercise.minutes for exercise in same),
            Counter(exercise.state for exercise in same),
            usual_mistakes(same),
        )
        for id_, same in by_id.items()
    ]


def _exercise_table(summaries: Sequence[Summary]) -> str:
    states = list(phrases.STATES)
    names = [phrases.STATE_NAMES[state] for state in states]
    header = [phrases.EXERCISE, phrases.MINUTES, phrases.DONE_RATE, *names]
    rows = []
    for item in summaries:
        mistakes = "".join(
            f"<li>{escape(plain.brief(text, _SHOWN))} <b>({count})</b></li>"
            for text, count in item.mistakes
        )
        counts = [str(item.states[state] or "") for state in states]
        rows.append(
            [
                f"{escape(item.id)} {escape(item.title)}",
                str(item.minutes or ""),
                f"{100 * item.rate:.0f} %",
                *counts,
                f"<ul>{mistakes}</ul>" if mistakes else "",
            ]
        )
    numbers = frozenset(range(1, 3 + len(states)))
    widths = {0: "19%", len(header): "42%"}
    return table([*header, phrases.MISTAKES], rows, numbers, widths)


def _student_link(record: SubmissionRecord, folder: Path) -> str:
    name, page = escape(plain.name_of(record)), f"{plain.stem(record)}.html"
    if (folder / FEEDBACK / page).is_file():
        return f'<a href="{FEEDBACK}/{quote(page)}">{name}</a>'
    return name


def _student_table(records: Sequence[SubmissionRecord], folder: Path) -> str:
    rows = []
    ordered = sorted(records, key=lambda r: (plain.name_of(r).casefold(), r.source))
    for record in ordered:
        marks = "".join(
            f'<span class="{escape(e.state)}" title="{escape(e.id)} '
            f'{escape(plain.state_words(e))}">{_MARKS.get(e.state, "?")}</span>'
            for e in record.exercises
        )
        problems = plain.brief("; ".join(record.problems), 300)
        rows.append(
            [
                _student_link(record, folder),
                escape(plain.line(record.identifier)),
                plain.number(plain.total_earned(record)),
                f'<span class="marks">{marks}</span>',
                escape(problems),
            ]
        )
    header = [phrases.NAME, phrases.IDENTIFIER, phrases.POINTS]
    return table([*header, phrases.EXERCISES, phrases.REMARKS], rows, frozenset({2}))


def _similar_table(found: Sequence[Pair], records: Sequence[SubmissionRecord]) -> str:
    if not found:
        return f"<p>{escape(phrases.NO_SIMILAR)}</p>"
    rows = []
    for pair in found[:_PAIRS]:
        both = (plain.name_of(records[n]) for n in (pair.first, pair.second))
        alike = ", ".join(f"{id_} {100 * share:.0f} %" for id_, share in pair.exercises)
        names = "<br>".join(map(escape, both))
        rows.append([names, escape(alike), f"{pair.evidence:.0f}"])
    header = [phrases.PAIR, phrases.SHARED, phrases.EVIDENCE]
    caveat = f'<p class="soft">{escape(phrases.SIMILAR_CAVEAT)}</p>'
    more = phrases.MORE_PAIRS.format(count=len(found) - _PAIRS)
    note = f"<p>{escape(more)}</p>" if len(found) > _PAIRS else ""
    return caveat + table(header, rows, frozenset({2})) + note


def _picture(totals: list[float], total: int, summaries: Sequence[Summary]) -> str:
    hardest = min(summaries, key=lambda item: item.rate)
    alt = phrases.PICTURE_ALT.format(
        median=plain.number(median(totals)), total=total, hardest=hardest.id
    )
    states = list(phrases.STATES)
    names = [phrases.STATE_NAMES[state] for state in states]
    shares = {item.id: [item.states[state] for state in states] for item in summaries}
    png = draw(totals, total, shares, names)
    return f'<img alt="{escape(alt)}" src="{as_data_uri(png)}">'


def as_html(
    records: Sequence[SubmissionRecord],
    folder: Path,
    reference: SubmissionRecord | None = None,
) -> str:
    """Write the report; ``folder`` tells which students' pages to link to."""
    body = [f"<h1>{escape(phrases.CLASS_TITLE)}</h1>"]
    if not records:
        body.append(f"<p>{escape(phrases.NO_SUBMISSIONS)}</p>")
        return document(phrases.CLASS_TITLE, "\n".join(body), "wide")
    totals = [plain.total_earned(record) for record in records]
    total = max(record.total for record in records)
    facts = {"median": median(totals), "lowest": min(totals), "highest": max(totals)}
    summary = phrases.CLASS_SUMMARY.format(
        students=len(records),
        total=total,
        **{name: plain.number(value) for name, value in facts.items()},
    )
    body.append(f"<p>{escape(summary)}</p>")
    summaries = summarise(records)
    if summaries:
        body.append(_picture(totals, total, summaries))
        body.append(f"<h2>{escape(phrases.EXERCISES)}</h2>")
        body.append(_exercise_table(summaries))
    body.append(f"<h2>{escape(phrases.STUDENTS)}</h2>")
    legend = "\u2003".join(
        f"{_MARKS[s]} {phrases.STATE_NAMES[s]}" for s in phrases.STATES
    )
    body.append(f'<p class="soft">{escape(legend)}</p>')
    body.append(_student_table(records, folder))
    body.append(f"<h2>{escape(phrases.SIMILAR)}</h2>")
    body.append(_similar_table(pairs(records, reference), records))
    seeds = ", ".join(sorted({str(record.seed) for record in records}))
    newest = max(records, key=lambda record: record.graded_at)
    versions = {f"{k} {v}" for r in records for k, v in r.versions.items()}
    colophon = phrases.CLASS_GRADED.format(
        time=plain.when(newest),
        seed=seeds if len(seeds) < 60 else phrases.SEVERAL,
        versions=plain.line(", ".join(sorted(versions))) or phrases.NO_VERSIONS,
    )
    body.append(f'<p class="soft">{escape(colophon)}</p>')
    return document(phrases.CLASS_TITLE, "\n".join(body), "wide")


def write_report(
    records: Sequence[SubmissionRecord],
    folder: Path,
    reference: SubmissionRecord | None = None,
) -> Path:
    """Write ``class.html``.

    Args:
        records: The class, without reference and starter.
        folder: Where it goes; pages in its ``feedback`` folder are linked to.
        reference: The record of the reference; its answers are the base of the
            comparison of answers.

    Returns:
        The file.
    """
    path = folder / "class.html"
    content = as_html(records, folder, reference).encode()
    write_atomically(path, lambda part: part.write_bytes(content))
    return path
