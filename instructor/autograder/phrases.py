"""Every phrase that the grader writes for students and instructors.

To translate, change the texts on the right and leave the names in braces. What pytest
prints, and the words around a failure, are in ``labkit/exercises/phrases.py``; the
texts of the checks are in ``test_implementation.py`` (titles, hints) and in
``checks/`` (what was expected, and why).
"""

from __future__ import annotations

LANGUAGE = "en"  # of the HTML pages

# What separates decimals in grades.csv. With a comma, cells are separated by
# semicolons, as Excel wants it in French, German or Spanish; with a point, by commas.
DECIMAL = ","

# The column of Gradescope's leaderboard, such as "dev CER in %"; "" for no leaderboard.
LEADERBOARD = ""

# States of an exercise.
STATES = {
    "done": "done",
    "partial": "partly right",
    "fail": "wrong",
    "todo": "not attempted",
    "blocked": "waits for {exercise}",
    "crash": "crashed: {mistake}",
}
STATE_NAMES = {
    "done": "done",
    "partial": "partly",
    "fail": "wrong",
    "todo": "not attempted",
    "blocked": "waiting",
    "crash": "crashed",
}
BLOCKED_BY_UNKNOWN = "waits for another exercise"
CRASHED = "crashed"

# What was handed in. "file" is a path, or a zip and a path in it.
MISSING = "{file}: missing"
PART, NOT_HANDED_IN = "part {part}", "not handed in"  # before the names of scripts
NOTHING_FOUND = "nothing was handed in: the upload is empty"
FOUND_INSTEAD = "no script of the lab is in it; found: {files}."
AND_MORE = "{count} more"
NOTEBOOK = "{file}: a notebook, which is not graded: hand in the scripts"
NOTEBOOKS = "Notebooks are not graded: hand in the scripts."
NO_STUDENT = "{file}: no folder or zip of a student, not read"
TOO_MANY = "more than {count} files: not all were looked at"
FULLER_FOLDER = "graded is {folder}, in which more is written than in {others}"
ONE_FOLDER = "graded is {folder}, of {count} folders with scripts; not {others}"
GRADED_IS = "{file}: graded is {graded}, of {count} found"
UNREADABLE = "{file}: unreadable: {reason}"
BROKEN_ZIP = "{file}: unreadable zip: {reason}"
NO_ZIP = "{file}: not a zip, not read"
ZIP_TOO_DEEP = "{file}: a zip in a zip in a zip, not read"
LEADS_OUT = "{file}: a path that leads out of the zip, ignored"
A_LINK = "{file}: a link, ignored"
NO_FILE = "{file}: not a file, ignored"
ENCRYPTED = "encrypted"
TOO_LARGE = "larger than {megabytes} MB"
IS_UTF16 = "{file}: read as UTF-16; save it as UTF-8"
IS_LATIN = "{file}: not UTF-8, read as Latin-1; save it as UTF-8"
NO_PYTHON = (
    "{file}: {error}: Python {version}, which grades, cannot read this script, so its "
    "exercises ({ids}: {points} points) earn nothing. Fix this first"
)
NO_PYTHON_MODULE = "{file}: {error}: Python {version} cannot read this file"

# A failure that no check found. "it was at" is a line of the student's.
A_RESULT = "a result"
NO_TIME = "none after {seconds} s of computing, {wall} s in all"
WHY_NO_TIME = "an endless loop, or far too slow"
NO_MEMORY = "none: more than {megabytes} MB of memory"
WHY_NO_MEMORY = "the inputs are tiny: which object grows without bound?"
KILLED = "none: the process ended without a message"
WHY_KILLED = "it was stopped or it exited"
ENDED_BY = "none: {what} (signal {number}) ended the process"
WHY_ENDED_BY = "Python itself was stopped: too deep a recursion, or foreign code"
EXITED = "none: the process ended itself, exit code {code}"
WHY_EXITED = "an exercise must return, not exit"
IT_WAS_AT = "{why}; it was at {place}"
SIGNALS = {
    4: "an illegal instruction",
    6: "abort",
    7: "a bus error",
    8: "a division error",
    9: "a kill",
    11: "a segmentation fault",
    31: "a forbidden system call",
}
A_SIGNAL = "a signal"
UNREADABLE_RESULT = "unreadable result"
NO_OUTCOME = "not of the form of an outcome"
NO_IMPORT = "an exit, a crash or an endless loop"
NO_RESULT = (
    "{file} gave no result in the {seconds} s that it had; its functions were tried "
    "one by one, without the rest of it"
)
CANNOT_IMPORT = (
    "{file} cannot be imported ({reason}); its functions were tried one by one, "
    "without the rest of it"
)
NOT_RUN = "none: not run, as the checks had taken {seconds} s before"
WHY_NOT_RUN = "the exercises that were stopped come first: they used up the time"
TOO_MUCH = "one that takes too much time or memory to judge"
WHY_TOO_MUCH = "results of checks are small: what makes this one so large?"
RIGHT_BESIDE = "a right result, where the lab's own {functions} stand beside it"
ANOTHER, NONE = "another", "none"
SEALED = "it is wrong beside them, too; what it gave there is not shown"
A_FUNCTION = "a function {function} in {file}"
SYNTAX_ERROR = "SyntaxError: {error}"
NO_CODE_RUNS = "no code in this script can run: fix {file}, {error}"
NO_FUNCTION = "no {function} in {file}"
WAS_IT_RENAMED = "the function, or its class, is missing: was it renamed?"
NOT_OF_AN_ANSWER = "{function} of labkit is no part of an answer: write it yourself"
NOT_GRADED = "not graded: {error} ({place}); grade it by hand"

