"""The program behind ``instructor/grade.py``: from the command line to the files."""

from __future__ import annotations

import argparse
import json
import os
import secrets
import sys
import time
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import replace
from pathlib import Path

import torch
from tqdm import tqdm

from autograder.intake import (
    PACKAGE,
    Source,
    Submission,
    closed_kit,
    find_one,
    find_submissions,
    imported_modules,
    probe_files,
)
from autograder.marking import (
    CHECKS,
    Grader,
    Material,
    earlier_record,
    keep_record,
    open_material,
)
from autograder.output import (
    FILE_NAMES,
    FORMATS,
    fill_worksheet,
    name_of,
    number_text,
    total_earned,
    write_feedback,
    write_grades,
    write_report,
    zip_feedback,
)
from autograder.records import SubmissionRecord
from autograder.sandbox import Limits, Sandbox
from labkit.base import USAGE, LabError, write_atomically
from labkit.exercises import (
    ANSWERS,
    SEED_VARIABLE,
    lowest_cer,
    match_answers,
    questions_of,
)

_SECRET_BITS = 48


def choose_secret(output: Path, given: int | None) -> int:
    """Return the secret for the seeds: given, from the last run, or new.

    Raises:
        LabError: ``LAB_SEED`` is no number.
    """
    path = output / "records" / "secret.json"
    text = os.environ.get(SEED_VARIABLE)
    if given is None and text is not None:
        if not text.lstrip("-").isdigit():
            remedy = "give a whole number, or unset it"
            raise LabError(f"{SEED_VARIABLE}={text}: no number", remedy, USAGE)
        given = int(text)
    if given is None:
        with suppress(OSError, ValueError, KeyError, TypeError):
            return int(json.loads(path.read_text(encoding="utf-8"))["secret"])
        given = secrets.randbits(_SECRET_BITS)
    content = json.dumps({"secret": given})
    write_atomically(path, lambda part: part.write_text(content, encoding="utf-8"))
    return given


def describe(sandbox: Sandbox) -> list[str]:
    """Describe the isolation that this system gives."""
    if sandbox.inline:
        return [
            "isolation: a process for each submission, stopped when it takes too long; "
            "memory, files and network are not limited here.",
            "           Grade untrusted code on Linux, or in a container or a virtual "
            "machine.",
        ]
    measures = sandbox.slots[0].measures
    names = {
        "user": "an unprivileged user",
        "files": "no file but Python and the scripts at hand",
        "network": "no network",
        "processes": "a process space that is emptied after each exercise",
        "calls": "no call that starts a program or outlives the exercise",
    }
    closed = measures.get("network") or measures.get("calls")
    measures = {**measures, "network": closed}
    given = ["limits on time, memory, output and processes"]
    given += [text for name, text in names.items() if measures.get(name)]
    lines = [f"isolation: a process for each exercise, with {'; '.join(given)}."]
    lacking = []
    if not measures.get("files"):
        lacking.append("files of this computer are refused within Python alone")
    if not measures.get("network"):
        lacking.append("so is the network")
    if not measures.get("calls"):
        lacking.append("so are other programs, and calls past Python")
    if not measures.get("user") and not measures.get("files"):
        lacking.append("student code runs as you")
    if lacking:
        lines.append(
            f"           Not given here: {'; '.join(lacking)}. "
            "Linux since 5.13 gives more, as root or with user namespaces most."
        )
    return lines


class _Report:
    """Shows the progress of grading: a bar on a terminal, lines elsewhere."""

    def __init__(self, total: int, quiet: bool) -> None:
        self.total, self.quiet, self.count = total, quiet, 0
        on_terminal = sys.stderr.isatty() and not quiet
        self.bar = tqdm(total=total, unit="submission") if on_terminal else None

    def add(self, record: SubmissionRecord) -> None:
        self.count += 1
        points = f"{number_text(total_earned(record)):>5}/{record.total}"
        note = f"  ({record.problems[0]})" if record.problems else ""
        line = f"{name_of(record)}  {points}{note}"
        if self.bar is not None:
            self.bar.update()
            self.bar.set_postfix_str(name_of(record)[:30])
        elif not self.quiet:
            print(f"{self.count:3}/{self.total}  {line}", flush=True)

    def close(self) -> None:
        if self.bar is not None:
            self.bar.close()


def open_sandbox(
    material: Material,
    root: Path,
    limits: Limits,
    jobs: int,
    hidden: Sequence[Path] = (),
    without: Sequence[str] = (),
) -> Sandbox:
    """Prepare the sandbox for student code.

    Args:
        material: The checks, the reference and the starter.
        root: The folder of their files.
        limits: The limits on an exercise.
        jobs: How many run at a time.
        hidden: Paths that student code must not see, besides those of the lab.
        without: Measures not to take.

    Returns:
        The sandbox, which is not started yet.
    """
    probes = probe_files(root, material.exercises)
    sources = map(Source, (*material.reference.values(), *probes.values()))
    own = [*(file[: -len(".py")] for file in material.reference), PACKAGE]
    secret = ("LabsSolutions", CHECKS, PACKAGE, "instructor", "tests", ".git")
    return Sandbox(
        root / "labkit",
        {**probes, **closed_kit(root)},
        imported_modules(sources, own),
        jobs,
        limits,
        [*(root / name for name in secret), *hidden],
        [measure for measure in without if measure != "fork"],
        inline="fork" in without or not hasattr(os, "fork"),
    )


