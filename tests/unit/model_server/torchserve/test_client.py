"""Classification of TorchServe's responses: a handler's result, its problem, or another response.

TorchServe is replaced by a stub on a Unix socket, see `tests/support/torchserve_stub.py`; the
integration tests use the real one.
"""

from __future__ import annotations

import asyncio
import dataclasses
from collections.abc import AsyncIterator
from pathlib import Path

import aiohttp
import orjson
import pytest
from aiohttp import web

from deepfake_serving.contracts.problems import MEDIA_TYPE, Internal, NotReady, UndecodableMedia
from deepfake_serving.model_server.models import ServedModel
from deepfake_serving.model_server.torchserve import client as upstream_module
from deepfake_serving.model_server.torchserve.client import (
    RegistrationFailed,
    TorchServeLost,
    Upstream,
    WorkerLost,
)
from tests.support.served_models import served_model
from tests.support.torchserve_stub import (
    TOKENS,
    StubTorchServe,
    bad,
    break_off,
    good,
    hang_up,
    later,
    own,
    raw,
    torchserve,
)

MODEL = served_model("detector", workers=3, batch_size=8, batch_delay_ms=20)
RESULT = {"verdict": "real", "fake_probability": 0.1, "faces": []}


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


# Predictions -------------------------------------------------------------------------------------


async def test_request_bytes_and_headers_arrive_unchanged(
    stub: StubTorchServe, upstream: Upstream
) -> None:
    stub.responses.append(good(RESULT))
    body, headers = b"\x00\xff" * 500_000, {"X-Request-ID": "a", "Content-Type": "image/x"}
    await upstream.predict(MODEL, body, headers, 5)
    (request,) = stub.requests
    assert request.headers["Authorization"] == "Bearer to-predict"
    assert request.path == "/predictions/detector/1.0"
    assert request.body == body
    assert request.headers["X-Request-ID"] == "a"
    assert request.headers["Content-Type"] == "image/x"
    usual = {"Host", "X-Request-ID", "Content-Type", "Content-Length"}
    assert set(request.headers) == usual | {"Authorization"}


async def test_the_response_of_the_handler_is_the_result(
    stub: StubTorchServe, upstream: Upstream
) -> None:
    stub.responses.append(good(RESULT))
    reply = await upstream.predict(MODEL, b"image", {}, 5)
    assert reply.document == RESULT
    assert orjson.loads(reply.raw) == RESULT
    assert (reply.batch, reply.problem) == (None, None)


async def test_the_first_response_of_a_batch_describes_the_batch(
    stub: StubTorchServe, upstream: Upstream
) -> None:
    batch = {"items": 4, "requests": 2, "stages": {"decode": 0.01}}
    stub.responses.append(good(RESULT, batch))
    assert (await upstream.predict(MODEL, b"image", {}, 5)).batch == batch


async def test_a_problem_of_the_handler_is_raised(stub: StubTorchServe, upstream: Upstream) -> None:
    stub.responses += [bad(UndecodableMedia("broken")), bad(NotReady("soon", retry_after_s=7))]
    reply = await upstream.predict(MODEL, b"image", {}, 5)
    assert type(reply.problem) is UndecodableMedia
    assert reply.problem.detail == "broken"
    reply = await upstream.predict(MODEL, b"image", {}, 5)
    assert type(reply.problem) is NotReady
    assert reply.problem.retry_after_s == 7


async def test_a_problem_of_an_unknown_type_is_an_unexpected_error(
    stub: StubTorchServe, upstream: Upstream
) -> None:
    stub.responses.append(raw(418, b'{"type": "about:blank", "detail": "x"}', MEDIA_TYPE))
    reply = await upstream.predict(MODEL, b"image", {}, 5)
    assert type(reply.problem) is Internal


@pytest.mark.parametrize(
    ("status", "message"),
    [
        (400, "Parameter model_name is required."),
        (404, "Model not found: detector"),
        (413, "Request entity too large"),
        (500, "Worker died."),
        (503, 'Model "detector" has no worker to serve inference request.'),
        (507, "Worker died."),
    ],
)
async def test_an_error_of_torchserve_itself_is_a_lost_worker(
    stub: StubTorchServe, upstream: Upstream, status: int, message: str
) -> None:
    stub.responses.append(own(status, message))
    with pytest.raises(WorkerLost, match=f"TorchServe responded {status}: ") as caught:
        await upstream.predict(MODEL, b"image", {}, 5)
    assert not isinstance(caught.value, TorchServeLost)


@pytest.mark.parametrize(
    ("body", "content_type"),
    [(b"Prediction failed", "text/plain"), (b"", "application/octet-stream"), (b"\xff" * 999, "x")],
)
async def test_a_200_that_is_not_json_is_a_lost_worker(
    stub: StubTorchServe, upstream: Upstream, body: bytes, content_type: str
) -> None:
    stub.responses.append(raw(200, body, content_type))
    with pytest.raises(WorkerLost, match="TorchServe responded 200: ") as caught:
        await upstream.predict(MODEL, b"image", {}, 5)
    assert len(str(caught.value)) < 300


@pytest.mark.parametrize("response", [hang_up, break_off])
async def test_a_broken_connection_is_a_lost_torchserve(
    stub: StubTorchServe, upstream: Upstream, response: object
) -> None:
    stub.responses.append(response)  # type: ignore[arg-type]
    with pytest.raises(TorchServeLost, match="does not respond"):
        await upstream.predict(MODEL, b"image", {}, 5)


