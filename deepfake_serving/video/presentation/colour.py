"""Colours: which frames have to be converted to sRGB, and the filters that do it."""

from __future__ import annotations

import struct

import numpy as np
from av.filter import Graph
from av.filter.context import FilterContext
from av.sidedata.sidedata import Type
from av.video.frame import VideoFrame

from deepfake_serving.contracts.problems import UnsupportedMediaType
from deepfake_serving.video.presentation.colour_curves import (
    CURVES,
    HLG,
    LINEAR,
    PQ,
    PRIMARIES,
    REFERENCE_WHITE_NITS,
)
from deepfake_serving.video.presentation.colour_tables import (
    ICTCP,
    LINEAR_GAMMA,
    TABLE_MATRICES,
    ColourSpace,
    hald_image,
)
from deepfake_serving.video.presentation.side_data import side_data

_SCALER_MATRICES = frozenset({0, 1, 2, 4, 5, 6, 7, 9})
"""Matrix coefficients that FFmpeg's scaler converts: RGB, those of television, unspecified."""
_FULL_RANGE = 2
_PEAKS = {PQ: 1000.0, HLG: 1000.0}
"""Luminance in nits of the brightest colours, where the video states none."""
_MAX_NITS = 10_000.0


def conversion_of(image: VideoFrame) -> ColourSpace | None:
    """Returns the colours of a frame that is not shown as it is stored; None for ordinary ones.

    Raises:
        UnsupportedMediaType: colours that cannot be converted.
    """
    matrix, transfer, primaries = image.colorspace, image.color_trc, image.color_primaries
    space = ColourSpace(matrix, _is_full_range(image), transfer, primaries, _peak(image))
    _check(image, space)
    return None if space.is_display and matrix in _SCALER_MATRICES else space


def add_conversion(graph: Graph, space: ColourSpace) -> tuple[list[FilterContext], FilterContext]:
    """Adds the filters to sRGB; returns the chain and the input of its table."""
    untagged = "colorspace=bt709:color_primaries=unknown:color_trc=unknown"
    if space.matrix in TABLE_MATRICES:
        chain = [
            graph.add("setparams", untagged),
            graph.add("scale", f"flags=bilinear+accurate_rnd:out_range={_range(space)}"),
            graph.add("format", "yuv444p16le"),
            graph.add("mergeplanes", "map0p=0:map1p=1:map2p=2:format=gbrp16le"),
            graph.add("setparams", "colorspace=gbr:range=pc"),
            graph.add("scale", "flags=accurate_rnd"),
            graph.add("format", "rgb48le"),
        ]
    else:
        chain = [
            graph.add("setparams", untagged.partition(":")[2]),
            graph.add("scale", "flags=bilinear+accurate_rnd:out_range=pc"),
            graph.add("format", "rgb48le"),
        ]
    if space.transfer == LINEAR:
        curve = f"pow(val/65535\\,1/{LINEAR_GAMMA})*65535"
        chain.append(graph.add("lutrgb", f"r={curve}:g={curve}:b={curve}"))
    chain.append(graph.add("haldclut", "interp=tetrahedral"))
    chain += [graph.add("scale", "flags=accurate_rnd"), graph.add("format", "rgb24")]
    return chain, chain[-3]


def table_frame(space: ColourSpace) -> VideoFrame:
    """Returns the table that `add_conversion` needs, as a frame."""
    table = np.ascontiguousarray(hald_image(space))
    return VideoFrame.from_ndarray(table, format="rgb48le")


def _check(image: VideoFrame, space: ColourSpace) -> None:
    matrix, transfer, primaries = space.matrix, space.transfer, space.primaries
    known = matrix in _SCALER_MATRICES | TABLE_MATRICES and transfer in CURVES
    if not known or primaries not in PRIMARIES or (matrix == ICTCP and transfer not in (PQ, HLG)):
        raise UnsupportedMediaType(
            "the video's colours are not supported: "
            f"matrix {matrix}, transfer function {transfer}, primaries {primaries} of ITU-T H.273"
        )
    if Type.DOVI_METADATA in side_data(image) and transfer == 2:
        raise UnsupportedMediaType("Dolby Vision without a base layer of its own is not supported")


def _is_full_range(image: VideoFrame) -> bool:
    return image.color_range == _FULL_RANGE or image.format.name.startswith("yuvj")


def _range(space: ColourSpace) -> str:
    return "pc" if space.full_range else "tv"


def _peak(image: VideoFrame) -> float:
    """Returns the brightest luminance, as the video states it (CTA-861.3, SMPTE ST 2086)."""
    if image.color_trc not in _PEAKS:
        return 1.0
    nits = _stated_nits(image) if image.color_trc == PQ else None
    return min(max(nits or _PEAKS[image.color_trc], REFERENCE_WHITE_NITS), _MAX_NITS) / (
        REFERENCE_WHITE_NITS
    )


def _stated_nits(image: VideoFrame) -> float | None:
    entries = side_data(image)
    light = entries.get(Type.CONTENT_LIGHT_LEVEL)
    if light is not None and (nits := struct.unpack_from("=I", light)[0]):
        return float(nits)
    mastering = entries.get(Type.MASTERING_DISPLAY_METADATA)
    if mastering is None:
        return None
    numerator, denominator = struct.unpack_from("=2i", mastering, 72)
    return numerator / denominator if denominator else None
