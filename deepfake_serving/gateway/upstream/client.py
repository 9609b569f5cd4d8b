"""The client of the model servers: requests with a deadline, retried on another replica."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable, Mapping
from dataclasses import dataclass
from functools import partial
from typing import Any, BinaryIO, TypeVar

import aiohttp
import orjson
from yarl import URL

from deepfake_serving.contracts.models import USUAL_THRESHOLDS, ModelInfo, Thresholds
from deepfake_serving.contracts.problems import (
    DeadlineExceeded,
    Internal,
    InvalidRequest,
    Problem,
    UpstreamUnavailable,
    from_dict,
)
from deepfake_serving.gateway.upstream.connections import lost
from deepfake_serving.gateway.upstream.frames import (
    Frames,
    Tensor,
    frame_tensor,
    infer_body,
    infer_header,
)
from deepfake_serving.gateway.upstream.hedging import Hedging
from deepfake_serving.gateway.upstream.pools import Pools
from deepfake_serving.gateway.upstream.replicas import Replica
from deepfake_serving.gateway.upstream.retry import Send, send_with_retries

T = TypeVar("T")

_NO_TIMEOUT = aiohttp.ClientTimeout(total=None)
_PARTIAL_TASKS = ("faces", "classifier")
"""Tasks whose results are no verdicts of images. Earlier model servers name no task."""
_BYTES = {"Content-Type": "application/octet-stream"}

OnDetected = Callable[[bytes, str, bytes], None]
"""Takes an encoded image, the model and the JSON of the verdict."""
Body = bytes | Callable[[], BinaryIO | AsyncIterator[bytes | memoryview]]
"""A request body: bytes, or a function that opens it again for each attempt."""


@dataclass(frozen=True, slots=True)
class RequestContext:
    """The id and trace of a request, and its deadline on the event loop's clock."""

    id: str
    deadline: float
    traceparent: str | None = None

    def for_item(self, number: int) -> RequestContext:
        """Returns the context of one item of the request."""
        return RequestContext(f"{self.id}.{number}", self.deadline, self.traceparent)

    def headers(self) -> dict[str, str]:
        """Returns the headers that carry the context upstream.

        Raises:
            DeadlineExceeded: no time is left.
        """
        left = self.deadline - asyncio.get_running_loop().time()
        if left <= 0:
            raise DeadlineExceeded("no response within the deadline")
        headers = {"X-Request-ID": self.id, "X-Request-Timeout": f"{left:.3f}"}
        return headers | ({"traceparent": self.traceparent} if self.traceparent else {})


@dataclass(frozen=True, slots=True)
class UpstreamResponse:
    """The response of a model server."""

    status: int
    headers: Mapping[str, str]
    body: bytes