# A student's page.
FEEDBACK_TITLE = "Feedback: {name}"
NO_NAME = "no name"
TOTAL = "{earned} of {total} points"
EXERCISE, STATE, POINTS, WHERE = "Exercise", "State", "Points", "Where"
PROBLEMS = "Problems with your files"
TO_FIX = "What to fix"
HINT = "Hint: {hint}"
NEXT = "What to look at next"
NEXT_PROBLEM = "Fix the files first: a file that cannot be read cannot be graded."
NEXT_EXERCISE = "{id}, {title}: {where}. Check it with: pytest -k {id}"
ALL_DONE = "Everything is done. Train the network and let it transcribe your voice."
NOTHING_GRADED = "Nothing could be graded."
GRADED = "Graded {time}, seed {seed}, {seconds} s; {versions}."
NO_VERSIONS = "versions unknown"
CUT = "[... {count} characters left out ...]"

# Answers to questions, on both pages.
ANSWERS = "Answers in words"
ANSWERED = "{count} questions answered. People read them; no program gives points."
NO_ANSWER = "Nobody has answered this one."

# The class report.
CLASS_TITLE = "Class report"
CLASS_SUMMARY = (
    "{students} submissions, {total} points to earn. Median {median}, lowest {lowest}, "
    "highest {highest}."
)
NO_SUBMISSIONS = "No submission was graded."
PICTURE_POINTS, PICTURE_STUDENTS = "points", "students"
PICTURE_RATES = "share of the class"
PICTURE_ALT = (
    "Left: how many students earned how many points; the median is {median} of "
    "{total}. Right: the share of the class in each state, for each exercise; "
    "least often done: {hardest}."
)
EXERCISES, STUDENTS, SIMILAR = "Exercises", "Students", "Similar answers"
MINUTES, DONE_RATE, MISTAKES = "Min.", "Solved", "Usual mistakes (how many students)"
NAME, IDENTIFIER, REMARKS = "Name", "Identifier", "Remarks"
PAIR, SHARED, EVIDENCE = "Students", "Alike in", "Evidence"
NO_SIMILAR = "No pair of submissions shares enough rare passages."
COPIES, SOURCE = "Alike with code of the lab", "Source"
REFERENCE = "the reference, word for word"
COPIES_CAVEAT = (
    "Answers that equal the reference in every word, or share much with the checks or "
    "with files of the kit, which every student has. They may be right all the same: "
    "read them, and ask what was understood."
)
MORE_PAIRS = "... and {count} more pairs, less alike."
SIMILAR_CAVEAT = (
    "This list shows where to look; it is no verdict. Answers are compared without "
    "names of variables, comments and layout. Code that equals the reference does "
    "not count, code that many students wrote counts little, and a short answer "
    "hardly counts. Evidence is the number of rare passages (about nine tokens each) "
    "that two students share. Read both answers, and talk to both, before you "
    "conclude: pairs may have worked together as you allowed, or share a source."
)

CLASS_GRADED = "Last graded {time}, seed {seed}; {versions}."
SEVERAL = "several"

# A worksheet.
WORKSHEET_POINTS = "{earned} of {total} points."
WORKSHEET_STATE = "{id} {title}: {state}"
NO_ROW = "has no row"
NO_ROW_OF_NUMBER = "has no row (number {number})"
TWO_STUDENTS = "is the name of two students"
TWO_SUBMISSIONS = "has two submissions; this one is left out"
WITHOUT_ROW = "{name}: {reason}; see its grade yourself"
ROW_WITHOUT_SUBMISSION = "{name}: no submission; the row stays as it is"
ROW_LOCKED = "{name}: the grade cannot be changed; the row stays"
ROW_GRADED = (
    "{name}: has the grade {there} already; the row stays (here: {grade}; --overwrite "
    "replaces it)"
)
ROW_COMMENTED = "{name}: has a comment already, which stays (--overwrite replaces it)"
GUESSED = "columns guessed, please check: {columns}"
RAGGED = "{count} rows have other columns than the first; left"
NO_COMMENTS = (
    "the worksheet has no column for comments: switch Feedback comments on in the "
    "assignment's settings to upload them too"
)
