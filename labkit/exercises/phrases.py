"""Every phrase that students read around the exercises and their failures.

To translate, change the texts on the right and leave the names in braces. Titles and
hints are in ``test_implementation.py``; what was expected, and why, in ``checks/``.
"""

from __future__ import annotations

# The states of an exercise in the list that ends each run: at most 7 characters.
STATES = {"done": "done", "todo": "todo", "blocked": "blocked", "fail": "fail"}

# A failure: its head, and the words before its lines: at most 8 characters.
FAILS = "FAIL"
LABELS = {
    "called": "called",
    "expected": "expected",
    "got": "got",
    "why": "why",
    "re-run": "re-run",
}
SECTION = "text: {section}"
ASK_FOR_HINT = "hint: {command}"
PERHAPS_FROM = "perhaps from {names}"
A_RESULT = "a result, not an exception"
RAISED_AT = "the exception comes from {place}"
NOT_IN_A_SCRIPT = "raised where the check calls {function}, or uses what it returned"
NO_END = "no result after {seconds} s: an endless loop, or far too slow?"
NO_SUCH_RESULT = "a result of the kind that the docstring promises"
READING_FAILED = "reading it failed with {kind}: {message}"
DELETE_THE_RAISE = "the starter's raise is still there and ends the function: delete it"

# Values.
A_TENSOR, A_SHAPE = "a tensor {shape}", "shape {shape}"
EXPECTED_AT_WORST = "{value}; at the worst place {number}"
GOT_AT_WORST = "{value}; there {number}"
OF_TYPE = " of {type}"

# The end of each run.
WAITS_FOR = "waits for {name}"
MEND = "next: mend {file}, which cannot be imported; it stops {ids}"
NO_MATCH = "no exercise matches; python test_implementation.py --list shows them"
TOTAL = "total {earned}/{total}"
LEFT_OUT = "left out, as they are not here: {files}"
REACHED = "reached: {what}: {command}"
NEXT = "next: {id} in {file} {function}   ({minutes} min)   re-run: {command}"
HINT = "hint: {hint}"
ALL_DONE = "all done"
GO_ON = "done; what is next: pytest"

# python test_implementation.py
NOT_HERE = "not here, so not handed in: {files}"
SCRIPTS = "scripts: {files}"
OWN_MODULES = "your own modules, which they import: {files}"
NO_RUN = "no run under {folder}: only the scripts are handed in"
BEST_RUN = "best run: {folder}"
DEBUG_RUN = "it is a --debug run, which has learnt 16 clips by heart: train a real one?"
UNWRITTEN = "not written yet: {ids}"
OF_PART_TWO = "(part two)"  # in the titles of such questions in answers.md
COUNTED = "{given} of {all}"
ANSWERED = "{file}: {count} questions answered"
UNANSWERED = "no {file} beside the scripts: the questions stay unanswered"
HAND_IN = "to hand in: {file}"
