"""Training on a GPU: faces stay in its memory, and blending and augmentation happen there."""
