"""Trying each exercise of a submission as it is, and alone in the reference."""

from __future__ import annotations

import shutil
import threading
from dataclasses import dataclass, replace
from pathlib import Path

from autograder.intake import Source, Submission, transplant
from autograder.marking import marks
from autograder.marking.marks import Trial
from autograder.records import ExerciseRecord
from autograder.sandbox import Limits, Slot
from labkit.exercises import DONE, TODO, Exercise, Values, Verdict, failure

SEEDS = 3  # draws of the inputs: an answer must be right for all of them


class StoppedError(Exception):
    """The program was asked to stop grading."""


@dataclass(frozen=True)
class Material:
    """The material that submissions are graded against.

    Attributes:
        exercises: The registry.
        files: The names of the scripts.
        reference: The text of each script of the reference.
        starter: The text of each script as students get it.
        digest: Digest of the checks, the kit and the reference.
    """

    exercises: dict[str, Exercise]
    files: tuple[str, ...]
    reference: dict[str, str]
    starter: dict[str, str]
    digest: str


class Trials:
    """The exercises of one submission, tried one after the other.

    Args:
        material: The checks, the reference and the starter.
        submission: The submission.
        slot: The slot of the sandbox for its code.
        seed: The first of the seeds.
        limits: The limits on its code.
        secrets: Lines of the reference that no feedback may repeat.
        stopped: Set when the program is asked to stop.
    """

    def __init__(
        self,
        material: Material,
        submission: Submission,
        slot: Slot,
        seed: int,
        limits: Limits,
        secrets: frozenset[str],
        stopped: threading.Event,
    ) -> None:
        self.material, self.slot = material, slot
        self.limits, self.secrets, self.stopped = limits, secrets, stopped
        self.seeds = [seed + n for n in range(SEEDS)]
        self.sources = {f: Source(text) for f, text in submission.scripts.items()}
        self.clear()
        self._as_is = self._write("as_is", submission.scripts)

    def clear(self) -> None:
        """Remove the scripts, and end processes left from a run without fork."""
        # The folder itself stays: it is mounted in the sandbox.
        for path in self.slot.lab.iterdir():
            shutil.rmtree(path, ignore_errors=True)
        if self.slot.sandbox.inline:
            self.slot.stop()

    def problems(self) -> list[str]:
        """Name the scripts that are not Python."""
        return [f"{f}: {s.error}" for f, s in self.sources.items() if s.error]

    def _write(self, name: str, scripts: dict[str, str]) -> Path:
        folder = self.slot.lab / name
        folder.mkdir(mode=0o755)
        for file, text in scripts.items():
            path = folder / file
            path.write_bytes(text.encode("utf-8", "replace"))
            path.chmod(0o644)
        return folder

    def grade(self, exercise: Exercise) -> ExerciseRecord:
        """Grade one exercise.

        Raises:
            StoppedError: The program was asked to stop.
        """
        if self.stopped.is_set():
            raise StoppedError
        source = self.sources.get(exercise.file)
        record = ExerciseRecord(
            exercise.id,
            exercise.title,
            exercise.where,
            exercise.points,
            0.0,
            TODO,
            hint=exercise.hint,
            minutes=exercise.minutes,
        )
        if source is None:
            return record
        record = replace(record, answer=source.answer(exercise.function))
        if source.is_unwritten(exercise.function, exercise.id):
            return record
        unreadable = self._unreadable(exercise, source)
        if unreadable:
            return _marked(record, Trial(unreadable), None, None)
        inputs = marks.draw_inputs(exercise, self.seeds)
        as_is = self._try(exercise, inputs, self._as_is)
        alone = None
        if as_is.verdict.state != DONE and as_is.stuck_in != _short(exercise):
            alone = self._alone(exercise, inputs, source)
        return _marked(record, marks.better(as_is, alone), as_is, alone)

    def _unreadable(self, exercise: Exercise, source: Source) -> Verdict | None:
        """Explain a script that is not Python, or has lost its function."""
        if source.function(exercise.function) is not None:
            return None
        if source.error:
            got, why = f"SyntaxError: {source.error}", "no code in this script can run"
            why = f"{why}: fix {exercise.file}, {source.error}"
        else:
            got = f"no {exercise.function} in {exercise.file}"
            why = "the function, or its class, is missing: was it renamed?"
        return failure(
            exercise,
            ("called", exercise.function),
            ("expected", f"a function {exercise.function} in {exercise.file}"),
            ("got", got),
            ("why", why),
        )

    def _try(self, exercise: Exercise, inputs: list[Values], folder: Path) -> Trial:
        return marks.try_out(
            exercise,
            inputs,
            lambda contents: self.slot.run(exercise.id, folder, contents),
            self.material.files,
            self.limits,
        )

    def _alone(
        self, exercise: Exercise, inputs: list[Values], source: Source
    ) -> Trial | None:
        """Try the student's answer within the reference."""
        reference = Source(self.material.reference[exercise.file])
        moved = transplant(source, reference, exercise.function)
        if moved is None:
            return None
        scripts = {**self.material.reference, exercise.file: moved.text}
        folder = self._write(exercise.id, scripts)
        try:
            trial = self._try(exercise, inputs, folder)
        finally:
            shutil.rmtree(folder, ignore_errors=True)
        verdict = marks.with_own_lines(trial.verdict, exercise.file, moved.own_line)
        verdict = marks.without_secrets(verdict, self.secrets)
        return replace(trial, verdict=verdict)


def _short(exercise: Exercise) -> str:
    """Write the place of the exercise as a stack dump does, without the class."""
    return f"{exercise.file}:{exercise.function.rpartition('.')[2]}"


def _marked(
    record: ExerciseRecord, best: Trial, as_is: Trial | None, alone: Trial | None
) -> ExerciseRecord:
    verdict = best.verdict
    trials = [trial for trial in (as_is, alone) if trial is not None]
    return replace(
        record,
        earned=round(record.points * verdict.share, 2),
        state=marks.state_of(verdict),
        as_is=marks.state_of(as_is.verdict) if as_is else "",
        alone=marks.state_of(alone.verdict) if alone else "",
        lines=verdict.lines,
        mistake=marks.mistake_of(verdict),
        seconds=sum(trial.seconds for trial in trials),
        waits_for=verdict.waits_for,
    )
