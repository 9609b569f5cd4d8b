"""Images and decoded frames as one tensor of the Open Inference Protocol, with binary data."""

from __future__ import annotations

import struct
from collections.abc import AsyncIterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt
import orjson

_CHUNK_BYTES = 2**18
"""Chunk size of a large body, so that a slow connection holds no second copy of it."""

Frames = Sequence[npt.NDArray[np.uint8]]


@dataclass(frozen=True, slots=True)
class Tensor:
    """A tensor and the memory that holds it, in order.

    `given` is its description by a client, which may hold its data in JSON.
    """

    datatype: str
    shape: Sequence[int]
    buffers: Sequence[memoryview | bytes]
    given: dict[str, Any] | None = None

    @property
    def nbytes(self) -> int:
        return sum(memoryview(buffer).nbytes for buffer in self.buffers)


def frame_tensor(frames: Frames) -> Tensor:
    """Returns decoded frames as a tensor. All have one shape, (h, w, 3)."""
    shape = (len(frames), *frames[0].shape)
    return Tensor("UINT8", shape, [np.ascontiguousarray(f).data.cast("B") for f in frames])


def image_tensor(*images: bytes) -> Tensor:
    """Returns encoded images as a tensor (n,), each preceded by its length."""
    buffers = [buffer for image in images for buffer in (struct.pack("<I", len(image)), image)]
    return Tensor("BYTES", (len(images),), buffers)


def infer_header(tensor: Tensor, request_id: str, parameters: Mapping[str, Any]) -> bytes:
    """Returns the JSON that precedes the tensor's bytes."""
    described = tensor.given or {
        "name": "images",
        "datatype": tensor.datatype,
        "shape": list(tensor.shape),
        "parameters": {"binary_data_size": tensor.nbytes},
    }
    return orjson.dumps(
        {
            "inputs": [described],
            "outputs": [{"name": "result"}],
            "id": request_id,
            "parameters": dict(parameters),
        }
    )


async def infer_body(header: bytes, tensor: Tensor) -> AsyncIterator[bytes | memoryview]:
    """Yields the header, then the tensor's own memory."""
    yield header
    for buffer in tensor.buffers:
        view = memoryview(buffer)
        for begin in range(0, len(view), _CHUNK_BYTES):
            yield view[begin : begin + _CHUNK_BYTES]
