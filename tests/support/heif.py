"""Writes HEIC files by hand (ISO/IEC 23008-12), also such as no encoder would write."""

from __future__ import annotations

import io
import struct

import av
import numpy as np

_PARAMETERS = {32: "vps", 33: "sps", 34: "pps"}
"""Types of NAL units (ITU-T H.265, table 7-1)."""


def hevc_image(width: int, height: int) -> tuple[bytes, bytes]:
    """Encodes a grey image; returns its `hvcC` box and its data."""
    stream = io.BytesIO()
    with av.open(stream, "w", "hevc") as file:
        options = {"x265-params": "log-level=none:keyint=1:info=0", "preset": "ultrafast"}
        video = file.add_stream("libx265", rate=1, options=options)
        video.width, video.height, video.pix_fmt = width, height, "yuv420p"
        frame = av.VideoFrame.from_ndarray(
            np.full((height * 3 // 2, width), 128, np.uint8), format="yuv420p"
        )
        for packet in [*video.encode(frame), *video.encode(None)]:
            file.mux(packet)
    units = [unit.rstrip(b"\0") for unit in stream.getvalue().split(b"\0\0\x01")]
    parameters = [unit for unit in units if unit and (unit[0] >> 1) & 63 in _PARAMETERS]
    slices = [unit for unit in units if unit and (unit[0] >> 1) & 63 < 32]
    return _hvcc(parameters), b"".join(struct.pack(">I", len(unit)) + unit for unit in slices)


def _hvcc(parameters: list[bytes]) -> bytes:
    arrays = b"".join(
        struct.pack(">BHH", 0x80 | (unit[0] >> 1) & 63, 1, len(unit)) + unit for unit in parameters
    )
    general = b"\x01\x01\x60\0\0\0\x90\0\0\0\0\0\x5d\xf0\0\xfc\xfd\xf8\xf8\0\0\x0f"
    return box(b"hvcC", general + bytes([len(parameters)]) + arrays)


def box(kind: bytes, *parts: bytes) -> bytes:
    """Returns a box (ISO/IEC 14496-12)."""
    body = b"".join(parts)
    return struct.pack(">I4s", 8 + len(body), kind) + body


def _full(kind: bytes, *parts: bytes, version: int = 0) -> bytes:
    return box(kind, bytes([version, 0, 0, 0]), *parts)


def heic(
    hvcc: bytes, data: bytes, size: tuple[int, int], grid: tuple[int, int] | None = None
) -> bytes:
    """Returns a file with one image, or with a grid of (columns, rows) that all are this image.

    Args:
        size: Width and height that the file states for the image.
    """
    columns, rows = grid or (1, 1)
    tiles = columns * rows if grid else 1
    canvas = size[0] * columns, size[1] * rows
    ids = list(range(1, tiles + 1))
    infos = [_full(b"infe", struct.pack(">HH4sB", each, 0, b"hvc1", 0), version=2) for each in ids]
    properties = [hvcc, _ispe(size)]
    associations: list[tuple[int, tuple[int, ...]]] = [(each, (0x81, 2)) for each in ids]
    references, descriptor, primary = b"", b"", 1
    if grid:
        primary = tiles + 1
        infos.append(_full(b"infe", struct.pack(">HH4sB", primary, 0, b"grid", 0), version=2))
        properties.append(_ispe(canvas))
        associations.append((primary, (3,)))
        descriptor = struct.pack(">BBBBII", 0, 1, rows - 1, columns - 1, *canvas)
        numbers = struct.pack(f">HH{tiles}H", primary, tiles, *ids)
        references = _full(b"iref", box(b"dimg", numbers))
    ipma = struct.pack(">I", len(associations)) + b"".join(
        struct.pack(">HB", item, len(indices)) + bytes(indices) for item, indices in associations
    )
    head = [
        _full(b"hdlr", b"\0\0\0\0pict", bytes(13)),
        _full(b"pitm", struct.pack(">H", primary)),
        _full(b"iinf", struct.pack(">H", len(infos)), *infos),
        references,
        box(b"iprp", box(b"ipco", *properties), _full(b"ipma", ipma)),
    ]
    ftyp = box(b"ftyp", b"heic\0\0\0\0mif1heic")
    # Offsets are relative to the file: the length of everything before mdat is known by then.
    before = len(ftyp) + len(_full(b"meta", *head, _iloc(ids, primary, grid, 0, data, descriptor)))
    iloc = _iloc(ids, primary, grid, before + 8, data, descriptor)
    return ftyp + _full(b"meta", *head, iloc) + box(b"mdat", data, descriptor)


def _ispe(size: tuple[int, int]) -> bytes:
    return _full(b"ispe", struct.pack(">II", *size))


def _iloc(
    ids: list[int],
    primary: int,
    grid: tuple[int, int] | None,
    start: int,
    data: bytes,
    descriptor: bytes,
) -> bytes:
    locations = [(each, start, len(data)) for each in ids]
    if grid:
        locations.append((primary, start + len(data), len(descriptor)))
    entries = b"".join(
        struct.pack(">HHHII", each, 0, 1, offset, length) for each, offset, length in locations
    )
    return _full(b"iloc", b"\x44\0", struct.pack(">H", len(locations)), entries)
