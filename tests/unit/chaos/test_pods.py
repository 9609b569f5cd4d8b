"""Pods that count as present."""

from __future__ import annotations

from typing import Any

import pytest

from tests.cluster.kube import Object, Release


def pod(name: str, phase: str, **metadata: str) -> Object:
    ready = {"type": "Ready", "status": "True" if phase == "Running" else "False"}
    status = {"phase": phase, "conditions": [ready]}
    return {"metadata": {"name": name, **metadata}, "status": status}


def test_evicted_and_terminating_pods_are_not_present(monkeypatch: pytest.MonkeyPatch) -> None:
    """kubelet leaves a pod that it evicted, as Failed, beside the one that replaced it."""
    found: dict[str, Any] = {
        "items": [
            pod("evicted", "Failed"),
            pod("deleted", "Running", deletionTimestamp="2026-01-01T00:00:00Z"),
            pod("starting", "Pending"),
            pod("serving", "Running"),
        ]
    }
    monkeypatch.setattr(Release, "get", lambda self, *what: found)
    release = Release("chaos", "chaos")
    names = [each["metadata"]["name"] for each in release.pods("gateway")]
    assert names == ["starting", "serving"]
    assert release.ready("gateway") == 1
