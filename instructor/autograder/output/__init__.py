"""Writing the records as pages, tables, and formats of other systems."""

from autograder.output.classreport import write_report
from autograder.output.feedback import write_feedback
from autograder.output.formats import FILE_NAMES, FORMATS
from autograder.output.gradebook import write_grades
from autograder.output.moodle import fill_worksheet, zip_feedback
from autograder.output.text import name_of, number_text, total_earned

__all__ = [
    "FILE_NAMES",
    "FORMATS",
    "fill_worksheet",
    "name_of",
    "number_text",
    "total_earned",
    "write_feedback",
    "write_grades",
    "write_report",
    "zip_feedback",
]
