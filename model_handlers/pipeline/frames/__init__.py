"""Frames of a video: following faces from one frame to the next."""
