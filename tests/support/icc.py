"""ICC profiles, built by hand (ICC.1:2001-04), and pixels in their colours."""

from __future__ import annotations

import struct
from typing import Any

import numpy as np
import numpy.typing as npt

from model_handlers.pipeline.decode import Pixels

Floats = npt.NDArray[np.float64]

COLUMNS: dict[str, list[tuple[float, float, float]]] = {
    "sRGB": [(0.4361, 0.2225, 0.0139), (0.3851, 0.7169, 0.0971), (0.1431, 0.0606, 0.7141)],
    "Display P3": [(0.5151, 0.2412, -0.0011), (0.2920, 0.6922, 0.0419), (0.1571, 0.0666, 0.7841)],
    "Adobe RGB": [(0.6097, 0.3111, 0.0195), (0.2053, 0.6257, 0.0609), (0.1492, 0.0632, 0.7446)],
    "ProPhoto": [(0.7977, 0.2880, 0.0), (0.1352, 0.7119, 0.0), (0.0313, 0.0001, 0.8249)],
}
"""X, Y, Z of red, green and blue, under D50."""
GAMMAS = {"Display P3": 0.0, "Adobe RGB": 563 / 256, "ProPhoto": 1.8, "sRGB": 0.0}
"""0 stands for sRGB's own curve."""


def linear(srgb: Pixels) -> Floats:
    """Converts sRGB to linear light."""
    coded = srgb / 255
    return np.where(coded <= 0.04045, coded / 12.92, ((coded + 0.055) / 1.055) ** 2.4)


def coded(light: Floats, gamma: float) -> Pixels:
    """Converts linear light to 8 bits."""
    light = np.clip(light, 0, 1)
    low = light <= 0.0031308
    srgb = np.where(low, light * 12.92, 1.055 * light ** (1 / 2.4) - 0.055)
    return np.round(255 * (light ** (1 / gamma) if gamma else srgb)).astype(np.uint8)


def in_space(srgb: Pixels, space: str) -> Pixels:
    """Converts sRGB pixels (h, w, 3) to those of another RGB space."""
    to_xyz, from_xyz = np.array(COLUMNS["sRGB"]), np.linalg.inv(np.array(COLUMNS[space]))
    return coded(linear(srgb) @ to_xyz @ from_xyz, GAMMAS[space])


def rgb_profile(space: str) -> bytes:
    """Returns a profile with three primaries and one curve."""
    tags = dict(zip((b"rXYZ", b"gXYZ", b"bXYZ"), map(_xyz, COLUMNS[space]), strict=True))
    curve = _curve(GAMMAS[space])
    return _profile(b"RGB ", b"XYZ ", tags | {b"rTRC": curve, b"gTRC": curve, b"bTRC": curve})


def grey_profile(gamma: float) -> bytes:
    """Returns a profile of grey with a power for a curve."""
    return _profile(b"GRAY", b"XYZ ", {b"kTRC": _curve(gamma)})


def cmyk_profile(lightness: list[float]) -> bytes:
    """Returns a profile of CMYK whose colours are all grey.

    Args:
        lightness: CIE L*, 0 to 100, of the 16 combinations of no and full ink; K changes fastest.
    """
    cells = b"".join(bytes([round(value * 2.55), 128, 128]) for value in lightness)
    identity = bytes(range(256))
    matrix = struct.pack(">9i", *(65536 * int(i % 4 == 0) for i in range(9)))
    header = b"mft1" + bytes(4) + bytes([4, 3, 2, 0]) + matrix
    table = header + identity * 4 + cells + identity * 3
    return _profile(b"CMYK", b"Lab ", {b"A2B0": table}, b"prtr")


def _xyz(value: tuple[float, float, float]) -> bytes:
    return b"XYZ " + bytes(4) + struct.pack(">3i", *(round(65536 * each) for each in value))


def _curve(gamma: float) -> bytes:
    if gamma:
        return b"curv" + bytes(4) + struct.pack(">IH", 1, round(gamma * 256))
    steps = (np.arange(1024) / 1023)[None]
    light = np.where(steps <= 0.04045, steps / 12.92, ((steps + 0.055) / 1.055) ** 2.4)
    values = np.round(65535 * light).astype(int).ravel()
    return b"curv" + bytes(4) + struct.pack(">I1024H", 1024, *values)


def _profile(
    space: bytes, connection: bytes, tags: dict[bytes, bytes], kind: bytes = b"mntr"
) -> bytes:
    text = b"desc" + bytes(4) + struct.pack(">I", 5) + b"test\0" + bytes(78)
    tags = {b"desc": text, b"wtpt": _xyz((0.9642, 1.0, 0.8249)), **tags}
    offset, records, body = 128 + 4 + 12 * len(tags), b"", b""
    for name, data in tags.items():
        padded = data + bytes(-len(data) % 4)
        records += name + struct.pack(">II", offset + len(body), len(data))
        body += padded
    values: Any = (offset + len(body), bytes(4), 0x02400000, kind, space, connection)
    head = struct.pack(">I4sI4s4s4s", *values) + bytes(12) + b"acsp" + bytes(28)
    white = struct.pack(">3i", 63190, 65536, 54061)
    return (head + white).ljust(128, b"\0") + struct.pack(">I", len(tags)) + records + body
