"""Imports of public checkpoints: from other projects' files to weights, manifest and card."""
