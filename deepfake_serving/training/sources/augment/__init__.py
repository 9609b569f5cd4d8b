"""Augmentation of single images, the same for all sources and both classes."""
