"""A rate of requests that changes with time, from a CSV file."""

from __future__ import annotations

import csv
from dataclasses import dataclass
from itertools import pairwise
from pathlib import Path

import numpy as np


@dataclass(frozen=True, slots=True)
class Profile:
    """Times in seconds from the start, rising, and the requests per second at each."""

    times_s: tuple[float, ...]
    rates: tuple[float, ...]

    @property
    def seconds(self) -> float:
        return self.times_s[-1]

    @property
    def requests(self) -> float:
        """Requests from the first time to the last."""
        return float(np.trapezoid(self.rates, self.times_s))

    def rate(self, time_s: float) -> float:
        """Returns the rate at a time, on a line between the two nearest points."""
        return float(np.interp(time_s, self.times_s, self.rates))


def read_profile(path: Path) -> Profile:
    """Reads lines of `seconds,rate`; a first line of names is skipped.

    Raises:
        ValueError: a line is not two numbers, a rate is negative, all are zero, or the times do not
            rise.
    """
    with path.open(newline="", encoding="utf-8") as file:
        rows = [row for row in csv.reader(file) if row]
    points = [
        _point(path, number, row) for number, row in enumerate(rows, 1) if row[0] != "seconds"
    ]
    if len(points) < 2 or any(b[0] <= a[0] for a, b in pairwise(points)):
        raise ValueError(f"{path}: two or more times are needed, each later than the one before")
    times, rates = zip(*points, strict=True)
    if not any(rates):
        raise ValueError(f"{path}: all rates are zero")
    return Profile(times, rates)


def _point(path: Path, number: int, row: list[str]) -> tuple[float, float]:
    try:
        time_s, rate = map(float, row)
    except ValueError as error:
        raise ValueError(f"{path}, line {number}: expected seconds,rate") from error
    if not (0 <= time_s < 1e7 and 0 <= rate < 1e6):
        raise ValueError(f"{path}, line {number}: {time_s:g} s or {rate:g}/s is out of range")
    return time_s, rate
