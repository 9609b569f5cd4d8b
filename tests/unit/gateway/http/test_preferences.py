"""The `Prefer` header in the forms that RFC 7240 permits."""

from __future__ import annotations

import pytest
from starlette.datastructures import Headers

from deepfake_serving.gateway.http.preferences import RESPOND_ASYNC, prefers


@pytest.mark.parametrize(
    ("values", "expected"),
    [
        ((), False),
        (("respond-async",), True),
        (("Respond-Async",), True),
        (("respond-async, wait=10",), True),
        (("return=minimal", "handling=lenient , respond-async"), True),
        (('respond-async=""; a="b"',), True),
        (("respond-async;a=1",), True),
        (("respond-async=no",), False),
        (("respond-asynchronously",), False),
        (("wait=10",), False),
        (("",), False),
        ((",;=,",), False),
    ],
)
def test_a_preference_is_found_in_every_form(values: tuple[str, ...], expected: bool) -> None:
    headers = Headers(raw=[(b"prefer", value.encode()) for value in values])
    assert prefers(headers, RESPOND_ASYNC) is expected
