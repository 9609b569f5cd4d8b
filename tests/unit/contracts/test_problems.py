"""Problems: consistent on HTTP and gRPC, and unchanged after serialization."""

from __future__ import annotations

import json
from http import HTTPStatus

import grpc
import pytest
from hypothesis import given
from hypothesis import strategies as st

from deepfake_serving.contracts import problems
from deepfake_serving.contracts.problems import BY_TYPE, TYPE_PREFIX, Internal, Problem, from_dict

GRPC_CODES = {code.value[0]: code for code in grpc.StatusCode}


def is_problem(cls: object) -> bool:
    return isinstance(cls, type) and issubclass(cls, Problem) and cls is not Problem


CLASSES: list[type[Problem]] = [cls for cls in vars(problems).values() if is_problem(cls)]


def test_every_class_has_its_own_slug_and_title() -> None:
    assert len({cls.slug for cls in CLASSES}) == len(CLASSES) == 29
    assert len({cls.title for cls in CLASSES}) == len(CLASSES)


@pytest.mark.parametrize("cls", CLASSES)
def test_slugs_are_valid_in_a_urn(cls: type[Problem]) -> None:
    assert cls.slug == cls.slug.lower()
    assert cls.slug.replace("-", "").isalpha()


@pytest.mark.parametrize("cls", CLASSES)
def test_status_and_grpc_code_are_valid_errors(cls: type[Problem]) -> None:
    assert HTTPStatus(cls.status).value >= 400
    assert GRPC_CODES[cls.grpc_code] is not grpc.StatusCode.OK


@pytest.mark.parametrize(
    ("name", "status", "code"),
    [
        ("InvalidRequest", 400, grpc.StatusCode.INVALID_ARGUMENT),
        ("NotFound", 404, grpc.StatusCode.NOT_FOUND),
        ("UnknownModel", 404, grpc.StatusCode.NOT_FOUND),
        ("MethodNotAllowed", 405, grpc.StatusCode.UNIMPLEMENTED),
        ("TooLarge", 413, grpc.StatusCode.INVALID_ARGUMENT),
        ("UnsupportedMediaType", 415, grpc.StatusCode.INVALID_ARGUMENT),
        ("UndecodableMedia", 422, grpc.StatusCode.INVALID_ARGUMENT),
        ("TooManyPixels", 422, grpc.StatusCode.INVALID_ARGUMENT),
        ("Overloaded", 429, grpc.StatusCode.RESOURCE_EXHAUSTED),
        ("Internal", 500, grpc.StatusCode.INTERNAL),
        ("NotReady", 503, grpc.StatusCode.UNAVAILABLE),
        ("UpstreamUnavailable", 503, grpc.StatusCode.UNAVAILABLE),
        ("DeadlineExceeded", 504, grpc.StatusCode.DEADLINE_EXCEEDED),
    ],
)
def test_http_status_and_grpc_code_match(name: str, status: int, code: grpc.StatusCode) -> None:
    cls = getattr(problems, name)
    assert (cls.status, GRPC_CODES[cls.grpc_code]) == (status, code)


@given(
    cls=st.sampled_from(CLASSES),
    detail=st.text(max_size=40),
    retry=st.none() | st.integers(0, 3600),
    request_id=st.none() | st.text(max_size=10),
)
def test_a_problem_round_trips_through_json(
    cls: type[Problem], detail: str, retry: int | None, request_id: str | None
) -> None:
    problem = cls(detail, retry_after_s=retry)
    document = json.loads(json.dumps(problem.to_dict(request_id)))
    again = from_dict(document)
    assert type(again) is cls
    assert (again.detail, again.retry_after_s) == (problem.detail, problem.retry_after_s)
    assert again.to_dict(request_id) == document


def test_a_document_has_the_members_of_rfc_9457() -> None:
    assert problems.Overloaded("full", retry_after_s=3).to_dict("abc") == {
        "type": "urn:problem:deepfake-serving:overloaded",
        "title": "Overloaded",
        "status": 429,
        "detail": "full",
        "id": "abc",
        "retry_after_s": 3,
    }
    assert problems.NotFound("no").to_dict().keys() == {"type", "title", "status", "detail"}


def test_a_problem_is_raised_with_its_detail() -> None:
    with pytest.raises(Problem, match="no such route") as caught:
        raise problems.NotFound("no such route")
    assert caught.value.type == TYPE_PREFIX + "not-found"


@given(detail=st.text(st.characters(exclude_categories=[]), max_size=400))
def test_any_detail_is_encodable_and_short(detail: str) -> None:
    sent = problems.InvalidRequest(detail).detail
    assert len(sent.encode()) <= 500 + len("…".encode())
    assert (
        len(detail.encode(errors="backslashreplace")) > 500
        or sent == detail.encode(errors="backslashreplace").decode()
    )


def test_a_long_detail_is_cut_between_characters() -> None:
    assert problems.InvalidRequest("ü" * 251).detail == "ü" * 250 + "…"
    assert problems.InvalidRequest("x" + "ü" * 250).detail == "x" + "ü" * 249 + "…"


@pytest.mark.parametrize(
    "document", [{}, {"type": None}, {"type": "about:blank"}, {"type": TYPE_PREFIX + "new"}]
)
def test_an_unknown_document_is_internal(document: dict[str, object]) -> None:
    problem = from_dict(document)
    assert type(problem) is Internal
    assert problem.detail


def test_every_type_maps_to_its_class() -> None:
    assert {cls: BY_TYPE[TYPE_PREFIX + cls.slug] for cls in CLASSES} == {c: c for c in CLASSES}
