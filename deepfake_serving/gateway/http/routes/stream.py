"""`WS /v1/stream`: binary JPEG frames in, one JSON message per analysed frame out."""

from __future__ import annotations

import asyncio
import contextlib
from functools import partial
from typing import Any

import orjson
from fastapi import APIRouter, Request, WebSocket, WebSocketDisconnect

from deepfake_serving.contracts.problems import InvalidRequest, Problem, TooLarge, UpgradeRequired
from deepfake_serving.gateway.auth.authenticator import Principal
from deepfake_serving.gateway.context import Gateway
from deepfake_serving.gateway.http.dependencies import authorize_websocket, check_query
from deepfake_serving.gateway.live.frames import Frame, FrameQueue, score_frames
from deepfake_serving.runtime.request_scope import RequestScope, as_problem
from deepfake_serving.runtime.tasks import first_of

router = APIRouter()

_NORMAL_CLOSURE, _POLICY_VIOLATION, _INTERNAL_ERROR = 1000, 1008, 1011
_SERVICE_RESTART, _TRY_AGAIN_LATER = 1012, 1013
"""Close codes of RFC 6455, section 7.4.1, and of its registry."""


@router.websocket("/v1/stream")
async def stream(socket: WebSocket, model: str | None = None) -> None:
    """Analyses live frames; those that arrive too fast push out the oldest waiting ones."""
    gateway: Gateway = socket.app.state.gateway
    scope = RequestScope(
        "/v1/stream", socket.headers.get("X-Request-ID"), socket.headers.get("traceparent")
    )
    await socket.accept(headers=[(b"x-request-id", scope.id.encode())])
    problem: Problem | None = None
    try:
        principal = await authorize_websocket(socket, "stream")
        check_query(socket, {"model", "key"})
        with gateway.track_stream(principal):
            model = gateway.upstream.detector(model)
            await _serve(socket, gateway, model, scope, principal)
    except WebSocketDisconnect:
        pass
    except Exception as error:
        problem = as_problem(error, scope)
        await _close_with_problem(socket, problem, scope.id)
    finally:
        scope.end(101 if problem is None else problem.status, gateway.metrics, problem)


@router.get("/v1/stream", include_in_schema=False)
async def refuse_request(request: Request) -> None:
    """
    Raises:
        UpgradeRequired: the request reached the gateway as an ordinary one.
    """
    request.state.headers = {"Upgrade": "websocket", "Connection": "Upgrade"}
    raise UpgradeRequired(
        "this is a WebSocket, but the request has no Upgrade header; a proxy may have removed it"
    )


async def _serve(
    socket: WebSocket, gateway: Gateway, model: str, scope: RequestScope, principal: Principal
) -> None:
    frames = FrameQueue(gateway.metrics.stream_frames.labels("dropped").inc)
    analysed = 0

    async def read() -> None:
        await _read_frames(socket, gateway, frames)
        frames.close()
        await asyncio.Event().wait()  # the analysis ends the stream

    async def detect(frame: Frame) -> bytes:
        nonlocal analysed
        gateway.authenticator.use_frame(principal, len(frame.image))
        analysed += 1
        context = gateway.frame_context(scope, frame.number)
        return await gateway.upstream.detect_image(frame.image, model, context)

    async def send(message: dict[str, Any]) -> None:
        await socket.send_text(orjson.dumps(message).decode())

    count = partial(gateway.count_frame, scope)
    try:
        await first_of(read(), score_frames(frames, detect, send, count, scope.id))
        if gateway.in_flight.closing.is_set():
            await socket.close(_SERVICE_RESTART, "the gateway is stopping")
        else:
            await socket.close(_NORMAL_CLOSURE, "the stream was idle or reached its maximum")
    finally:
        scope.note(model=model, frames=analysed, dropped=frames.dropped)


async def _read_frames(socket: WebSocket, gateway: Gateway, frames: FrameQueue) -> None:
    """Reads frames until the stream is idle for too long, reaches its maximum duration, or the
    gateway stops."""
    settings, loop = gateway.settings, asyncio.get_running_loop()
    closing = gateway.in_flight.closing
    end = loop.time() + settings.live_max_duration_s
    while loop.time() < end:
        try:
            async with asyncio.timeout(min(settings.live_idle_timeout_s, end - loop.time())):
                which, image = await first_of(
                    _read_frame(socket, settings.max_image_bytes), closing.wait()
                )
        except TimeoutError:
            return
        if which == 1:
            return
        frames.put_image(image)


async def _read_frame(socket: WebSocket, max_bytes: int) -> bytes:
    message = await socket.receive()
    if message["type"] == "websocket.disconnect":
        raise WebSocketDisconnect(message.get("code", _NORMAL_CLOSURE))
    image = message.get("bytes")
    if not image:
        raise InvalidRequest("a frame is a binary message with an encoded image")
    if len(image) > max_bytes:
        raise TooLarge(f"the frame has {len(image)} bytes; the limit is {max_bytes}")
    return bytes(image)


async def _close_with_problem(socket: WebSocket, problem: Problem, request_id: str) -> None:
    """Sends the problem as the last message, and closes with a code that matches it."""
    with contextlib.suppress(RuntimeError, WebSocketDisconnect):
        text = orjson.dumps({"problem": problem.to_dict(request_id)}).decode()
        await socket.send_text(text)
        await socket.close(_close_code(problem), problem.title)


def _close_code(problem: Problem) -> int:
    if problem.status in (429, 503):
        return _TRY_AGAIN_LATER
    return _INTERNAL_ERROR if problem.status >= 500 else _POLICY_VIOLATION
