"""Asking model servers: any replica that can, another one where that fails, within a deadline."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from typing import Any, BinaryIO

import aiohttp
import numpy as np
import numpy.typing as npt
import orjson
import structlog

from deepfake_serving.contracts.problems import (
    DeadlineExceeded,
    Internal,
    NotReady,
    Overloaded,
    Problem,
    UpstreamUnavailable,
    from_dict,
)
from deepfake_serving.gateway.upstream.pools import Pools
from deepfake_serving.gateway.upstream.replicas import Replica

log = structlog.get_logger(__name__)

_ATTEMPTS = 3
_NONE = aiohttp.ClientTimeout(total=None)
_OCTETS = "application/octet-stream"

_ELSEWHERE = (UpstreamUnavailable, NotReady, Overloaded)
"""What another replica may not say."""

Body = bytes | Callable[[], BinaryIO | AsyncIterator[bytes | memoryview]]
"""What is sent: bytes, or how to open the file or begin anew for each attempt."""

_PIECE = 2**18
"""Of a large body, so that a slow connection holds no second copy of it."""


@dataclass(frozen=True, slots=True)
class RequestContext:
    """Who asks, and until when on the loop's clock; travels down with every request."""

    id: str
    deadline: float
    traceparent: str | None = None

    def part(self, number: int) -> RequestContext:
        """One item of the request."""
        return RequestContext(f"{self.id}.{number}", self.deadline, self.traceparent)

    def headers(self) -> dict[str, str]:
        left = self.deadline - asyncio.get_running_loop().time()
        if left <= 0:
            raise DeadlineExceeded("no answer within the deadline")
        headers = {"X-Request-ID": self.id, "X-Request-Timeout": f"{left:.3f}"}
        return headers | ({"traceparent": self.traceparent} if self.traceparent else {})


@dataclass(frozen=True, slots=True)
class UpstreamResponse:
    """What a model server answered."""

    status: int
    headers: Mapping[str, str]
    body: bytes


class Upstream:
    """The model servers behind this gateway."""

    def __init__(self, pools: Pools, retried: Callable[[str], None] = lambda _: None) -> None:
        """`retried` is told the pool of every replica that failed a request."""
        self.pools, self.retried = pools, retried

    def detector(self) -> str:
        """The model that pictures go to where none is named.

        Raises:
            UpstreamUnavailable: none is known yet.
        """
        served = self.pools.models()
        if "detector" in served:
            return "detector"
        for name in served:
            return name
        raise UpstreamUnavailable("no model server is up", retry_after_s=5)

    async def picture(self, picture: Body, model: str, asked: RequestContext) -> bytes:
        """One encoded picture → the JSON of its verdict, as the model server wrote it.

        Raises:
            Problem
        """
        path = f"/predictions/{model}"
        answer = await self.request("POST", path, model, asked, picture, {"Content-Type": _OCTETS})
        return answer.body

    async def frames(
        self, frames: Sequence[npt.NDArray[np.uint8]], model: str, asked: RequestContext
    ) -> list[dict[str, Any] | Problem]:
        """Decoded frames of one size, uint8 (h, w, 3) RGB each → verdicts or problems, in order.

        They travel as one tensor by the Open Inference Protocol.
        """
        shape = [len(frames), *frames[0].shape]
        length = sum(frame.nbytes for frame in frames)
        size = {"binary_data_size": length}
        tensor = {"name": "images", "datatype": "UINT8", "shape": shape, "parameters": size}
        head = orjson.dumps({"inputs": [tensor], "outputs": [{"name": "result"}], "id": asked.id})
        headers = {
            "Inference-Header-Content-Length": str(len(head)),
            "Content-Length": str(len(head) + length),
            "Content-Type": _OCTETS,
        }
        path = f"/v2/models/{model}/infer"
        body = partial(_pieces, head, frames)
        answer = await self.request("POST", path, model, asked, body, headers)
        results = [orjson.loads(t) for t in orjson.loads(answer.body)["outputs"][0]["data"]]
        return [from_dict(result) if "type" in result else result for result in results]

    async def request(
        self,
        method: str,
        path: str,
        model: str | None,
        asked: RequestContext,
        body: Body | None = None,
        headers: dict[str, str] | None = None,
        *,
        raw: bool = False,
    ) -> UpstreamResponse:
        """The answer of any replica that serves the model.

        Predictions change nothing, so that one which was lost on its way is asked again elsewhere.

        Args:
            raw: give errors that are the caller's back as they are.

        Raises:
            Problem: what the model server answered, or why none did.
        """
        tried: list[Replica] = []
        while True:
            replica = self.pools.choose(model, tried)
            tried.append(replica)
            try:
                with replica.request():
                    answer = await self._send(replica, method, path, asked, body, headers)
                if answer.status < 400 or (raw and answer.status < 500):
                    return answer
                lost = _problem(answer)
            except (aiohttp.ClientError, OSError) as error:
                replica.healthy = False  # until the next check says otherwise
                reason = str(error) or type(error).__name__
                lost = UpstreamUnavailable(f"a model server was lost: {reason}", retry_after_s=5)
            if not isinstance(lost, _ELSEWHERE) or len(tried) >= _ATTEMPTS:
                raise lost
            self.retried(replica.pool.name)
            log.warning("asked again", id=asked.id, replica=replica.url, problem=lost.slug)

    async def _send(
        self,
        replica: Replica,
        method: str,
        path: str,
        asked: RequestContext,
        body: Body | None,
        headers: dict[str, str] | None,
    ) -> UpstreamResponse:
        """Answers are bounded by the model server (16 MiB) and read whole, so that one which breaks
        off can still be asked for elsewhere.

        Raises:
            DeadlineExceeded
            aiohttp.ClientError: the replica was lost.
        """
        sent = asked.headers() | (headers or {})
        try:
            async with (
                asyncio.timeout_at(asked.deadline),
                self.pools.session.request(
                    method,
                    replica.url + path,
                    data=body() if callable(body) else body,
                    headers=sent,
                    timeout=_NONE,
                    allow_redirects=False,
                ) as answer,
            ):
                return UpstreamResponse(answer.status, answer.headers, await answer.read())
        except TimeoutError:
            raise DeadlineExceeded("no answer within the deadline") from None


async def _pieces(
    head: bytes, frames: Sequence[npt.NDArray[np.uint8]]
) -> AsyncIterator[bytes | memoryview]:
    """The frames' own memory, one after the other, after the head."""
    yield head
    for frame in frames:
        view = np.ascontiguousarray(frame).data.cast("B")
        for begin in range(0, len(view), _PIECE):
            yield view[begin : begin + _PIECE]


def _problem(answer: UpstreamResponse) -> Problem:
    """What a model server answered, which says it in the same words; else what can be said."""
    try:
        return from_dict(orjson.loads(answer.body))
    except (orjson.JSONDecodeError, AttributeError):
        return Internal(f"a model server answered {answer.status} in no words of ours")
