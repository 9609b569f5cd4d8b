"""The log of predictions in front of scripted stores: none of them delays a request."""

from __future__ import annotations

import threading
from collections.abc import Callable

import pytest
from prometheus_client import CollectorRegistry

from deepfake_serving.contracts.verdict import ModelRef
from deepfake_serving.gateway.predictions import log as module
from deepfake_serving.gateway.predictions.log import PredictionLog, Refused
from deepfake_serving.gateway.predictions.metrics import PredictionMetrics
from deepfake_serving.gateway.predictions.prediction import Prediction

GUARD_S = 120


def prediction(number: int) -> Prediction:
    model = ModelRef("detector", "1.3", None, True)
    return Prediction(str(number), "image", 0.0, 0.1, model, "real", 0.1, 1, {}, {}, {})


class Script:
    """A store that acts as the test says, and knows what it was given."""

    def __init__(self, act: Callable[[int], None] = lambda _: None, expect: int = 1) -> None:
        self.act, self.expect = act, expect
        self.attempts = 0
        self.written: list[str] = []
        self.done = threading.Event()

    def write(self, batch: list[Prediction]) -> None:
        self.attempts += 1
        self.act(self.attempts)
        self.written += [each.id for each in batch]
        if len(self.written) >= self.expect:
            self.done.set()


@pytest.fixture(autouse=True)
def _quick(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "_POLL_S", 0.01)
    monkeypatch.setattr(module, "_FIRST_RETRY_S", 0.01)


def opened(store: Script, max_waiting: int = 100, share: float = 1.0) -> PredictionLog:
    metrics = PredictionMetrics(CollectorRegistry())
    return PredictionLog(store, metrics, share=share, max_waiting=max_waiting, batch_s=0.01)


def counts(predictions: PredictionLog) -> dict[str, float]:
    counter = predictions._metrics.predictions
    return {o: counter.labels(o)._value.get() for o in ("logged", "dropped", "failed")}


async def test_predictions_are_written_in_order_and_at_the_end() -> None:
    store = Script(expect=5)
    predictions = opened(store)
    async with predictions.running():
        for number in range(5):
            predictions.offer(prediction(number))
    assert store.written == ["0", "1", "2", "3", "4"]
    assert counts(predictions) == {"logged": 5, "dropped": 0, "failed": 0}


async def test_while_the_store_hangs_predictions_wait_and_then_are_dropped() -> None:
    begun, go_on = threading.Event(), threading.Event()

    def hang(_: int) -> None:
        begun.set()
        assert go_on.wait(GUARD_S)

    store = Script(hang, expect=3)
    predictions = opened(store, max_waiting=2)
    async with predictions.running():
        predictions.offer(prediction(0))
        assert begun.wait(GUARD_S)
        for number in range(1, 10):
            predictions.offer(prediction(number))
        assert counts(predictions)["dropped"] == 7
        go_on.set()
        assert store.done.wait(GUARD_S)
    assert store.written == ["0", "1", "2"]
    assert counts(predictions) == {"logged": 3, "dropped": 7, "failed": 0}


async def test_a_failed_batch_is_written_again() -> None:
    def fail_twice(attempt: int) -> None:
        if attempt <= 2:
            raise ConnectionError("down")

    store = Script(fail_twice)
    predictions = opened(store)
    async with predictions.running():
        predictions.offer(prediction(0))
        assert store.done.wait(GUARD_S)
    assert (store.attempts, counts(predictions)["logged"]) == (3, 1)


async def test_a_refused_batch_is_counted_and_the_next_one_is_written() -> None:
    refused = threading.Event()

    def refuse_first(attempt: int) -> None:
        if attempt == 1:
            refused.set()
            raise Refused("unknown run")

    store = Script(refuse_first)
    predictions = opened(store)
    async with predictions.running():
        predictions.offer(prediction(0))
        assert refused.wait(GUARD_S)
        predictions.offer(prediction(1))
        assert store.done.wait(GUARD_S)
    assert store.written == ["1"]
    assert counts(predictions) == {"logged": 1, "dropped": 0, "failed": 1}


async def test_the_end_does_not_wait_for_a_server_that_is_down(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(module, "_FIRST_RETRY_S", GUARD_S)
    tried = threading.Event()

    def fail(_: int) -> None:
        tried.set()
        raise ConnectionError("down")

    predictions = opened(Script(fail))
    async with predictions.running():
        predictions.offer(prediction(0))
        assert tried.wait(GUARD_S)
    assert counts(predictions)["failed"] == 1


async def test_a_share_of_predictions_is_logged(monkeypatch: pytest.MonkeyPatch) -> None:
    drawn = iter([0.1, 0.9, 0.2])
    monkeypatch.setattr(module.random, "random", lambda: next(drawn))
    store = Script()
    predictions = opened(store, share=0.5)
    async with predictions.running():
        for number in range(3):
            predictions.offer(prediction(number))
    assert store.written == ["0", "2"]
