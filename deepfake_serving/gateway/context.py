"""The parts that all handlers of the gateway share, and the context of one HTTP request."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Coroutine, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from functools import cached_property, partial
from tempfile import gettempdir
from typing import Any, TypeVar, cast

from fastapi import Request

from deepfake_serving.contracts.problems import Problem
from deepfake_serving.gateway.auth.authenticator import Authenticator, Principal
from deepfake_serving.gateway.auth.shares import Shares
from deepfake_serving.gateway.feedback.service import FeedbackService
from deepfake_serving.gateway.fetch.fetcher import Fetcher
from deepfake_serving.gateway.jobs.service import JobService
from deepfake_serving.gateway.jobs.submission import Submission
from deepfake_serving.gateway.metrics import Metrics
from deepfake_serving.gateway.queue.health import StoreHealth
from deepfake_serving.gateway.settings import Settings
from deepfake_serving.gateway.storage.body_memory import BodyMemory
from deepfake_serving.gateway.storage.disk_space import DiskSpace, folders_of
from deepfake_serving.gateway.uploads.service import Uploads
from deepfake_serving.gateway.upstream.analysis import ImageAnalysis
from deepfake_serving.gateway.upstream.client import RequestContext, Upstream
from deepfake_serving.gateway.upstream.relative_boxes import BoxUnit
from deepfake_serving.provenance.reader import ProvenanceReader
from deepfake_serving.runtime.process.shutdown import InFlight
from deepfake_serving.runtime.request_scope import RequestScope
from deepfake_serving.runtime.request_timeout import parse_timeout
from deepfake_serving.runtime.tasks import first_of

T = TypeVar("T")

_FRAME_S = 15.0
"""A later verdict of a live frame is of no use: others wait meanwhile, and are dropped."""


class ClientDisconnected(Exception):
    """The client has closed the connection; no response can be sent."""


@dataclass
class Gateway:
    """The parts of a running gateway, and its counts of open requests and streams."""

    settings: Settings
    metrics: Metrics
    authenticator: Authenticator
    upstream: Upstream
    submission: Submission
    uploads: Uploads
    jobs: JobService
    feedback: FeedbackService
    store_health: StoreHealth
    fetcher: Fetcher | None
    provenance: ProvenanceReader = field(default_factory=ProvenanceReader)
    on_timed: Callable[[bytes, float, str], None] | None = None
    """The `on_timed` of each `ImageAnalysis`."""
    draining: bool = False
    in_flight: InFlight = field(default_factory=InFlight)
    body_memory: BodyMemory = field(init=False)
    requests: Shares = field(init=False)
    """HTTP requests, each of which holds a connection."""
    video_streams: Shares = field(init=False)
    """Videos that arrive over gRPC, a message of which is in memory."""
    _streams: Shares = field(init=False)

    def __post_init__(self) -> None:
        settings = self.settings
        self.body_memory = BodyMemory(settings.max_body_memory_bytes)
        self.requests = Shares(settings.max_connections, "requests")
        self.video_streams = Shares(settings.grpc_max_video_streams, "videos over gRPC")
        self._streams = Shares(settings.live_max_sessions, "live streams")

    @cached_property
    def disk_space(self) -> DiskSpace:
        """The space of the disks that uploads fill."""
        settings = self.settings
        folders = folders_of(settings.jobs, settings.objects, temporary=gettempdir())
        return DiskSpace(folders, settings.min_free_bytes)

    def analysis(
        self,
        model: str,
        principal: Principal,
        *,
        explain: bool,
        provenance: bool,
        boxes: BoxUnit = "pixels",
        preview: bool = False,
    ) -> ImageAnalysis:
        """Returns the analysis of a principal's images with these options."""
        reader = self.provenance if provenance else None
        remember = partial(self.feedback.images.add, owner=principal.id)
        return ImageAnalysis(
            self.upstream, model, explain, reader, boxes, preview, remember, self.on_timed
        )

    def unready_reasons(self) -> list[str]:
        """Returns why requests can't be served; empty when ready."""
        reasons = ["draining"] if self.draining else []
        if not self.upstream.pools.ready():
            reasons.append("no model server is up")
        return reasons

    def degraded_reasons(self) -> list[str]:
        """Returns why some operations fail although requests are served: jobs without a store
        that accepts writes, uploads without space, and images while all pools are at zero."""
        pools = self.upstream.pools
        asleep = "no model server is up" if pools.ready() and not pools.up() else None
        reasons = {
            "images": asleep,
            "jobs": self.store_health.reason or self.store_health.refusal,
            "uploads": self.disk_space.full_reason,
        }
        return [f"{name}: {reason}" for name, reason in reasons.items() if reason is not None]

    @contextmanager
    def track_stream(self, principal: Principal) -> Iterator[None]:
        """Counts a live stream as open.

        Raises:
            Overloaded: `live_max_sessions` streams are open already, or the key's share of them.
        """
        share = principal.limits.streams(self.settings.live_max_sessions)
        try:
            with self._streams.reserve(principal, share):
                self.metrics.streams.set(self._streams.open)
                yield
        finally:
            self.metrics.streams.set(self._streams.open)

    def count_frame(self, scope: RequestScope, problem: Problem | None) -> None:
        """Counts the result of a frame of a live stream; None is a verdict."""
        self.metrics.stream_frames.labels("judged" if problem is None else "problem").inc()
        scope.count_item(problem, self.metrics)

    def request_context(self, scope: RequestScope, timeout_s: float | None) -> RequestContext:
        """Returns the context of upstream requests: id, trace and deadline.

        Args:
            timeout_s: the client's own timeout; `request_timeout_s` limits it.
        """
        limit = self.settings.request_timeout_s
        seconds = limit if timeout_s is None else min(limit, timeout_s)
        deadline = asyncio.get_running_loop().time() + seconds
        return RequestContext(scope.id, deadline, scope.traceparent)

    def frame_context(
        self, scope: RequestScope, number: int, timeout_s: float | None = None
    ) -> RequestContext:
        """Returns the context of the upstream requests for a live frame.

        Args:
            number: of the frame in its stream.
            timeout_s: of the stream.
        """
        left = _FRAME_S if timeout_s is None else min(_FRAME_S, timeout_s)
        return self.request_context(scope, left).for_item(number)


def get_gateway(request: Request) -> Gateway:
    """Returns the gateway that serves this request."""
    gateway: Gateway = request.app.state.gateway
    return gateway


def get_request_scope(request: Request) -> RequestScope:
    """Returns the scope that the middleware opened for this request, before its route was known."""
    scope: RequestScope = request.state.request_scope
    scope.route = getattr(request.scope.get("route"), "path", scope.route)
    return scope


def request_context(request: Request) -> RequestContext:
    """Returns the request's id, trace, and the deadline that `X-Request-Timeout` sets.

    Raises:
        InvalidRequest: the header is not a positive number.
    """
    timeout_s = parse_timeout(request.headers.get("X-Request-Timeout"))
    return get_gateway(request).request_context(get_request_scope(request), timeout_s)


async def cancel_on_disconnect(request: Request, work: Coroutine[Any, Any, T]) -> T:
    """Awaits `work` and cancels it when the client disconnects.

    The request's body must have been read.

    Raises:
        ClientDisconnected
    """
    first, result = await first_of(work, _disconnect(request))
    if first == 1:
        raise ClientDisconnected
    return cast("T", result)


async def _disconnect(request: Request) -> None:
    while (await request.receive())["type"] != "http.disconnect":
        pass
