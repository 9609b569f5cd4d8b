"""The log of predictions: a bounded queue, emptied in batches by a thread of its own.

No request waits for it. While the tracking server is slow or down, predictions wait; past the limit
they are dropped and counted.
"""

from __future__ import annotations

import asyncio
import contextlib
import queue
import random
import threading
import time
from collections.abc import AsyncIterator
from typing import Protocol

import structlog

from deepfake_serving.gateway.predictions.metrics import PredictionMetrics
from deepfake_serving.gateway.predictions.prediction import Prediction

log = structlog.get_logger(__name__)

_MAX_BATCH = 200
_POLL_S = 0.5
_FIRST_RETRY_S, _LAST_RETRY_S = 1.0, 60.0
_END_S = 5.0
"""Time that the end of the process waits for the last batches."""


class Refused(Exception):
    """The tracking server refuses a batch, and would again."""


class Store(Protocol):
    """The place that predictions are written to."""

    def write(self, batch: list[Prediction]) -> None:
        """Writes predictions; any exception but `Refused` leads to a retry."""


class PredictionLog:
    """The predictions of one process. They are written within `running`."""

    def __init__(
        self,
        store: Store,
        metrics: PredictionMetrics,
        *,
        share: float,
        max_waiting: int,
        batch_s: float,
    ) -> None:
        """
        Args:
            share: of the predictions that are logged, chosen at random.
            max_waiting: the most predictions that wait.
            batch_s: for how long a batch is collected.
        """
        self._store, self._metrics = store, metrics
        self._share, self._batch_s = share, batch_s
        self._waiting: queue.Queue[Prediction] = queue.Queue(max_waiting)
        self._ending = threading.Event()

    def offer(self, prediction: Prediction) -> None:
        """Enqueues a prediction, or drops it; waits for nothing."""
        if random.random() >= self._share:
            return
        try:
            self._waiting.put_nowait(prediction)
        except queue.Full:
            self._metrics.count("dropped")

    @contextlib.asynccontextmanager
    async def running(self) -> AsyncIterator[None]:
        """Writes batches while the context is open; then waits some seconds for the rest."""
        self._metrics.expect()
        thread = threading.Thread(target=self._run, name="predictions", daemon=True)
        thread.start()
        try:
            yield
        finally:
            self._ending.set()
            await asyncio.to_thread(thread.join, _END_S)
            self._metrics.count("failed", self._waiting.qsize())

    def _run(self) -> None:
        while batch := self._next_batch():
            self._write(batch)

    def _next_batch(self) -> list[Prediction]:
        """Returns the next predictions; none when the process ends and no more wait."""
        batch: list[Prediction] = []
        until = float("inf")
        while len(batch) < _MAX_BATCH and time.monotonic() < until:
            try:
                batch.append(self._waiting.get(timeout=_POLL_S))
            except queue.Empty:
                if self._ending.is_set():
                    break
                continue
            until = min(until, time.monotonic() + self._batch_s)
        return batch

    def _write(self, batch: list[Prediction]) -> None:
        """Writes a batch, again and again until it succeeds, is refused, or the process ends."""
        wait_s = _FIRST_RETRY_S
        while True:
            try:
                self._store.write(batch)
            except Refused as refusal:
                log.warning("predictions refused", count=len(batch), reason=str(refusal))
                self._metrics.count("failed", len(batch))
                return
            except Exception as error:
                reason = f"{type(error).__name__}: {error}"[:300]
                log.warning("predictions not logged", retry_in_s=wait_s, reason=reason)
            else:
                self._metrics.count("logged", len(batch))
                return
            if self._ending.wait(wait_s):
                self._metrics.count("failed", len(batch))
                return
            wait_s = min(2 * wait_s, _LAST_RETRY_S)
