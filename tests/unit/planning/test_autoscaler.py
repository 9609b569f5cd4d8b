"""Decisions of the autoscaler, by the rules of Kubernetes' documentation."""

from __future__ import annotations

import pytest

from deepfake_serving.planning.autoscaler import Autoscaler, AutoscalingSpec


@pytest.mark.parametrize(
    ("pending", "replicas", "wanted"),
    [
        (8, 2, 2),  # on target
        (8.7, 2, 2),  # within the tolerance
        (9, 2, 3),
        (80, 2, 6),  # at most twice as many, or four more
        (80, 5, 10),
        (1000, 10, 12),  # the maximum
    ],
)
def test_replicas_follow_the_pending_requests(pending: float, replicas: int, wanted: int) -> None:
    autoscaler = Autoscaler(AutoscalingSpec(max_replicas=12, requests_per_replica=4))
    assert autoscaler.desired(0, pending, replicas) == wanted


def test_replicas_stay_for_the_window_after_the_last_need() -> None:
    autoscaler = Autoscaler(AutoscalingSpec(scale_down_stabilization_s=300))
    assert autoscaler.desired(0, 16, 4) == 4
    assert [autoscaler.desired(at, 0, 4) for at in (15, 150, 300)] == [4, 4, 4]
    assert autoscaler.desired(315, 0, 4) == 1  # the minimum


def test_a_short_peak_starts_none_within_the_window_of_scaling_up() -> None:
    autoscaler = Autoscaler(AutoscalingSpec(scale_up_stabilization_s=30))
    assert [autoscaler.desired(at, load, 1) for at, load in ((0, 4), (15, 16), (30, 16))] == [1] * 3
    assert autoscaler.desired(45, 16, 1) == 4
