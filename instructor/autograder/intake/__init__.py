"""Reading submissions, scripts and probes as text, without running them."""

from autograder.intake.own import own_code
from autograder.intake.probes import IMPORTING, PACKAGE, closed_kit, probe_files
from autograder.intake.sources import Source, imported_modules, transplant
from autograder.intake.submissions import Submission, find_one, find_submissions

__all__ = [
    "IMPORTING",
    "PACKAGE",
    "Source",
    "Submission",
    "closed_kit",
    "find_one",
    "find_submissions",
    "imported_modules",
    "own_code",
    "probe_files",
    "transplant",
]
