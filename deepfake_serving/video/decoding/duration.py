"""How long a video is, as its file states it or as its packets show."""

from __future__ import annotations

import contextlib
import re
import threading
from pathlib import Path

import av
from av.container import InputContainer
from av.video.stream import VideoStream

from deepfake_serving.video.decoding.medium import open_medium

USUAL_RATE = 25.0
"""Frames a second where none are stated."""
_RATES = (0.1, 1000.0)
_TAG = re.compile(r"(\d+):(\d\d):(\d\d(?:\.\d+)?)")


def stated_rate(stream: VideoStream) -> float | None:
    """Frames a second; None where nothing, or nothing sensible, is stated."""
    rate = stream.average_rate or stream.guessed_rate
    return float(rate) if rate and _RATES[0] <= rate <= _RATES[1] else None


def stated_s(container: InputContainer, stream: VideoStream) -> float | None:
    """The stream's own duration, as sound may be longer; the file's where it is the only stream."""
    if stream.duration and stream.time_base and stream.duration > 0:
        return float(stream.duration * stream.time_base)
    if found := _TAG.match(stream.metadata.get("DURATION", "")):  # Matroska's
        hours, minutes, seconds = found.groups()
        return int(hours) * 3600 + int(minutes) * 60 + float(seconds)
    if container.duration and container.duration > 0 and len(container.streams) == 1:
        return container.duration / av.time_base
    return None


def measured_s(path: Path, max_pixels: int, stop: threading.Event) -> float:
    """By one pass over the packets up to where the file breaks off, without decoding.

    Raises:
        Problem: as `open_medium` does.
    """
    first, last, count = None, 0.0, 0
    with open_medium(path, max_pixels, stop) as (container, stream):
        rate = stated_rate(stream) or USUAL_RATE
        with contextlib.suppress(av.FFmpegError):
            for packet in container.demux(stream):
                count += packet.size > 0
                if packet.pts is not None:
                    start = float(packet.pts * packet.time_base)
                    first = start if first is None else min(first, start)
                    last = max(last, start + float((packet.duration or 0) * packet.time_base))
    return count / rate if first is None else last - first
