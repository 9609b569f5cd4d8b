"""The augmentation that images of all sources and both classes go through."""
