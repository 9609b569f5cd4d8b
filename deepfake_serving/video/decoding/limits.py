"""The limits that one video is decoded within."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class DecodeLimits:
    """Limits of pixels, duration, frames and memory."""

    max_pixels: int
    """Pixels of a frame. A larger one is refused."""
    max_duration_s: float
    """Seconds of presentation."""
    max_frames: int
    """Frames decoded, whether they are analysed or not."""
    max_memory_bytes: int
    """Bytes of the frames that the decoder holds at once, as the headers describe them."""
