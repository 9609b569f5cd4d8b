"""Evidence beside the verdicts of images: heatmaps and provenance."""
