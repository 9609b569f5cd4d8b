"""Duration and frame rate of a video, as its file declares them or as its packets show."""

from __future__ import annotations

import contextlib
import re
import threading
from pathlib import Path

import av
from av.container import InputContainer
from av.video.stream import VideoStream

from deepfake_serving.video.decoding.container import open_video

DEFAULT_FRAME_RATE = 25.0
"""Frames per second, where the file declares no rate."""
_PLAUSIBLE_RATES = (0.1, 1000.0)
_MATROSKA_DURATION = re.compile(r"(\d+):(\d\d):(\d\d(?:\.\d+)?)")


def declared_frame_rate(stream: VideoStream) -> float | None:
    """Returns frames per second; None where the file declares no plausible rate."""
    rate = stream.average_rate or stream.guessed_rate
    return float(rate) if rate and _PLAUSIBLE_RATES[0] <= rate <= _PLAUSIBLE_RATES[1] else None


def declared_duration_s(container: InputContainer, stream: VideoStream) -> float | None:
    """Returns the video stream's own duration, since audio may be longer.

    The container's duration counts only where the video is its one stream.
    """
    if stream.duration and stream.time_base and stream.duration > 0:
        return float(stream.duration * stream.time_base)
    if match := _MATROSKA_DURATION.match(stream.metadata.get("DURATION", "")):
        hours, minutes, seconds = match.groups()
        return int(hours) * 3600 + int(minutes) * 60 + float(seconds)
    if container.duration and container.duration > 0 and len(container.streams) == 1:
        return container.duration / av.time_base
    return None


def measure_duration_s(path: Path, max_pixels: int, stop: threading.Event) -> float:
    """Measures the duration in one pass over the packets, up to where the file breaks off.

    Nothing is decoded.

    Raises:
        Problem: as `open_video` does.
    """
    first, last, count = None, 0.0, 0
    with open_video(path, max_pixels, stop) as (container, stream):
        rate = declared_frame_rate(stream) or DEFAULT_FRAME_RATE
        with contextlib.suppress(av.FFmpegError):
            for packet in container.demux(stream):
                count += packet.size > 0
                if packet.pts is not None:
                    start = float(packet.pts * packet.time_base)
                    first = start if first is None else min(first, start)
                    last = max(last, start + float((packet.duration or 0) * packet.time_base))
    return count / rate if first is None else last - first
