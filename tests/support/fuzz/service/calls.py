"""Calls of every method of the detector over gRPC, streams too, with hostile messages."""

from __future__ import annotations

import asyncio
import random
from collections.abc import AsyncIterator
from typing import Any

import grpc
from google.protobuf.descriptor import MethodDescriptor
from google.protobuf.message import Message
from google.protobuf.message_factory import GetMessageClass

from deepfake_serving.contracts.protos.deepfake.v1 import detector_pb2 as pb
from tests.support.fuzz.mutation import mutated
from tests.support.fuzz.service.messages import METHODS, Values, requests_of

_MUTATED, _CANCELLED = 0.15, 0.1
"""Shares of messages whose bytes are mutated, and of calls that the client cancels."""
_TIMEOUT_S = 120.0
_JOBS = 40
"""Jobs that later calls may name."""


class CallSender:
    """Calls methods with one API key, and remembers the jobs that they create."""

    def __init__(self, channel: grpc.aio.Channel, key: str) -> None:
        self._channel, self._metadata = channel, (("x-api-key", key),)
        self.jobs: list[str] = []

    async def call(self, media: bytes, url: str, chance: random.Random) -> str:
        """Calls a method; returns the name of the call's status."""
        method = chance.choice(METHODS)
        messages = requests_of(method, Values(media, url, self.jobs), chance)
        call = self._begin(method, [_bytes(message, chance) for message in messages])
        if chance.random() < _CANCELLED:
            asyncio.get_running_loop().call_later(chance.random(), call.cancel)
        try:
            async for response in _responses(method, call):
                self._remember(response)
        except grpc.aio.AioRpcError as error:
            return error.code().name
        except asyncio.CancelledError:
            if not call.cancelled():
                raise
            return "CANCELLED"
        return "OK"

    def _begin(self, method: MethodDescriptor, messages: list[bytes]) -> Any:
        kinds = (
            "stream" if s else "unary" for s in (method.client_streaming, method.server_streaming)
        )
        begin = getattr(self._channel, "_".join(kinds))(
            f"/{method.containing_service.full_name}/{method.name}",
            request_serializer=bytes,
            response_deserializer=GetMessageClass(method.output_type).FromString,
        )
        given = _stream(messages) if method.client_streaming else messages[0]
        return begin(given, metadata=self._metadata, timeout=_TIMEOUT_S)

    def _remember(self, response: Message) -> None:
        if isinstance(response, pb.Job) and response.id not in self.jobs:
            self.jobs.append(response.id)
            del self.jobs[:-_JOBS]


async def _responses(method: MethodDescriptor, call: Any) -> AsyncIterator[Message]:
    if not method.server_streaming:
        yield await call
        return
    async for response in call:
        yield response


async def _stream(messages: list[bytes]) -> AsyncIterator[bytes]:
    for message in messages:
        yield message


def _bytes(message: Message, chance: random.Random) -> bytes:
    data = message.SerializeToString()
    return mutated(data, [], data, chance) if data and chance.random() < _MUTATED else data
