"""Closed loops over one system, rounds over several, and their statistics."""

from __future__ import annotations

import asyncio
import contextlib
import random
import time
from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass, field

import numpy as np
import numpy.typing as npt
import psutil

SendRequest = Callable[[], Awaitable[None]]
"""Sends one request and checks the response. Raises if it is wrong."""

Floats = npt.NDArray[np.float64]

_SATURATED = 0.9
_PAUSE_AFTER_FAILURE_S = 0.02


@dataclass(frozen=True, slots=True)
class Plan:
    """The length of a closed loop: `warmup_s`, then a window of `seconds`.

    The window is extended by up to `max_extra_s` until `min_requests` are done, warm-up included.
    """

    clients: int
    warmup_s: float
    seconds: float
    min_requests: int = 1
    max_extra_s: float = 20.0


@dataclass(slots=True)
class Window:
    """Measurements of a closed loop, without warm-up and shutdown."""

    latencies_s: list[float] = field(default_factory=list)
    """Latencies of successful requests that ended within the window."""
    failures: list[str] = field(default_factory=list)
    work: float = 0.0
    """Successful requests. One that overlaps an edge of the window counts by the part inside:
    the responses of a batch arrive together and would make the count jump."""
    seconds: float = 0.0
    cpu_s: float = 0.0
    """CPU time of all processes of the system."""
    own_cpu_s: float = 0.0
    """CPU time of the load generator, on the same machine."""
    machine_cpu_s: float = 0.0
    """CPU time of all processes on the machine."""

    def add(self, other: Window) -> None:
        """Adds another window of the same loop."""
        self.latencies_s += other.latencies_s
        self.failures += other.failures
        self.work += other.work
        self.seconds += other.seconds
        self.cpu_s += other.cpu_s
        self.own_cpu_s += other.own_cpu_s
        self.machine_cpu_s += other.machine_cpu_s

    @property
    def rate(self) -> float:
        """Successful requests per second."""
        return self.work / self.seconds if self.seconds else 0.0

    def each(self, seconds: float) -> float | None:
        """Returns `seconds` per successful request; None without any."""
        return seconds / self.work if self.work else None

    @property
    def rate_adjusted(self) -> float:
        """Successful requests per second; on a saturated machine, scaled up by the CPU share that
        other processes used."""
        capacity = (psutil.cpu_count() or 1) * self.seconds
        elsewhere = self.cpus_elsewhere * self.seconds
        saturated = self.machine_cpu_s > _SATURATED * capacity > elsewhere
        return self.rate * capacity / (capacity - elsewhere) if saturated else self.rate

    @property
    def cpus_elsewhere(self) -> float:
        """CPUs busy with neither the system nor the load generator: noise in the measurement."""
        elsewhere = self.machine_cpu_s - self.cpu_s - self.own_cpu_s
        return max(0.0, elsewhere) / self.seconds if self.seconds else 0.0


@dataclass(frozen=True, slots=True)
class CompletedRequest:
    """One request: its begin and end, and the error if it failed."""

    begun: float
    ended: float
    failure: str | None = None


def window_between(completed: Sequence[CompletedRequest], begun: float, ended: float) -> Window:
    """Returns the measurements between `begun` and `ended` of these requests."""
    window = Window(seconds=ended - begun)
    for each in completed:
        inside = begun <= each.ended < ended
        if each.failure is not None:
            window.failures += [each.failure] * inside
            continue
        window.latencies_s += [each.ended - each.begun] * inside
        overlap = min(each.ended, ended) - max(each.begun, begun)
        window.work += max(0.0, overlap) / (each.ended - each.begun)
    return window


class _Clients:
    """Clients that send the next request as soon as the previous one is done."""

    def __init__(self, send: SendRequest, min_requests: int) -> None:
        self.send, self.min_requests, self.stopped = send, min_requests, False
        self.completed: list[CompletedRequest] = []
        self.min_reached = asyncio.Event()

    async def run(self) -> None:
        while not self.stopped:
            begun = time.perf_counter()
            failure = await _send_and_catch(self.send)
            self.completed.append(CompletedRequest(begun, time.perf_counter(), failure))
            if len(self.completed) >= self.min_requests:
                self.min_reached.set()
            if failure is not None:
                await asyncio.sleep(_PAUSE_AFTER_FAILURE_S)