def grade(options: argparse.Namespace, root: Path) -> None:
    """Grade the submissions that the command line names.

    Raises:
        LabError: Nothing can be graded, or this computer has an error.
    """
    torch.set_num_threads(1)
    material = open_material(root, options.part, options.given)
    remarks: list[str] = []
    lab = (material.files, [*material.exercises.values()])
    if options.format:
        submissions = [find_one(options.submissions, *lab)]
    else:
        submissions = find_submissions(options.submissions, *lab, remarks)
    secret = choose_secret(options.output, options.seed)
    limits = Limits(
        seconds=options.seconds,
        wall=5 + 2 * options.seconds,
        memory=options.memory << 20,
    )
    jobs = min(options.jobs, max(2, len(submissions)))
    hidden = (options.submissions, options.output)
    sandbox = open_sandbox(material, root, limits, jobs, hidden, options.without)
    grader = Grader(material, sandbox, limits, secret)
    quiet = bool(options.format)
    try:
        records, reference = _grade_class(grader, submissions, options, quiet)
    except KeyboardInterrupt:
        print(
            "\nstopped: all results are kept; the same command continues from here",
            file=sys.stderr,
        )
        raise SystemExit(130) from None
    finally:
        sandbox.close()
        grader.close()
    template = root / ANSWERS
    text = template.read_text(encoding="utf-8") if template.is_file() else ""
    questions = questions_of(text, options.part)
    records = [
        replace(
            record,
            answers=match_answers(questions, submission.answers),
            dev_cer=lowest_cer(submission.metrics),
        )
        for record, submission in zip(records, submissions)
    ]
    _write(options, records, reference, material.public)
    print(*remarks, sep="\n", end="\n" if remarks else "")
    unread = [s.name for s in submissions if not s.complete]
    if unread and not options.format:
        raise LabError(
            f"not every file was looked at: {', '.join(unread)}",
            "see what else they handed in, remove it, and grade them again",
        )


def _grade_class(
    grader: Grader,
    submissions: Sequence[Submission],
    options: argparse.Namespace,
    quiet: bool,
) -> tuple[list[SubmissionRecord], SubmissionRecord]:
    """Grade reference and starter, then every submission that has changed."""
    sandbox, folder = grader.sandbox, options.output / "records"
    began = time.monotonic()
    if sandbox.inline:
        for slot in sandbox.slots:
            sandbox.start([slot])
    else:
        sandbox.start(sandbox.slots)
    out = sys.stderr if quiet else sys.stdout
    print("\n".join(describe(sandbox)), file=out, flush=True)
    reference, _ = grader.check_reference_and_starter()
    total = reference.total
    print(
        f"reference {total}/{total}, untouched starter 0/{total}: as expected "
        f"({time.monotonic() - began:.0f} s)",
        file=out,
        flush=True,
    )
    records: dict[int, SubmissionRecord] = {}
    keys = {id(s): grader.key_of(s) for s in submissions}
    for submission in submissions if not options.force else ():
        record = earlier_record(folder, submission, keys[id(submission)])
        if record is not None:
            records[id(submission)] = record
    left = [s for s in submissions if id(s) not in records]
    if records:
        print(f"unchanged since they were graded: {len(records)}", file=out)
    report = _Report(len(left), quiet)

    def finished(submission: Submission, record: SubmissionRecord) -> None:
        keep_record(folder, submission, record)
        records[id(submission)] = record
        report.add(record)

    try:
        grader.grade_all(left, finished)
    finally:
        report.close()
    return [records[id(s)] for s in submissions], reference


def _write(
    options: argparse.Namespace,
    records: list[SubmissionRecord],
    reference: SubmissionRecord,
    public: dict[str, str],
) -> None:
    """Write all output that is made from the records."""
    output: Path = options.output
    for record in records:
        write_feedback(record, output / "feedback")
    write_grades(records, output / "grades.csv")
    if options.format:
        text = FORMATS[options.format](records[0])
        path = output / FILE_NAMES[options.format]
        write_atomically(path, lambda part: part.write_text(text, encoding="utf-8"))
        print(text)
        return
    page = write_report(records, output, reference, public)
    print(f"{output / 'grades.csv'}: {len(records)} submissions")
    print(f"{output / 'feedback'}: a page for each; {page}: the class")
    pages = zip_feedback(records, output / "feedback", output / "feedback.zip")
    if pages:
        print(f"{pages}: the pages as Moodle takes them")
    if options.moodle is not None:
        filled = fill_worksheet(options.moodle, records, options.overwrite)
        for remark in filled.remarks:
            print(remark)
        print(f"{filled.path}: {filled.graded} grades")
