"""Servers that listen on all addresses of IPv4 and IPv6."""

from __future__ import annotations

from pathlib import Path

import grpc
import httpx
import pytest

from tests.support.running import GUARD_S, RunningGateway, RunningProcess, RunningServer

pytestmark = pytest.mark.integration

HOSTS = ("127.0.0.1", "[::1]")


def _check_ports(server: RunningProcess) -> None:
    for host in HOSTS:
        for port in ("http", "metrics"):
            url = f"http://{host}:{server.ports[port]}/metrics"
            assert httpx.get(url, timeout=GUARD_S, trust_env=False).status_code in (200, 404), url
        with grpc.insecure_channel(f"{host}:{server.ports['grpc']}") as channel:
            grpc.channel_ready_future(channel).result(60)


def test_a_gateway_listens_on_both_protocols(tmp_path: Path) -> None:
    with RunningGateway.start(
        tmp_path, "http://[::1]:1", host="::", auth="none", embedded_worker=False, wait_ready=False
    ) as gateway:
        _check_ports(gateway)


def test_a_model_server_listens_on_both_protocols(archive_folder: Path) -> None:
    with RunningServer.start(archive_folder, host="::", models="faces", wait_ready=False) as server:
        _check_ports(server)
