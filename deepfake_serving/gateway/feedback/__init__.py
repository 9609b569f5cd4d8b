"""Feedback on verdicts: labels from people who know better, for the next evaluation."""
