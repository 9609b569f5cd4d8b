"""Documents of the Open Inference Protocol and of Triton's extensions, for the OpenAPI document.

https://github.com/kserve/open-inference-protocol,
https://docs.nvidia.com/deeplearning/triton-inference-server/user-guide/docs/protocol
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Annotated, Any

from pydantic import Field

from deepfake_serving.runtime.serialization import OMIT_NONE

Name = Annotated[str, Field(min_length=1)]
Shape = list[Annotated[int, Field(ge=0, le=2**31 - 1)]]


@dataclass(frozen=True, slots=True)
class ServerMetadata:
    """The server and the extensions of the protocol that it supports."""

    name: str
    version: str
    extensions: list[str]


@dataclass(frozen=True, slots=True)
class WorkersReady:
    """The workers of one model."""

    ready: bool
    workers_ready: int
    workers_wanted: int
    warm: bool


@dataclass(frozen=True, slots=True)
class ServerReady:
    """Readiness of one model server."""

    ready: bool
    phase: str
    models: dict[str, WorkersReady]


@dataclass(frozen=True, slots=True)
class ModelReady:
    """A model that has a running worker."""

    name: str
    ready: bool


@dataclass(frozen=True, slots=True)
class TensorMetadata:
    """A tensor; -1 in the shape stands for any size."""

    name: str
    datatype: str
    shape: list[int]


@dataclass(frozen=True, slots=True)
class ModelMetadata:
    """A model's tensors."""

    name: str
    versions: list[str]
    platform: str
    inputs: list[TensorMetadata]
    outputs: list[TensorMetadata]


@dataclass(frozen=True, slots=True)
class InputTensor:
    """An input: base64 of encoded images (BYTES), or pixels (UINT8). Binary data follow the JSON
    and have their size in `parameters.binary_data_size`."""

    name: Name
    datatype: Name
    shape: Shape
    data: Any = None
    parameters: dict[str, Any] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class RequestedOutput:
    """An output to return; `parameters.binary_data` chooses its form."""

    name: Name
    parameters: dict[str, Any] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class InferRequest:
    """A request for inference."""

    inputs: Annotated[list[InputTensor], Field(min_length=1, max_length=1)]
    id: str | None = None
    parameters: dict[str, Any] = field(default_factory=dict)
    outputs: Annotated[list[RequestedOutput], Field(max_length=8)] = field(default_factory=list)


@dataclass(frozen=True, slots=True)
class OutputTensor:
    """An output. `data` is flat; absent where the data are binary."""

    name: str
    datatype: str
    shape: list[int]
    data: Annotated[list[Any] | None, OMIT_NONE] = None
    parameters: Annotated[dict[str, Any] | None, OMIT_NONE] = None


@dataclass(frozen=True, slots=True)
class InferResponse:
    """The outputs of an inference."""

    model_name: str
    model_version: str
    id: str
    outputs: list[OutputTensor]


REQUESTS: tuple[type[Any], ...] = (InferRequest,)
"""Bodies of requests, which no route declares to FastAPI."""
