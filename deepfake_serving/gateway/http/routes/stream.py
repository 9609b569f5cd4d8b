"""`WS /v1/stream`: binary JPEG frames in, one JSON message a judged frame out."""

from __future__ import annotations

import asyncio
import contextlib
from typing import Any

import orjson
from fastapi import APIRouter, WebSocket, WebSocketDisconnect

from deepfake_serving.contracts.problems import InvalidRequest, Overloaded, Problem, TooLarge
from deepfake_serving.gateway.context import Gateway
from deepfake_serving.gateway.http.dependencies import allow_socket
from deepfake_serving.gateway.live.frames import Frame, Latest, judged
from deepfake_serving.gateway.upstream.client import RequestContext
from deepfake_serving.runtime.request_scope import RequestScope
from deepfake_serving.runtime.tasks import first_of

router = APIRouter()

_ENDED, _POLICY, _TRY_LATER = 1000, 1008, 1013
"""Close codes of RFC 6455, section 7.4.1, and of its registry."""


@router.websocket("/v1/stream")
async def stream(socket: WebSocket, model: str | None = None) -> None:
    """Frames that come faster than they are judged push out those that wait."""
    gateway: Gateway = socket.app.state.gateway
    exchange = RequestScope(
        "/v1/stream", socket.headers.get("X-Request-ID"), socket.headers.get("traceparent")
    )
    await socket.accept()
    problem: Problem | None = None
    try:
        await allow_socket(socket, "stream")
        with gateway.stream():
            await _serve(socket, gateway, model or gateway.upstream.detector(), exchange)
    except WebSocketDisconnect:
        pass
    except Problem as raised:
        problem = raised
        await _refuse(socket, raised, exchange.id)
    finally:
        exchange.end(101 if problem is None else problem.status, gateway.metrics, problem)


async def _serve(socket: WebSocket, gateway: Gateway, model: str, exchange: RequestScope) -> None:
    frames, settings = Latest(), gateway.settings
    loop = asyncio.get_running_loop()
    number = 0

    async def read() -> None:
        ends = loop.time() + settings.live_max_duration_s
        while loop.time() < ends:
            try:
                async with asyncio.timeout(min(settings.live_idle_timeout_s, ends - loop.time())):
                    picture = await _frame(socket, settings.max_image_bytes)
            except TimeoutError:
                break
            frames.put(picture)
        frames.close()
        await asyncio.Event().wait()  # the other side ends it

    async def judge(frame: Frame) -> bytes:
        nonlocal number
        number += 1
        deadline = loop.time() + settings.request_timeout_s
        mine = RequestContext(f"{exchange.id}.{frame.number}", deadline, exchange.traceparent)
        return await gateway.upstream.picture(frame.picture, model, mine)

    async def tell(message: dict[str, Any]) -> None:
        await socket.send_text(orjson.dumps(message).decode())

    def count(outcome: str) -> None:
        gateway.metrics.stream_frames.labels(outcome).inc()

    try:
        await first_of(read(), judged(frames, judge, tell, count))
        await socket.close(_ENDED, "the stream was idle or long enough")
    finally:
        gateway.metrics.stream_frames.labels("dropped").inc(frames.dropped)
        exchange.note(model=model, frames=number, dropped=frames.dropped)


async def _frame(socket: WebSocket, limit: int) -> bytes:
    message = await socket.receive()
    if message["type"] == "websocket.disconnect":
        raise WebSocketDisconnect(message.get("code", _ENDED))
    picture = message.get("bytes")
    if not picture:
        raise InvalidRequest("a frame is a binary message that holds an encoded picture")
    if len(picture) > limit:
        raise TooLarge(f"the frame has {len(picture)} bytes; the bound is {limit}")
    return bytes(picture)


async def _refuse(socket: WebSocket, problem: Problem, request_id: str) -> None:
    """The problem as a last message, and a close code that says whose fault it is."""
    code = _TRY_LATER if isinstance(problem, Overloaded) else _POLICY
    with contextlib.suppress(RuntimeError, WebSocketDisconnect):
        text = orjson.dumps({"problem": problem.to_dict(request_id)}).decode()
        await socket.send_text(text)
        await socket.close(code, problem.title)
