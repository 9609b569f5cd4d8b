"""Documents of the Open Inference Protocol and of Triton's extensions, for the OpenAPI document.

https://github.com/kserve/open-inference-protocol,
https://docs.nvidia.com/deeplearning/triton-inference-server/user-guide/docs/protocol
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Annotated, Any, Literal

from pydantic import Field

from deepfake_serving.contracts.verdict import ImageVerdict
from deepfake_serving.gateway.documents import ProblemDocument
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
    datatype: Literal["BYTES", "UINT8"]
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


@dataclass(frozen=True, slots=True)
class ModelNames:
    """The names of the served models."""

    models: list[str]


@dataclass(frozen=True, slots=True)
class IndexRequest:
    """A request for the index; `ready` leaves out models that no replica serves."""

    ready: bool = False


@dataclass(frozen=True, slots=True)
class IndexEntry:
    """A model and its state: READY or UNAVAILABLE."""

    name: str
    version: str
    state: str
    reason: str


@dataclass(frozen=True, slots=True)
class ConfigInput:
    """An input of a model's configuration."""

    name: str
    data_type: str
    dims: list[int]


@dataclass(frozen=True, slots=True)
class InstanceGroup:
    """The workers of one replica."""

    name: str
    count: int


@dataclass(frozen=True, slots=True)
class ConfigParameter:
    """A setting of the model server."""

    string_value: str


@dataclass(frozen=True, slots=True)
class ModelConfig:
    """A model's configuration in Triton's terms; `max_batch_size` 0: shapes include the batch."""

    name: str
    platform: str
    backend: str
    max_batch_size: int
    input: list[ConfigInput]
    output: list[ConfigInput]
    instance_group: list[InstanceGroup]
    parameters: dict[str, ConfigParameter]


@dataclass(frozen=True, slots=True)
class Duration:
    """Number of events and the sum of their durations in nanoseconds."""

    count: int
    ns: int


@dataclass(frozen=True, slots=True)
class InferStatistics:
    """Durations of requests and of their parts."""

    success: Duration
    fail: Duration
    queue: Duration
    compute_input: Duration
    compute_infer: Duration
    compute_output: Duration
    cache_hit: Duration
    cache_miss: Duration


@dataclass(frozen=True, slots=True)
class BatchStatistics:
    """Durations of the batches of one size."""

    batch_size: int
    compute_input: Duration
    compute_infer: Duration
    compute_output: Duration


@dataclass(frozen=True, slots=True)
class ModelStatistics:
    """Counts of one model; `last_inference` is in milliseconds since the epoch."""

    name: str
    version: str
    last_inference: int
    inference_count: int
    execution_count: int
    inference_stats: InferStatistics
    batch_stats: list[BatchStatistics]


@dataclass(frozen=True, slots=True)
class StatisticsResponse:
    """Sums over all replicas since they started."""

    model_stats: list[ModelStatistics]


@dataclass(frozen=True, slots=True)
class EncodedImage:
    """The base64 of an encoded image."""

    b64: Annotated[str, Field(min_length=4, json_schema_extra={"contentEncoding": "base64"})]


@dataclass(frozen=True, slots=True)
class Instance:
    """An image of a V1 request."""

    image: EncodedImage


@dataclass(frozen=True, slots=True)
class PredictRequest:
    """A request of KServe's V1 protocol."""

    instances: Annotated[list[Instance], Field(min_length=1)]


@dataclass(frozen=True, slots=True)
class PredictResponse:
    """A verdict for each instance, or a problem at its position."""

    predictions: list[ImageVerdict | ProblemDocument]


REQUESTS: tuple[type[Any], ...] = (InferRequest, IndexRequest, PredictRequest)
"""Bodies of requests, which no route declares to FastAPI."""
