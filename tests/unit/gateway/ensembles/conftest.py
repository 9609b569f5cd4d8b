"""Fixtures of the replicas' tests."""

from __future__ import annotations

import pytest

from deepfake_serving.gateway.upstream import pools as pools_module
from tests.support.members import Member
from tests.support.replicas import Names


@pytest.fixture(autouse=True)
def _quick(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(pools_module, "_CHECK_INTERVAL_S", 0.05)
    monkeypatch.setattr(pools_module, "_RESOLVE_INTERVAL_S", 0.05)


@pytest.fixture
async def names(monkeypatch: pytest.MonkeyPatch) -> Names:
    return Names(monkeypatch)


@pytest.fixture
def members() -> list[Member]:
    return [Member(2, "a", 0.2), Member(3, "b", 0.5, "classifier"), Member(4, "c", 0.8)]
