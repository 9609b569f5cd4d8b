"""Fixtures of the tests of shadow traffic."""

from __future__ import annotations

import pytest

from deepfake_serving.gateway.upstream import pools as pools_module
from tests.support.replicas import Names


@pytest.fixture(autouse=True)
def _quick(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(pools_module, "_CHECK_INTERVAL_S", 0.05)


@pytest.fixture
async def names(monkeypatch: pytest.MonkeyPatch) -> Names:
    return Names(monkeypatch)
