"""Lossy compression of a single image: JPEG and H.264."""

from __future__ import annotations

from collections.abc import Iterator
from fractions import Fraction

import av
import cv2
import numpy as np

from model_handlers.pipeline.decode import Pixels


def jpeg(image: Pixels, quality: int) -> Pixels:
    """Encodes as JPEG at `quality` (1..100) and decodes."""
    _, data = cv2.imencode(".jpg", image[:, :, ::-1], [cv2.IMWRITE_JPEG_QUALITY, quality])
    decoded = cv2.imdecode(data, cv2.IMREAD_COLOR)
    assert decoded is not None
    return np.ascontiguousarray(decoded[:, :, ::-1]).astype(np.uint8)


def h264(image: Pixels, crf: int, preceding_frames: int = 0, preset: str = "veryfast") -> Pixels:
    """Encodes as H.264 (x264) at constant rate factor `crf` and decodes.

    Args:
        preceding_frames: frames encoded before, each the image shifted by some pixels. With 0 the
            result is an intra frame, otherwise a predicted frame, like most frames of a video.
    """
    height, width = (side - side % 2 for side in image.shape[:2])
    even = np.ascontiguousarray(image[:height, :width])
    shifted = [np.roll(even, (k, 2 * k), (0, 1)) for k in range(preceding_frames, 0, -1)]
    *_, last = _roundtrip([*shifted, even], {"crf": str(crf), "preset": preset})
    result = image.copy()
    result[:height, :width] = last.to_ndarray(format="rgb24")
    return result


def _roundtrip(images: list[Pixels], options: dict[str, str]) -> Iterator[av.VideoFrame]:
    """Encodes images of one even size without B-frames or lookahead and yields them decoded."""
    encoder = av.CodecContext.create("libx264", "w")
    encoder.height, encoder.width = images[0].shape[:2]
    encoder.pix_fmt, encoder.time_base, encoder.thread_count = "yuv420p", Fraction(1, 25), 1
    encoder.options = options | {"bf": "0", "tune": "zerolatency"}
    decoder = av.CodecContext.create("h264", "r")
    decoder.thread_count = 1
    for number, image in enumerate(images):
        frame = av.VideoFrame.from_ndarray(image, format="rgb24")
        frame.pts = number
        for packet in encoder.encode(frame):
            yield from decoder.decode(packet)
    for packet in encoder.encode(None):
        yield from decoder.decode(packet)
    yield from decoder.decode(None)
