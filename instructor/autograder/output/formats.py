"""One submission's result in the formats of the systems that instructors use.

Each function takes a record and returns the whole text of a file. Sources:
Gradescope's results.json (Gradescope Autograder Documentation, "Autograder
Specifications"); GitHub Classroom's runner results, version 3
(classroom-resources/autograding-grading-reporter); PrairieLearn's results.json
("External grading"); VPL's execution output (vpl.dis.ulpgc.es, "Automatic grade");
JUnit XML as pytest writes it (family xunit2).
"""

from __future__ import annotations

import base64
import json
import xml.etree.ElementTree as ET
from collections.abc import Callable
from typing import Any

from autograder import phrases
from autograder.output.feedback import colophon
from autograder.output.text import (
    BLOCK_CHARACTERS,
    brief,
    cut_middle,
    earned_points,
    failure_block,
    finite,
    name_of,
    number_text,
    one_line,
    state_words,
    total_earned,
    where_words,
)
from autograder.records import ExerciseRecord, SubmissionRecord

# Classroom's reporter gets its result in one environment variable, which Linux limits
# to 128 KiB, as base64 (4 bytes for 3). PrairieLearn takes 1 MB, and a text in JSON
# may grow sixfold (\\u001b).
CLASSROOM_BYTES = 90_000
OUTPUT_CHARACTERS = 100_000

_GONE_WRONG = ("fail", "partial")


def _name(exercise: ExerciseRecord) -> str:
    return f"{exercise.id} {one_line(exercise.title)}"


def _explained(exercise: ExerciseRecord, limit: int) -> str:
    """State, failure block and hint of one exercise; the state alone if it is done."""
    words = state_words(exercise)
    if exercise.state == "done":
        return words
    hint = ""
    if exercise.hint and exercise.state != "blocked":
        hint = phrases.HINT.format(hint=one_line(exercise.hint))
    # The block is cut, because state and hint are short and more useful.
    room = max(0, limit - len(words) - len(hint) - 2)
    parts = [words, failure_block(exercise, room), hint]
    return cut_middle("\n".join(filter(None, parts)), limit)


