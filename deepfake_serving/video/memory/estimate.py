"""An estimate of the memory that decoding takes, by which a video is refused at once."""

from __future__ import annotations

from av.video.stream import VideoStream

from deepfake_serving.contracts.problems import UndecodableMedia
from deepfake_serving.video.memory.references import reference_frames

_SPARE_FRAMES = 4
"""The frame being decoded, the one being converted, and those that wait for a cut to be known."""


def check_memory(stream: VideoStream, threads: int, max_bytes: int) -> None:
    """Refuses a video whose frames, as its headers describe them, would not fit.

    Args:
        stream: the stream; nothing of it needs to be decoded.
        threads: the decoder's threads, each of which holds a frame.
        max_bytes: the limit of the frames held at once.

    Raises:
        UndecodableMedia: the estimate exceeds the limit.
    """
    context = stream.codec_context
    size = frame_bytes(stream)
    references = reference_frames(context.codec.name, context.extradata)
    needed = size * (references + threads + _SPARE_FRAMES)
    if needed > max_bytes:
        raise UndecodableMedia(
            f"decoding the video would take {_mebibytes(needed)}: frames of {context.width} x "
            f"{context.height} pixels, {_mebibytes(size)} each, with {references} reference "
            f"frames; the limit is {_mebibytes(max_bytes)}"
        )


def frame_bytes(stream: VideoStream) -> int:
    """Returns the bytes of a decoded frame; 0 where the headers do not state its format."""
    pixel_format = stream.codec_context.format
    if pixel_format is None:
        return 0
    return sum(
        component.width * component.height * -(-component.bits // 8)
        for component in pixel_format.components
    )


def _mebibytes(size: int) -> str:
    return f"{size / 2**20:.0f} MiB"