async def test_a_refused_socket_connection_is_a_lost_torchserve(tmp_path: Path) -> None:
    address = f"unix:{tmp_path / 'none.sock'}"
    upstream = Upstream(address, address, TOKENS)
    with pytest.raises(TorchServeLost):
        await upstream.predict(MODEL, b"image", {}, 5)
    assert not await upstream.alive()
    assert await upstream.workers_ready(MODEL) == 0
    with pytest.raises(TorchServeLost):
        await upstream.register(MODEL, 60)
    await upstream.close()


async def test_a_refused_port_connection_is_a_lost_torchserve() -> None:
    upstream = Upstream("http://127.0.0.1:1", "http://127.0.0.1:1", TOKENS)
    with pytest.raises(TorchServeLost):
        await upstream.predict(MODEL, b"image", {}, 5)
    assert not await upstream.alive()
    await upstream.close()


async def test_a_timeout_is_not_a_lost_torchserve(stub: StubTorchServe, upstream: Upstream) -> None:
    stub.responses += [later(30, good(RESULT)), good(RESULT)]
    with pytest.raises(TimeoutError):
        await upstream.predict(MODEL, b"image", {}, 0.05)
    assert (await upstream.predict(MODEL, b"image", {}, 5)).document == RESULT


async def test_a_client_that_disconnected_gets_no_problem(
    stub: StubTorchServe, upstream: Upstream
) -> None:
    stub.responses.append(later(30, good(RESULT)))
    task = asyncio.create_task(upstream.predict(MODEL, b"image", {}, 5))
    while not stub.requests:
        await asyncio.sleep(0.001)
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task


async def test_connections_are_not_limited(stub: StubTorchServe, upstream: Upstream) -> None:
    all_are_here = asyncio.Event()

    async def together(request: web.Request) -> web.StreamResponse:
        if len(stub.requests) == 150:
            all_are_here.set()
        await all_are_here.wait()
        return await good(RESULT)(request)

    stub.otherwise = together
    predictions = [upstream.predict(MODEL, b"image", {}, 10) for _ in range(150)]
    assert len(await asyncio.gather(*predictions)) == 150


# Management --------------------------------------------------------------------------------------


async def test_a_model_is_registered_with_its_workers_and_batches(
    stub: StubTorchServe, upstream: Upstream
) -> None:
    stub.responses.append(raw(202, b"{}", "application/json"))
    await upstream.register(MODEL, 120)
    (request,) = stub.requests
    assert request.path == "/models"
    assert request.query == {
        "url": "detector.mar",
        "model_name": "detector",
        "batch_size": "8",
        "max_batch_delay": "20",
        "response_timeout": "120",
        "initial_workers": "3",
        "synchronous": "false",
    }


async def test_a_refused_archive_is_reported_with_the_reason(
    stub: StubTorchServe, upstream: Upstream
) -> None:
    stub.responses.append(own(409, "Model version 1.0 is already registered"))
    stub.responses.append(raw(500, b"no JSON\n", "text/plain"))
    for reason in ("Model version 1.0 is already registered", "no JSON"):
        with pytest.raises(RegistrationFailed, match=f"^detector: {reason}$"):
            await upstream.register(MODEL, 120)


async def test_a_connection_broken_during_registration_is_a_lost_torchserve(
    stub: StubTorchServe, upstream: Upstream
) -> None:
    stub.responses.append(hang_up)
    with pytest.raises(TorchServeLost):
        await upstream.register(MODEL, 120)


def described(*statuses: str) -> list[dict[str, object]]:
    return [{"modelName": "detector", "workers": [{"status": s} for s in statuses]}]


@pytest.mark.parametrize(
    ("statuses", "ready"),
    [([], 0), (["READY"], 1), (["READY", "UNLOADING", "READY"], 2), (["LOADING"], 0)],
)
async def test_only_loaded_workers_are_counted(
    stub: StubTorchServe, upstream: Upstream, statuses: list[str], ready: int
) -> None:
    stub.responses.append(good(described(*statuses)))
    assert await upstream.workers_ready(MODEL) == ready
    assert stub.requests[0].path == "/models/detector/1.0"


async def test_without_a_response_no_workers_are_counted(
    stub: StubTorchServe, upstream: Upstream
) -> None:
    stub.responses += [own(404, "Model not found"), hang_up]
    assert await upstream.workers_ready(MODEL) == 0
    assert await upstream.workers_ready(MODEL) == 0


async def test_alive_means_that_torchserve_responds(
    stub: StubTorchServe, upstream: Upstream
) -> None:
    stub.responses += [good({"models": []}), own(500, "no"), hang_up]
    assert [await upstream.alive() for _ in range(3)] == [True, False, False]


async def test_a_torchserve_that_hangs_has_no_workers(
    stub: StubTorchServe, upstream: Upstream, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(upstream_module, "_MANAGEMENT_S", aiohttp.ClientTimeout(total=0.05))
    stub.otherwise = later(30, good(described("READY")))
    assert await upstream.workers_ready(MODEL) == 0
    assert not await upstream.alive()


async def test_the_version_of_the_model_is_in_the_request(
    stub: StubTorchServe, upstream: Upstream
) -> None:
    stub.otherwise = good(RESULT)
    newer: ServedModel = dataclasses.replace(MODEL, archive=served_model(version="2.1").archive)
    await upstream.predict(newer, b"image", {}, 5)
    assert stub.requests[0].path == "/predictions/detector/2.1"
