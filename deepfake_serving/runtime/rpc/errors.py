"""Parsing of gRPC messages, and problems as the details of a gRPC status."""

from __future__ import annotations

import asyncio
from contextlib import suppress
from typing import Any, NoReturn, TypeVar

import grpc
from google.protobuf.any_pb2 import Any as AnyMessage
from google.protobuf.message import DecodeError, Message
from google.rpc.status_pb2 import Status

from deepfake_serving.contracts.messages import problem_message
from deepfake_serving.contracts.problems import InvalidRequest, Problem

M = TypeVar("M", bound=Message)

_STATUS_S = 1.0
"""Time in which a status is sent to a client that reads."""
_CODES = {code.value[0]: code for code in grpc.StatusCode}


def parse(kind: type[M], data: bytes) -> M:
    """Parses a message. Left to gRPC, a malformed one would end with the status UNKNOWN.

    Raises:
        InvalidRequest
    """
    try:
        return kind.FromString(data)
    except DecodeError as error:
        raise InvalidRequest(f"the message can't be read: {error}") from error


async def abort(context: Any, problem: Problem, request_id: str) -> NoReturn:
    """Ends the call with the problem as status, text and details
    (https://github.com/googleapis/googleapis/blob/master/google/rpc/status.proto).

    A client that reads no response gets it once it reads: nothing waits for that."""
    detail = AnyMessage()
    detail.Pack(problem_message(problem, request_id))
    status = Status(code=problem.grpc_code, message=problem.detail, details=[detail])
    trailing: list[tuple[str, str | bytes]] = [
        ("x-request-id", request_id),
        ("grpc-status-details-bin", status.SerializeToString()),
    ]
    if problem.retry_after_s is not None:
        trailing.append(("retry-after", str(problem.retry_after_s)))
    with suppress(TimeoutError):
        async with asyncio.timeout(_STATUS_S):
            await context.abort(_CODES[problem.grpc_code], problem.detail, tuple(trailing))
    raise asyncio.CancelledError
