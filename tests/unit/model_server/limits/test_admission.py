"""Admission control: requests that are admitted, wait or are refused.

Time is simulated: it advances when all tasks wait, so every wait has an exact duration.
"""

from __future__ import annotations

import asyncio
import functools
import math
import selectors
from collections import deque
from collections.abc import Awaitable, Callable, Iterator
from contextlib import contextmanager
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from deepfake_serving.contracts.problems import DeadlineExceeded, Overloaded
from deepfake_serving.model_server.limits.admission import AdmissionController

FOREVER = 1e6


class _Selector(selectors.DefaultSelector):
    """Advances the clock instead of waiting."""

    now = 0.0

    def select(self, timeout: float | None = None) -> list[Any]:
        assert timeout is not None, "all tasks wait without a timer"
        self.now += timeout
        return super().select(0)


class _Loop(asyncio.SelectorEventLoop):
    def __init__(self) -> None:
        self.clock = _Selector()
        super().__init__(self.clock)

    def time(self) -> float:
        return self.clock.now


def in_made_up_time(test: Callable[..., Awaitable[None]]) -> Callable[..., None]:
    @functools.wraps(test)
    def run(*args: Any, **kwargs: Any) -> None:
        async def awaited() -> None:
            await test(*args, **kwargs)

        with asyncio.Runner(loop_factory=_Loop) as runner:
            runner.run(awaited())

    return run


def now() -> float:
    return asyncio.get_running_loop().time()


async def settle() -> None:
    """Runs all tasks that are ready."""
    for _ in range(5):
        await asyncio.sleep(0)


class Request:
    """A request that holds its slot after admission until it is released."""

    def __init__(self, gate: AdmissionController, left_s: float = FOREVER) -> None:
        self.admitted_at: float | None = None
        self._leave = asyncio.Event()
        self.task = asyncio.create_task(self._come(gate, now() + left_s))

    async def _come(self, gate: AdmissionController, deadline: float) -> None:
        async with gate.admit(deadline):
            self.admitted_at = now()
            await self._leave.wait()

    def leave(self) -> None:
        self._leave.set()

    @property
    def admitted(self) -> bool:
        return self.admitted_at is not None

    @property
    def ended(self) -> bool:
        return self.task.done()


async def occupy(gate: AdmissionController, seconds: float, count: int = 1) -> None:
    """Starts `count` concurrent requests of the given duration."""

    async def one() -> None:
        async with gate.admit(now() + FOREVER):
            await asyncio.sleep(seconds)

    await asyncio.gather(*(one() for _ in range(count)))


@contextmanager
def empty_in_the_end(gate: AdmissionController) -> Iterator[None]:
    yield
    assert (gate.in_flight, gate.waiting) == (0, 0)


@in_made_up_time
async def test_a_single_request_is_admitted_at_once_and_frees_its_slot() -> None:
    gate = AdmissionController(1, 0)
    async with gate.admit(now() + 1):
        assert (gate.in_flight, gate.waiting) == (1, 0)
    assert (gate.in_flight, gate.waiting) == (0, 0)
    assert now() == 0


@in_made_up_time
async def test_requests_beyond_the_slots_wait() -> None:
    gate = AdmissionController(3, 10)
    requests = [Request(gate) for _ in range(7)]
    await settle()
    assert (gate.in_flight, gate.waiting) == (3, 4)
    assert [r.admitted for r in requests] == [True] * 3 + [False] * 4


@in_made_up_time
async def test_the_longest_waiting_request_is_first() -> None:
    gate, order = AdmissionController(2, 100), []

    async def come(number: int) -> None:
        async with gate.admit(now() + FOREVER):
            order.append(number)
            await asyncio.sleep(1)

    with empty_in_the_end(gate):
        await asyncio.gather(*(come(number) for number in range(20)))
    assert order == list(range(20))
    assert now() == 10


