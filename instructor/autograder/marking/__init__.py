"""From scripts to marks: the points of each exercise of a submission, and why."""

from autograder.marking.grader import Grader, earlier_record, keep_record
from autograder.marking.material import CHECKS, Material, open_material

__all__ = [
    "CHECKS",
    "Grader",
    "Material",
    "earlier_record",
    "keep_record",
    "open_material",
]
