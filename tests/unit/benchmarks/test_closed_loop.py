"""The arithmetic of the benchmark."""

from __future__ import annotations

import asyncio

import numpy as np
import pytest

from benchmarks.load.closed_loop import (
    Answered,
    Plan,
    Window,
    closed_loop,
    differences,
    median_of,
    percentile,
    ratios,
    rounds,
    seen,
)


def test_percentiles_lie_between_the_two_nearest():
    assert percentile([1.0, 2.0, 3.0, 4.0], 50) == 2.5
    assert percentile([5.0], 99) == 5.0
    assert percentile([], 50) is None


def test_pairs_are_taken_in_order():
    assert differences([3, 5], [1, 6]).tolist() == [2, -1]
    assert ratios([3, 5, 1], [1, 10, 0]).tolist() == [3, 0.5]
    with pytest.raises(ValueError, match="paired"):
        differences([1, 2], [1])


def test_noise_that_hits_both_cancels_out():
    chance = np.random.default_rng(1)
    noise = chance.exponential(50, 200)
    added = median_of(differences(noise + 2, noise + chance.normal(0, 0.1, 200)).tolist())
    assert 1.9 < added.low <= added.median <= added.high < 2.1


def test_a_medians_interval_holds_it_and_is_the_same_every_time():
    estimate = median_of([1, 2, 3, 4, 100])
    assert (estimate.median, estimate.count) == (3, 5)
    assert 1 <= estimate.low <= 3 <= estimate.high <= 100
    assert estimate == median_of([1, 2, 3, 4, 100])
    with pytest.raises(ValueError, match="nothing"):
        median_of([])


def test_a_request_counts_by_the_part_of_it_inside_the_window():
    before, half_in, inside, half_out = ((0, 1), (8, 12), (12, 16), (18, 22))
    answered = [Answered(*span) for span in (before, half_in, inside, half_out)]
    window = seen(answered, 10, 20)
    assert window.work == 0.5 + 1 + 0.5
    assert window.latencies_s == [4, 4]
    assert window.rate == 0.2


def test_batches_that_come_at_once_dont_make_the_rate_jump():
    batches = [Answered(start, start + 4) for start in range(0, 100, 4) for _ in range(4)]
    rates = [seen(batches, 10 + shift, 20 + shift).rate for shift in range(5)]
    assert rates == pytest.approx([1.0] * 5)


def test_failures_are_told_and_are_no_throughput():
    window = seen([Answered(1, 2), Answered(2, 3, "status 500")], 0, 10)
    assert (window.work, window.failures, window.latencies_s) == (1, ["status 500"], [1])
    assert window.each(3.0) == 3.0
    assert Window().each(3.0) is None


async def test_a_closed_loop_keeps_its_callers_busy():
    under_way, most = 0, 0

    async def ask() -> None:
        nonlocal under_way, most
        under_way += 1
        most = max(most, under_way)
        await asyncio.sleep(0.01)
        under_way -= 1

    window = await closed_loop(ask, Plan(callers=3, warmup_s=0.02, seconds=0.1))
    assert most == 3
    assert under_way == 0
    assert not window.failures
    assert 0 < window.rate <= 3 / 0.01


async def test_a_closed_loop_waits_for_enough_answers():
    async def ask() -> None:
        await asyncio.sleep(0.05)

    window = await closed_loop(ask, Plan(callers=1, warmup_s=0, seconds=0.01, at_least=3))
    assert len(window.latencies_s) >= 2
    assert window.seconds >= 0.1


async def test_an_answer_that_is_wrong_is_a_failure():
    async def ask() -> None:
        raise ValueError("2 faces")

    window = await closed_loop(ask, Plan(callers=1, warmup_s=0, seconds=0.05))
    assert set(window.failures) == {"ValueError: 2 faces"}
    assert window.rate == 0


async def test_rounds_ask_everybody_once_a_round():
    asked: list[str] = []

    def system(name: str):
        async def ask() -> None:
            asked.append(name)

        return ask

    seconds = await rounds({name: system(name) for name in "abc"}, count=4, warmup=1)
    assert {name: len(values) for name, values in seconds.items()} == {"a": 4, "b": 4, "c": 4}
    assert all(set(asked[at : at + 3]) == set("abc") for at in range(0, 15, 3))
