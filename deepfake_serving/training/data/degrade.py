"""What tools and channels do to pixels: a swapper's and restorer's traces, and compression."""

from __future__ import annotations

from fractions import Fraction

import av
import cv2
import numpy as np

from model_handlers.pipeline.decode import Pixels

_INTERPOLATIONS = (cv2.INTER_LINEAR, cv2.INTER_CUBIC, cv2.INTER_AREA, cv2.INTER_LANCZOS4)


def degrade(picture: Pixels, face_px: float, rng: np.random.Generator) -> Pixels:
    """The trace of generation on a source face: few pixels, then perhaps a restorer.

    Args:
        picture: uint8 (h, w, 3).
        face_px: side of the face in it; swappers work at 48 to 180 px, whatever the picture's size.
    """
    out = picture
    if rng.random() < 0.75:
        out = _resample(out, float(rng.uniform(48, 180)) / face_px, rng)
    if rng.random() < 0.35:
        out = _restore(out, rng)
    if rng.random() < 0.15:
        out = cv2.GaussianBlur(out, (0, 0), float(rng.uniform(0.4, 1.5))).astype(np.uint8)
    if rng.random() < 0.15:
        out = jpeg(out, int(rng.integers(40, 95)))
    if rng.random() < 0.15:
        out = noise(out, float(rng.uniform(1, 6)), rng)
    return out


def _resample(picture: Pixels, scale: float, rng: np.random.Generator) -> Pixels:
    if scale >= 1:
        return picture
    height, width = picture.shape[:2]
    small = (max(8, round(width * scale)), max(8, round(height * scale)))
    down, up = rng.choice(_INTERPOLATIONS, 2)
    reduced = cv2.resize(picture, small, interpolation=int(down))
    return cv2.resize(reduced, (width, height), interpolation=int(up)).astype(np.uint8)


def _restore(picture: Pixels, rng: np.random.Generator) -> Pixels:
    """Smooth skin and hard edges, as face restorers leave them."""
    smooth = cv2.bilateralFilter(picture, 5, float(rng.uniform(15, 60)), 5)
    blurred = cv2.GaussianBlur(smooth, (0, 0), float(rng.uniform(0.8, 2.0)))
    amount = float(rng.uniform(0.3, 1.5))
    return cv2.addWeighted(smooth, 1 + amount, blurred, -amount, 0).astype(np.uint8)


def noise(picture: Pixels, sigma: float, rng: np.random.Generator) -> Pixels:
    """Adds Gaussian noise of `sigma` grey levels."""
    grain = rng.standard_normal(picture.shape, dtype=np.float32) * sigma
    return np.clip(picture + grain, 0, 255).astype(np.uint8)


def jpeg(picture: Pixels, quality: int) -> Pixels:
    """Through JPEG at `quality` (1..100) and back."""
    _, data = cv2.imencode(".jpg", picture[:, :, ::-1], [cv2.IMWRITE_JPEG_QUALITY, quality])
    back = cv2.imdecode(data, cv2.IMREAD_COLOR)
    assert back is not None
    return np.ascontiguousarray(back[:, :, ::-1]).astype(np.uint8)


def h264(picture: Pixels, crf: int, lead: int = 0, preset: str = "veryfast") -> Pixels:
    """Through H.264 (x264) at constant rate factor `crf` and back.

    Args:
        lead: frames before, each the picture shifted by some pixels: with 0 the answer is an intra
            frame, else a predicted one, as most frames of a video are.
    """
    height, width = (side - side % 2 for side in picture.shape[:2])
    even = np.ascontiguousarray(picture[:height, :width])
    shifted = [np.roll(even, (k, 2 * k), (0, 1)) for k in range(lead, 0, -1)]
    encoder = av.CodecContext.create("libx264", "w")
    encoder.width, encoder.height, encoder.pix_fmt = width, height, "yuv420p"
    encoder.time_base, encoder.thread_count = Fraction(1, 25), 1
    encoder.options = {"crf": str(crf), "preset": preset, "bf": "0", "tune": "zerolatency"}
    decoder = av.CodecContext.create("h264", "r")
    decoder.thread_count = 1
    frames: list[Pixels] = []
    for place, image in enumerate([*shifted, even, None]):
        frame = None if image is None else av.VideoFrame.from_ndarray(image, format="rgb24")
        if frame is not None:
            frame.pts = place
        for packet in encoder.encode(frame):
            frames += [_rgb(f) for f in decoder.decode(packet)]
    frames += [_rgb(f) for f in decoder.decode(None)]
    out = picture.copy()
    out[:height, :width] = frames[-1]
    return out


def _rgb(frame: av.VideoFrame) -> Pixels:
    return frame.to_ndarray(format="rgb24").astype(np.uint8)
