"""Predictions, whatever the protocol: admission, deadline, one retry."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

import structlog

from deepfake_serving.contracts.problems import (
    DeadlineExceeded,
    InvalidRequest,
    Problem,
    TooLarge,
    UnknownModel,
    UpstreamUnavailable,
    from_dict,
)
from deepfake_serving.model_server.limits.admission import AdmissionController
from deepfake_serving.model_server.metrics import Metrics
from deepfake_serving.model_server.models import ServedModel
from deepfake_serving.model_server.prediction.statistics import ModelStatistics
from deepfake_serving.model_server.settings import Settings
from deepfake_serving.model_server.state import ServerState
from deepfake_serving.model_server.torchserve.client import (
    Reply,
    TorchServeLost,
    Upstream,
    WorkerLost,
)
from deepfake_serving.runtime import tracing
from deepfake_serving.runtime.request_scope import RequestScope
from model_handlers import wire

log = structlog.get_logger(__name__)

_ATTEMPTS = 2


@dataclass(frozen=True, slots=True)
class Tensor:
    """Items as one Open Inference Protocol tensor: BYTES or UINT8, in raw form.

    `parameters` are for the worker: `faces` and `face_px` of the items, as JSON.
    """

    datatype: str
    shape: tuple[int, ...]
    raw: bytes
    parameters: dict[str, str] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Call:
    """One prediction request: a model, and an encoded image or a tensor of several."""

    model: ServedModel
    content: bytes | Tensor
    request_id: str
    deadline: float
    """On the loop's clock."""
    traceparent: str | None = None
    options: str | None = None


