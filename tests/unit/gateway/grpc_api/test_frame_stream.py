"""A stream of frames over gRPC ends when it is idle and at its maximum duration."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from types import SimpleNamespace
from typing import Any, cast
from unittest.mock import MagicMock

import pytest

from deepfake_serving.contracts.problems import InvalidRequest, UndecodableMedia
from deepfake_serving.contracts.protos.deepfake.v1 import detector_pb2 as pb
from deepfake_serving.gateway.context import Gateway
from deepfake_serving.gateway.grpc_api.call import Call, StreamStopped
from deepfake_serving.gateway.grpc_api.frame_stream import detect_frames
from deepfake_serving.gateway.live.frames import FrameQueue
from deepfake_serving.runtime.process.shutdown import InFlight
from deepfake_serving.runtime.tasks import first_of
from tests.support.running import GUARD_S

VERDICT = b'{"id": "1", "verdict": "no_face", "fake_probability": null, "faces": []}'
CALL = cast("Call", MagicMock())


class Upstream:
    """Hangs, so that no verdict ends a stream."""

    def detector(self, model: str) -> str:
        return model

    async def detect_image(self, *_: Any) -> bytes:
        await asyncio.Event().wait()
        return VERDICT


def gateway(idle_s: float, duration_s: float) -> Gateway:
    settings = SimpleNamespace(live_idle_timeout_s=idle_s, live_max_duration_s=duration_s)
    fake = SimpleNamespace(
        settings=settings,
        metrics=MagicMock(),
        count_frame=MagicMock(),
        authenticator=MagicMock(),
        upstream=Upstream(),
        in_flight=InFlight(),
        frame_context=MagicMock(),
    )
    return cast("Gateway", fake)


async def consume(
    source: Gateway, messages: AsyncIterator[pb.StreamFrame], verdicts: list[int] | None = None
) -> None:
    async for verdict in detect_frames(source, messages, CALL, lambda: None):
        if verdicts is not None:
            verdicts.append(verdict.frame)


def test_a_stream_without_a_first_frame_ends() -> None:
    async def silent() -> AsyncIterator[pb.StreamFrame]:
        await asyncio.Event().wait()
        yield pb.StreamFrame()

    asyncio.run(asyncio.wait_for(consume(gateway(0.05, 60), silent()), 30))


@pytest.mark.parametrize(("idle_s", "duration_s", "steady"), [(0.05, 60, False), (60, 0.2, True)])
async def test_reading_ends_when_a_stream_is_idle_or_at_its_maximum(
    monkeypatch: pytest.MonkeyPatch, idle_s: float, duration_s: float, steady: bool
) -> None:
    closed = asyncio.Event()
    monkeypatch.setattr(FrameQueue, "close", lambda _: closed.set())

    async def frames() -> AsyncIterator[pb.StreamFrame]:
        yield pb.StreamFrame(image=b"x", model="detector")
        while steady:
            await asyncio.sleep(0.01)
            yield pb.StreamFrame(image=b"x")
        await asyncio.Event().wait()

    stream = consume(gateway(idle_s, duration_s), frames())
    await asyncio.wait_for(first_of(closed.wait(), stream), GUARD_S)


async def test_a_problem_of_a_later_message_ends_the_stream() -> None:
    async def frames() -> AsyncIterator[pb.StreamFrame]:
        yield pb.StreamFrame(image=b"x", model="detector")
        raise InvalidRequest("malformed")

    async def detect_image(*_: Any) -> bytes:
        raise UndecodableMedia("not an image")

    source = gateway(60, 60)
    source.upstream.detect_image = detect_image  # type: ignore[method-assign]
    with pytest.raises(InvalidRequest, match="malformed"):
        await asyncio.wait_for(consume(source, frames()), GUARD_S)


@pytest.mark.parametrize("first", [[], [pb.StreamFrame(image=b"x", model="detector")]])
async def test_a_stream_stops_with_the_gateway(first: list[pb.StreamFrame]) -> None:
    """After the response to each frame that has arrived."""
    source, verdicts = gateway(60, 60), list[int]()

    async def detect_image(*_: Any) -> bytes:
        source.in_flight.closing.set()
        raise UndecodableMedia("not an image")

    async def frames() -> AsyncIterator[pb.StreamFrame]:
        for frame in first:
            yield frame
        if not first:
            source.in_flight.closing.set()
        await asyncio.Event().wait()

    source.upstream.detect_image = detect_image  # type: ignore[method-assign]
    with pytest.raises(StreamStopped):
        await asyncio.wait_for(consume(source, frames(), verdicts), GUARD_S)
    assert len(verdicts) == len(first)
