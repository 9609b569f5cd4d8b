"""Feedback on verdicts: what a file really is, as labels for the next evaluation."""
