"""Pairs to learn from: a real face, and the same picture with a face blended into it."""
