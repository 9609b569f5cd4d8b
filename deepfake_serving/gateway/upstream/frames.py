"""Decoded frames as one tensor of the Open Inference Protocol, with binary data."""

from __future__ import annotations

from collections.abc import AsyncIterator, Sequence

import numpy as np
import numpy.typing as npt
import orjson

_CHUNK_BYTES = 2**18
"""Chunk size of a large body, so that a slow connection holds no second copy of it."""

Frames = Sequence[npt.NDArray[np.uint8]]


def infer_header(frames: Frames, request_id: str) -> bytes:
    """Returns the JSON that precedes the frames' bytes. All frames have one shape, (h, w, 3)."""
    shape = [len(frames), *frames[0].shape]
    size = {"binary_data_size": sum(frame.nbytes for frame in frames)}
    tensor = {"name": "images", "datatype": "UINT8", "shape": shape, "parameters": size}
    return orjson.dumps({"inputs": [tensor], "outputs": [{"name": "result"}], "id": request_id})


async def infer_body(header: bytes, frames: Frames) -> AsyncIterator[bytes | memoryview]:
    """Yields the header, then the frames' own memory."""
    yield header
    for frame in frames:
        view = np.ascontiguousarray(frame).data.cast("B")
        for begin in range(0, len(view), _CHUNK_BYTES):
            yield view[begin : begin + _CHUNK_BYTES]
