"""Every phrase that the grader writes for students and instructors.

To translate, change the texts on the right and leave the names in braces. The
texts of the checks are in ``test_implementation.py`` (titles, hints) and in
``checks/`` (failure blocks).
"""

from __future__ import annotations

LANGUAGE = "en"  # of the HTML pages

# What separates decimals in grades.csv. With a comma, cells are separated by
# semicolons, as Excel wants it in French, German or Spanish; with a point, by commas.
DECIMAL = ","

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
NO_SIMILAR = "No pair of submissions is more alike than by chance."
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
