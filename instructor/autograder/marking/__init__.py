"""From scripts to marks: the points of each exercise of a submission, and why."""

from autograder.marking.grader import Grader, digest_of, earlier_record, keep_record
from autograder.marking.trials import Material

__all__ = ["Grader", "Material", "digest_of", "earlier_record", "keep_record"]
