"""Adversaries by their published definitions: who changes pixels, and who changes training data."""
