"""CPUs: the smaller of affinity and quota, with a simulated cgroup tree."""

from __future__ import annotations

import os
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from deepfake_serving.model_server.limits.resources import available_cpus, oom_kills

V1_LIMIT = "memory/memory.limit_in_bytes"


@pytest.fixture(autouse=True)
def _sixteen_cores(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(os, "sched_getaffinity", lambda _: set(range(16)))


def v1(root: Path, quota: str, period: str = "100000") -> None:
    (root / "cpu").mkdir()
    (root / "cpu" / "cpu.cfs_quota_us").write_text(quota + "\n")
    (root / "cpu" / "cpu.cfs_period_us").write_text(period + "\n")


def test_without_a_cgroup_the_affinity_is_used(tmp_path: Path) -> None:
    assert available_cpus(tmp_path) == 16


def test_available_cpus_is_plausible() -> None:
    assert 1 <= available_cpus() <= 16


@pytest.mark.parametrize(
    ("content", "cpus"),
    [
        ("max 100000", 16),
        ("200000 100000", 2),
        ("250000 100000", 2),
        ("50000 100000", 1),
        ("1000 100000", 1),
        ("100000 50000", 2),
        ("6400000 100000", 16),
        ("", 16),
        ("200000", 16),
        ("200000 0", 16),
        ("a b", 16),
    ],
)
def test_the_quota_of_cgroup_v2_is_used(tmp_path: Path, content: str, cpus: int) -> None:
    (tmp_path / "cpu.max").write_text(content + "\n")
    assert available_cpus(tmp_path) == cpus


@pytest.mark.parametrize(
    ("quota", "period", "cpus"),
    [
        ("-1", "100000", 16),
        ("400000", "100000", 4),
        ("399999", "100000", 3),
        ("10000", "100000", 1),
        ("200000", "0", 16),
        ("", "", 16),
    ],
)
def test_the_quota_of_cgroup_v1_is_used(tmp_path: Path, quota: str, period: str, cpus: int) -> None:
    v1(tmp_path, quota, period)
    assert available_cpus(tmp_path) == cpus


def test_with_both_cgroup_versions_the_one_with_a_limit_is_used(tmp_path: Path) -> None:
    v1(tmp_path, "300000")
    (tmp_path / "cpu.max").write_text("max 100000\n")
    assert available_cpus(tmp_path) == 3


def test_an_affinity_below_the_quota_is_used(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(os, "sched_getaffinity", lambda _: {3})
    (tmp_path / "cpu.max").write_text("800000 100000\n")
    assert available_cpus(tmp_path) == 1


def test_without_affinity_all_cores_are_used(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delattr(os, "sched_getaffinity")
    monkeypatch.setattr(os, "cpu_count", lambda: 12)
    assert available_cpus(tmp_path) == 12
    monkeypatch.setattr(os, "cpu_count", lambda: None)
    assert available_cpus(tmp_path) == 1


@given(content=st.binary(max_size=30))
def test_the_number_of_cpus_is_between_one_and_all(tmp_path: Path, content: bytes) -> None:
    (tmp_path / "cpu.max").write_bytes(content)
    assert 1 <= available_cpus(tmp_path) <= 16


@pytest.mark.parametrize(
    ("events", "content", "limit", "kills"),
    [
        ("memory.events", "max 9\noom 3\noom_kill 2\n", ("memory.max", "1000000"), 2),
        ("memory.events", "max 0\noom 0\noom_kill 0\n", ("memory.max", "max"), None),
        ("memory/memory.oom_control", "under_oom 0\noom_kill 1\n", (V1_LIMIT, "1000000"), 1),
        (
            "memory/memory.oom_control",
            "under_oom 0\noom_kill 1\n",
            (V1_LIMIT, str(2**63 - 4096)),
            None,
        ),
        ("memory/memory.oom_control", "under_oom 0\n", (V1_LIMIT, "1000000"), None),
        ("cpu.max", "max 100000\n", ("memory.max", "1000000"), None),
    ],
)
def test_processes_killed_for_want_of_memory(
    events: str, content: str, limit: tuple[str, str], kills: int | None, tmp_path: Path
) -> None:
    (tmp_path / "memory").mkdir()
    for file, text in ((events, content), limit):
        (tmp_path / file).write_text(text)
    assert oom_kills(tmp_path) == kills
