"""The server's listeners, without a TorchServe below it."""

from __future__ import annotations

import asyncio
import contextlib
import gc
import socket
from collections.abc import AsyncIterator
from typing import Any, cast

import grpc
import httpx
import pytest
from grpc_health.v1 import health_pb2, health_pb2_grpc

from deepfake_serving.contracts.problems import InvalidRequest
from deepfake_serving.model_server import server
from deepfake_serving.model_server.grpc_api.server import build_server, follow_health
from deepfake_serving.model_server.prediction.predictor import Predictor
from deepfake_serving.model_server.settings import Settings
from deepfake_serving.model_server.state import ServerState
from deepfake_serving.packaging.archive import Archive
from tests.support import http2
from tests.support.restarts import assert_restart_is_counted
from tests.support.running import GUARD_S


def _has_ipv6() -> bool:
    try:
        with socket.socket(socket.AF_INET6) as probe:
            probe.bind(("::1", 0))
    except OSError:
        return False
    return True


@contextlib.asynccontextmanager
async def listening(
    archives: dict[str, Archive], host: str, **settings: Any
) -> AsyncIterator[dict[str, int]]:
    serving = server.Server(
        Settings(
            archives=archives["detector"].path.parent,
            host=host,
            http_port=0,
            grpc_port=0,
            metrics_port=0,
            drain_timeout_s=0.1,
            device="cpu",
            **settings,
        )
    )
    async with contextlib.AsyncExitStack() as stack:
        stack.push_async_callback(serving.supervisor.stop)
        yield await serving._listen(stack)


class _Health:
    async def set(self, ready: bool) -> None:
        pass


async def test_watching_health_ends_when_cancelled_during_a_change() -> None:
    state = ServerState({})
    following = asyncio.create_task(follow_health(cast("Any", _Health()), state))
    await asyncio.sleep(0.01)
    state.notify()
    following.cancel()
    await asyncio.wait({following}, timeout=30)
    assert following.cancelled()


@pytest.mark.parametrize(
    "host",
    [
        "127.0.0.1",
        "localhost",
        pytest.param("::1", marks=pytest.mark.skipif(not _has_ipv6(), reason="no IPv6 here")),
    ],
)
async def test_rest_metrics_and_grpc_listen_on_ipv4_ipv6_and_names(
    archives: dict[str, Archive], host: str
) -> None:
    async with listening(archives, host) as ports, httpx.AsyncClient(timeout=GUARD_S) as client:
        assert len(set(ports.values())) == 3
        netloc = f"[{host}]" if ":" in host else host
        ready = await client.get(f"http://{netloc}:{ports['http']}/readyz")
        assert ready.status_code == 503
        metrics = await client.get(f"http://{netloc}:{ports['metrics']}/metrics")
        assert "deepfake_ready 0.0" in metrics.text
        async with grpc.aio.insecure_channel(f"{netloc}:{ports['grpc']}") as channel:
            health = await health_pb2_grpc.HealthStub(channel).Check(
                health_pb2.HealthCheckRequest(), timeout=60
            )
        assert health.status == health_pb2.HealthCheckResponse.NOT_SERVING


async def test_a_refused_request_leaves_nothing_to_the_garbage_collector(
    archives: dict[str, Archive],
) -> None:
    """Its problem and the frames that it went through would refer to each other and to its body.

    Types are compared, since `isinstance` would wake the deprecated proxies of torch.
    """
    async with (
        listening(archives, "127.0.0.1") as ports,
        httpx.AsyncClient(timeout=GUARD_S) as client,
    ):
        gc.collect()
        gc.disable()
        try:
            infer = f"http://127.0.0.1:{ports['http']}/v2/models/detector/infer"
            assert (await client.post(infer, content=b"[" * 2000)).status_code == 400
            async with asyncio.timeout(GUARD_S):
                while any(issubclass(type(each), InvalidRequest) for each in gc.get_objects()):
                    await asyncio.sleep(0.01)
        finally:
            gc.enable()


async def test_restarts_of_the_grpc_server_are_counted_from_zero(
    archives: dict[str, Archive], monkeypatch: pytest.MonkeyPatch
) -> None:
    built = []

    def keep(predictor: Predictor, stack: contextlib.AsyncExitStack) -> grpc.aio.Server:
        built.append(build_server(predictor, stack))
        return built[-1]

    monkeypatch.setattr(server, "build_server", keep)
    async with listening(archives, "127.0.0.1") as ports:
        await assert_restart_is_counted(ports["metrics"], built[0])


async def test_old_grpc_connections_are_closed(archives: dict[str, Archive]) -> None:
    async with (
        listening(archives, "127.0.0.1", grpc_connection_age_s=0.5) as ports,
        grpc.aio.insecure_channel(f"127.0.0.1:{ports['grpc']}") as channel,
    ):
        health = health_pb2_grpc.HealthStub(channel)
        async with asyncio.timeout(GUARD_S):
            for _ in range(2):
                await health.Check(health_pb2.HealthCheckRequest())
                await channel.wait_for_state_change(grpc.ChannelConnectivity.READY)


async def test_a_grpc_path_that_is_no_text_ends_its_own_call_alone(
    archives: dict[str, Archive],
) -> None:
    """In some versions of gRPC, it ends the server for everybody."""
    async with listening(archives, "127.0.0.1") as ports:
        reader, writer = await asyncio.open_connection("127.0.0.1", ports["grpc"])
        writer.write(http2.call(b"/deepfake.v1.Detector/\xc4\xff", b"", {}))
        writer.write_eof()
        await reader.read()
        writer.close()
        async with grpc.aio.insecure_channel(f"127.0.0.1:{ports['grpc']}") as channel:
            health = await health_pb2_grpc.HealthStub(channel).Check(
                health_pb2.HealthCheckRequest(), timeout=GUARD_S
            )
        assert health.status == health_pb2.HealthCheckResponse.NOT_SERVING
