"""The simulation against queueing theory, and the search for the fewest replicas."""

from __future__ import annotations

from dataclasses import replace
from math import factorial
from pathlib import Path

import numpy as np
import pytest

from deepfake_serving.planning.autoscaler import AutoscalingSpec
from deepfake_serving.planning.profile import read_profile
from deepfake_serving.planning.replica import ReplicaSpec
from deepfake_serving.planning.search import (
    TooLarge,
    Unreachable,
    autoscale,
    constant_rate,
    fewest_replicas,
)
from deepfake_serving.planning.simulation import Deployment, Simulation

UNBOUNDED = ReplicaSpec(service_s=0.1, variation=1, batch=1, max_in_flight=10**6, startup_s=7.5)


def erlang_c(servers: int, load: float) -> float:
    """Returns the probability of waiting in an M/M/c queue (Erlang 1917)."""
    waiting = load**servers / factorial(servers) * servers / (servers - load)
    return waiting / (sum(load**k / factorial(k) for k in range(servers)) + waiting)


@pytest.mark.parametrize(("workers", "utilization"), [(1, 0.5), (1, 0.7), (2, 0.6)])
def test_waiting_is_that_of_queueing_theory(workers: int, utilization: float) -> None:
    """With variation 1, log-normal times wait like exponential ones (Pollaczek and Khinchine)."""
    spec = replace(UNBOUNDED, workers=workers)
    rate = utilization * workers / spec.service_s
    result = constant_rate(Deployment(spec, gateway_s=0.0), rate)
    idle = workers * (1 - utilization) / spec.service_s
    expected = erlang_c(workers, utilization * workers) / idle
    assert np.mean(result.latencies_s) - spec.service_s == pytest.approx(expected, rel=0.1)
    assert result.utilization == pytest.approx(utilization, rel=0.05)


def test_a_part_of_a_large_deployment_is_as_fast_as_the_whole() -> None:
    plan = fewest_replicas(Deployment(ReplicaSpec()), rate=40_000, p95_s=0.2, max_utilization=0.8)
    assert plan.deployment.replicas == 2000
    assert len(plan.result.latencies_s) < 40_000, "so it takes seconds"
    whole = constant_rate(plan.deployment, plan.rate)
    assert plan.result.percentile(95) == pytest.approx(whole.percentile(95), rel=0.02)
    assert plan.result.utilization == pytest.approx(whole.utilization, rel=0.01)


def test_constant_times_wait_half_as_long() -> None:
    spec = replace(UNBOUNDED, variation=0)
    result = constant_rate(Deployment(spec, gateway_s=0.0), 7)
    waiting = 0.5 * 0.7 / 0.3 * spec.service_s  # M/D/1
    assert np.mean(result.latencies_s) - spec.service_s == pytest.approx(waiting, rel=0.1)


def test_batches_raise_the_rate_if_further_images_are_cheaper() -> None:
    spec = replace(UNBOUNDED, batch=4, batch_share=0.5)
    assert spec.rate == pytest.approx(16)
    result = constant_rate(Deployment(spec), 12)  # more than 10 a second without batches
    assert result.percentile(95) < 5


@pytest.mark.parametrize("rate", [1e-6, 0.5, 20_000])
def test_workers_are_busy_for_the_share_that_arithmetic_gives(rate: float) -> None:
    """The time of a run is days at the lowest rate, and a second at the highest."""
    spec = ReplicaSpec(workers=4, service_s=0.04)
    replicas = max(1, round(rate * spec.service_s / spec.workers / 0.8))
    result = constant_rate(Deployment(spec, replicas, gateways=100), rate)
    busy = rate * spec.service_s / (replicas * spec.workers)
    assert result.utilization == pytest.approx(busy, rel=0.05)


def test_slow_requests_end_within_the_run() -> None:
    """2,000 requests begin within 200 s, and a worker needs 100 s for each."""
    spec = replace(UNBOUNDED, workers=10, service_s=100, variation=0.5)
    result = constant_rate(Deployment(spec, 125), 10, requests=2_000)
    assert np.mean(result.latencies_s) == pytest.approx(100, rel=0.1)


