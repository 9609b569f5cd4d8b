"""Videos made of the test image."""

from __future__ import annotations

import io
from collections.abc import Sequence
from fractions import Fraction
from pathlib import Path

import av
import cv2
import numpy as np
import skimage.data

from model_handlers.pipeline.decode import Pixels

RATE = 12
HEAD = (177, 58, 270, 175)
"""The box of the face in the test image."""


def pan(
    image: Pixels, count: int, start: tuple[int, int] = (60, 0), step: tuple[int, int] = (1, 0)
) -> list[Pixels]:
    """Returns crops of 320 x 240 that move over the image."""
    (x, y), (dx, dy) = start, step
    return [image[y + i * dy :, x + i * dx :][:240, :320] for i in range(count)]


def two_faces(astronaut: Pixels, count: int) -> list[Pixels]:
    """Returns frames of 480 x 240 with the moving head and its mirror image side by side."""
    frames = []
    for i in range(count):
        shift = 40 + abs(i % 16 - 8)
        left = astronaut[:240, shift + 60 : shift + 300]
        frames.append(np.hstack([left, left[:, ::-1]]))
    return frames


def write_video(
    path: Path,
    frames: Sequence[Pixels],
    rate: int = RATE,
    codec: str = "libx264",
    *,
    pix_fmt: str = "yuv420p",
    rotation: int = 0,
    times: Sequence[float] | None = None,
    options: dict[str, str] | None = None,
    codec_options: dict[str, str] | None = None,
    container_format: str | None = None,
) -> Path:
    """Writes frames of one size. `times`, in seconds, make the frame rate variable."""
    with av.open(str(path), "w", format=container_format, options=options or {}) as container:
        stream = container.add_stream(codec, rate=rate, options=codec_options or {})
        stream.height, stream.width = frames[0].shape[:2]
        stream.pix_fmt = pix_fmt
        if codec == "libx264":
            stream.options = {"crf": "18", "preset": "ultrafast", "g": "12"} | stream.options
        if rotation:
            stream.set_display_rotation(rotation)
        if times is not None:
            stream.codec_context.time_base = Fraction(1, 1000)
        for index, pixels in enumerate(frames):
            frame = av.VideoFrame.from_ndarray(np.ascontiguousarray(pixels), format="rgb24")
            if times is not None:
                frame.pts, frame.time_base = round(times[index] * 1000), Fraction(1, 1000)
            container.mux(stream.encode(frame))
        container.mux(stream.encode(None))
    return path


def repeated(video: Path, times: int) -> bytes:
    """Returns an MP4 that shows a video again and again, without encoding it again."""
    output = io.BytesIO()
    with av.open(str(video)) as source, av.open(output, "w", format="mp4") as out:
        track = source.streams.video[0]
        stream = out.add_stream_from_template(track)
        packets = [packet for packet in source.demux(track) if packet.dts is not None]
        seconds = [(packet.pts, packet.dts) for packet in packets]
        length = sum(packet.duration for packet in packets)
        for number in range(times):
            for packet, (pts, dts) in zip(packets, seconds, strict=True):
                packet.pts, packet.dts = pts + number * length, dts + number * length
                packet.stream = stream
                out.mux(packet)
    return output.getvalue()


def scenes() -> list[Pixels]:
    """Returns three moving shots of two seconds, 480 x 240, with one face, none and two."""
    astronaut = skimage.data.astronaut()
    cup = cv2.resize(skimage.data.coffee(), (600, 400))
    count = 2 * RATE
    one = [np.ascontiguousarray(astronaut[i : i + 240, 16 : 16 + 480]) for i in range(count)]
    none = [np.ascontiguousarray(cup[i : i + 240, 20 + i : 500 + i]) for i in range(count)]
    return [*one, *none, *two_faces(astronaut, count)]
