"""The filter of a list of jobs, in a message."""

from __future__ import annotations

import math
from typing import Any, cast, get_args

from deepfake_serving.contracts.jobs import Kind, State
from deepfake_serving.contracts.problems import InvalidRequest
from deepfake_serving.contracts.protos.deepfake.v1 import detector_pb2 as pb
from deepfake_serving.contracts.verdict import Label
from deepfake_serving.gateway.queue.backend import Query

_DEFAULT_LIMIT, _MAX_LIMIT = 50, 200
_MAX_TEXT = 200


def page_size(request: pb.ListJobsRequest | pb.ListWindowsRequest) -> int:
    """Returns the number of jobs or windows of a page.

    Raises:
        InvalidRequest
    """
    if request.limit > _MAX_LIMIT:
        raise InvalidRequest(f"limit: at most {_MAX_LIMIT}")
    return request.limit or _DEFAULT_LIMIT


def job_filter(request: pb.ListJobsRequest) -> Query:
    """Returns the filter of a request; its fields have the limits of REST.

    Raises:
        InvalidRequest
    """
    if len(request.text) > _MAX_TEXT:
        raise InvalidRequest(f"text: at most {_MAX_TEXT} characters")
    if request.kind not in ("", *get_args(Kind)):
        kinds = ", ".join(get_args(Kind))
        raise InvalidRequest(f"there is no kind {request.kind[:40]!r}; there are: {kinds}")
    return Query(
        state=cast("State | None", _name(request, "state", get_args(State))),
        kind=request.kind or None,
        text=request.text or None,
        created_from=_number(request, "created_from", math.inf),
        created_before=_number(request, "created_before", math.inf),
        verdict=cast("Label | None", _name(request, "verdict", get_args(Label))),
        min_probability=_number(request, "min_probability", 1.0),
        max_probability=_number(request, "max_probability", 1.0),
    )


def _number(request: pb.ListJobsRequest, field: str, highest: float) -> float | None:
    if not request.HasField(field):  # type: ignore[arg-type]  # one of its optional fields
        return None
    value = float(getattr(request, field))
    if not (0 <= value <= highest) or math.isinf(value):
        raise InvalidRequest(f"{field}: a number from 0 to {highest:g} is expected")
    return value


def _name(request: pb.ListJobsRequest, field: str, names: tuple[str, ...]) -> str | None:
    """Returns the name of an enum's value in lower case, without the prefix of the enum.

    Enums of proto3 are open: a client may send a number that has no name.
    """
    number = getattr(request, field)
    if not number:
        return None
    enum: Any = request.DESCRIPTOR.fields_by_name[field].enum_type
    value = enum.values_by_number.get(number)
    for name in names:
        if value is not None and value.name.endswith(f"_{name.upper()}"):
            return name
    raise InvalidRequest(f"{field}: there is no value {number}")
