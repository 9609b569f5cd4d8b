"""`DetectStream`: the live frames of one bidirectional stream, and their verdicts."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable
from functools import partial
from typing import Any

from deepfake_serving.contracts.messages import problem_message, verdict_message
from deepfake_serving.contracts.problems import from_dict
from deepfake_serving.contracts.protos.deepfake.v1 import detector_pb2 as pb
from deepfake_serving.gateway.context import Gateway
from deepfake_serving.gateway.grpc_api.call import Call, StreamStopped
from deepfake_serving.gateway.live.frames import Frame, FrameQueue, score_frames
from deepfake_serving.runtime.tasks import cancel, first_of

Verdicts = asyncio.Queue[pb.StreamVerdict | None]


async def detect_frames(
    gateway: Gateway,
    messages: AsyncIterator[pb.StreamFrame],
    call: Call,
    on_end: Callable[[], object],
) -> AsyncIterator[pb.StreamVerdict]:
    """Yields the verdict of each frame that is not dropped; the first message names the model.

    The stream ends as over WebSocket: after `live_idle_timeout_s` without a frame, and after
    `live_max_duration_s`. Frames wait in a short queue; where they arrive faster than they are
    analysed, old ones drop.

    Args:
        on_end: Called when the session ends, before the last verdict is read.

    Raises:
        StreamStopped: the gateway stops; after the verdicts of the frames that have arrived.
    """
    loop, settings = asyncio.get_running_loop(), gateway.settings
    end, closing = loop.time() + settings.live_max_duration_s, gateway.in_flight.closing
    stopped = False

    async def next_message() -> pb.StreamFrame | None:
        """Returns None where the stream ends, is idle for too long or has reached its maximum."""
        nonlocal stopped
        try:
            async with asyncio.timeout_at(min(loop.time() + settings.live_idle_timeout_s, end)):
                which, message = await first_of(anext(messages, None), closing.wait())
        except TimeoutError:
            return None
        stopped = which == 1
        return None if stopped else message

    first = await next_message()
    if first is None:
        if stopped:
            raise StreamStopped
        return
    frames = FrameQueue(gateway.metrics.stream_frames.labels("dropped").inc)
    verdicts = Verdicts(1)
    frames.put_image(first.image)
    model = gateway.upstream.detector(first.model)

    async def read() -> None:
        try:
            while (message := await next_message()) is not None:
                frames.put_image(message.image)
        finally:
            frames.close()

    async def detect(frame: Frame) -> bytes:
        gateway.authenticator.use_frame(call.principal, len(frame.image))
        context = gateway.frame_context(call.scope, frame.number, call.remaining_s)
        return await gateway.upstream.detect_image(frame.image, model, context)

    async def send(message: dict[str, Any]) -> None:
        await verdicts.put(_stream_verdict(message))

    count = partial(gateway.count_frame, call.scope)

    async def work() -> None:
        reading = asyncio.create_task(read())
        try:
            await score_frames(frames, detect, send, count, call.scope.id)
            await reading
        finally:
            await cancel([reading])
            on_end()
        await verdicts.put(None)

    working = asyncio.create_task(work())
    try:
        while (verdict := await _next(verdicts, working)) is not None:
            yield verdict
    finally:
        await cancel([working])
        call.scope.note(model=model, dropped=frames.dropped)
    if stopped:
        raise StreamStopped


async def _next(verdicts: Verdicts, working: asyncio.Task[None]) -> pb.StreamVerdict | None:
    """Returns the next verdict, None after the last; raises the exception of `working`."""
    getting = asyncio.ensure_future(verdicts.get())
    try:
        await asyncio.wait({getting, working}, return_when=asyncio.FIRST_COMPLETED)
        if not getting.done():
            working.result()
            return None
        return getting.result()
    finally:
        getting.cancel()


def _stream_verdict(message: dict[str, Any]) -> pb.StreamVerdict:
    frame, dropped = message["frame"], message["dropped"]
    if "problem" in message:
        document = message["problem"]
        problem = problem_message(from_dict(document), document.get("id", ""))
        return pb.StreamVerdict(frame=frame, dropped=dropped, problem=problem)
    return pb.StreamVerdict(
        frame=frame,
        dropped=dropped,
        verdict=verdict_message(message["verdict"]),
        smoothed=message["smoothed"],
    )
