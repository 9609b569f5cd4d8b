"""Frames of a video: what one frame tells about the next."""
