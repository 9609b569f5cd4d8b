"""Duration and frame rate of a video, as its file declares them or as its packets show."""

from __future__ import annotations

import contextlib
import re
import threading
from pathlib import Path

import av
from av.container import InputContainer
from av.video.stream import VideoStream

from deepfake_serving.video.decoding.clock import Clock
from deepfake_serving.video.decoding.container import open_video

DEFAULT_FRAME_RATE = 25.0
"""Frames per second, where the file declares no rate."""
_PLAUSIBLE_RATES = (0.1, 1000.0)
_TS_DISCONT = 0x200
"""FFmpeg's AVFMT_TS_DISCONT."""
_MATROSKA_DURATION = re.compile(r"(\d+):(\d\d):(\d\d(?:\.\d+)?)")


def declared_frame_rate(stream: VideoStream) -> float | None:
    """Returns frames per second; None where the file declares no plausible rate."""
    rate = stream.average_rate or stream.guessed_rate
    return float(rate) if rate and _PLAUSIBLE_RATES[0] <= rate <= _PLAUSIBLE_RATES[1] else None


def start_s(container: InputContainer) -> float | None:
    """Returns the timestamp at which playback starts, with the first of all streams."""
    start = container.start_time
    return None if start is None else max(0.0, start / av.time_base)  # a little audio before 0


def may_jump(container: InputContainer) -> bool:
    """Returns whether the container's format allows its clock to jump, as broadcasts do."""
    return bool(container.format.flags & _TS_DISCONT)


def declared_end_s(container: InputContainer, stream: VideoStream) -> float | None:
    """Returns when the video stream ends, in seconds of playback; its audio may be longer.

    The container's duration counts only where the video is its one stream.
    """
    first = start_s(container) or 0.0
    if stream.duration and stream.time_base and stream.duration > 0:
        late = 0.0 if stream.start_time is None else stream.start_time * stream.time_base - first
        return float(max(0, late) + stream.duration * stream.time_base)
    if match := _MATROSKA_DURATION.match(stream.metadata.get("DURATION", "")):
        hours, minutes, seconds = match.groups()
        return int(hours) * 3600 + int(minutes) * 60 + float(seconds) - first
    if container.duration and container.duration > 0 and len(container.streams) == 1:
        return container.duration / av.time_base
    return None


def measure_end_s(path: Path, max_pixels: int, stop: threading.Event) -> float:
    """Measures when the video ends in one pass over the packets, up to where the file breaks off.

    Nothing is decoded.

    Raises:
        Problem: as `open_video` does.
    """
    end = 0.0
    with open_video(path, max_pixels, stop) as (container, stream):
        interval_s = 1 / (declared_frame_rate(stream) or DEFAULT_FRAME_RATE)
        clock = Clock(interval_s, start_s(container), may_jump=may_jump(container))
        with contextlib.suppress(av.FFmpegError):
            for packet in container.demux(stream):
                if packet.size:
                    stated = None if packet.pts is None else float(packet.pts * packet.time_base)
                    length = float((packet.duration or 0) * packet.time_base)
                    end = max(end, clock.tick(stated) + (length or interval_s))
    return end