class Predictor:
    """Runs calls of both protocols, so that they behave and are counted alike."""

    def __init__(
        self,
        settings: Settings,
        models: dict[str, ServedModel],
        admission: dict[str, AdmissionController],
        state: ServerState,
        metrics: Metrics,
    ) -> None:
        self.settings, self.models, self.state = settings, models, state
        self.metrics, self.admission = metrics, admission
        self.statistics = {name: ModelStatistics() for name in models}
        self.upstream: Upstream | None = None
        """Set by the supervisor while TorchServe can take predictions."""

    def model(self, name: str, version: str = "") -> ServedModel:
        """Returns the served model of that name and, if given, version or its integer part.

        Raises:
            UnknownModel
        """
        model = self.models.get(name)
        if model is None:
            served = ", ".join(sorted(self.models))
            raise UnknownModel(f"there is no model {name!r}; served are: {served}")
        if version not in ("", model.version, model.integer_version):
            raise UnknownModel(f"{name} is served in version {model.version}, not {version!r}")
        return model

    def detector(self, name: str = "") -> ServedModel:
        """Returns the named detector, else the first one.

        Raises:
            InvalidRequest: the named model is not a detector.
            UnknownModel: there is no such model, or no detector.
        """
        if name:
            model = self.model(name)
            if model.task != "detector":
                raise InvalidRequest(f"{name} is not a detector: its task is {model.task!r}")
            return model
        for model in self.models.values():
            if model.task == "detector":
                return model
        raise UnknownModel("no detector is served")

    def deadline(self, timeout_s: float | None = None) -> float:
        """Returns the deadline of a request that arrives now, on the loop's clock."""
        limit = self.settings.request_timeout_s
        return asyncio.get_running_loop().time() + (
            limit if timeout_s is None else min(timeout_s, limit)
        )

    async def one(self, call: Call) -> Reply:
        """Predicts one image; the reply's JSON is the result.

        Raises:
            Problem
        """
        reply = await self._predict(call)
        self.metrics.observe_result(call.model.name, reply.document)
        return reply

    async def many(
        self, call: Call, request_scope: RequestScope, *, raise_lone: bool = False
    ) -> list[dict[str, Any] | Problem]:
        """Predicts a tensor of images; returns one result or problem each, in order.

        Each is counted as a result of the request.

        Args:
            raise_lone: whether to raise the problem of a call's only image.

        Raises:
            Problem: the call as a whole can't be served.
        """
        items = (await self._predict(call)).document["results"]
        if raise_lone and len(items) == 1 and "type" in items[0]:
            raise from_dict(items[0])
        results = [from_dict(item) if "type" in item else item for item in items]
        for result in results:
            request_scope.count_item(result, self.metrics)
            if not isinstance(result, Problem):
                self.metrics.observe_result(call.model.name, result)
        return results

    async def _predict(self, call: Call) -> Reply:
        self.state.require_serving()
        body, headers = self._encode(call)
        with self.statistics[call.model.name].request(_count(call)):
            return await self._admitted(call, body, headers)

    async def _admitted(self, call: Call, body: bytes, headers: dict[str, str]) -> Reply:
        start = time.perf_counter()
        async with self.admission[call.model.name].admit(call.deadline):
            self.statistics[call.model.name].queue.add(time.perf_counter() - start)
            for attempt in range(1, _ATTEMPTS + 1):
                try:
                    return await self._attempt(call, body, headers)
                except WorkerLost as lost:
                    if isinstance(lost, TorchServeLost):
                        self._suspend()
                    log.warning(
                        "worker lost", id=call.request_id, attempt=attempt, reason=str(lost)
                    )
                    if attempt < _ATTEMPTS:
                        self.metrics.retries.labels(call.model.name).inc()
        raise UpstreamUnavailable(
            "the model's worker was lost twice on this request", retry_after_s=5
        )

    async def _attempt(self, call: Call, body: bytes, headers: dict[str, str]) -> Reply:
        try:
            upstream = await self._connected(call.deadline)
            left = call.deadline - asyncio.get_running_loop().time()
            if left <= 0:
                raise TimeoutError
            headers = headers | {wire.DEADLINE_HEADER: f"{time.time() + left:.3f}"}
            reply = await upstream.predict(call.model, body, headers, left)
        except TimeoutError:
            raise DeadlineExceeded("no result within the deadline") from None
        if reply.batch is not None:
            self.metrics.observe_batch(call.model.name, reply.batch)
            self.statistics[call.model.name].observe_batch(reply.batch)
        if reply.problem is not None:
            raise reply.problem
        tracing.stages(_timings(reply.document), call.traceparent)
        return reply

    def _suspend(self) -> None:
        """Pauses predictions until the supervisor, notified by this, has checked TorchServe."""
        self.upstream = None
        self.state.notify()

    async def _connected(self, deadline: float) -> Upstream:
        """Returns TorchServe's client, once the supervisor has enabled it."""
        async with asyncio.timeout_at(deadline):
            while self.upstream is None:
                self.state.require_serving()
                await self.state.changed()
        return self.upstream

    def _encode(self, call: Call) -> tuple[bytes, dict[str, str]]:
        headers = {
            "Content-Type": "application/octet-stream",
            wire.REQUEST_ID_HEADER: call.request_id,
        }
        if call.traceparent:
            headers["traceparent"] = call.traceparent
        if call.options:
            headers[wire.OPTIONS_HEADER] = call.options
        if isinstance(call.content, bytes):
            if not call.content:
                raise InvalidRequest("the image is empty")
            self._check_size(call.content)
            return call.content, headers
        tensor = call.content
        self._check_size(tensor.raw)
        self._check_count(tensor.shape)
        body, length = wire.pack_tensor(
            tensor.datatype, tensor.shape, tensor.raw, tensor.parameters
        )
        return body, headers | {wire.LENGTH_HEADER: str(length)}

    def _check_size(self, content: bytes) -> None:
        """Refuses bodies that gRPC's slightly higher limit let through."""
        limit = self.settings.max_body_bytes
        if len(content) > limit:
            raise TooLarge(f"the body is larger than the limit of {limit} bytes")

    def _check_count(self, shape: Sequence[int]) -> None:
        count = shape[0] if shape else 1
        if count > self.settings.max_items:
            raise TooLarge(f"{count} images in one request; the limit is {self.settings.max_items}")


def _count(call: Call) -> int:
    """Returns the number of images."""
    return 1 if isinstance(call.content, bytes) or not call.content.shape else call.content.shape[0]


def _timings(document: dict[str, Any]) -> dict[str, float]:
    """Returns the stages' durations, of the first image if several shared a batch."""
    results: list[dict[str, Any]] = document.get("results", [document])
    timings: dict[str, float] = results[0].get("timings_ms", {}) if results else {}
    return timings