@in_made_up_time
async def test_a_repeated_request_does_not_overtake_a_waiting_one() -> None:
    gate, order = AdmissionController(1, 10), []

    async def comes_again() -> None:
        for turn in ("first", "again"):
            async with gate.admit(now() + FOREVER):
                order.append(turn)
                await asyncio.sleep(1)

    async def waits() -> None:
        async with gate.admit(now() + FOREVER):
            order.append("waiter")

    with empty_in_the_end(gate):
        await asyncio.gather(comes_again(), waits())
    assert order == ["first", "waiter", "again"]


@in_made_up_time
async def test_a_full_queue_refuses_with_retry_after() -> None:
    gate = AdmissionController(1, 2)
    await occupy(gate, 5.5)
    kept = [Request(gate) for _ in range(3)]
    await settle()
    with pytest.raises(
        Overloaded, match="2 requests are waiting already; the limit is 2"
    ) as caught:
        async with gate.admit(now() + FOREVER):
            pytest.fail("admitted")
    assert caught.value.retry_after_s == math.ceil(3 * 5.5)
    assert (gate.in_flight, gate.waiting) == (1, 2)
    assert not any(request.ended for request in kept)


@in_made_up_time
async def test_without_a_queue_only_concurrent_requests_are_refused() -> None:
    gate = AdmissionController(1, 0)
    async with gate.admit(now() + 1):
        with pytest.raises(Overloaded) as caught:
            async with gate.admit(now() + 1):
                pytest.fail("admitted")
        assert caught.value.retry_after_s == 1
    await occupy(gate, 1)
    assert (gate.in_flight, gate.waiting) == (0, 0)


@in_made_up_time
async def test_a_deadline_that_the_queue_cannot_meet_is_refused_at_once() -> None:
    gate = AdmissionController(2, 10)
    await occupy(gate, 10, count=2)
    kept = [Request(gate) for _ in range(4)]
    await settle()
    begun = now()
    with pytest.raises(Overloaded, match=r"takes about 15\.0 s; the deadline is in 14\.9 s"):
        async with gate.admit(now() + 14.9):
            pytest.fail("admitted")
    assert now() == begun
    assert gate.waiting == 2
    long_timeout = Request(gate, left_s=15.1)
    await settle()
    assert not long_timeout.ended
    assert not any(request.ended for request in kept)


@in_made_up_time
async def test_a_deadline_that_passes_while_waiting_ends_the_wait() -> None:
    gate = AdmissionController(1, 10)
    holder, waiter = Request(gate), Request(gate, left_s=3)
    with pytest.raises(DeadlineExceeded, match="while waiting"):
        await waiter.task
    assert now() == 3
    assert (gate.in_flight, gate.waiting) == (1, 0)
    next_one = Request(gate)
    holder.leave()
    await settle()
    assert next_one.admitted


@pytest.mark.parametrize("busy", [True, False])
@pytest.mark.parametrize("left_s", [0.0, -1.0])
@in_made_up_time
async def test_a_passed_deadline_is_not_reported_as_overload(left_s: float, busy: bool) -> None:
    gate = AdmissionController(1, 10)
    holder = [Request(gate)] if busy else []
    await settle()
    with pytest.raises(DeadlineExceeded):
        async with gate.admit(now() + left_s):
            pytest.fail("admitted")
    assert (gate.in_flight, gate.waiting) == (len(holder), 0)


@in_made_up_time
async def test_a_cancelled_waiter_passes_its_turn_to_the_next() -> None:
    gate = AdmissionController(1, 10)
    holder, gone, next_one = Request(gate), Request(gate), Request(gate)
    await settle()
    gone.task.cancel()
    await settle()
    assert gate.waiting == 1
    holder.leave()
    await settle()
    assert next_one.admitted


