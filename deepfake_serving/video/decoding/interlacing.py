"""Whether the first frames of a file are interlaced without saying so."""

from __future__ import annotations

import contextlib
import threading
from collections.abc import Iterator
from itertools import islice
from pathlib import Path

import av
from av.video.frame import VideoFrame

from deepfake_serving.video.decoding.container import Cancelled, open_video
from deepfake_serving.video.decoding.decoder import THREADS, open_decoder
from deepfake_serving.video.decoding.limits import DecodeLimits
from deepfake_serving.video.memory.estimate import check_memory
from deepfake_serving.video.presentation.combing import FieldOrder, field_order

_MAX_FRAMES = 60
"""Frames to look at. A dozen suffices where anything moves."""
_MAX_HEIGHT = 1088
"""Lines of the largest interlaced format (SMPTE ST 274), in macroblocks."""


def unflagged_field_order(
    path: Path, limits: DecodeLimits, stop: threading.Event
) -> FieldOrder | None:
    """Returns the field order of frames that are combed, but not flagged as interlaced.

    Raises:
        Problem, Cancelled: as `VideoDecoder` does.
    """
    with open_video(path, limits.max_pixels, stop) as (container, stream):
        check_memory(stream, THREADS, limits.max_memory_bytes)
        if stream.codec_context.height > _MAX_HEIGHT:
            return None
        decoder = open_decoder(stream, [])

        def images() -> Iterator[VideoFrame]:
            for packet in container.demux(stream):
                if stop.is_set():
                    raise Cancelled
                for image in decoder.decode(packet):
                    if image.interlaced_frame:
                        return
                    yield image

        with contextlib.suppress(av.FFmpegError):  # the decoding proper reports it
            return field_order(islice(images(), _MAX_FRAMES))
    return None
