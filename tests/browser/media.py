"""Real media for the browser: images, a video of three shots, a file for the fake camera."""

from __future__ import annotations

from fractions import Fraction
from pathlib import Path
from typing import Any

import av
import numpy as np
import skimage.data
from numpy.typing import NDArray
from PIL import Image

Pixels = NDArray[np.uint8]

FACE = (0.34, 0.13, 0.53, 0.37)
"""The astronaut's face box, relative to the image size."""
_HEAD = (slice(0, 256), slice(96, 352))
RATE = 24
SHOTS_S = (2.5, 2.5, 2.0)


def make_media(folder: Path) -> None:
    """Writes all media into a folder."""
    astronaut = skimage.data.astronaut()
    for name in ("astronaut.jpg", "swapped.jpg", "unsure.jpg"):
        Image.fromarray(astronaut).save(folder / name, quality=90)
    Image.fromarray(skimage.data.coffee()).save(folder / "coffee.jpg", quality=90)
    Image.fromarray(group(astronaut)).save(folder / "group.jpg", quality=90)
    whole = (folder / "astronaut.jpg").read_bytes()
    (folder / "broken.jpg").write_bytes(whole[: len(whole) // 2])
    (folder / "notes.txt").write_text("This is no image.\n" * 20)
    write_video(folder / "shots.mp4", astronaut)
    (folder / "broken.mp4").write_bytes((folder / "shots.mp4").read_bytes()[:4000])
    write_camera(folder / "camera.y4m", astronaut)


def group(astronaut: Pixels) -> Pixels:
    """Builds a 600 x 900 image with the same head three times, once mirrored, once large."""
    head = astronaut[_HEAD]
    image = np.full((600, 900, 3), 214, np.uint8)
    image[20:276, 20:276] = head
    image[320:576, 40:296] = head[:, ::-1]
    image[60:572, 340:852] = np.asarray(Image.fromarray(head).resize((512, 512)))
    return image


def write_video(path: Path, astronaut: Pixels) -> None:
    """Writes H.264 video, 640 x 360: one face, then two, then none."""
    with av.open(path, "w", options={"movflags": "faststart"}) as container:
        stream = container.add_stream("libx264", rate=RATE, options={"crf": "23"})
        stream.width, stream.height, stream.pix_fmt = 640, 360, "yuv420p"
        for image in _frames(astronaut):
            container.mux(stream.encode(av.VideoFrame.from_ndarray(image, "rgb24")))
        container.mux(stream.encode(None))


def _frames(astronaut: Pixels) -> list[Pixels]:
    head = np.asarray(Image.fromarray(astronaut[_HEAD]).resize((300, 300)))
    coffee = np.asarray(Image.fromarray(skimage.data.coffee()).resize((800, 480)))
    frames = []
    for shot, seconds in enumerate(SHOTS_S):
        for step in range(round(seconds * RATE)):
            frame = np.full((360, 640, 3), (40, 90, 60)[shot], np.uint8)
            if shot == 0:
                frame[30:330, 100 + step : 400 + step] = head
            elif shot == 1:
                frame[40:340, 10:310] = head
                frame[20:320, 330 - step // 6 : 630 - step // 6] = head[:, ::-1]
            else:
                frame[:] = coffee[60:420, step : step + 640]
            frames.append(frame)
    return frames


def write_camera(path: Path, astronaut: Pixels) -> None:
    """Writes two seconds of YUV4MPEG2, 640 x 480, that Chromium's fake camera repeats."""
    scene = np.full((480, 640, 3), 120, np.uint8)
    with path.open("wb") as file:
        file.write(b"YUV4MPEG2 W640 H480 F10:1 Ip A1:1 C420jpeg\n")
        for step in range(20):
            frame = scene.copy()
            shift = 60 + 2 * min(step, 20 - step)
            frame[:, shift : shift + 480] = np.asarray(
                Image.fromarray(astronaut).resize((480, 480))
            )
            planes = av.VideoFrame.from_ndarray(frame, "rgb24").reformat(format="yuv420p")
            file.write(b"FRAME\n" + planes.to_ndarray().tobytes())


def stills(path: Path, every: int) -> list[tuple[float, Pixels]]:
    """Returns every nth frame with its time in seconds.

    Raises: av.FFmpegError if the video is broken."""
    found = []
    with av.open(path) as container:
        for number, frame in enumerate(container.decode(video=0)):
            if number % every == 0:
                at = Fraction(frame.pts or 0) * (frame.time_base or Fraction(1, RATE))
                found.append((float(at), frame.to_ndarray(format="rgb24").astype(np.uint8)))
    return found


def write_growing_video(path: Path, astronaut: Pixels, sizes: list[tuple[int, int]]) -> None:
    """Writes WebM whose frames have one size after another, of (width, height), a second each."""
    with av.open(path, "w") as container:
        stream = container.add_stream("libvpx", rate=RATE)
        stream.width, stream.height = sizes[0]
        stream.pix_fmt = "yuv420p"
        for part, size in enumerate(sizes):
            for packet in _encoded_second(Image.fromarray(astronaut).resize(size)):
                packet.stream = stream
                packet.pts = packet.dts = (packet.pts or 0) + part * RATE
                packet.time_base = Fraction(1, RATE)
                container.mux(packet)


def _encoded_second(image: Image.Image) -> list[av.Packet[Any]]:
    encoder = av.VideoCodecContext.create("libvpx", "w")
    encoder.width, encoder.height = image.size
    encoder.pix_fmt, encoder.time_base = "yuv420p", Fraction(1, RATE)
    encoder.options = {"deadline": "realtime", "cpu-used": "8"}
    packets = []
    for number in range(RATE):
        frame = av.VideoFrame.from_ndarray(np.asarray(image), "rgb24")
        frame.pts = number
        packets += encoder.encode(frame)
    return [*packets, *encoder.encode(None)]
