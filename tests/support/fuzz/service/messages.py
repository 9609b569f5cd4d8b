"""Messages of gRPC whose fields are valid, odd or hostile, built from their descriptors."""

from __future__ import annotations

import math
import random
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from google.protobuf.descriptor import FieldDescriptor, MethodDescriptor
from google.protobuf.message import Message
from google.protobuf.message_factory import GetMessageClass

from deepfake_serving.contracts.protos.deepfake.v1 import detector_pb2 as pb

METHODS: Sequence[MethodDescriptor] = pb.DESCRIPTOR.services_by_name["Detector"].methods
"""All methods of the detector."""
UNARY = [m.name for m in METHODS if not (m.client_streaming or m.server_streaming)]

_TEXTS = ("", "a", "detector", "cats", "\x00", "é\n" * 200, "image", "live", "1.0:a", "../x")
_OPTIONS = ("uniform:2", "every:0", "fps:nan", "mean", "shots", "")
_NUMBERS = (0.0, 0.5, 1.0, -1.0, 1e300, math.inf, math.nan, 1.8e9)
_INTEGERS = (0, 1, 2, 200, 201, 2**31 - 1)
_SKIPPED, _VALID = 0.6, 0.8
"""Share of fields that are left out, and of valid values where the others stop a call early."""


@dataclass(frozen=True, slots=True)
class Values:
    """Values of messages, besides fixed ones."""

    media: bytes
    url: str
    jobs: Sequence[str]


def requests_of(method: MethodDescriptor, values: Values, chance: random.Random) -> list[Message]:
    """Returns the messages of a call: one, or of a stream some."""
    kind: type[Any] = GetMessageClass(method.input_type)
    if not method.client_streaming:
        return [filled(kind(), values, chance)]
    messages = [filled(kind(), values, chance) for _ in range(chance.randrange(5))]
    if method.name == "SubmitVideo" and chance.random() < 0.8:
        options = filled(pb.VideoOptions(), values, chance)
        half = len(values.media) // 2
        parts = values.media[:half], values.media[half:]
        chunks = [pb.SubmitVideoRequest(chunk=part) for part in parts]
        return [pb.SubmitVideoRequest(options=options), *chunks]
    return messages


def filled(message: Any, values: Values, chance: random.Random) -> Any:
    """Sets fields of a message at random, and returns it."""
    for field in message.DESCRIPTOR.fields:
        if chance.random() < _SKIPPED:
            continue
        if field.message_type is not None:
            filled(getattr(message, field.name), values, chance)
        elif field.is_repeated:
            count = chance.randrange(4)
            getattr(message, field.name).extend(_value(field, values, chance) for _ in range(count))
        else:
            setattr(message, field.name, _value(field, values, chance))
    return message


def _value(field: FieldDescriptor, values: Values, chance: random.Random) -> Any:
    if field.enum_type is not None:
        return chance.randrange(9)
    match field.cpp_type:
        case FieldDescriptor.CPPTYPE_STRING:
            return _bytes_or_text(field, values, chance)
        case FieldDescriptor.CPPTYPE_BOOL:
            return chance.random() < 0.5
        case FieldDescriptor.CPPTYPE_DOUBLE:
            return chance.choice(_NUMBERS)
        case _:
            return chance.choice(_INTEGERS)


def _bytes_or_text(field: FieldDescriptor, values: Values, chance: random.Random) -> bytes | str:
    if field.type == FieldDescriptor.TYPE_BYTES:
        return values.media if chance.random() < 0.9 else b""
    valid = chance.random() < _VALID
    match field.name:
        case "url" | "urls":
            return values.url
        case "webhook":
            return "" if valid else values.url
        case "model" if valid:
            return "detector"
        case "sampling" | "aggregation":
            return chance.choice(_OPTIONS)
        case "id" if valid and values.jobs:
            return chance.choice(values.jobs)
        case _:
            return chance.choice(_TEXTS)
