"""Limited processes for student code. README.md says what they prevent."""

from autograder.sandbox.client import ENVIRONMENT, Limits, Reply, Sandbox, Slot
from autograder.sandbox.worker import Worker

__all__ = ["ENVIRONMENT", "Limits", "Reply", "Sandbox", "Slot", "Worker"]
