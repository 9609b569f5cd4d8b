"""Decoding: one media file to frames with presentation times, within limits."""