async def closed_loop(
    send: SendRequest, plan: Plan, family: Sequence[psutil.Process] = ()
) -> Window:
    """Keeps `plan.clients` requests in flight. CPU time is counted for `family`."""
    clients = _Clients(send, plan.min_requests)
    tasks = [asyncio.create_task(clients.run()) for _ in range(plan.clients)]
    try:
        await asyncio.sleep(plan.warmup_s)
        begun, before = time.perf_counter(), _clocks(family)
        await asyncio.sleep(plan.seconds)
        with contextlib.suppress(TimeoutError):
            await asyncio.wait_for(clients.min_reached.wait(), plan.max_extra_s)
        ended, after = time.perf_counter(), _clocks(family)
    finally:
        clients.stopped = True
        await asyncio.gather(*tasks)
    window = window_between(clients.completed, begun, ended)
    window.cpu_s, window.own_cpu_s, window.machine_cpu_s = (
        late - early for late, early in zip(after, before, strict=True)
    )
    return window


async def rounds(
    requests: Mapping[str, SendRequest], count: int, warmup: int, seed: int = 0
) -> dict[str, list[float]]:
    """Sends one request to each system per round, in random order, while the others are idle.

    Returns:
        Seconds by system, aligned by round, so that noise of the machine in a round affects all.
    """
    order, rng = list(requests), random.Random(seed)
    seconds: dict[str, list[float]] = {name: [] for name in requests}
    for number in range(-warmup, count):
        rng.shuffle(order)
        for name in order:
            begun = time.perf_counter()
            await requests[name]()
            if number >= 0:
                seconds[name].append(time.perf_counter() - begun)
    return seconds


async def _send_and_catch(send: SendRequest) -> str | None:
    try:
        await send()
    except Exception as error:
        return f"{type(error).__name__}: {error}"[:200]
    return None


def process_tree(pids: Sequence[int]) -> list[psutil.Process]:
    """Returns the processes and all their descendants."""
    roots = [psutil.Process(pid) for pid in pids]
    return [*roots, *(child for root in roots for child in root.children(recursive=True))]


def _clocks(family: Sequence[psutil.Process]) -> tuple[float, float, float]:
    """Returns CPU seconds so far of the family, of this process, and of all processes."""
    times = psutil.cpu_times()._asdict()
    idle = ("idle", "iowait", "steal", "guest", "guest_nice")  # guest time is included in user time
    total = sum(seconds for kind, seconds in times.items() if kind not in idle)
    return sum(map(_cpu_s, family)), time.process_time(), total


def _cpu_s(process: psutil.Process) -> float:
    """Returns CPU seconds; 0 for a process that has exited."""
    try:
        return sum(process.cpu_times()[:2])
    except psutil.NoSuchProcess:
        return 0.0


def percentile(values: Sequence[float], percent: float) -> float | None:
    """Interpolates linearly between the two nearest values; None without values."""
    return float(np.percentile(values, percent)) if len(values) else None


@dataclass(frozen=True, slots=True)
class Estimate:
    """A median and its 95 % confidence interval."""

    median: float
    low: float
    high: float
    count: int


def median_of(values: Sequence[float], samples: int = 4000, seed: int = 0) -> Estimate:
    """Returns the median with its bootstrap interval (percentile method; Efron 1979)."""
    given = np.asarray(values, dtype=np.float64)
    if not len(given):
        raise ValueError("the median of nothing")
    random_ = np.random.default_rng(seed)
    drawn = random_.choice(given, size=(samples, len(given)), replace=True)
    low, high = np.percentile(np.median(drawn, axis=1), [2.5, 97.5])
    return Estimate(float(np.median(given)), float(low), float(high), len(given))


def differences(a: Sequence[float], b: Sequence[float]) -> Floats:
    """Returns a - b, pair by pair."""
    first, second = _paired(a, b)
    return first - second


def ratios(a: Sequence[float], b: Sequence[float]) -> Floats:
    """Returns a / b, pair by pair, without pairs whose b is 0."""
    first, second = _paired(a, b)
    quotients: Floats = first[second != 0] / second[second != 0]
    return quotients


def _paired(a: Sequence[float], b: Sequence[float]) -> tuple[Floats, Floats]:
    first, second = np.asarray(a, dtype=np.float64), np.asarray(b, dtype=np.float64)
    if first.shape != second.shape:
        raise ValueError(f"{len(first)} values can't be paired with {len(second)}")
    return first, second
