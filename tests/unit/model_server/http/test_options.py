"""Options of predictions in the query: a misspelt one is never ignored."""

from __future__ import annotations

import json

import pytest
from aiohttp.test_utils import make_mocked_request

from deepfake_serving.contracts.problems import InvalidRequest
from deepfake_serving.model_server.http.app import _options


def options(query: str) -> str | None:
    return _options(make_mocked_request("POST", f"/predictions/detector{query}"))


@pytest.mark.parametrize("query", ["", "?"])
def test_no_option_is_none(query: str) -> None:
    assert options(query) is None


def test_an_option_is_passed_on() -> None:
    assert json.loads(options("?explain=true") or "") == {"explain": True}


@pytest.mark.parametrize(
    ("query", "detail"),
    [
        ("?explian=true", "no query parameter 'explian'; there are: crops, "),
        ("?explain=true&model=x", "no query parameter 'model'"),
        ("?explain=1", "explain must be true or false"),
    ],
)
def test_others_are_refused(query: str, detail: str) -> None:
    with pytest.raises(InvalidRequest, match=detail):
        options(query)
