"""Queries of dashboards to a Prometheus, with all values of each variable."""

from __future__ import annotations

import math
import re
import time
from dataclasses import dataclass
from typing import Any, Self

import httpx
import numpy as np
import numpy.typing as npt

_VARIABLE = re.compile(r"\$(?:\{(\w+)\}|(\w+))")
_STEPS = 200


@dataclass(frozen=True)
class Series:
    """A result: its labels, times (n,) in minutes before the end, and values (n,)."""

    labels: dict[str, str]
    minutes: npt.NDArray[np.float64]
    values: npt.NDArray[np.float64]

    def name(self, legend: str) -> str:
        """Fills the labels into a legend such as `{{pool}} p95`."""
        return re.sub(r"\{\{(\w+)\}\}", lambda match: self.labels.get(match[1], ""), legend)


class Prometheus:
    """Evaluates queries for the time between `minutes` ago and now.

    Args:
        rate_interval: seconds that `$__rate_interval` stands for.
    """

    def __init__(self, url: str, minutes: float, rate_interval: int) -> None:
        self._client = httpx.Client(base_url=url, timeout=30)
        self._rate_interval = rate_interval
        self.minutes, self._end = minutes, time.time()
        self._step = max(1, math.ceil(minutes * 60 / _STEPS))

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self._client.close()

    def range(self, expression: str) -> list[Series]:
        """Returns the series of an expression over time.

        Raises:
            RuntimeError: Prometheus refuses the expression.
        """
        window = {"start": self._end - self.minutes * 60, "end": self._end, "step": self._step}
        result = self._query("query_range", expression, window)
        return [self._series(each["metric"], each["values"]) for each in result]

    def instant(self, expression: str) -> list[Series]:
        """Returns the newest value of each series of an expression.

        Raises:
            RuntimeError: Prometheus refuses the expression.
        """
        result = self._query("query", expression, {"time": self._end})
        return [self._series(each["metric"], [each["value"]]) for each in result]

    def _series(self, labels: dict[str, str], samples: list[tuple[float, str]]) -> Series:
        pairs = np.array(samples, np.float64).reshape(-1, 2)
        return Series(labels, (pairs[:, 0] - self._end) / 60, pairs[:, 1])

    def _query(self, kind: str, expression: str, window: dict[str, float]) -> list[Any]:
        form = {"query": self._filled_in(expression), **{k: str(v) for k, v in window.items()}}
        body = self._client.post(f"/api/v1/{kind}", data=form).json()
        if body["status"] != "success":
            raise RuntimeError(f"{body['error']}: {form['query']}")
        return list(body["data"]["result"])

    def _filled_in(self, expression: str) -> str:
        known = {"__rate_interval": f"{self._rate_interval}s", "__interval": f"{self._step}s"}
        known |= {"__range": f"{self.minutes * 60:.0f}s"}
        return _VARIABLE.sub(lambda match: known.get(match[1] or match[2], ".+"), expression)
