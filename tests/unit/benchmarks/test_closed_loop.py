"""Closed loops, rounds, and their statistics."""

from __future__ import annotations

import asyncio

import numpy as np
import pytest

from benchmarks.load.closed_loop import (
    CompletedRequest,
    Plan,
    Window,
    closed_loop,
    differences,
    median_of,
    percentile,
    ratios,
    rounds,
    window_between,
)


def test_percentiles_lie_between_the_two_nearest():
    assert percentile([1.0, 2.0, 3.0, 4.0], 50) == 2.5
    assert percentile([5.0], 99) == 5.0
    assert percentile([], 50) is None


def test_values_are_paired_in_order():
    assert differences([3, 5], [1, 6]).tolist() == [2, -1]
    assert ratios([3, 5, 1], [1, 10, 0]).tolist() == [3, 0.5]
    with pytest.raises(ValueError, match="paired"):
        differences([1, 2], [1])


def test_noise_common_to_both_systems_cancels_out():
    rng = np.random.default_rng(1)
    noise = rng.exponential(50, 200)
    added = median_of(differences(noise + 2, noise + rng.normal(0, 0.1, 200)).tolist())
    assert 1.9 < added.low <= added.median <= added.high < 2.1


def test_the_interval_contains_the_median_and_is_reproducible():
    estimate = median_of([1, 2, 3, 4, 100])
    assert (estimate.median, estimate.count) == (3, 5)
    assert 1 <= estimate.low <= 3 <= estimate.high <= 100
    assert estimate == median_of([1, 2, 3, 4, 100])
    with pytest.raises(ValueError, match="nothing"):
        median_of([])


def test_requests_count_by_their_overlap_with_the_window():
    before, half_in, inside, half_out = ((0, 1), (8, 12), (12, 16), (18, 22))
    completed = [CompletedRequest(*span) for span in (before, half_in, inside, half_out)]
    window = window_between(completed, 10, 20)
    assert window.work == 0.5 + 1 + 0.5
    assert window.latencies_s == [4, 4]
    assert window.rate == 0.2


def test_concurrent_batches_do_not_make_the_rate_jump():
    batches = [CompletedRequest(start, start + 4) for start in range(0, 100, 4) for _ in range(4)]
    rates = [window_between(batches, 10 + shift, 20 + shift).rate for shift in range(5)]
    assert rates == pytest.approx([1.0] * 5)


def test_failures_are_recorded_but_not_counted_as_throughput():
    window = window_between([CompletedRequest(1, 2), CompletedRequest(2, 3, "status 500")], 0, 10)
    assert (window.work, window.failures, window.latencies_s) == (1, ["status 500"], [1])
    assert window.each(3.0) == 3.0
    assert Window().each(3.0) is None


async def test_a_closed_loop_keeps_its_clients_busy():
    in_flight, max_in_flight = 0, 0

    async def send() -> None:
        nonlocal in_flight, max_in_flight
        in_flight += 1
        max_in_flight = max(max_in_flight, in_flight)
        await asyncio.sleep(0.01)
        in_flight -= 1

    window = await closed_loop(send, Plan(clients=3, warmup_s=0.02, seconds=0.1))
    assert max_in_flight == 3
    assert in_flight == 0
    assert not window.failures
    assert 0 < window.rate <= 3 / 0.01


async def test_a_closed_loop_waits_for_the_minimum_of_requests():
    async def send() -> None:
        await asyncio.sleep(0.05)

    window = await closed_loop(send, Plan(clients=1, warmup_s=0, seconds=0.01, min_requests=3))
    assert len(window.latencies_s) >= 2
    assert window.seconds >= 0.1


async def test_a_wrong_response_is_a_failure():
    async def send() -> None:
        raise ValueError("2 faces")

    window = await closed_loop(send, Plan(clients=1, warmup_s=0, seconds=0.05))
    assert set(window.failures) == {"ValueError: 2 faces"}
    assert window.rate == 0


async def test_rounds_send_one_request_to_each_system():
    sent: list[str] = []

    def system(name: str):
        async def send() -> None:
            sent.append(name)

        return send

    seconds = await rounds({name: system(name) for name in "abc"}, count=4, warmup=1)
    assert {name: len(values) for name, values in seconds.items()} == {"a": 4, "b": 4, "c": 4}
    assert all(set(sent[at : at + 3]) == set("abc") for at in range(0, 15, 3))
