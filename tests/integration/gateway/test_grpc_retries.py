"""Clients with the service config of the docs lose no call when a gateway stops."""

from __future__ import annotations

import signal
import threading
from collections import Counter
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import grpc
import pytest

from deepfake_serving.contracts.protos.inference import open_inference_pb2 as pb
from deepfake_serving.contracts.protos.inference.open_inference_pb2_grpc import (
    GRPCInferenceServiceStub,
)
from tests.support.paths import ROOT
from tests.support.running import GUARD_S, RunningGateway

pytestmark = pytest.mark.integration

CLIENTS = 24


def documented_config() -> str:
    _, _, after = (ROOT / "docs/gateway.md").read_text().partition('```json\n{\n  "loadBal')
    return '{\n  "loadBal' + after.partition("```")[0]


@pytest.mark.slow
def test_no_call_fails_when_one_of_two_gateways_stops(tmp_path: Path) -> None:
    """They call without a pause, so some call arrives just at the stop."""
    settings = {"embedded_worker": "false", "drain_timeout_s": 1, "wait_ready": False}
    nowhere, done, codes = "http://127.0.0.1:9", threading.Event(), Counter[grpc.StatusCode]()

    def call(stub: GRPCInferenceServiceStub) -> None:
        while not done.is_set():
            try:
                stub.ServerLive(pb.ServerLiveRequest(), timeout=GUARD_S)
            except grpc.RpcError as error:
                codes[error.code()] += 1
            else:
                codes[grpc.StatusCode.OK] += 1

    with (
        RunningGateway.start(tmp_path / "a", nowhere, **settings) as one,
        RunningGateway.start(tmp_path / "b", nowhere, **settings) as other,
        grpc.insecure_channel(
            f"ipv4:{one.grpc_target},{other.grpc_target}",
            options=[("grpc.service_config", documented_config())],
        ) as channel,
        ThreadPoolExecutor(CLIENTS) as threads,
    ):
        stub = GRPCInferenceServiceStub(channel)
        calling = [threads.submit(call, stub) for _ in range(CLIENTS)]
        try:
            one.wait_until(lambda: codes.total() > 10 * CLIENTS, GUARD_S, "clients call")
            one.signal(signal.SIGTERM)
            assert one.wait() == 0
            before = codes.total()
            other.wait_until(lambda: codes.total() > before + CLIENTS, GUARD_S, "they call on")
        finally:
            done.set()
        for each in calling:
            each.result(GUARD_S)
        assert other.stop() == 0
    assert set(codes) == {grpc.StatusCode.OK}, codes
