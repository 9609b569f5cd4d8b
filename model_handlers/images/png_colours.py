"""The colours of a PNG without an ICC profile: its gAMA, cHRM and cICP chunks (PNG, 4.3).

https://www.w3.org/TR/png-3/#colour-space-chunks
"""

from __future__ import annotations

import struct

import numpy as np

from model_handlers.images.code_points import STEPS, coded_profile, srgb_to_linear
from model_handlers.images.matrix_profile import SRGB, Chromaticities, matrix_profile

_START = 8
_MAX_CHUNKS = 64
"""Chunks to look at before the pixels."""
_FULL_RANGE_RGB = b"\0\1"
"""Matrix and range of a cICP chunk, of which PNG allows no other (PNG, 11.3.2.6)."""
_SRGB_GAMMA, _TOLERANCE = 1 / 2.2, 0.05
"""A gamma that is shown as sRGB's curve, and its relative error."""
_MIN_GAMMA, _MAX_GAMMA = 0.1, 10.0


def png_profile(data: bytes) -> bytes | None:
    """Returns the ICC profile of colours that differ from sRGB; None if the PNG has none.

    `cICP` counts before all others, `iCCP` and `sRGB` count before `gAMA` and `cHRM`. An empty
    profile is sRGB by `cICP`.
    """
    chunks = _chunks(data)
    if len(cicp := chunks.get(b"cICP", b"")) == 4 and cicp[2:] == _FULL_RANGE_RGB:
        found = coded_profile(cicp[0], cicp[1])
        if found is not None:
            return found
    if b"iCCP" in chunks or b"sRGB" in chunks or len(chunks.get(b"gAMA", b"")) != 4:
        return None
    (gamma,) = struct.unpack(">I", chunks[b"gAMA"])
    return _gamma_profile(gamma / 100_000, chunks.get(b"cHRM", b""))


def _chunks(data: bytes) -> dict[bytes, bytes]:
    """Returns the chunks before the pixels, by name."""
    chunks: dict[bytes, bytes] = {}
    at = _START
    while at + 8 <= len(data) and len(chunks) < _MAX_CHUNKS:
        length, name = struct.unpack_from(">I4s", data, at)
        if name == b"IDAT":
            break
        chunks.setdefault(name, data[at + 8 : at + 8 + length])
        at += length + 12
    return chunks


def _gamma_profile(gamma: float, chromaticities: bytes) -> bytes | None:
    primaries = _primaries(chromaticities)
    is_srgb = abs(gamma - _SRGB_GAMMA) <= _TOLERANCE * _SRGB_GAMMA
    if not _MIN_GAMMA <= gamma <= _MAX_GAMMA or (is_srgb and primaries == SRGB):
        return None
    try:
        return matrix_profile(primaries, srgb_to_linear(STEPS) if is_srgb else STEPS ** (1 / gamma))
    except (np.linalg.LinAlgError, ArithmeticError, struct.error):
        return None


def _primaries(chunk: bytes) -> Chromaticities:
    """Returns the chromaticities of a cHRM chunk; those of sRGB if it is missing or impossible."""
    if len(chunk) != 32:
        return SRGB
    white, *corners = ((x / 1e5, y / 1e5) for x, y in struct.iter_unpack(">II", chunk))
    stated = (*corners, white)
    if any(not 0 < y <= 1 or x > 1 for x, y in stated):
        return SRGB
    near = np.abs(np.array(stated) - SRGB).max() < 0.005
    return SRGB if near else stated
