"""Ensembles over pools: members are served models that score side by side."""
