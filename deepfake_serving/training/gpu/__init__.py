"""Training on a GPU: faces stay in its memory, where they are blended and augmented."""
