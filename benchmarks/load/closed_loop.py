"""Closed loops over one system, rounds over several, and the arithmetic of both."""

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

Ask = Callable[[], Awaitable[None]]
"""One request, sent and its answer checked; raises where it is not what it should be."""

Floats = npt.NDArray[np.float64]

_SATURATED = 0.9
_PAUSE_AFTER_FAILURE_S = 0.02


@dataclass(frozen=True, slots=True)
class Plan:
    """How long a closed loop is watched: `seconds` after `warmup_s`, and up to `at_most_s` more
    where `at_least` answers, those of the warm-up too, have not come by then."""

    callers: int
    warmup_s: float
    seconds: float
    at_least: int = 1
    at_most_s: float = 20.0


@dataclass(slots=True)
class Window:
    """What was seen of a closed loop between two moments, warm-up and end left out."""

    latencies_s: list[float] = field(default_factory=list)
    """Of the good answers that came within the window."""
    failures: list[str] = field(default_factory=list)
    work: float = 0.0
    """Requests done; one that reaches beyond the window counts by the part of it that is inside,
    so that batches, whose answers come all at once, don't make the count jump."""
    seconds: float = 0.0
    cpu_s: float = 0.0
    """Of the system: every process of it."""
    own_cpu_s: float = 0.0
    """Of the load generator, which the system had to share the machine with."""
    machine_cpu_s: float = 0.0
    """Of everybody on the machine."""

    def add(self, other: Window) -> None:
        """Takes in another window of the same loop."""
        self.latencies_s += other.latencies_s
        self.failures += other.failures
        self.work += other.work
        self.seconds += other.seconds
        self.cpu_s += other.cpu_s
        self.own_cpu_s += other.own_cpu_s
        self.machine_cpu_s += other.machine_cpu_s

    @property
    def rate(self) -> float:
        """Good answers a second."""
        return self.work / self.seconds if self.seconds else 0.0

    def each(self, seconds: float) -> float | None:
        """`seconds` shared out among the good answers."""
        return seconds / self.work if self.work else None

    @property
    def rate_undisturbed(self) -> float:
        """Good answers a second, had a saturated machine's other work left its CPUs free."""
        capacity = (psutil.cpu_count() or 1) * self.seconds
        elsewhere = self.cpus_elsewhere * self.seconds
        saturated = self.machine_cpu_s > _SATURATED * capacity > elsewhere
        return self.rate * capacity / (capacity - elsewhere) if saturated else self.rate

    @property
    def cpus_elsewhere(self) -> float:
        """CPUs that were busy with neither the system nor its load: what spoils a measurement."""
        elsewhere = self.machine_cpu_s - self.cpu_s - self.own_cpu_s
        return max(0.0, elsewhere) / self.seconds if self.seconds else 0.0


@dataclass(frozen=True, slots=True)
class Answered:
    """One request of a caller: from when to when, and why it failed if it did."""

    begun: float
    ended: float
    failure: str | None = None


def seen(answered: Sequence[Answered], begun: float, ended: float) -> Window:
    """What a window from `begun` to `ended` shows of these requests."""
    window = Window(seconds=ended - begun)
    for each in answered:
        inside = begun <= each.ended < ended
        if each.failure is not None:
            window.failures += [each.failure] * inside
            continue
        window.latencies_s += [each.ended - each.begun] * inside
        overlap = min(each.ended, ended) - max(each.begun, begun)
        window.work += max(0.0, overlap) / (each.ended - each.begun)
    return window


class _Callers:
    """Callers that ask again as soon as they are answered."""

    def __init__(self, ask: Ask, at_least: int) -> None:
        self.ask, self.at_least, self.stopped = ask, at_least, False
        self.answered: list[Answered] = []
        self.enough = asyncio.Event()

    async def call(self) -> None:
        while not self.stopped:
            begun = time.perf_counter()
            failure = await _failure(self.ask)
            self.answered.append(Answered(begun, time.perf_counter(), failure))
            if len(self.answered) >= self.at_least:
                self.enough.set()
            if failure is not None:
                await asyncio.sleep(_PAUSE_AFTER_FAILURE_S)