def _share(record: SubmissionRecord, whole: int) -> int:
    """The number of characters that each of several texts may have."""
    return min(BLOCK_CHARACTERS, whole // (len(record.exercises) + 1))


def _overview(record: SubmissionRecord, limit: int) -> str:
    """Problems with the files, total, seed, versions and time."""
    words = phrases.TOTAL.format(
        earned=number_text(total_earned(record)), total=record.total
    )
    problems = [one_line(text) for text in record.problems]
    return cut_middle("\n".join([words, *problems, colophon(record)]), limit)


def _json(value: dict[str, Any], **options: Any) -> str:
    return json.dumps(value, ensure_ascii=False, allow_nan=False, **options)


def gradescope(record: SubmissionRecord) -> str:
    """Write Gradescope's results.json."""
    limit = _share(record, OUTPUT_CHARACTERS)
    tests = [
        {
            "name": _name(exercise),
            "name_format": "text",
            "number": str(place),
            "score": earned_points(exercise),
            "max_score": exercise.points,
            "status": "passed" if exercise.state == "done" else "failed",
            "output": _explained(exercise, limit),
            "output_format": "text",
            "visibility": "visible",
        }
        for place, exercise in enumerate(record.exercises, 1)
    ]
    result = {
        "score": total_earned(record),
        "execution_time": finite(record.seconds),
        "output": _overview(record, limit),
        "output_format": "text",
        "visibility": "visible",
        # Student code may print files that it read: only instructors see it.
        "stdout_visibility": "hidden",
        "extra_data": _about(record),
        "tests": tests,
    }
    if phrases.LEADERBOARD and record.dev_cer is not None:
        value = round(100 * record.dev_cer, 2)
        column = {"name": phrases.LEADERBOARD, "value": value, "order": "asc"}
        result["leaderboard"] = [column]
    return _json(result, indent=1) + "\n"


def _about(record: SubmissionRecord) -> dict[str, Any]:
    versions = {one_line(k): one_line(v) for k, v in record.versions.items()}
    return {
        "seed": record.seed,
        "versions": versions,
        "graded_at": one_line(record.graded_at),
    }


def classroom(record: SubmissionRecord) -> str:
    """Write a runner's result for GitHub Classroom: base64 of JSON, on one line."""
    for limit in (BLOCK_CHARACTERS, 1000, 300, 100):
        encoded = _classroom_json(record, limit).encode()
        if len(encoded) <= CLASSROOM_BYTES:
            break
    return base64.b64encode(encoded).decode("ascii")


def _classroom_json(record: SubmissionRecord, limit: int) -> str:
    tests = []
    for exercise in record.exercises:
        statuses = {"done": "pass", "crash": "error"}
        words = _explained(exercise, limit)
        tests.append(
            {
                "name": _name(exercise),
                "status": statuses.get(exercise.state, "fail"),
                "score": earned_points(exercise),
                "message": words,
                "test_code": f"pytest -k {exercise.id}",
                "task_id": exercise.id,
                "filename": one_line(exercise.where.partition(":")[0]),
                "line_no": 0,
                "duration": f"{finite(exercise.seconds):.2f}s",
                "output": words,
            }
        )
    all_done = all(exercise.state == "done" for exercise in record.exercises)
    status = "pass" if tests and all_done else "fail"
    result = {
        "version": 3,
        "status": status if tests else "error",
        "max_score": record.total,
        "message": _overview(record, limit),
        "tests": tests,
    }
    return _json(result)


def prairielearn(record: SubmissionRecord) -> str:
    """Write PrairieLearn's results.json."""
    limit = _share(record, OUTPUT_CHARACTERS)
    earned, total = total_earned(record), record.total
    tests = [
        {
            "name": _name(exercise),
            "description": where_words(exercise),
            "points": earned_points(exercise),
            "max_points": exercise.points,
            "message": state_words(exercise),
            "output": _explained(exercise, limit),
        }
        for exercise in record.exercises
    ]
    result: dict[str, Any] = {
        "gradable": True,
        "score": min(finite(earned / total), 1.0) if total else 0.0,
        "message": phrases.TOTAL.format(earned=number_text(earned), total=total),
        "output": _overview(record, limit),
        "tests": tests,
    }
    if not earned and (record.problems or not tests):
        # A file that cannot be read should not cost the student an attempt.
        result["gradable"] = False
        problems = [brief(text, 500) for text in record.problems]
        result["format_errors"] = problems or [phrases.NOTHING_GRADED]
    return _json(result, indent=1) + "\n"


def _for_vpl(text: str) -> str:
    """Escape what would end the block or set a grade."""
    for mark, harmless in ((":=>>", ": =>>"), ("--|>", "-- |>"), ("<|--", "< |--")):
        text = text.replace(mark, harmless)
    return text


def vpl(record: SubmissionRecord) -> str:
    """Write what a VPL activity reads from the evaluation's output.

    In the block of comments a line that starts with ``-`` is a title and one that
    starts with ``>`` is shown as it is.
    """
    limit = _share(record, OUTPUT_CHARACTERS)
    lines = ["<|--"]
    for exercise in record.exercises:
        points = f"{number_text(earned_points(exercise))}/{exercise.points}"
        words = _explained(exercise, limit)
        lines.append(f"-{_for_vpl(_name(exercise))} ({points})")
        lines += [f">{text}" for text in _for_vpl(words).split("\n")]
    lines.append("-")
    lines += [f">{text}" for text in _for_vpl(_overview(record, limit)).split("\n")]
    grade = number_text(total_earned(record))
    return "\n".join([*lines, "--|>", f"Grade :=>> {grade}"]) + "\n"


def junit(record: SubmissionRecord) -> str:
    """Write JUnit XML (family xunit2), points as properties of each case."""
    states = [exercise.state for exercise in record.exercises]
    counts = {
        "errors": states.count("crash"),
        "failures": sum(state in _GONE_WRONG for state in states),
        "skipped": sum(state in ("todo", "blocked") for state in states),
        "tests": len(states),
    }
    suites = ET.Element("testsuites", name="lab")
    attributes = {
        "name": name_of(record),
        "time": f"{finite(record.seconds):.3f}",
        "timestamp": one_line(record.graded_at),
        **{name: str(count) for name, count in counts.items()},
    }
    suite = ET.SubElement(suites, "testsuite", attributes)
    about = {"seed": str(record.seed), "total": str(record.total)}
    about["points"] = number_text(total_earned(record))
    about.update(_about(record)["versions"])
    _add_properties(suite, about)
    limit = _share(record, OUTPUT_CHARACTERS)
    for exercise in record.exercises:
        _add_case(suite, exercise, limit)
    if record.problems:
        problems = "\n".join(one_line(text) for text in record.problems)
        ET.SubElement(suite, "system-err").text = cut_middle(problems, limit)
    ET.indent(suites, " ")
    text = ET.tostring(suites, encoding="unicode")
    return f'<?xml version="1.0" encoding="utf-8"?>\n{text}\n'


def _add_properties(parent: ET.Element, values: dict[str, str]) -> None:
    properties = ET.SubElement(parent, "properties")
    for name, value in values.items():
        ET.SubElement(properties, "property", name=name, value=value)


def _add_case(suite: ET.Element, exercise: ExerciseRecord, limit: int) -> None:
    case = ET.SubElement(
        suite,
        "testcase",
        classname=one_line(exercise.where.partition(":")[0].replace(".py", "")),
        name=_name(exercise),
        time=f"{finite(exercise.seconds):.3f}",
    )
    points = number_text(earned_points(exercise))
    _add_properties(case, {"points": points, "max_points": str(exercise.points)})
    if exercise.state == "done":
        return
    kinds = {"crash": "error", "todo": "skipped", "blocked": "skipped"}
    kind = kinds.get(exercise.state, "failure")
    words = state_words(exercise)
    ET.SubElement(case, kind, message=words, type=exercise.state).text = _explained(
        exercise, limit
    )


# Maps the name of a format to its writer and the file name that its system expects.
FORMATS: dict[str, Callable[[SubmissionRecord], str]] = {
    "gradescope": gradescope,
    "classroom": classroom,
    "prairielearn": prairielearn,
    "vpl": vpl,
    "junit": junit,
}
FILE_NAMES = {
    "gradescope": "results.json",
    "classroom": "classroom.txt",
    "prairielearn": "results.json",
    "vpl": "vpl_execution.txt",
    "junit": "junit.xml",
}
