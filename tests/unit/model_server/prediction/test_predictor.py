"""One prediction: admission, deadline, one retry, and what is counted.

TorchServe is replaced by a stub on a Unix socket, see `tests/support/torchserve_stub.py`; the
integration tests use the real one.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncIterator, Sequence
from typing import Any

import numpy as np
import pytest

from deepfake_serving.contracts.problems import (
    DeadlineExceeded,
    Internal,
    InvalidRequest,
    NotReady,
    Overloaded,
    Problem,
    TooLarge,
    UndecodableMedia,
    UnknownModel,
    UpstreamUnavailable,
)
from deepfake_serving.model_server.limits.admission import AdmissionController
from deepfake_serving.model_server.metrics import Metrics
from deepfake_serving.model_server.models import ServedModel
from deepfake_serving.model_server.prediction.predictor import Call, Predictor, Tensor
from deepfake_serving.model_server.settings import Settings
from deepfake_serving.model_server.state import Phase, ServerState
from deepfake_serving.model_server.torchserve.client import Upstream
from deepfake_serving.runtime.request_scope import RequestScope
from model_handlers import wire
from tests.support.served_models import served_model
from tests.support.torchserve_stub import (
    StubTorchServe,
    after,
    bad,
    good,
    hang_up,
    later,
    own,
    torchserve,
)

NEVER_S = 3600
"""Later than any test may end."""
TRACE = "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01"
RESULT = {
    "verdict": "fake",
    "fake_probability": 0.9,
    "faces": [{"fake_probability": 0.9}, {"fake_probability": 0.2}],
}
NO_FACE = {"verdict": "no_face", "fake_probability": None, "faces": []}
BROKEN = UndecodableMedia("broken").to_dict()


def predictor_of(models: Sequence[ServedModel], **settings: Any) -> Predictor:
    """Builds a predictor as the server does, for models that are up."""
    given = Settings(max_items=3, max_body_bytes=1024, max_queue=1, **settings)
    by_name = {model.name: model for model in models}
    gates = {
        name: AdmissionController(m.max_in_flight, given.max_queue) for name, m in by_name.items()
    }
    state = ServerState({name: model.workers for name, model in by_name.items()})
    state.phase = Phase.SERVING
    return Predictor(given, by_name, gates, state, Metrics(by_name, gates, state))


@pytest.fixture
async def served() -> AsyncIterator[tuple[StubTorchServe, Upstream]]:
    async with torchserve() as pair:
        yield pair


@pytest.fixture
def stub(served: tuple[StubTorchServe, Upstream]) -> StubTorchServe:
    return served[0]


@pytest.fixture
def upstream(served: tuple[StubTorchServe, Upstream]) -> Upstream:
    return served[1]


@pytest.fixture
async def predictor(upstream: Upstream) -> Predictor:
    """Returns a detector with two slots in flight and one in the queue."""
    created = predictor_of([served_model("detector", batch_size=1)])
    created.upstream = upstream
    return created


def a_scope() -> RequestScope:
    return RequestScope("/", "a", None)


def call(
    predictor: Predictor, content: bytes | Tensor = b"image", left_s: float = 60, **more: Any
) -> Call:
    deadline = predictor.deadline(left_s)
    return Call(predictor.model("detector"), content, "id-1", deadline, **more)


def texts(*elements: bytes) -> Tensor:
    return Tensor("BYTES", (len(elements),), wire.join_bytes(elements))


def value(predictor: Predictor, name: str, **labels: str) -> float | None:
    return predictor.metrics.registry.get_sample_value(f"deepfake_{name}", labels)


def nobody_is_left(predictor: Predictor) -> bool:
    gate = predictor.admission["detector"]
    return (gate.in_flight, gate.waiting) == (0, 0)


async def until_requested(stub: StubTorchServe, times: int = 1) -> None:
    async with asyncio.timeout(60):
        while len(stub.requests) < times:
            await asyncio.sleep(0.001)


# Requests ----------------------------------------------------------------------------------------


async def test_an_image_is_sent_with_id_trace_options_and_deadline(
    predictor: Predictor, stub: StubTorchServe
) -> None:
    stub.responses.append(good(RESULT))
    sent_at = time.time()
    reply = await predictor.one(
        call(predictor, b"image", traceparent=TRACE, options='{"crops": true}')
    )
    assert reply.document == RESULT
    (request,) = stub.requests
    assert request.body == b"image"
    headers = {name.lower(): text for name, text in request.headers.items()}
    assert headers[wire.REQUEST_ID_HEADER] == "id-1"
    assert headers["traceparent"] == TRACE
    assert headers[wire.OPTIONS_HEADER] == '{"crops": true}'
    assert headers["content-type"] == "application/octet-stream"
    assert float(headers[wire.DEADLINE_HEADER]) == pytest.approx(sent_at + 60, abs=5)
    assert wire.LENGTH_HEADER not in headers


async def test_a_tensor_is_sent_as_one_request(predictor: Predictor, stub: StubTorchServe) -> None:
    stub.responses.append(good({"results": [RESULT, RESULT]}))
    await predictor.many(call(predictor, texts(b"one", b"two")), a_scope())
    (request,) = stub.requests
    length = int({k.lower(): v for k, v in request.headers.items()}[wire.LENGTH_HEADER])
    assert wire.unpack_items(request.body, length) == [b"one", b"two"]


async def test_pixels_are_sent_unchanged(predictor: Predictor, stub: StubTorchServe) -> None:
    pixels = np.arange(2 * 4 * 5 * 3, dtype=np.uint8).reshape(2, 4, 5, 3)
    stub.responses.append(good({"results": [RESULT, RESULT]}))
    tensor = Tensor("UINT8", pixels.shape, pixels.tobytes())
    await predictor.many(call(predictor, tensor), a_scope())
    (request,) = stub.requests
    length = int({k.lower(): v for k, v in request.headers.items()}[wire.LENGTH_HEADER])
    items = wire.unpack_items(request.body, length)
    assert np.array_equal(np.stack([np.asarray(item) for item in items]), pixels)


async def test_results_and_problems_keep_their_order(
    predictor: Predictor, stub: StubTorchServe
) -> None:
    stub.responses.append(good({"results": [RESULT, BROKEN, NO_FACE]}))
    first, second, third = await predictor.many(call(predictor, texts(b"a", b"b", b"c")), a_scope())
    assert (first, third) == (RESULT, NO_FACE)
    assert isinstance(second, UndecodableMedia)
    assert second.detail == "broken"
    assert value(predictor, "problems_total", type="undecodable-media") == 1
    assert value(predictor, "results_total", route="/", code="200") == 2
    assert value(predictor, "results_total", route="/", code="422") == 1
    assert value(predictor, "verdicts_total", model="detector", verdict="fake") == 1


async def test_the_problem_of_the_only_image_may_be_that_of_the_call(
    predictor: Predictor, stub: StubTorchServe
) -> None:
    stub.otherwise = good({"results": [BROKEN]})
    with pytest.raises(UndecodableMedia):
        await predictor.many(call(predictor, texts(b"a")), a_scope(), raise_lone=True)
    (only,) = await predictor.many(call(predictor, texts(b"a")), a_scope())
    assert isinstance(only, UndecodableMedia)
    stub.otherwise = good({"results": [BROKEN, BROKEN]})
    two = await predictor.many(call(predictor, texts(b"a", b"b")), a_scope(), raise_lone=True)
    assert len(two) == 2


@pytest.mark.parametrize(
    ("content", "problem"),
    [
        (b"", InvalidRequest),
        (b"x" * 1025, TooLarge),
        (texts(b"x" * 1021), TooLarge),
        (texts(b"a", b"b", b"c", b"d"), TooLarge),
        (Tensor("UINT8", (4, 1, 1, 3), b"x" * 12), TooLarge),
    ],
)
async def test_input_over_a_limit_is_refused_without_a_prediction(
    predictor: Predictor, stub: StubTorchServe, content: bytes | Tensor, problem: type[Problem]
) -> None:
    with pytest.raises(problem) as caught:
        await predictor.many(call(predictor, content), a_scope())
    assert type(caught.value) is problem
    assert stub.requests == []


async def test_input_at_the_limits_is_predicted(predictor: Predictor, stub: StubTorchServe) -> None:
    stub.otherwise = good({"results": []})
    for content in (b"x" * 1024, texts(b"x" * 1020), texts(b"a", b"b", b"c")):
        await predictor.many(call(predictor, content), a_scope())
    assert len(stub.requests) == 3


# Metrics -----------------------------------------------------------------------------------------


async def test_a_result_is_counted(predictor: Predictor, stub: StubTorchServe) -> None:
    stub.responses += [good(RESULT), good(NO_FACE)]
    await predictor.one(call(predictor))
    await predictor.one(call(predictor))
    model = {"model": "detector"}
    assert value(predictor, "verdicts_total", verdict="fake", **model) == 1
    assert value(predictor, "verdicts_total", verdict="no_face", **model) == 1
    assert value(predictor, "faces_per_image_sum", **model) == 2
    assert value(predictor, "faces_per_image_count", **model) == 2
    assert value(predictor, "score_count", **model) == 2
    assert value(predictor, "score_sum", **model) == pytest.approx(1.1)
    assert value(predictor, "upstream_retries_total", **model) == 0


async def test_a_batch_is_counted_even_if_its_first_response_is_a_problem(
    predictor: Predictor, stub: StubTorchServe
) -> None:
    batch = {"items": 4, "requests": 2, "stages": {"decode": 0.25, "detect": 0.5}}
    stub.responses.append(bad(UndecodableMedia("broken"), batch))
    with pytest.raises(UndecodableMedia):
        await predictor.one(call(predictor))
    assert value(predictor, "batch_size_sum", model="detector") == 4
    assert value(predictor, "stage_duration_seconds_sum", model="detector", stage="detect") == 0.5


# Losses ------------------------------------------------------------------------------------------


async def test_a_request_whose_worker_was_lost_is_retried_once(
    predictor: Predictor, stub: StubTorchServe
) -> None:
    stub.responses += [own(507, "Worker died."), good(RESULT)]
    assert (await predictor.one(call(predictor))).document == RESULT
    assert [request.body for request in stub.requests] == [b"image"] * 2
    assert value(predictor, "upstream_retries_total", model="detector") == 1
    assert predictor.upstream is not None
    assert nobody_is_left(predictor)


async def test_a_request_whose_worker_was_lost_twice_fails(
    predictor: Predictor, stub: StubTorchServe
) -> None:
    stub.otherwise = own(507, "Worker died.")
    with pytest.raises(UpstreamUnavailable) as caught:
        await predictor.one(call(predictor))
    assert caught.value.retry_after_s is not None
    assert "Worker died" not in caught.value.detail
    assert len(stub.requests) == 2
    assert value(predictor, "upstream_retries_total", model="detector") == 1
    assert nobody_is_left(predictor)


@pytest.mark.parametrize("problem", [UndecodableMedia("broken"), Internal("a defect")])
async def test_a_problem_of_the_handler_is_not_retried(
    predictor: Predictor, stub: StubTorchServe, problem: Problem
) -> None:
    stub.otherwise = bad(problem)
    with pytest.raises(type(problem), match=problem.detail):
        await predictor.one(call(predictor))
    assert len(stub.requests) == 1
    assert nobody_is_left(predictor)


async def test_predictions_wait_while_torchserve_restarts(
    predictor: Predictor, stub: StubTorchServe, upstream: Upstream
) -> None:
    stub.responses += [hang_up, good(RESULT), good(NO_FACE)]
    noticed = asyncio.create_task(predictor.state.changed())
    first = asyncio.create_task(predictor.one(call(predictor)))
    await asyncio.wait_for(noticed, 60)  # this wakes the supervisor
    assert predictor.upstream is None
    second = asyncio.create_task(predictor.one(call(predictor)))
    await asyncio.sleep(0.05)
    assert len(stub.requests) == 1
    predictor.upstream = upstream
    predictor.state.notify()
    documents = [(await task).document for task in (first, second)]
    assert sorted(d["verdict"] for d in documents) == ["fake", "no_face"]
    assert nobody_is_left(predictor)


async def test_unrelated_changes_do_not_end_the_wait(
    predictor: Predictor, stub: StubTorchServe, upstream: Upstream
) -> None:
    stub.otherwise = good(RESULT)
    predictor.upstream = None
    task = asyncio.create_task(predictor.one(call(predictor)))
    for _ in range(3):
        await asyncio.sleep(0.01)
        predictor.state.notify()
    assert not task.done()
    predictor.upstream = upstream
    predictor.state.notify()
    assert (await task).document == RESULT


async def test_waiting_for_torchserve_times_out(predictor: Predictor) -> None:
    predictor.upstream = None
    with pytest.raises(DeadlineExceeded):
        await predictor.one(call(predictor, left_s=0.05))
    assert nobody_is_left(predictor)


async def test_waiting_for_torchserve_fails_when_the_server_ends(predictor: Predictor) -> None:
    predictor.upstream = None
    task = asyncio.create_task(predictor.one(call(predictor)))
    await asyncio.sleep(0.01)
    predictor.state.phase = Phase.DEAD
    predictor.state.notify()
    with pytest.raises(NotReady, match="stopping"):
        await task
    assert nobody_is_left(predictor)


# Time --------------------------------------------------------------------------------------------


async def test_a_timeout_is_reported_and_not_retried(
    predictor: Predictor, stub: StubTorchServe
) -> None:
    stub.otherwise = later(NEVER_S, good(RESULT))
    with pytest.raises(DeadlineExceeded):
        await predictor.one(call(predictor, left_s=0.5))
    assert len(stub.requests) == 1
    assert nobody_is_left(predictor)


async def test_the_second_attempt_has_only_the_remaining_time(
    predictor: Predictor, stub: StubTorchServe
) -> None:
    stub.responses += [later(0.1, own(507, "Worker died.")), later(NEVER_S, good(RESULT))]
    begun = time.monotonic()
    with pytest.raises(DeadlineExceeded):
        await predictor.one(call(predictor, left_s=1))
    assert time.monotonic() - begun > 0.95
    deadlines = [
        {k.lower(): v for k, v in request.headers.items()}[wire.DEADLINE_HEADER]
        for request in stub.requests
    ]
    assert float(deadlines[0]) == pytest.approx(float(deadlines[1]), abs=0.05)


async def test_a_request_past_its_deadline_is_not_sent(
    predictor: Predictor, stub: StubTorchServe
) -> None:
    with pytest.raises(DeadlineExceeded):
        await predictor.one(call(predictor, left_s=-1))
    assert stub.requests == []


async def test_clients_may_shorten_the_timeout_but_not_extend_it() -> None:
    predictor = predictor_of([served_model()], request_timeout_s=10)
    now = asyncio.get_running_loop().time()
    for requested, granted in ((None, 10), (3, 3), (11, 10), (-1, -1)):
        assert predictor.deadline(requested) == pytest.approx(now + granted, abs=1)


# Admission ---------------------------------------------------------------------------------------


@pytest.mark.parametrize("phase", [Phase.STARTING, Phase.DEAD])
async def test_requests_before_readiness_and_after_the_end_are_refused(
    predictor: Predictor, stub: StubTorchServe, phase: Phase
) -> None:
    predictor.state.phase = phase
    with pytest.raises(NotReady) as caught:
        await predictor.one(call(predictor))
    assert caught.value.retry_after_s is not None
    assert stub.requests == []


async def test_a_request_while_draining_is_served(
    predictor: Predictor, stub: StubTorchServe
) -> None:
    stub.otherwise = good(RESULT)
    predictor.state.phase = Phase.DRAINING
    await predictor.one(call(predictor))


async def test_requests_over_capacity_are_refused_and_the_others_are_served(
    predictor: Predictor, stub: StubTorchServe
) -> None:
    full = asyncio.Event()
    stub.otherwise = after(full, good(RESULT))
    kept = [asyncio.create_task(predictor.one(call(predictor))) for _ in range(3)]
    await until_requested(stub, 2)
    assert value(predictor, "inflight_requests", model="detector") == 2
    assert value(predictor, "queue_depth", model="detector") == 1
    with pytest.raises(Overloaded) as caught:
        await predictor.one(call(predictor))
    assert caught.value.retry_after_s is not None
    full.set()
    assert len(await asyncio.gather(*kept)) == 3
    assert len(stub.requests) == 3
    assert nobody_is_left(predictor)


async def test_clients_that_disconnect_free_their_slots(
    predictor: Predictor, stub: StubTorchServe
) -> None:
    stub.otherwise = later(NEVER_S, good(RESULT))
    tasks = [asyncio.create_task(predictor.one(call(predictor))) for _ in range(3)]
    await until_requested(stub, 2)
    for task in tasks:
        task.cancel()
    assert all(
        isinstance(end, asyncio.CancelledError)
        for end in await asyncio.gather(*tasks, return_exceptions=True)
    )
    assert nobody_is_left(predictor)


async def test_load_on_one_model_does_not_block_another(
    stub: StubTorchServe, upstream: Upstream
) -> None:
    predictor = predictor_of([served_model("detector", batch_size=1), served_model("faces")])
    predictor.upstream = upstream
    stub.otherwise = later(NEVER_S, good(RESULT))
    load = [asyncio.create_task(predictor.one(call(predictor))) for _ in range(2)]
    await until_requested(stub, 2)
    stub.otherwise = good({"faces": []})
    other = Call(predictor.model("faces"), b"image", "id-2", predictor.deadline(5))
    assert (await predictor.one(other)).document == {"faces": []}
    for task in load:
        task.cancel()
    await asyncio.gather(*load, return_exceptions=True)


# Models ------------------------------------------------------------------------------------------


async def test_models_are_looked_up_by_name_and_version() -> None:
    predictor = predictor_of([served_model("faces"), served_model("detector", version="2.1")])
    assert predictor.model("detector").version == "2.1"
    assert predictor.model("detector", "2.1").version == "2.1"
    with pytest.raises(UnknownModel, match=r"served in version 2\.1, not '1\.0'"):
        predictor.model("detector", "1.0")
    with pytest.raises(UnknownModel, match="no model 'x'; served are: detector, faces"):
        predictor.model("x")


async def test_the_default_detector_is_the_named_one_or_the_first() -> None:
    models = [served_model("faces"), served_model(name="b"), served_model(name="a")]
    predictor = predictor_of(models)
    assert predictor.detector().name == "b"
    assert predictor.detector("a").name == "a"
    with pytest.raises(InvalidRequest, match="is not a detector"):
        predictor.detector("faces")
    with pytest.raises(UnknownModel):
        predictor.detector("c")
    with pytest.raises(UnknownModel, match="no detector is served"):
        predictor_of([served_model("faces")]).detector()
