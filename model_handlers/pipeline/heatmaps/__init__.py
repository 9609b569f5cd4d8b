"""Heatmaps: where in a face's crop the score comes from."""
