"""Parsing of gRPC messages, and problems as the details of a gRPC status."""

from __future__ import annotations

from typing import Any, NoReturn, TypeVar

import grpc
from google.protobuf.any_pb2 import Any as AnyMessage
from google.protobuf.message import DecodeError, Message
from google.rpc.status_pb2 import Status

from deepfake_serving.contracts.messages import problem_message
from deepfake_serving.contracts.problems import InvalidRequest, Problem

M = TypeVar("M", bound=Message)

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
    (https://github.com/googleapis/googleapis/blob/master/google/rpc/status.proto)."""
    detail = AnyMessage()
    detail.Pack(problem_message(problem, request_id))
    status = Status(code=problem.grpc_code, message=problem.detail, details=[detail])
    trailing: list[tuple[str, str | bytes]] = [
        ("x-request-id", request_id),
        ("grpc-status-details-bin", status.SerializeToString()),
    ]
    if problem.retry_after_s is not None:
        trailing.append(("retry-after", str(problem.retry_after_s)))
    await context.abort(_CODES[problem.grpc_code], problem.detail, tuple(trailing))
    raise AssertionError("abort returned")
