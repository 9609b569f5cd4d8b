"""The metrics listener, and ports that can't be bound."""

from __future__ import annotations

import socket

import httpx
import pytest

from deepfake_serving.runtime.listeners import metrics_listener, open_listener
from deepfake_serving.runtime.metrics import ServerMetrics
from deepfake_serving.runtime.settings import SettingsError
from tests.support.running import GUARD_S


async def test_the_metrics_port_serves_only_metrics_until_the_block_ends() -> None:
    metrics = ServerMetrics()
    metrics.requests.labels("/route", "200").inc()
    async with (
        metrics_listener(metrics, "127.0.0.1", 0, "A_PORT") as port,
        httpx.AsyncClient(timeout=GUARD_S) as client,
    ):
        base = f"http://127.0.0.1:{port}"
        response = await client.get(base + "/metrics")
        assert response.status_code == 200
        assert response.headers["content-type"] == "text/plain; version=0.0.4; charset=utf-8"
        assert 'deepfake_requests_total{code="200",route="/route"} 1.0' in response.text
        assert (await client.get(base + "/")).status_code == 404
        assert (await client.post(base + "/predictions/detector")).status_code == 404
    async with httpx.AsyncClient(timeout=GUARD_S) as client:
        with pytest.raises(httpx.ConnectError):
            await client.get(base + "/metrics")


async def test_a_port_in_use_is_a_settings_error() -> None:
    metrics = ServerMetrics()
    async with metrics_listener(metrics, "127.0.0.1", 0, "A_PORT") as port:
        with pytest.raises(
            SettingsError, match=f"127.0.0.1:{port}: Address already in use. Set A_PORT"
        ):
            async with metrics_listener(metrics, "127.0.0.1", port, "A_PORT"):
                pass


def connect(host: str, port: int) -> None:
    socket.create_connection((host, port), timeout=5).close()


async def test_all_interfaces_are_those_of_ipv4_and_ipv6() -> None:
    with open_listener("::", 0) as listener:
        for host in ("127.0.0.1", "::1"):
            connect(host, listener.getsockname()[1])
    async with metrics_listener(ServerMetrics(), "::", 0, "A_PORT") as port:
        for host in ("127.0.0.1", "::1"):
            connect(host, port)


async def test_a_kernel_without_ipv6_listens_on_ipv4(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(socket, "has_dualstack_ipv6", lambda: False)
    with open_listener("::", 0) as listener:
        assert listener.family == socket.AF_INET
        connect("127.0.0.1", listener.getsockname()[1])
    async with metrics_listener(ServerMetrics(), "::", 0, "A_PORT") as port:
        connect("127.0.0.1", port)
