"""ICC profiles of RGB spaces that are described by primaries and a curve (ICC.1:2001-04, 6.3.1)."""

from __future__ import annotations

import struct

import numpy as np
import numpy.typing as npt

Floats = npt.NDArray[np.float64]
Chromaticities = tuple[tuple[float, float], ...]
"""x, y of red, green, blue and white."""

D65 = (0.3127, 0.3290)
SRGB: Chromaticities = ((0.64, 0.33), (0.30, 0.60), (0.15, 0.06), D65)

_D50 = np.array([0.9642, 1.0, 0.8249])
_BRADFORD = np.array(
    [[0.8951, 0.2664, -0.1614], [-0.7502, 1.7135, 0.0367], [0.0389, -0.0685, 1.0296]]
)


def matrix_profile(primaries: Chromaticities, curve: Floats) -> bytes:
    """Returns the profile of an RGB space.

    Args:
        primaries: none of them has a y of 0.
        curve: linear light, 0 to 1, of code values at even steps from 0 to 1.

    Raises:
        LinAlgError: the primaries lie on a line.
    """
    columns = _to_d50(primaries) @ _rgb_to_xyz(primaries)
    values = np.round(65535 * np.clip(curve, 0, 1)).astype(">u2").tobytes()
    response = b"curv" + bytes(4) + struct.pack(">I", len(curve)) + values
    text = b"desc" + bytes(4) + struct.pack(">I", 4) + b"PNG\0" + bytes(78)
    tags = {b"desc": text, b"wtpt": _xyz_tag(_D50)}
    for name, column in zip((b"r", b"g", b"b"), columns.T, strict=True):
        tags |= {name + b"XYZ": _xyz_tag(column), name + b"TRC": response}
    return _profile(tags)


def _rgb_to_xyz(primaries: Chromaticities) -> Floats:
    *corners, white = primaries
    columns = np.array([_xyz(corner) for corner in corners]).T
    matrix: Floats = columns * np.linalg.solve(columns, _xyz(white))
    return matrix


def _to_d50(primaries: Chromaticities) -> Floats:
    """Returns the matrix that adapts XYZ to D50 by Bradford's method."""
    here, there = _BRADFORD @ _xyz(primaries[3]), _BRADFORD @ _D50
    adapted: Floats = np.linalg.inv(_BRADFORD) @ np.diag(there / here) @ _BRADFORD
    return adapted


def _xyz(chromaticity: tuple[float, float]) -> Floats:
    x, y = chromaticity
    return np.array([x / y, 1.0, (1 - x - y) / y])


def _xyz_tag(value: Floats) -> bytes:
    return b"XYZ " + bytes(4) + struct.pack(">3i", *(round(65536 * each) for each in value))


def _profile(tags: dict[bytes, bytes]) -> bytes:
    offset, records, body = 128 + 4 + 12 * len(tags), b"", b""
    for name, data in tags.items():
        records += name + struct.pack(">II", offset + len(body), len(data))
        body += data + bytes(-len(data) % 4)
    kind = (0x02400000, b"mntr", b"RGB ", b"XYZ ")
    head = struct.pack(">I4xI4s4s4s12x4s28x", offset + len(body), *kind, b"acsp")
    white = struct.pack(">3i", *(round(65536 * each) for each in _D50))
    return (head + white).ljust(128, b"\0") + struct.pack(">I", len(tags)) + records + body
