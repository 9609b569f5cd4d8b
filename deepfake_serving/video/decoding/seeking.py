"""Seeking in a file: to a keyframe from which all frames are as if decoded from the start."""

from __future__ import annotations

from av.container import InputContainer
from av.packet import Packet
from av.video.frame import VideoFrame
from av.video.stream import VideoStream

from deepfake_serving.video.decoding.duration import declared_end_s, may_jump

_INDEXED = frozenset({"mov", "matroska"})
"""Demuxers of files with an index of keyframes, and with times that are those of the index."""


def is_seekable(container: InputContainer, stream: VideoStream) -> bool:
    """Returns whether the file's format allows to seek by time, and how long it is is known."""
    indexed = not _INDEXED.isdisjoint(container.format.name.split(","))
    return indexed and not may_jump(container) and declared_end_s(container, stream) is not None


def seek(container: InputContainer, stream: VideoStream, timestamp_s: float) -> None:
    """Seeks to the last keyframe up to a timestamp."""
    if stream.time_base:
        container.seek(int(timestamp_s / stream.time_base), stream=stream)


class LeadingFrames:
    """Frames that come after a keyframe but are shown before it.

    After a seek they lack what they refer to, so they are left out. It is true while they may come.
    """

    def __init__(self, sought: bool) -> None:
        self._expected = sought
        self._keyframe_pts: int | None = None

    def __bool__(self) -> bool:
        return self._expected

    def add(self, packet: Packet[VideoStream] | None) -> None:
        """Notes the keyframe, which is the first packet."""
        if self._expected and self._keyframe_pts is None and packet is not None:
            self._keyframe_pts = packet.pts

    def holds(self, image: VideoFrame) -> bool:
        """Returns whether a frame is one of them."""
        if self._expected and image.pts is not None and self._keyframe_pts is not None:
            self._expected = image.pts < self._keyframe_pts
        return self._expected