@in_made_up_time
async def test_a_waiter_cancelled_as_its_turn_comes_passes_it_to_the_next() -> None:
    gate = AdmissionController(1, 10)
    async with gate.admit(now() + FOREVER):
        gone, next_one = Request(gate), Request(gate)
        await settle()
    gone.task.cancel()  # it was woken and has not run since
    await settle()
    assert not gone.admitted
    assert next_one.admitted
    assert (gate.in_flight, gate.waiting) == (1, 0)


@in_made_up_time
async def test_a_deadline_that_passes_as_the_turn_comes_passes_it_to_the_next() -> None:
    gate, loop = AdmissionController(1, 10), asyncio.get_running_loop()
    assert isinstance(loop, _Loop)

    async def holder() -> None:
        async with gate.admit(now() + FOREVER):
            await asyncio.sleep(3)

    holding = asyncio.create_task(holder())
    await settle()
    late, next_one = Request(gate, left_s=3.5), Request(gate)
    loop.call_at(3, setattr, loop.clock, "now", 4)  # both are due in the loop's next iteration
    await holding
    with pytest.raises(DeadlineExceeded):
        await late.task
    await settle()
    assert next_one.admitted
    assert (gate.in_flight, gate.waiting) == (1, 0)


@in_made_up_time
async def test_a_client_that_disconnects_frees_its_slot() -> None:
    gate = AdmissionController(1, 10)
    holder, next_one = Request(gate), Request(gate)
    await settle()
    holder.task.cancel()
    await settle()
    assert next_one.admitted
    assert (gate.in_flight, gate.waiting) == (1, 0)


@in_made_up_time
async def test_a_request_that_fails_frees_its_slot() -> None:
    gate = AdmissionController(1, 0)
    with pytest.raises(ZeroDivisionError):
        async with gate.admit(now() + 1):
            raise ZeroDivisionError
    await occupy(gate, 1)
    assert (gate.in_flight, gate.waiting) == (0, 0)


# Expected wait ----------------------------------------------------------------------------------


@in_made_up_time
async def test_nothing_is_in_flight_while_the_slots_are_held_exclusively() -> None:
    gate = AdmissionController(max_in_flight=2, max_queue=9)
    before, begun = asyncio.create_task(occupy(gate, 5)), asyncio.Event()
    await settle()

    async def restart() -> None:
        async with gate.exclusive():
            assert (gate.in_flight, now()) == (0, 5)
            begun.set()
            await asyncio.sleep(7)

    restarting = asyncio.create_task(restart())
    await settle()
    after = Request(gate)
    await begun.wait()
    await settle()
    assert not after.admitted
    await asyncio.gather(before, restarting)
    await settle()
    assert after.admitted_at == 12
    after.leave()
    await after.task


@in_made_up_time
async def test_an_exclusive_hold_that_is_cancelled_leaves_all_slots() -> None:
    gate = AdmissionController(max_in_flight=2, max_queue=9)
    holder = Request(gate)
    await settle()

    async def restart() -> None:
        async with gate.exclusive():
            pytest.fail("a request is in flight")

    waiting = asyncio.create_task(restart())
    await settle()
    waiting.cancel()
    await asyncio.gather(waiting, return_exceptions=True)
    requests = [Request(gate) for _ in range(3)]
    await settle()
    assert [each.admitted for each in requests] == [True, False, False]
    for each in (holder, *requests):
        each.leave()
    await asyncio.gather(holder.task, *(each.task for each in requests))


@in_made_up_time
async def test_the_expected_wait_is_zero_while_a_slot_is_free() -> None:
    gate = AdmissionController(2, 10)
    await occupy(gate, 30)
    holder = Request(gate)
    await settle()
    assert holder.admitted
    assert gate.expected_wait_s() == 0


@pytest.mark.parametrize("slots", [1, 4])
@in_made_up_time
async def test_the_expected_wait_matches_the_actual_wait(slots: int) -> None:
    gate = AdmissionController(slots, 1000)
    await occupy(gate, 2, count=20 * slots)
    flood = asyncio.create_task(occupy(gate, 2, count=10 * slots))
    await settle()
    expected, begun = gate.expected_wait_s(), now()
    last = Request(gate)
    await flood
    await settle()
    assert last.admitted_at is not None
    assert last.admitted_at - begun == pytest.approx(expected, rel=0.15)