async def closed_loop(ask: Ask, plan: Plan, family: Sequence[psutil.Process] = ()) -> Window:
    """Keeps `plan.callers` requests under way; `family` is whose CPU time is counted."""
    callers = _Callers(ask, plan.at_least)
    tasks = [asyncio.create_task(callers.call()) for _ in range(plan.callers)]
    try:
        await asyncio.sleep(plan.warmup_s)
        begun, before = time.perf_counter(), _clocks(family)
        await asyncio.sleep(plan.seconds)
        with contextlib.suppress(TimeoutError):
            await asyncio.wait_for(callers.enough.wait(), plan.at_most_s)
        ended, after = time.perf_counter(), _clocks(family)
    finally:
        callers.stopped = True
        await asyncio.gather(*tasks)
    window = seen(callers.answered, begun, ended)
    window.cpu_s, window.own_cpu_s, window.machine_cpu_s = (
        late - early for late, early in zip(after, before, strict=True)
    )
    return window


async def rounds(
    asks: Mapping[str, Ask], count: int, warmup: int, seed: int = 0
) -> dict[str, list[float]]:
    """Asks every system once a round, in an order that changes, the others idle meanwhile.

    Returns:
        Seconds by system, aligned: what disturbs the machine in a round disturbs all of it.
    """
    order, chance = list(asks), random.Random(seed)
    seconds: dict[str, list[float]] = {name: [] for name in asks}
    for number in range(-warmup, count):
        chance.shuffle(order)
        for name in order:
            begun = time.perf_counter()
            await asks[name]()
            if number >= 0:
                seconds[name].append(time.perf_counter() - begun)
    return seconds


async def _failure(ask: Ask) -> str | None:
    try:
        await ask()
    except Exception as error:
        return f"{type(error).__name__}: {error}"[:200]
    return None


def family_of(pids: Sequence[int]) -> list[psutil.Process]:
    """The processes and all that descend from them."""
    roots = [psutil.Process(pid) for pid in pids]
    return [*roots, *(child for root in roots for child in root.children(recursive=True))]


def _clocks(family: Sequence[psutil.Process]) -> tuple[float, float, float]:
    """CPU time taken so far by the family, by this process, and by everybody."""
    times = psutil.cpu_times()._asdict()
    idle = ("idle", "iowait", "steal", "guest", "guest_nice")  # guests' time is in user's, too
    everybody = sum(seconds for kind, seconds in times.items() if kind not in idle)
    return sum(map(_cpu_s, family)), time.process_time(), everybody


def _cpu_s(process: psutil.Process) -> float:
    """Nothing for a process that has ended meanwhile."""
    try:
        return sum(process.cpu_times()[:2])
    except psutil.NoSuchProcess:
        return 0.0


def percentile(values: Sequence[float], percent: float) -> float | None:
    """Linear between the two nearest; None of nothing."""
    return float(np.percentile(values, percent)) if len(values) else None


@dataclass(frozen=True, slots=True)
class Estimate:
    """A median and the interval that holds it with 95 % confidence."""

    median: float
    low: float
    high: float
    count: int


def median_of(values: Sequence[float], samples: int = 4000, seed: int = 0) -> Estimate:
    """The median with its bootstrap interval (percentile method; Efron 1979)."""
    given = np.asarray(values, dtype=np.float64)
    if not len(given):
        raise ValueError("the median of nothing")
    random_ = np.random.default_rng(seed)
    drawn = random_.choice(given, size=(samples, len(given)), replace=True)
    low, high = np.percentile(np.median(drawn, axis=1), [2.5, 97.5])
    return Estimate(float(np.median(given)), float(low), float(high), len(given))


def differences(a: Sequence[float], b: Sequence[float]) -> Floats:
    """a - b, pair by pair."""
    first, second = _paired(a, b)
    return first - second


def ratios(a: Sequence[float], b: Sequence[float]) -> Floats:
    """a / b, pair by pair; pairs whose b is 0 are left out."""
    first, second = _paired(a, b)
    quotients: Floats = first[second != 0] / second[second != 0]
    return quotients


def _paired(a: Sequence[float], b: Sequence[float]) -> tuple[Floats, Floats]:
    first, second = np.asarray(a, dtype=np.float64), np.asarray(b, dtype=np.float64)
    if first.shape != second.shape:
        raise ValueError(f"{len(first)} values can't be paired with {len(second)}")
    return first, second
