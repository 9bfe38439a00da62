"""Grading submissions: intake, isolation, marks, feedback."""
