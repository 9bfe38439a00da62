"""What comes in, read as text and never run: submissions, scripts and probes."""

from autograder.intake.probes import probe_module
from autograder.intake.sources import Source, imported_modules, transplant
from autograder.intake.submissions import Submission, find_submissions

__all__ = [
    "Source",
    "Submission",
    "find_submissions",
    "imported_modules",
    "probe_module",
    "transplant",
]
