"""Made-up results of grading, for the tests of what is written from them."""

from __future__ import annotations

from autograder.records import ExerciseRecord, SubmissionRecord

# What a student may have put into a name, an exception or a printed value.
NASTY = (
    "<script>alert(1)</script> & \"quoted\" 'single' `tick` ``` **bold** | "
    "[a](http://b) ]]> <!-- --|> Grade :=>> 100 "
    "\x1b[31m \x00 \u202eetirw\u202c \ud800 \u2028 \uffff"
)
SECRET = "secret_of_the_answer = 42"  # code: belongs into no page


def exercise(id_: str, state: str, **more: object) -> ExerciseRecord:
    """Make the record of one exercise, worth 2 points."""
    points = {"done": 2.0, "partial": 0.5}
    failed = {
        "lines": (
            f"{id_}  FAIL  title of {id_}      models.py f{id_}",
            f"     called   f{id_}(3)",
            "     expected [1, 2]",
            "     got      [2, 1]",
            "     why      the order is that of the batch",
        ),
        "mistake": "the order is that of the batch",
    }
    values: dict[str, object] = {
        "title": f"title of {id_}",
        "where": f"models.py:f{id_}",
        "points": 2,
        "earned": points.get(state, 0.0),
        "state": state,
        "hint": f"is {id_} in order?",
        "seconds": 0.25,
        "minutes": 10,
        "answer": f"def f{id_}(x):\n    {SECRET}\n",
        **(failed if state in ("fail", "partial") else {}),
        **({"waits_for": "E02"} if state == "blocked" else {}),
        **({"mistake": "segmentation fault"} if state == "crash" else {}),
    }
    return ExerciseRecord(id_, **{**values, **more})


STATES = ("done", "partial", "fail", "todo", "blocked", "crash")


def submission(
    name: str = "Zoé Lefèvre",
    identifier: str = "",
    states: tuple[str, ...] = STATES,
    **more: object,
) -> SubmissionRecord:
    """Make the record of one submission: one exercise for each state."""
    values: dict[str, object] = {
        "source": name,
        "exercises": tuple(exercise(f"E{n:02}", s) for n, s in enumerate(states, 1)),
        "seed": 4711,
        "versions": {"python": "3.11.2", "torch": "2.11.0", "kit": "1.0.0"},
        "graded_at": "2026-11-21T23:31:00+00:00",
        "seconds": 12.34,
        "key": "abc",
    }
    return SubmissionRecord(name, identifier, **{**values, **more})


def nasty(name: str = NASTY) -> SubmissionRecord:
    """Make a record in which all that a student influences is hostile."""
    lines = (f"E01  FAIL  {NASTY}", "```", f"     got      {NASTY * 300}")
    made = (
        exercise("E01", "fail", lines=lines, mistake=NASTY),
        exercise("E02", "crash", lines=(NASTY,), mistake=NASTY),
        exercise("E03", "blocked", waits_for=NASTY),
    )
    return submission(name, exercises=made, problems=(NASTY, f"a.py:3: {NASTY}"))


def huge() -> SubmissionRecord:
    """Make a record of 60 exercises that each failed at great length."""
    lines = tuple(f"     got      {'é' * 20_000}" for _ in range(50))
    made = tuple(exercise(f"E{n:02}", "fail", lines=lines) for n in range(1, 61))
    return submission("long", exercises=made, problems=("x" * 10**6,) * 30)


def empty() -> SubmissionRecord:
    """Make the record of a submission that could not be opened."""
    return submission("lost", exercises=(), problems=("lost.zip: not a zip file",))