@pytest.mark.parametrize("slots", [1, 2, 8, 64])
@in_made_up_time
async def test_a_worker_restart_does_not_raise_the_expected_wait(slots: int) -> None:
    gate = AdmissionController(slots, 2000)
    await occupy(gate, 0.1, count=20 * slots)
    await occupy(gate, 60, count=slots)  # all requests in flight wait for it
    kept = [Request(gate) for _ in range(slots)]
    await settle()
    assert all(request.admitted for request in kept)
    assert gate.expected_wait_s() < 3 * 0.1 / slots
    impatient = Request(gate, left_s=0.5)
    await settle()
    kept[0].leave()
    await settle()
    assert impatient.admitted


@pytest.mark.parametrize("slots", [1, 8])
@in_made_up_time
async def test_a_lasting_slowdown_raises_the_expected_wait(slots: int) -> None:
    gate = AdmissionController(slots, 1000)
    await occupy(gate, 0.1, count=20 * slots)
    await occupy(gate, 10, count=40 * slots)
    kept = [Request(gate) for _ in range(slots)]
    await settle()
    assert len(kept) == gate.in_flight
    assert gate.expected_wait_s() == pytest.approx(10 / slots, rel=0.1)


@in_made_up_time
async def test_disconnects_do_not_shorten_the_expected_wait() -> None:
    gate = AdmissionController(1, 100)
    await occupy(gate, 10)
    for _ in range(50):
        gone = Request(gate)
        await settle()
        gone.task.cancel()
        await settle()
    kept = Request(gate)
    await settle()
    assert kept.admitted
    assert gate.expected_wait_s() == 10


# Random actions ---------------------------------------------------------------------------------

ACTIONS = st.lists(
    st.tuples(st.sampled_from(["come", "come", "leave", "disconnect"]), st.integers(0, 30))
)


@given(slots=st.integers(1, 4), queue=st.integers(0, 4), actions=ACTIONS, at_once=st.booleans())
@in_made_up_time
async def test_order_and_limits_match_a_model_of_the_queue(
    slots: int, queue: int, actions: list[tuple[str, int]], at_once: bool
) -> None:
    """Compares with a model of the queue; `at_once` runs no task between two actions."""
    gate = AdmissionController(slots, queue)
    everybody: list[Request] = []
    holding: list[Request] = []
    waiting: deque[Request] = deque()

    def call_next() -> None:
        while waiting and len(holding) < slots:
            holding.append(waiting.popleft())

    for action, number in actions:
        if action == "come":
            request = Request(gate)
            everybody.append(request)
            await asyncio.sleep(0)  # until it is queued
            if len(holding) < slots:
                holding.append(request)
            elif len(waiting) < queue:
                waiting.append(request)
        elif action == "leave" and holding:
            holding.pop(number % len(holding)).leave()
            call_next()
        elif action == "disconnect" and (everyone := [*holding, *waiting]):
            request = everyone[number % len(everyone)]
            (holding if request in holding else waiting).remove(request)
            request.task.cancel()
            call_next()
        if not at_once:
            await settle()
            assert [r for r in everybody if r.admitted and not r.ended] == [
                r for r in everybody if r in holding
            ]
            assert (gate.in_flight, gate.waiting) == (len(holding), len(waiting))
        assert 0 <= gate.in_flight <= slots
        assert 0 <= gate.waiting <= queue + slots
    await settle()
    for request in everybody:
        request.leave()
    await asyncio.gather(*(r.task for r in everybody), return_exceptions=True)
    assert (gate.in_flight, gate.waiting) == (0, 0)
    await occupy(gate, 1, count=slots)  # every slot is free again
    assert (gate.in_flight, gate.waiting) == (0, 0)
