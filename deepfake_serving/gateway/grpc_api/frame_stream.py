"""`DetectStream`: the live frames of one bidirectional stream, and their verdicts."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from typing import Any

from deepfake_serving.contracts.messages import problem_message, verdict_message
from deepfake_serving.contracts.problems import from_dict
from deepfake_serving.contracts.protos.deepfake.v1 import detector_pb2 as pb
from deepfake_serving.gateway.context import Gateway
from deepfake_serving.gateway.grpc_api.call import Call
from deepfake_serving.gateway.live.frames import Frame, FrameQueue, score_frames

Verdicts = asyncio.Queue[pb.StreamVerdict | None]


async def detect_frames(
    gateway: Gateway, messages: AsyncIterator[pb.StreamFrame], call: Call
) -> AsyncIterator[pb.StreamVerdict]:
    """Yields the verdict of each frame that is not dropped; the first message names the model.

    Frames wait in a short queue; where they arrive faster than they are analysed, old ones drop.
    """
    first = await anext(messages, None)
    if first is None:
        return
    frames, verdicts = FrameQueue(), Verdicts(1)
    frames.put_image(first.image)
    model = first.model or gateway.upstream.detector()
    counter = gateway.metrics.stream_frames

    async def read() -> None:
        async for message in messages:
            frames.put_image(message.image)
        frames.close()

    async def detect(frame: Frame) -> bytes:
        context = call.context(gateway).for_item(frame.number)
        return await gateway.upstream.detect_image(frame.image, model, context)

    async def send(message: dict[str, Any]) -> None:
        await verdicts.put(_stream_verdict(message))

    async def work() -> None:
        await asyncio.gather(
            read(),
            score_frames(frames, detect, send, lambda outcome: counter.labels(outcome).inc()),
        )
        await verdicts.put(None)

    with gateway.track_stream():
        working = asyncio.create_task(work())
        try:
            while (verdict := await _next(verdicts, working)) is not None:
                yield verdict
        finally:
            working.cancel()
            counter.labels("dropped").inc(frames.dropped)


async def _next(verdicts: Verdicts, working: asyncio.Task[None]) -> pb.StreamVerdict | None:
    """Returns the next verdict, None after the last; raises the exception of `working`."""
    getting = asyncio.ensure_future(verdicts.get())
    await asyncio.wait({getting, working}, return_when=asyncio.FIRST_COMPLETED)
    if not getting.done() and working.done():
        getting.cancel()
        working.result()
        return None
    return await getting


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
