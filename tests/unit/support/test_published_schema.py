"""The check of responses against the published OpenAPI document, on scripted responses."""

from __future__ import annotations

from typing import Any

import httpx
import pytest

from deepfake_serving.contracts.problems import MEDIA_TYPE, NotFound
from deepfake_serving.gateway.http.openapi.examples import IMAGE, JOB
from tests.support.published_schema import PublishedSchema


def respond(
    path: str, status: int, document: Any, *, method: str = "GET", kind: str = "application/json"
) -> httpx.Response:
    request = httpx.Request(method, f"http://gateway{path}")
    headers = {"Content-Type": kind}
    return httpx.Response(status, headers=headers, json=document, request=request)


PROBLEM = NotFound("there is no job 'x'").to_dict("id")


def test_documented_responses_pass() -> None:
    schema = PublishedSchema()
    schema.check(respond("/v1/images", 200, IMAGE, method="POST"))
    schema.check(respond("/v1/jobs/x", 200, JOB))
    schema.check(respond("/v1/jobs/x", 404, PROBLEM, kind=MEDIA_TYPE))
    schema.check(respond("/nowhere", 404, PROBLEM, kind=MEDIA_TYPE))
    assert schema.checked == [
        ("POST", "/v1/images", 200),
        ("GET", "/v1/jobs/{job_id}", 200),
        ("GET", "/v1/jobs/{job_id}", 404),
    ]


@pytest.mark.parametrize(
    "response",
    [
        respond("/v1/jobs/x", 200, JOB | {"kind": 3}),
        respond("/v1/jobs/x", 200, JOB | {"more": 3}),
        respond("/v1/jobs/x", 200, {k: v for k, v in JOB.items() if k != "links"}),
        respond("/v1/jobs/x", 200, JOB | {"links": JOB["links"] | {"more": "/"}}),
        respond("/v1/jobs/x", 201, JOB),
        respond("/v1/nothing", 200, {}),
        respond("/v1/jobs", 200, {"jobs": [], "next": None}, method="PUT"),
        respond("/v1/jobs/x", 404, PROBLEM),
        respond("/v1/jobs/x", 404, PROBLEM | {"more": 1}, kind=MEDIA_TYPE),
    ],
    ids=[
        *("type", "extra member", "missing member", "extra member of a link", "status"),
        *("path", "method", "media type", "extra member of a problem"),
    ],
)
def test_undocumented_responses_fail(response: httpx.Response) -> None:
    with pytest.raises(AssertionError):
        PublishedSchema().check(response)
