"""Where student code runs: another process, kept from harm. README.md: from what."""

from autograder.sandbox.client import ENVIRONMENT, Limits, Reply, Sandbox, Slot

__all__ = ["ENVIRONMENT", "Limits", "Reply", "Sandbox", "Slot"]
