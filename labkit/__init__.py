"""Provided code of the lab: plumbing that a student calls and need not write."""
