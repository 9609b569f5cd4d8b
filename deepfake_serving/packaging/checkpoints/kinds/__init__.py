"""Kinds of public checkpoints, one project a file."""
