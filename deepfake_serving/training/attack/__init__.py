"""Adversarial attacks by their published definitions: on pixels, and on training data."""
