"""Trying each exercise of a submission as it is, and alone in the reference."""

from __future__ import annotations

import shutil
import sys
import threading
import time
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

from autograder import phrases
from autograder.intake import IMPORTING, Source, Submission, own_code, transplant
from autograder.marking import marks
from autograder.marking.judging import Judge
from autograder.marking.marks import SEEDS, Trial
from autograder.marking.material import Material
from autograder.records import ExerciseRecord
from autograder.sandbox import Limits, Slot
from labkit.exercises import DONE, TODO, Exercise, Verdict, failure, to_bytes

# Seconds of a submission, as a multiple of the limit of one exercise: for the scripts
# as they are, and again for the exercises alone. A run of ordinary length costs none.
SHARE_OF_TIME = 2
ORDINARY_SECONDS = 1.0
_IMPORT_SECONDS = 5.0  # far more than any import takes
_PYTHON = ".".join(map(str, sys.version_info[:2]))
_IT_RAN = (DONE, TODO, "blocked")  # states for which a script must be imported


class StoppedError(Exception):
    """The program was asked to stop grading."""


class Trials:
    """The exercises of one submission, tried one after the other.

    Args:
        material: The checks, the reference and the starter.
        submission: The submission.
        slot: The slot of the sandbox for its code.
        seed: The first of the seeds.
        limits: The limits on its code.
        judge: Judges what comes back.
        stopped: Set when the program is asked to stop.
    """

    def __init__(
        self,
        material: Material,
        submission: Submission,
        slot: Slot,
        seed: int,
        limits: Limits,
        judge: Judge,
        stopped: threading.Event,
    ) -> None:
        self.material, self.slot = material, slot
        self.limits, self.judge, self.stopped = limits, judge, stopped
        self.given = SHARE_OF_TIME * limits.wall
        self.left = {"as is": float(self.given), "alone": float(self.given)}
        self.tried: dict[str, None] = {}  # scripts, in order
        self.silent: set[str] = set()  # those from which no result has come
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
        """Name the scripts that are not Python, and what that costs."""
        lines = []
        for file, source in self.sources.items():
            own = [e for e in self.material.exercises.values() if e.file == file]
            words = phrases.NO_PYTHON if own else phrases.NO_PYTHON_MODULE
            if source.body or not source.error:
                continue
            lines.append(
                words.format(
                    file=file,
                    error=source.error,
                    version=_PYTHON,
                    ids=", ".join(exercise.id for exercise in own),
                    points=sum(exercise.points for exercise in own),
                )
            )
        return lines

    def own_code(self) -> dict[str, str]:
        """Collect, by script, what the student wrote beside the exercises."""
        exercises = self.material.exercises.values()
        starter = {f: Source(text) for f, text in self.material.starter.items()}
        found = {
            file: own_code(
                source,
                starter.get(file, Source("")),
                [e.function for e in exercises if e.file == file],
            )
            for file, source in self.sources.items()
        }
        return {file: text for file, text in found.items() if text}

    def _write(self, name: str, scripts: dict[str, str]) -> Path:
        folder = self.slot.lab / name
        folder.mkdir(mode=0o755)
        for file, text in scripts.items():
            path = folder / file
            path.parent.mkdir(parents=True, exist_ok=True)
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
        unreadable = Trial(self._unreadable(exercise, source))
        if source.error:  # no script that imports it can run either
            return _marked(record, unreadable, None, None)
        inputs = self.judge.draw(exercise.id, self.seeds)
        if exercise.file not in self.tried:
            self.tried[exercise.file] = None
            self.silent.add(exercise.file)
        as_is = self._try(exercise, inputs, "as is", self._as_is)
        if as_is is not None and (as_is.judged or as_is.verdict.state in _IT_RAN):
            self.silent.discard(exercise.file)
        is_done = as_is is not None and as_is.verdict.state == DONE
        if not is_done and not source.is_bound(exercise.function):
            return _marked(record, unreadable, None, None)
        alone = None
        if as_is is None or (
            as_is.verdict.state != DONE and as_is.stuck_in != _short(exercise)
        ):
            alone = self._alone(exercise, inputs, source)
        best = marks.better(as_is, alone)
        if best is None:
            best = marks.out_of_time(exercise, self.given)
        return _marked(record, best, as_is, alone)

    def _unreadable(self, exercise: Exercise, source: Source) -> Verdict:
        """Explain a script that is not Python, or has lost its function."""
        names = {"function": exercise.function, "file": exercise.file}
        got = phrases.NO_FUNCTION.format(**names)
        why = phrases.WAS_IT_RENAMED
        if source.error:
            got = phrases.SYNTAX_ERROR.format(error=source.error)
            why = phrases.NO_CODE_RUNS.format(file=exercise.file, error=source.error)
        return failure(exercise, phrases.A_FUNCTION.format(**names), got, why)

    def _try(
        self,
        exercise: Exercise,
        inputs: list[bytes],
        variant: str,
        folder: Path,
        beside: str = "",
    ) -> Trial | None:
        """Run a check and judge it; None if the variant has no time left."""
        left = self.left[variant]
        if left <= 0:
            return None
        began = time.monotonic()
        reply = self.slot.run(
            exercise.id, folder, inputs, left + ORDINARY_SECONDS, bool(beside)
        )

        def judge(outcomes: Sequence[bytes]) -> tuple[Verdict, bool]:
            return self.judge.judge(exercise.id, self.seeds, outcomes, left)

        trial = marks.tried(exercise, reply, judge, self.material.files, self.limits)
        self._charge(variant, time.monotonic() - began)
        if beside:
            trial = marks.sealed(exercise, trial, beside, self.material.reasons)
        return trial

    def _charge(self, variant: str, seconds: float) -> None:
        """Take the time of a run, but for what is ordinary, from what is left."""
        self.left[variant] -= max(0.0, seconds - ORDINARY_SECONDS)

    def _alone(
        self, exercise: Exercise, inputs: list[bytes], source: Source
    ) -> Trial | None:
        """Try the student's answer beside what it needs of the reference."""
        scripts = self.material.beside[exercise.id]
        moved = transplant(source, Source(scripts[exercise.file]), exercise.function)
        if moved is None:
            return None
        own = {f: s.text for f, s in self.sources.items() if f not in scripts}
        folder = self._write(exercise.id, {**scripts, exercise.file: moved.text, **own})
        beside = self.material.needed[exercise.id]
        try:
            trial = self._try(exercise, inputs, "alone", folder, beside)
        finally:
            shutil.rmtree(folder, ignore_errors=True)
        if trial is None or trial.sealed:
            return trial
        verdict = marks.with_own_lines(trial.verdict, exercise.file, moved.own_line)
        return replace(trial, verdict=verdict)

    def scripts_that_fail(self) -> list[str]:
        """Name scripts that cannot be imported, so that no function of theirs ran.

        That another script was not handed in, or is no Python, is said already.
        """
        said = [f"no {f} in" for f in self.material.files if f not in self.sources]
        said += [f"{file}:" for file, source in self.sources.items() if source.error]
        found = []
        for file in self.tried:
            if file not in self.silent or self.sources[file].error:
                continue
            if self.left["as is"] <= 0:
                words = phrases.NO_RESULT.format(file=file, seconds=self.given)
                found.append(words)
                continue
            wall = min(self.left["as is"] + ORDINARY_SECONDS, _IMPORT_SECONDS)
            asked = [to_bytes({"script": file[: -len(".py")]})]
            reply = self.slot.run(IMPORTING, self._as_is, asked, wall)
            self._charge("as is", reply.seconds)
            why = self.judge.why_no_import(reply.outcomes)
            if why and not any(cause in why for cause in said):
                found.append(phrases.CANNOT_IMPORT.format(file=file, reason=why))
        return found


def _short(exercise: Exercise) -> str:
    """Write the place of the exercise as a stack dump does, without the class."""
    return f"{exercise.file}:{exercise.function.rpartition('.')[2]}"


def _marked(
    record: ExerciseRecord, best: Trial, as_is: Trial | None, alone: Trial | None
) -> ExerciseRecord:
    verdict = best.verdict
    # How long student code took beside the reference could say what it read there.
    trials = [trial for trial in (as_is, alone) if trial and not trial.sealed]
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
