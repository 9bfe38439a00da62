"""From scripts to marks: what each exercise of a submission earns, and why."""

from autograder.marking.grader import Grader, digest_of, earlier_record, keep_record
from autograder.marking.trials import Material

__all__ = ["Grader", "Material", "digest_of", "earlier_record", "keep_record"]
