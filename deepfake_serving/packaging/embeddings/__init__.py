"""Models that embed faces: imported, so that a worker finds the same people in a video."""
