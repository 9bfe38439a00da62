"""What comes in, read as text and never run: submissions, scripts and probes."""

from autograder.intake.probes import PACKAGE, probe_files
from autograder.intake.sources import Source, imported_modules, transplant
from autograder.intake.submissions import Submission, find_submissions

__all__ = [
    "PACKAGE",
    "Source",
    "Submission",
    "find_submissions",
    "imported_modules",
    "probe_files",
    "transplant",
]
