"""The console's examples get the verdicts that the console announces."""

from __future__ import annotations

import httpx
import pytest

from scripts.examples import EXAMPLES

pytestmark = pytest.mark.integration


@pytest.mark.parametrize(("name", "verdict"), [("portrait.jpg", "real"), ("swapped.jpg", "fake")])
def test_each_example_gets_its_verdict(api: httpx.Client, name: str, verdict: str) -> None:
    response = api.post("/v1/images", content=(EXAMPLES / name).read_bytes())
    assert response.json()["verdict"] == verdict