def test_more_replicas_than_can_be_simulated_are_refused() -> None:
    with pytest.raises(TooLarge, match="at least 50000 replicas are needed"):
        fewest_replicas(Deployment(replace(UNBOUNDED, variation=0.0)), 5e5, 10)


def test_a_full_replica_refuses() -> None:
    spec = replace(UNBOUNDED, max_in_flight=4)
    result = constant_rate(Deployment(spec, gateway_s=0.0), 20)
    assert result.refused_share == pytest.approx(0.5, abs=0.05)
    assert max(result.latencies_s) < 40 * spec.service_s


def test_the_same_seed_gives_the_same_run() -> None:
    first, again, other = (
        constant_rate(Deployment(UNBOUNDED), 5, seed, 500).latencies_s for seed in (1, 1, 2)
    )
    assert first == again != other


def test_one_replica_fewer_does_not_keep_the_latency() -> None:
    plan = fewest_replicas(Deployment(ReplicaSpec()), 100, 0.3)
    assert plan.result.percentile(95) <= 0.3
    fewer = replace(plan.deployment, replicas=plan.deployment.replicas - 1)
    result = constant_rate(fewer, 100)
    assert result.percentile(95) > 0.3 or result.refused_share > 0.001


def test_workers_keep_some_of_their_time_idle() -> None:
    plan = fewest_replicas(Deployment(ReplicaSpec()), 100, 10, max_utilization=0.5)
    assert plan.deployment.replicas == 8
    assert plan.result.utilization == pytest.approx(0.5, abs=0.02)


def test_a_latency_below_the_service_time_is_unreachable() -> None:
    with pytest.raises(Unreachable, match="without load, the p95 is"):
        fewest_replicas(Deployment(ReplicaSpec()), 10, 0.01)


def test_replicas_follow_users_both_ways() -> None:
    """Twenty users for 100 s on replicas of six requests each, as in tests/cluster."""
    scaling = AutoscalingSpec(1, 3, 6, scale_down_stabilization_s=15)
    spec = replace(UNBOUNDED, service_s=0.066, variation=0.3)
    simulation = Simulation(Deployment(spec, autoscaling=scaling))
    result = simulation.closed_loop([(6, 106)] * 20 + [(180, 181)], 0.0)
    ready = [sample.ready for sample in result.samples]
    assert (ready[14], ready[24], ready[-1]) == (1, 3, 1)
    latencies, began = np.array(result.latencies_s), np.array(result.began_s)
    assert np.percentile(latencies[(began > 8) & (began < 14)], 95) == pytest.approx(1.4, abs=0.3)
    assert np.percentile(latencies[(began > 40) & (began < 100)], 95) < 0.6


def test_autoscaling_over_a_profile_keeps_within_the_plan(tmp_path: Path) -> None:
    path = tmp_path / "profile.csv"
    path.write_text("seconds,rate\n0,5\n60,5\n90,60\n300,60\n310,2\n700,2\n")
    profile = read_profile(path)
    assert profile.rate(75) == pytest.approx(32.5)
    plan = fewest_replicas(Deployment(ReplicaSpec()), 60, 0.3)
    ready = [sample.ready for sample in autoscale(plan, profile, 1).samples]
    assert max(ready) == plan.deployment.replicas
    assert ready[50] < max(ready)
    assert ready[-1] < max(ready)


@pytest.mark.parametrize(
    "text", ["", "0,1\n", "0,0\n1,0\n", "0,1\n0,2\n", "0,1\nx,2\n", "0,-1\n1,1\n", "0,1,2\n"]
)
def test_a_malformed_profile_is_refused(text: str, tmp_path: Path) -> None:
    path = tmp_path / "profile.csv"
    path.write_text(text)
    with pytest.raises(ValueError, match=r"profile\.csv"):
        read_profile(path)
