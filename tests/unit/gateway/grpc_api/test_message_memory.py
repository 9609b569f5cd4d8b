"""Memory of messages is reserved before they are read, and shared in the order of arrival."""

from __future__ import annotations

import asyncio

import grpc.aio
import pytest

from deepfake_serving.contracts.problems import Overloaded, SlowRequest
from deepfake_serving.gateway.grpc_api.handlers import SCOPES
from deepfake_serving.gateway.grpc_api.message_memory import MessageMemory, NoMessage, Receive
from deepfake_serving.gateway.grpc_api.server import _DETECTOR, _INFERENCE


def stream(*messages: bytes, ended: bool = True) -> Receive:
    """Returns the `read` of a call with these messages."""
    left = list(messages)

    async def read() -> object:
        if not left and not ended:
            await asyncio.Event().wait()
        return left.pop(0) if left else grpc.aio.EOF

    return read


def test_a_message_counts_as_its_size_once_it_has_arrived() -> None:
    async def run() -> None:
        memory = MessageMemory(100, 60, 0.05)
        async with memory.read(stream(bytes(40))), memory.read(stream(bytes(1))):
            with pytest.raises(Overloaded):
                async with memory.read(stream(b"")):
                    pass
        async with memory.read(stream(bytes(60))):
            pass

    asyncio.run(run())


def test_the_next_call_gets_memory_that_another_returns() -> None:
    async def run() -> list[bytes]:
        memory, read = MessageMemory(60, 60, 10), []

        async def call(number: int) -> None:
            async with memory.read(stream(bytes(30))) as message:
                read.append(b"%d" % number)
                await asyncio.sleep(0)
                assert len(message.pop()) == 30

        await asyncio.gather(*(call(number) for number in range(5)))
        return read

    assert asyncio.run(run()) == [b"0", b"1", b"2", b"3", b"4"]


def test_slow_absent_and_cancelled_messages_return_their_memory() -> None:
    async def run() -> None:
        memory = MessageMemory(60, 60, 0.02)
        with pytest.raises(SlowRequest):
            async with memory.read(stream(ended=False)):
                pass
        with pytest.raises(NoMessage):
            async with memory.read(stream()):
                pass
        async with memory.read(stream(bytes(60))):
            waiting = asyncio.ensure_future(memory.read(stream(b"")).__aenter__())
            await asyncio.sleep(0)
            waiting.cancel()
            await asyncio.gather(waiting, return_exceptions=True)
        async with memory.read(stream(bytes(60))):
            pass

    asyncio.run(run())


def test_every_method_has_a_scope_or_needs_no_key() -> None:
    methods = {m.name for service in (_DETECTOR, _INFERENCE) for m in service.methods}
    assert methods == set(SCOPES)


def test_a_key_holds_half_of_the_memory() -> None:
    async def run() -> None:
        memory = MessageMemory(120, 30, 0.05)
        full = stream(bytes(30))
        async with memory.read(full, "a"), memory.read(stream(bytes(30)), "a"):
            with pytest.raises(Overloaded):
                async with memory.read(stream(b""), "a"):
                    pass
            waiting = asyncio.ensure_future(memory.read(stream(b""), "a").__aenter__())
            await asyncio.sleep(0)
            async with memory.read(stream(bytes(30)), "b"):
                pass
            waiting.cancel()
            await asyncio.gather(waiting, return_exceptions=True)
        async with memory.read(stream(bytes(30)), "a"):
            pass

    asyncio.run(run())


def late(message: bytes, arrives: asyncio.Event) -> Receive:
    """Returns the `read` of a call whose message arrives with an event."""

    async def read() -> object:
        await arrives.wait()
        return message

    return read


def test_a_slow_message_may_take_the_time_of_its_bytes() -> None:
    async def run() -> None:
        memory, arrives = MessageMemory(60, 60, 0.02, min_bytes_per_s=1), asyncio.Event()
        asyncio.get_running_loop().call_later(0.2, arrives.set)
        async with memory.read(late(bytes(50), arrives)) as message:
            assert len(message.pop()) == 50

    asyncio.run(run())


def test_a_small_message_has_no_more_time_than_its_bytes_need() -> None:
    async def run() -> None:
        memory, arrives = MessageMemory(60, 60, 0.02, min_bytes_per_s=20), asyncio.Event()
        asyncio.get_running_loop().call_later(0.2, arrives.set)
        with pytest.raises(SlowRequest, match="less than 20 bytes/s"):
            async with memory.read(late(b"x", arrives)):
                pass

    asyncio.run(run())


def test_a_slow_message_gives_way_to_calls_that_wait() -> None:
    async def run() -> None:
        memory = MessageMemory(60, 60, 0.2, min_bytes_per_s=1)
        slow = asyncio.ensure_future(memory.read(stream(ended=False)).__aenter__())
        await asyncio.sleep(0.25)
        assert not slow.done()
        async with memory.read(stream(bytes(60))):
            pass
        with pytest.raises(SlowRequest):
            await slow

    asyncio.run(run())