class Upstream:
    """The model servers behind this gateway."""

    def __init__(
        self,
        pools: Pools,
        on_retry: Callable[[str], None] = lambda _: None,
        on_detected: OnDetected = lambda *_: None,
        hedging: Hedging | None = None,
    ) -> None:
        """
        Args:
            on_retry: called with the pool of each replica whose request is retried elsewhere.
            on_detected: called with each image whose verdict is known.
            hedging: of single images; None sends each to one replica at a time.
        """
        self.pools, self.on_retry, self.on_detected = pools, on_retry, on_detected
        self.hedging = hedging

    def models(self) -> dict[str, dict[str, ModelInfo]]:
        """Returns the models for clients, by name and pool."""
        return self.pools.models()

    def thresholds(self, model: str) -> Thresholds:
        """Returns the thresholds of a model; the usual ones where no model server names any."""
        for info in self.models().get(model, {}).values():
            if info.thresholds is not None:
                return info.thresholds
        return USUAL_THRESHOLDS

    def is_ensemble(self, model: str) -> bool:
        """Whether the model is an ensemble, which no model server knows."""
        return False

    def check_model(self, model: str) -> None:
        """Refuses a model that no pool serves, as far as it is known.

        Raises:
            UnknownModel
        """
        self.pools.check_model(model)

    def detector(self, name: str | None = None) -> str:
        """Returns the model for images: the named one, else the default, which a job may wait for.

        Raises:
            InvalidRequest: the named model finds no faces or classifies none.
            UpstreamUnavailable: no model is known yet.
        """
        served = self.models()
        if name:
            for info in served.get(name, {}).values():
                if info.task in _PARTIAL_TASKS:
                    raise InvalidRequest(f"{name} is not a detector: its task is {info.task!r}")
            return name
        if "detector" in served or (not served and self.pools.expects("detector")):
            return "detector"
        for name, by_pool in served.items():
            if not any(info.task in _PARTIAL_TASKS for info in by_pool.values()):
                return name
        raise UpstreamUnavailable("no model server with a detector is up", retry_after_s=5)

    async def detect_image(
        self, image: bytes, model: str, context: RequestContext, **flags: bool
    ) -> bytes:
        """Returns the verdict of one encoded image, as the JSON that the model server wrote.

        Args:
            flags: `explain`, whether its faces get a heatmap; `preview`, whether the verdict has a
                copy of the image that every browser shows.

        Raises:
            Problem
        """
        query = "&".join(f"{name}=true" for name, value in flags.items() if value)
        path = f"/predictions/{model}" + (f"?{query}" if query else "")

        async def send(replica: Replica) -> bytes:
            return _body(await self._send(replica, "POST", path, context, image, _BYTES))

        verdict = await self.retry(model, context.id, send, self.hedging)
        self.on_detected(image, model, verdict)
        return verdict

    async def detect_frames(
        self, frames: Frames, model: str, context: RequestContext, *, explain: bool = False
    ) -> list[dict[str, Any] | Problem]:
        """Returns a verdict or a problem for each decoded frame of a video.

        Args:
            frames: uint8 RGB, (h, w, 3), all of one size, in their order. They are sent
                as one tensor.
            explain: whether their faces get a heatmap.
        """
        parameters = {"follow": True} | ({"explain": True} if explain else {})
        return await self.infer(frame_tensor(frames), model, context, parameters)

    async def infer(
        self,
        tensor: Tensor,
        model: str,
        context: RequestContext,
        parameters: Mapping[str, Any] | None = None,
    ) -> list[dict[str, Any] | Problem]:
        """Returns the result or the problem of each item of a tensor, in order.

        Args:
            parameters: of the request, in the Open Inference Protocol.

        Raises:
            Problem: of the request as a whole, or that of its only item.
        """
        header = infer_header(tensor, context.id, parameters or {})
        headers = _BYTES | {
            "Inference-Header-Content-Length": str(len(header)),
            "Content-Length": str(len(header) + tensor.nbytes),
        }
        path = f"/v2/models/{model}/infer"
        body = partial(infer_body, header, tensor)
        response = await self.request("POST", path, model, context, body, headers)
        results = [orjson.loads(t) for t in orjson.loads(response.body)["outputs"][0]["data"]]
        return [from_dict(result) if "type" in result else result for result in results]

    async def request(
        self,
        method: str,
        path: str,
        model: str | None,
        context: RequestContext,
        body: Body | None = None,
        headers: dict[str, str] | None = None,
        *,
        raw: bool = False,
    ) -> UpstreamResponse:
        """Sends an HTTP request to any replica that serves the model.

        Args:
            path: percent-encoded.
            raw: return 4xx responses unchanged instead of raising them.

        Raises:
            Problem: the model server's own, or the reason why none responded.
        """

        async def send(replica: Replica) -> UpstreamResponse:
            response = await self._send(replica, method, path, context, body, headers)
            if response.status < 400 or (raw and response.status < 500):
                return response
            raise _as_problem(response)

        return await self.retry(model, context.id, send)

    async def get_json(self, replica: Replica, path: str, context: RequestContext) -> Any:
        """Returns the JSON at a path of one replica. Raises `Problem`."""
        return orjson.loads(_body(await self._send(replica, "GET", path, context, None, None)))

    async def retry(
        self, model: str | None, request_id: str, send: Send[T], hedging: Hedging | None = None
    ) -> T:
        """Calls `send` with a replica that serves the model, and with another where it fails."""
        return await send_with_retries(
            self.pools, model, send, request_id=request_id, on_retry=self.on_retry, hedging=hedging
        )

    async def _send(
        self,
        replica: Replica,
        method: str,
        path: str,
        context: RequestContext,
        body: Body | None,
        headers: dict[str, str] | None,
    ) -> UpstreamResponse:
        """Sends a request to one replica.

        The model server limits responses to 16 MiB. They are read whole, so that a response that
        breaks off can still be retried.

        Raises:
            DeadlineExceeded
            UpstreamUnavailable: the connection failed.
        """
        all_headers = context.headers() | (headers or {})
        try:
            async with (
                asyncio.timeout_at(context.deadline),
                self.pools.session.request(
                    method,
                    URL(replica.url + path, encoded=True),
                    data=body() if callable(body) else body,
                    headers=all_headers,
                    timeout=_NO_TIMEOUT,
                    allow_redirects=False,
                    server_hostname=replica.pool.server_name,
                ) as response,
            ):
                return UpstreamResponse(response.status, response.headers, await response.read())
        except TimeoutError:
            raise DeadlineExceeded("no response within the deadline") from None
        except (aiohttp.ClientError, OSError) as error:
            replica.healthy = False  # until the next health check
            raise lost(replica.url, error) from error


def _body(response: UpstreamResponse) -> bytes:
    """Returns the body of a response, or raises the problem that it is."""
    if response.status >= 400:
        raise _as_problem(response)
    return response.body


def _as_problem(response: UpstreamResponse) -> Problem:
    """Parses the problem document of an error response."""
    try:
        return from_dict(orjson.loads(response.body))
    except (orjson.JSONDecodeError, AttributeError):
        return Internal(f"a model server returned {response.status} without a problem document")
