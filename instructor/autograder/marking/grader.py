"""Grading a class: every submission once, each exercise at most twice."""

from __future__ import annotations

import platform
import queue
import re
import threading
import traceback
from collections.abc import Callable, Sequence
from dataclasses import replace
from datetime import datetime, timezone
from pathlib import Path

import torch

from autograder import phrases
from autograder.intake import Submission
from autograder.marking.judging import Judge
from autograder.marking.material import Material, digest_of
from autograder.marking.trials import StoppedError, Trials
from autograder.records import SubmissionRecord, read_record, write_record
from autograder.sandbox import ENVIRONMENT, Limits, Sandbox, Slot
from labkit.base import KIT_VERSION, LabError
from labkit.exercises import DONE, TODO

_SEED_RANGE = 1 << 31


def seed_of(secret: int, scripts: dict[str, str]) -> int:
    """Derive the seed of a submission's checks, the same for the same scripts."""
    text = digest_of([str(secret), *(f"{k}\n{v}" for k, v in sorted(scripts.items()))])
    return int(text, 16) % _SEED_RANGE


def _now() -> str:
    return datetime.now(timezone.utc).isoformat(timespec="seconds")


class Grader:
    """Grades submissions.

    Args:
        material: The checks, the reference and the starter.
        sandbox: The sandbox for student code.
        limits: The limits on student code.
        secret: The secret that the seeds are derived from.
    """

    def __init__(
        self, material: Material, sandbox: Sandbox, limits: Limits, secret: int
    ) -> None:
        self.material = material
        self.sandbox = sandbox
        self.limits = limits
        self.secret = secret
        self.stopped = threading.Event()
        # Before there are threads: their locks would not survive a fork.
        self._judges = {id(slot): Judge(material.exercises) for slot in sandbox.slots}
        self._versions = {
            "python": platform.python_version(),
            "torch": torch.__version__,
            "labkit": KIT_VERSION,
        }

    def close(self) -> None:
        """End the processes of the judges."""
        for judge in self._judges.values():
            judge.close()

    def key_of(self, submission: Submission) -> str:
        """Compute a digest of everything that a submission's marks depend on."""
        scripts = (f"{k}\n{v}" for k, v in sorted(submission.scripts.items()))
        limits = str(sorted(vars(self.limits).items()))
        versions = str(sorted(self._versions.items()))
        return digest_of(
            [self.material.digest, str(self.secret), limits, versions, *scripts]
        )

    def grade(
        self, submission: Submission, slot: Slot, only: Sequence[str] = ()
    ) -> SubmissionRecord:
        """Grade one submission.

        Args:
            submission: The submission.
            slot: The slot of the sandbox.
            only: Ids of exercises; all if empty.

        Returns:
            Its record.

        Raises:
            LabError: The server of student code does not start.
        """
        seed = seed_of(self.secret, submission.scripts)
        trials = Trials(
            self.material,
            submission,
            slot,
            seed,
            self.limits,
            self._judges[id(slot)],
            self.stopped,
        )
        try:
            chosen = only or self.material.exercises
            exercises = tuple(
                trials.grade(self.material.exercises[id_]) for id_ in chosen
            )
            failing = trials.scripts_that_fail()
        finally:
            trials.clear()
        problems = [*trials.problems(), *failing, *submission.problems]
        return SubmissionRecord(
            submission.name,
            submission.identifier,
            submission.source,
            exercises,
            tuple(problems),
            seed,
            self._versions,
            _now(),
            sum(exercise.seconds for exercise in exercises),
            self.key_of(submission),
            own=trials.own_code(),
        )

    def _grade_safely(self, submission: Submission, slot: Slot) -> SubmissionRecord:
        """Grade a submission; an error of the grader is noted as its problem."""
        try:
            return self.grade(submission, slot)
        except (LabError, OSError, StoppedError):
            raise  # an error of this computer
        except Exception as error:
            where = traceback.extract_tb(error.__traceback__)[-1]
            problem = phrases.NOT_GRADED.format(
                error=f"{type(error).__name__}: {error}",
                place=f"{Path(where.filename).name}:{where.lineno}",
            )
            return SubmissionRecord(
                submission.name,
                submission.identifier,
                submission.source,
                problems=(*submission.problems, " ".join(problem.split())),
                versions=self._versions,
                graded_at=_now(),
            )

    def grade_all(
        self,
        submissions: Sequence[Submission],
        finished: Callable[[Submission, SubmissionRecord], None],
    ) -> None:
        """Grade submissions, as many at a time as there are slots.

        Args:
            submissions: The submissions.
            finished: Called with each record, one call at a time.

        Raises:
            Exception: The first error in any of the slots.
        """
        waiting: queue.SimpleQueue[Submission] = queue.SimpleQueue()
        for submission in submissions:
            waiting.put(submission)
        errors: list[BaseException] = []
        lock = threading.Lock()

        def work(slot: Slot) -> None:
            try:
                while not self.stopped.is_set():
                    submission = waiting.get_nowait()
                    record = self._grade_safely(submission, slot)
                    with lock:
                        finished(submission, record)
            except (queue.Empty, StoppedError):
                pass
            except BaseException as error:
                errors.append(error)
                self.stopped.set()

        threads = [
            threading.Thread(target=work, args=(slot,), daemon=True)
            for slot in self.sandbox.slots[: len(submissions)]
        ]
        for thread in threads:
            thread.start()
        try:
            while any(thread.is_alive() for thread in threads):
                for thread in threads:
                    thread.join(0.1)  # with a timeout, so that Ctrl-C arrives
        except KeyboardInterrupt:
            self.stopped.set()
            raise
        if errors:
            raise errors[0]

    def check_reference_and_starter(self) -> tuple[SubmissionRecord, SubmissionRecord]:
        """Grade the reference and the starter.

        Returns:
            Their records.

        Raises:
            LabError: The reference loses points, or the starter earns some.
        """
        given = [
            Submission(
                "reference", source="reference", scripts=self.material.reference
            ),
            Submission("starter", source="starter", scripts=self.material.starter),
        ]
        records: dict[str, SubmissionRecord] = {}

        def keep(submission: Submission, record: SubmissionRecord) -> None:
            records[submission.name] = record

        self.grade_all(given, keep)
        reference, starter = records["reference"], records["starter"]
        wrong = [e for e in reference.exercises if e.state != DONE]
        if wrong:
            ids = ", ".join(f"{e.id} {e.state}" for e in wrong)
            reason = "; ".join(" ".join(line.split()) for line in wrong[0].lines[3:5])
            raise LabError(
                f"the reference does not pass here: {ids}: {reason}",
                "python -m pytest --lab=LabsSolutions/02-pytorch-asr must pass first",
                ENVIRONMENT,
            )
        given_away = [e.id for e in starter.exercises if e.state != TODO]
        if given_away:
            raise LabError(
                f"not to do in the untouched starter: {', '.join(given_away)}",
                "python instructor/make_starter.py --check must pass first",
                ENVIRONMENT,
            )
        return reference, starter


def record_path(folder: Path, submission: Submission) -> Path:
    """Name the file of a submission's record: readable and unique."""
    plain = re.sub(r"[^\w-]+", "_", submission.name)[:60].strip("_") or "student"
    mark = digest_of([submission.name, submission.identifier, submission.source])[:8]
    return folder / f"{plain}_{mark}.json"


def earlier_record(
    folder: Path, submission: Submission, key: str
) -> SubmissionRecord | None:
    """Read the record of an earlier run, if nothing has changed since."""
    try:
        record = read_record(record_path(folder, submission))
    except (OSError, ValueError, TypeError, KeyError, AttributeError):
        return None
    if record.key != key:
        return None
    return replace(record, source=submission.source)


def keep_record(folder: Path, submission: Submission, record: SubmissionRecord) -> None:
    """Write a record where ``earlier_record`` finds it."""
    write_record(record_path(folder, submission), record)
