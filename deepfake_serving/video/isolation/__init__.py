"""Decoding in a process of its own, with a memory limit, so that a video harms its job alone."""
